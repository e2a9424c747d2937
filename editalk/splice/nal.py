"""NAL units of H.264 (ISO/IEC 14496-10) and HEVC (ISO/IEC 23008-2): split, told apart, given other numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

START = b"\0\0\0\1"
_START = re.compile(rb"\x00\x00\x01")
_ESCAPED = re.compile(rb"\x00\x00\x03")
_FORBIDDEN = re.compile(rb"\x00\x00(?=[\x00-\x03])")
_SPS, _PPS, _VPS_HEVC, _SPS_HEVC, _PPS_HEVC = 7, 8, 32, 33, 34
_CRA, _BLA_ALONE = 21, 18
_LONG = 8  # bits by which an Exp-Golomb number of 15 … 30 is longer than a 0
HEVC_SPS = 15  # the one number of a sequence parameter set that is coded with nine bits
HEVC_PPS = tuple(range(30, 15, -2))  # numbers coded with nine bits, the last of them a 1


class Kind(Enum):
    """What a unit is for a splice. ENTRY: of a picture that decoding can begin at; LEADING: of one that is read after
    such a picture and shown before it; ASIDE: delimiters, fillers, ends and what only some decoders know.
    """

    PICTURE = "picture"
    ENTRY = "entry"
    LEADING = "leading"
    SET = "set"
    ASIDE = "aside"
    LAYER = "layer"
    MESSAGE = "message"


def number(codec: str, unit: bytes) -> int:
    """The type of a NAL unit."""
    return unit[0] >> 1 & 63 if codec == "hevc" else unit[0] & 31


def kind(codec: str, unit: bytes) -> Kind:
    what = number(codec, unit)
    if codec == "hevc":
        if len(unit) < 3:
            return Kind.ASIDE
        if unit[0] & 1 or unit[1] >> 3:
            return Kind.LAYER
        for kinds, found in (
            (range(16, 22), Kind.ENTRY), (range(6, 10), Kind.LEADING), (range(22), Kind.PICTURE),
            ((_VPS_HEVC, _SPS_HEVC, _PPS_HEVC), Kind.SET), ((39, 40), Kind.MESSAGE),
        ):  # fmt: skip
            if what in kinds:
                return found
        return Kind.ASIDE
    plain = {1: Kind.PICTURE, 5: Kind.ENTRY, 6: Kind.MESSAGE, _SPS: Kind.SET, _PPS: Kind.SET}
    layers = {2, 3, 4, 14, 15, 20, 21}  # data partitions, scalable and multiview coding
    return Kind.LAYER if what in layers else plain.get(what, Kind.ASIDE)


def split(data: bytes, length: int | None) -> Iterator[bytes]:
    """The units of a packet. `length`: bytes of the length before each; None: start codes part them."""
    if length is None:
        found = [m.end() for m in _START.finditer(data)]
        for begin, end in zip(found, [*(f - 3 for f in found[1:]), len(data)], strict=False):
            unit = data[begin:end].rstrip(b"\0")
            if unit:
                yield unit
        return
    at = 0
    while at + length < len(data):
        size = int.from_bytes(data[at : at + length], "big")
        if size:
            yield data[at + length : at + length + size]
        at += length + size


def joined(units: Iterable[bytes]) -> bytes:
    """Units with start codes."""
    return b"".join(START + unit for unit in units)


def configured(codec: str, extradata: bytes) -> tuple[int | None, list[bytes]]:
    """(bytes of the length before each unit, parameter sets) of a decoder configuration record or plain units.

    Raises ValueError for what is neither.
    """
    if not extradata or extradata[0] != 1:
        return None, list(split(extradata, None))
    try:
        return _hevc_record(extradata) if codec == "hevc" else _h264_record(extradata)
    except IndexError as error:
        raise ValueError("a decoder configuration record that ends early") from error


def _h264_record(record: bytes) -> tuple[int, list[bytes]]:
    units, at = [], 5
    for mask in (31, 255):
        count = record[at] & mask
        at += 1
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2], "big")
            units.append(record[at + 2 : at + 2 + size])
            at += 2 + size
    return (record[4] & 3) + 1, units


def _hevc_record(record: bytes) -> tuple[int, list[bytes]]:
    units, at = [], 23
    for _ in range(record[22]):
        count = int.from_bytes(record[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2], "big")
            units.append(record[at + 2 : at + 2 + size])
            at += 2 + size
    return (record[21] & 3) + 1, units


def plain(unit: bytes) -> bytes:
    """Without the bytes that keep start codes from arising."""
    return _ESCAPED.sub(b"\0\0", unit)


def escaped(unit: bytes) -> bytes:
    """The inverse of `plain`."""
    return _FORBIDDEN.sub(b"\0\0\3", unit)


class Bits:
    """Reads the bits of a unit without its escapes. Raises ValueError at its end."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self.at = data, at

    def read(self, count: int = 1) -> int:
        if self.at + count > 8 * len(self._data):
            raise ValueError("a parameter set that ends early")
        end = self.at + count
        held = int.from_bytes(self._data[self.at // 8 : -(-end // 8)], "big")
        self.at = end
        return held >> (-end % 8) & ((1 << count) - 1)

    def golomb(self) -> int:
        """An unsigned Exp-Golomb number."""
        zeros = 0
        while not self.read():
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)


def identity(codec: str, unit: bytes) -> tuple[int, int]:
    """(type, number) of a parameter set: a decoder keeps one of each."""
    what, data = number(codec, unit), plain(unit)
    if codec == "h264":
        return what, Bits(data, 8 if what == _PPS else 32).golomb()
    if what == _VPS_HEVC:
        return what, data[2] >> 4
    return what, Bits(data, 16 if what == _PPS_HEVC else _sps_number_at(data)).golomb()


def level(codec: str, sets: Sequence[bytes]) -> tuple[int, int]:
    """(profile, level) of the first sequence parameter set of H.264 (0, 0) for HEVC, where the container finds them."""
    found = [unit for unit in sets if codec == "h264" and number(codec, unit) == _SPS]
    return (found[0][1], found[0][3]) if found else (0, 0)


def interlaced(codec: str, sets: Sequence[bytes]) -> bool:
    """Whether H.264 may code pictures as fields."""
    return any(codec == "h264" and number(codec, u) == _SPS and not _frames_only(plain(u)) for u in sets)


def _frames_only(sps: bytes) -> bool:
    bits = Bits(sps, 32)
    bits.golomb()
    if sps[1] in (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135):
        colours = bits.golomb()
        if colours == 3:
            bits.read()
        bits.golomb(), bits.golomb(), bits.read()
        if bits.read():
            for k in range(8 if colours != 3 else 12):
                _skip_scaling(bits, 16 if k < 6 else 64)
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.read(), bits.golomb(), bits.golomb()
        for _ in range(bits.golomb()):
            bits.golomb()
    bits.golomb(), bits.read(), bits.golomb(), bits.golomb()
    return bool(bits.read())


def _skip_scaling(bits: Bits, size: int) -> None:
    if not bits.read():
        return
    last = following = 8
    for _ in range(size):
        if following:
            coded = bits.golomb()
            following = (last + (coded + 1 >> 1) * (1 if coded & 1 else -1)) % 256
        last = following or last


def _sps_number_at(data: bytes) -> int:
    """The bit of an HEVC sequence parameter set, without escapes, at which its number begins."""
    layers = data[2] >> 1 & 7
    at = 8 * (2 + 1 + 12)
    if layers:
        bits = Bits(data, at)
        present = [(bits.read(), bits.read()) for _ in range(layers)]
        at += 16 + sum(88 * profile + 8 * own for profile, own in present)
    return at


def renumbered(unit: bytes, vps: int, pps: int) -> bytes:
    """An HEVC unit whose parameter sets are all number 0, with the numbers `vps`, HEVC_SPS and `pps`, one of HEVC_PPS.

    A number of 15 … 30 is coded with exactly eight bits more than 0 is, so all that follows keeps its place in the
    bytes, and the slices' own data is not touched. Raises ValueError for a unit of other numbers.
    """
    what = number("hevc", unit)
    if what < _VPS_HEVC:
        at = 1 + (16 <= what < 24)  # flags before the number
        if not unit[2] >> (7 - at) & 1:
            raise ValueError("a slice of another parameter set than number 0")
        return unit[:2] + _lengthened(unit[2:3], at, pps) + unit[3:]
    if what not in (_VPS_HEVC, _SPS_HEVC, _PPS_HEVC):
        return unit
    data = plain(unit)
    if what == _PPS_HEVC:
        return escaped(_lengthened(_lengthened(data, 17, HEVC_SPS), 16, pps))
    data = data[:2] + bytes([data[2] & 15 | vps << 4]) + data[3:]
    return escaped(data if what == _VPS_HEVC else _lengthened(data, _sps_number_at(data), HEVC_SPS))


def _lengthened(data: bytes, at: int, value: int) -> bytes:
    """With the Exp-Golomb number 0 at bit `at` replaced by 15 … 30."""
    total = 8 * len(data)
    held, below = int.from_bytes(data, "big"), total - at - 1
    if not held >> below & 1:
        raise ValueError("a parameter set of another number than 0")
    high, low = held >> (below + 1), held & ((1 << below) - 1)
    return (((high << 1 + _LONG) | value + 1) << below | low).to_bytes(len(data) + 1, "big")


def alone(unit: bytes) -> bytes:
    """A slice of an HEVC entry without its leading pictures: a clean random access becomes a broken link, so that what
    is counted from it starts anew and what was decoded before is still shown. The rest of the slice is the same.
    """
    if number("hevc", unit) not in (_CRA, 16, 17):
        return unit
    return bytes([unit[0] & 0x81 | _BLA_ALONE << 1]) + unit[1:]
