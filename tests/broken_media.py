"""Media that is broken on purpose, made by hand from tiny clips; commands run on it in a process of their own."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

Bytes = Callable[[bytes], bytes]
STBL = "moov/trak:{}/mdia/minf/stbl/"
VIDEO, AUDIO = STBL.format(0), STBL.format(1)


# ---- ISO base media


def boxes(data: bytes) -> Iterator[tuple[int, int, str]]:
    """(begin, end, kind) of the boxes of a well-made file or box content."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield at, at + size, kind.decode("latin-1")
        at += size


def box(kind: str, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind.encode("latin-1")) + content


def place(data: bytes, path: str) -> tuple[int, int]:
    """(begin, end) of a box, e.g. "moov/trak:1/mdia": the second trak's."""
    begin, end = 0, len(data)
    for step, part in enumerate(path.strip("/").split("/")):
        kind, _, number = part.partition(":")
        start = begin + 8 if step else 0
        inside = [(start + a, start + b) for a, b, k in boxes(data[start:end]) if k == kind]
        begin, end = inside[int(number or 0)]
    return begin, end


def put(path: str, offset: int, form: str, *values: int) -> Bytes:
    """Overwrites numbers `offset` bytes behind a box's head."""

    def change(data: bytes) -> bytes:
        begin, _ = place(data, path)
        made = bytearray(data)
        struct.pack_into(form, made, begin + 8 + offset, *values)
        return bytes(made)

    return change


def size(path: str, value: int, large: int | None = None) -> Bytes:
    """A box that says it is of another size."""

    def change(data: bytes) -> bytes:
        begin, _ = place(data, path)
        made = bytearray(data)
        struct.pack_into(">I", made, begin, value)
        if large is not None:
            struct.pack_into(">Q", made, begin + 8, large)
        return bytes(made)

    return change


def filled(path: str, content: bytes | Bytes) -> Bytes:
    """A box with other content; the boxes around it fit. The index must stand behind the media."""

    def change(data: bytes) -> bytes:
        begin, end = place(data, path)
        old = data[begin + 8 : end]
        new = content(old) if callable(content) else content
        made = data[:begin] + box(data[begin + 4 : begin + 8].decode("latin-1"), new) + data[end:]
        parts = path.strip("/").split("/")
        for k in range(len(parts) - 1, 0, -1):
            outer, outer_end = place(data, "/".join(parts[:k]))
            made = made[:outer] + struct.pack(">I", outer_end - outer + len(new) - len(old)) + made[outer + 4 :]
        return made

    return change


def renamed(path: str, kind: str) -> Bytes:
    def change(data: bytes) -> bytes:
        begin, _ = place(data, path)
        return data[: begin + 4] + kind.encode() + data[begin + 8 :]

    return change


def every(*changes: Bytes) -> Bytes:
    def change(data: bytes) -> bytes:
        for one in changes:
            data = one(data)
        return data

    return change


def table(*rows: tuple[int, ...], form: str = ">II") -> bytes:
    """A full box's content: version and flags, the number of rows, the rows."""
    return struct.pack(">II", 0, len(rows)) + b"".join(struct.pack(form, *row) for row in rows)


class Bits:
    """Bits of an H.264 parameter set."""

    def __init__(self) -> None:
        self.bits = ""

    def u(self, count: int, value: int) -> Bits:
        self.bits += format(value, f"0{count}b")
        return self

    def ue(self, value: int) -> Bits:
        text = format(value + 1, "b")
        self.bits += "0" * (len(text) - 1) + text
        return self

    def done(self) -> bytes:
        text = self.bits + "1"
        text += "0" * (-len(text) % 8)
        raw = bytes(int(text[k : k + 8], 2) for k in range(0, len(text), 8))
        return raw.replace(b"\0\0\0", b"\0\0\3\0").replace(b"\0\0\1", b"\0\0\3\1")


def sequence_set(width: int, height: int) -> bytes:
    """An H.264 SPS of High profile, 4:2:0, 8 bits."""
    made = Bits().u(8, 0x67).u(8, 100).u(8, 0).u(8, 62).ue(0).ue(1).ue(0).ue(0).u(1, 0).u(1, 0)
    made.ue(0).ue(2).ue(1).u(1, 0).ue(width // 16 - 1).ue(height // 16 - 1).u(1, 1).u(1, 1).u(1, 0).u(1, 0)
    return made.done()


def pictured(width: int, height: int) -> Bytes:
    """The picture's size as its decoder is told: by the entry and by the SPS."""

    def change(content: bytes) -> bytes:
        at = content.index(b"avcC")
        begin = at - 4
        (old,) = struct.unpack_from(">I", content, begin)
        inner = content[at + 4 : begin + old]
        (length,) = struct.unpack_from(">H", inner, 6)
        sps = sequence_set(width, height)
        new = box("avcC", inner[:6] + struct.pack(">H", len(sps)) + sps + inner[8 + length :])
        entry = bytearray(content[8:begin] + new + content[begin + old :])
        struct.pack_into(">I", entry, 0, len(entry))
        struct.pack_into(">HH", entry, 32, min(width, 65535), min(height, 65535))
        return content[:8] + bytes(entry)

    return filled(VIDEO + "stsd", change)


def reference(kind: str, flags: int, content: bytes) -> bytes:
    """A data reference of one entry."""
    return struct.pack(">II", 0, 1) + box(kind, struct.pack(">I", flags) + content)


def alias(path: str) -> bytes:
    """What QuickTime's `alis` holds: the names of a volume and a file, and the whole path."""
    name = Path(path).name.encode()[:63]
    head = bytes(4) + struct.pack(">HHH", 150, 2, 0) + bytes([1]) + b"D".ljust(27, b"\0") + bytes(12)
    head += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16) + struct.pack(">HH", 0xFFFF, 0xFFFF) + bytes(16)
    text = path.encode()
    return head + struct.pack(">HH", 18, len(text)) + text + bytes(len(text) % 2) + struct.pack(">HH", 0xFFFF, 0)


HUGE = 0xFFFFFFFF
MP4: dict[str, Bytes] = {
    "cut in the index": lambda d: d[: place(d, "moov")[0] + 300],
    "cut in the media": lambda d: d[: len(d) // 2],
    "no index": lambda d: d[: place(d, "moov")[0]],
    "only the head": lambda d: d[:32],
    "index of size 0": size("moov", 0),
    "index of size 1": size("moov", 1),
    "index of 64 bits": size("moov", 1, 1 << 63),
    "index of negative size": size("moov", 0x80000000),
    "index of size 7": size("moov", 7),
    "media of 64 bits": size("mdat", 1, (1 << 64) - 1),
    "table of size 0": size(VIDEO + "stsz", 0),
    "table of size 4 GB": size(VIDEO + "stsz", HUGE),
    "stts: count": put(VIDEO + "stts", 4, ">I", HUGE),
    "stts: samples": put(VIDEO + "stts", 8, ">I", HUGE),
    "stts: 2^31 samples of 2^31": filled(VIDEO + "stts", table((1 << 31, 1 << 31))),
    "stts: no time passes": filled(VIDEO + "stts", table((30, 0))),
    "stts: negative steps": filled(VIDEO + "stts", table((10, 512), (10, 0xFFFFFE00), (10, 512))),
    "stts: a leap": filled(VIDEO + "stts", table((10, 512), (1, 0x7FFFFFF0), (19, 512))),
    "stts: empty": filled(VIDEO + "stts", table()),
    "ctts: count": put(VIDEO + "ctts", 4, ">I", HUGE),
    "ctts: samples": filled(VIDEO + "ctts", table((HUGE, 512))),
    "ctts: offsets": filled(VIDEO + "ctts", table((30, 0x7FFFFFFF))),
    "ctts: wild": filled(VIDEO + "ctts", table(*((1, k * 0x10001 & 0x7FFFFFF) for k in range(30)))),
    "stsz: count": put(VIDEO + "stsz", 8, ">I", HUGE),
    "stsz: one byte each": filled(VIDEO + "stsz", struct.pack(">III", 0, 1, 1 << 28)),
    "stsz: a gigabyte each": filled(VIDEO + "stsz", struct.pack(">III", 0, 1 << 30, 30)),
    "stsz: none": filled(VIDEO + "stsz", struct.pack(">III", 0, 0, 0)),
    "stsz: zeros": filled(VIDEO + "stsz", lambda c: c[:12] + bytes(len(c) - 12)),
    "stsz and stsc: 2^28 of one byte": every(
        filled(VIDEO + "stsz", struct.pack(">III", 0, 1, 1 << 28)),
        filled(VIDEO + "stsc", table((1, 1 << 28, 1), form=">III")),
    ),
    "sound: 2^28 of one byte": every(
        filled(AUDIO + "stsz", struct.pack(">III", 0, 1, 1 << 28)),
        filled(AUDIO + "stsc", table((1, 1 << 28, 1), form=">III")),
    ),
    "stsc: samples": put(VIDEO + "stsc", 12, ">I", HUGE),
    "stsc: backwards": filled(VIDEO + "stsc", table((9, 1, 1), (3, 1, 1), (1, 1, 1), form=">III")),
    "stco: count": put(VIDEO + "stco", 4, ">I", HUGE),
    "stco: beyond": put(VIDEO + "stco", 8, ">I", 0xFFFFFFF0),
    "stco: the index itself": put(VIDEO + "stco", 8, ">I", 0),
    "stss: none": filled(VIDEO + "stss", table(form=">I")),
    "stss: wrong": filled(VIDEO + "stss", table((7,), (7,), (HUGE,), (1,), form=">I")),
    "no tables": filled(VIDEO, b""),
    "mvhd: scale 0": put("moov/mvhd", 12, ">I", 0),
    "mvhd: duration": put("moov/mvhd", 16, ">I", 0xFFFFFFFE),
    "mdhd: scale 0": put("moov/trak:0/mdia/mdhd", 12, ">I", 0),
    "mdhd: scale 1": put("moov/trak:0/mdia/mdhd", 12, ">I", 1),
    "mdhd: scale 2^32": put("moov/trak:0/mdia/mdhd", 12, ">I", HUGE),
    "mdhd: duration": put("moov/trak:0/mdia/mdhd", 16, ">I", 0xFFFFFFFE),
    "mdhd: 64 bits": filled("moov/trak:0/mdia/mdhd",
                            struct.pack(">IQQIQI", 1 << 24, 0, 0, 12800, (1 << 63) - 1, 0x55C40000)),
    "sound mdhd: scale 0": put("moov/trak:1/mdia/mdhd", 12, ">I", 0),
    "sound mdhd: scale 1": put("moov/trak:1/mdia/mdhd", 12, ">I", 1),
    "tkhd: track 0": put("moov/trak:0/tkhd", 12, ">I", 0),
    "tkhd: the same track": put("moov/trak:1/tkhd", 12, ">I", 1),
    "tkhd: matrix": put("moov/trak:0/tkhd", 40, ">9i", *([0x7FFFFFFF] * 9)),
    "tkhd: matrix of zeros": put("moov/trak:0/tkhd", 40, ">9i", *([0] * 9)),
    "tkhd: no size": put("moov/trak:0/tkhd", 76, ">II", 0, 0),
    "elst: none": filled("moov/trak:0/edts/elst", table()),
    "elst: count": put("moov/trak:0/edts/elst", 4, ">I", HUGE),
    "elst: nothing shown": filled("moov/trak:0/edts/elst", table((0, 0, 0x10000), form=">IiI")),
    "elst: waits": filled("moov/trak:0/edts/elst",
                          table((0x7FFFFFFF, -1, 0x10000), (1200, 1024, 0x10000), form=">IiI")),
    "elst: begins behind": filled("moov/trak:0/edts/elst", table((1200, 0x7FFFFFFF, 0x10000), form=">IiI")),
    "elst: again and again": filled("moov/trak:0/edts/elst", table(*[(1200, 1024, 0x10000)] * 20, form=">IiI")),
    "elst: 64 bits": filled("moov/trak:0/edts/elst",
                            struct.pack(">IIQqI", 1 << 24, 1, (1 << 63) - 1, 1 << 62, 0x10000)),
    "elst: rate": filled("moov/trak:0/edts/elst", table((1200, 1024, 0x7FFF0000), form=">IiI")),
    "stsd: none": filled(VIDEO + "stsd", table()),
    "stsd: count": put(VIDEO + "stsd", 4, ">I", HUGE),
    "stsd: unknown codec": lambda d: d.replace(b"avc1\0\0\0\0", b"zzz1\0\0\0\0"),
    "stsd: another codec": lambda d: d.replace(b"avc1\0\0\0\0", b"mp4v\0\0\0\0"),
    "avcC: lengths": lambda d: d[: (k := d.index(b"avcC")) + 8] + b"\xfc" + d[k + 9 :],
    "avcC: no sets": lambda d: d[: (k := d.index(b"avcC")) + 9] + b"\xe0\0" + d[k + 11 :],
    "avcC: zeros": lambda d: d[: (k := d.index(b"avcC")) + 4] + bytes(30) + d[k + 34 :],
    "picture of 16384 × 16384": pictured(16384, 16384),
    "picture of 8208 × 8192": pictured(8208, 8192),
    "picture of 16 × 16": pictured(16, 16),
    "picture of 65536 × 16": pictured(65536, 16),
    "NAL beyond the packet": lambda d: d[: (k := place(d, "mdat")[0]) + 8] + b"\x7f\xff\xff\xff" + d[k + 12 :],
    "NAL of no length": lambda d: d[: (k := place(d, "mdat")[0]) + 8] + bytes(4) + d[k + 12 :],
    "media of zeros": lambda d: d[: (p := place(d, "mdat"))[0] + 8] + bytes(p[1] - p[0] - 8) + d[p[1] :],
    "media of noise": lambda d: (
        d[: (p := place(d, "mdat"))[0] + 8] + random.Random(1).randbytes(p[1] - p[0] - 8) + d[p[1] :]
    ),
    "sound of 0 channels": put(AUDIO + "stsd", 8 + 24, ">H", 0),
    "sound of 255 channels": put(AUDIO + "stsd", 8 + 24, ">H", 255),
    "sound at 0 Hz": put(AUDIO + "stsd", 8 + 32, ">I", 0),
    "sound at 65535 Hz": put(AUDIO + "stsd", 8 + 32, ">I", 65535 << 16),
    "esds cut": lambda d: d[: (k := d.index(b"esds")) + 8] + b"\xff" * 12 + d[k + 20 :],
    "tags of 10 MB": lambda d: filled("moov/udta", lambda c: c + box("meta", c[12:]) + tag(10 << 20))(d),
    "tags with zeros": lambda d: filled("moov/udta", lambda c: tag(64, b"\0\x1b[31m\n\xff"))(d),
    "no sound track": renamed("moov/trak:1", "free"),
    "no picture track": renamed("moov/trak:0", "free"),
    "outside data, url": filled("moov/trak:0/mdia/minf/dinf/dref", reference("url ", 0, b"file:///MARK\0")),
    "outside data, http": filled("moov/trak:0/mdia/minf/dinf/dref", reference("url ", 0, b"http://127.0.0.1:9/x\0")),
    "outside data, alis": filled("moov/trak:0/mdia/minf/dinf/dref", reference("alis", 0, alias("/MARK"))),
    "outside sound, alis": filled("moov/trak:1/mdia/minf/dinf/dref", reference("alis", 0, alias("/MARK"))),
    "boxes in boxes": lambda d: d + nest(2000),
    "index in an index": lambda d: d[: place(d, "moov")[0]] + box("moov", d[place(d, "moov")[0] :]),
    "a thousand tracks": lambda d: filled("moov", lambda c: c + c[slice(*next(
        (a, b) for a, b, k in boxes(c) if k == "trak"))] * 1000)(d),
    "chapters without end": lambda d: filled(
        "moov", lambda c: c + box("udta", box("chpl", bytes(5) + b"\0\0\0\xff" + bytes(40))))(d),
}  # fmt: skip


def tag(length: int, text: bytes = b"x") -> bytes:
    """QuickTime's title."""
    words = (text * length)[:length]
    return box("\xa9nam", struct.pack(">HH", min(len(words), 65535), 0) + words)


def nest(depth: int) -> bytes:
    made = b""
    for _ in range(depth):
        made = box("moov", made)
    return made


# ---- RIFF


def wav(
    samples: bytes, form: int = 1, channels: int = 1, rate: int = 16000, bits: int = 16, data: int | None = None,
    extra: bytes = b"", align: int | None = None, riff: int | None = None,
) -> bytes:  # fmt: skip
    """A WAV file that may say what is not true; `data`, `riff`: the sizes that it announces."""
    wide = max(1, channels * bits // 8) if align is None else align
    head = struct.pack("<HHIIHH", form, channels & 0xFFFF, rate & HUGE, rate * wide & HUGE, wide & 0xFFFF, bits) + extra
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head
    body += b"data" + struct.pack("<I", len(samples) if data is None else data) + samples
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


def _noise(count: int) -> bytes:
    made = random.Random(2)
    return b"".join(struct.pack("<h", made.randrange(-3000, 3000)) for _ in range(count))


def _floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


_NOISE = _noise(16000)
WAV: dict[str, bytes] = {
    "empty data": wav(b""),
    "data of 0": wav(_NOISE, data=0),
    "data without end": wav(_NOISE, data=HUGE),
    "riff of 0": wav(_NOISE, riff=0),
    "odd data": wav(_NOISE[:-1]),
    "cut": wav(_NOISE, data=64000),
    "one sample": wav(_NOISE[:2]),
    "silence": wav(bytes(32000)),
    "0 channels": wav(_NOISE, channels=0),
    "255 channels": wav(_NOISE, channels=255),
    "65535 channels": wav(_NOISE, channels=65535),
    "0 Hz": wav(_NOISE, rate=0),
    "1 Hz": wav(_NOISE, rate=1),
    "2^31 Hz": wav(_NOISE, rate=1 << 31),
    "2^31 - 1 Hz": wav(_NOISE, rate=(1 << 31) - 1),
    "0 bits": wav(_NOISE, bits=0),
    "7 bits": wav(_NOISE, bits=7),
    "65535 bits": wav(_NOISE, bits=65535),
    "block of 0": wav(_NOISE, align=0),
    "unknown form": wav(_NOISE, form=0x7777),
    "extensible, cut": wav(_NOISE, form=0xFFFE, extra=struct.pack("<HH", 22, 16)),
    "extensible, noise": wav(_NOISE, form=0xFFFE, extra=struct.pack("<H", 22) + random.Random(3).randbytes(22)),
    "not numbers": wav(_floats(*[float("nan"), 0.1] * 8000), form=3, bits=32),
    "infinite": wav(_floats(*[float("inf"), -float("inf")] * 8000), form=3, bits=32),
    "1e30": wav(_floats(*[1e30, -1e30] * 8000), form=3, bits=32),
    "only the head": wav(b"")[:20],
    "text": b"hello, I am not a sound\n" * 40,
    "zeros": bytes(4096),
    "noise": random.Random(4).randbytes(4096),
}


# ---- commands

READ = "--read"  # instead of a command: `read` alone
MEMORY = 4 << 30  # bytes of address space that a command gets


@dataclass(frozen=True)
class Ended:
    """How a command in a process of its own ended; `code`: None where it ran past its time, negative: the signal.
    `memory`: bytes at the most.
    """

    code: int | None
    out: str
    err: str
    seconds: float
    memory: int

    @property
    def clean(self) -> bool:
        """Done, or refused in words: no traceback, no crash, no hang."""
        rude = "Traceback" in self.err or "unexpected" in self.err
        ended = self.code is not None and 0 <= self.code <= 6
        return ended and not rude and (self.code == 0 or "editalk: " in self.err)

    @property
    def last(self) -> str:
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


Run = Callable[..., Ended]
WORDS = "one two three four five".split()


def write_texts_of_clip(folder: Path) -> None:
    """t.json, when a clip of 1.2 s says its words, and e.txt, an edit that takes one out."""
    times = [{"word": w, "start": 0.1 + k * 0.2, "end": 0.3 + k * 0.2} for k, w in enumerate(WORDS)]
    text = " ".join(WORDS)
    (folder / "t.json").write_text(json.dumps({"text": text, "language": "en", "segments": [
        {"id": 0, "start": 0.1, "end": 1.1, "text": text, "words": times}]}))  # fmt: skip
    (folder / "e.txt").write_text("one two four five\n")


@contextmanager
def commands() -> Iterator[Run]:
    """Runs command lines: run(arguments, folder, seconds). Each is a fork of a process that has imported everything,
    within its time and memory; what crashes there crashes there alone.
    """
    server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    wants, answers = server.stdin, server.stdout

    def run(arguments: Sequence[str | Path], folder: Path | None = None, seconds: float = 60.0) -> Ended:
        names = [os.fsencode(str(a)).hex() for a in arguments]
        print(json.dumps([names, str(folder) if folder else None, seconds]), file=wants, flush=True)
        return Ended(**json.loads(answers.readline()))

    try:
        yield run
    finally:
        wants.close()
        server.wait(30)
        answers.close()


def serve() -> None:
    import editalk.analysis
    import editalk.backends.exemplar.backend
    import editalk.pipeline.changes
    import editalk.pipeline.job
    import editalk.pipeline.measure  # noqa: F401

    for line in sys.stdin:
        names, folder, seconds = json.loads(line)
        made = forked([os.fsdecode(bytes.fromhex(name)) for name in names], folder, seconds)
        print(json.dumps(asdict(made)), flush=True)


def forked(arguments: list[str], folder: str | None, seconds: float) -> Ended:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.monotonic()
        child = os.fork()
        if not child:
            _command(arguments, folder, out.fileno(), err.fileno())
        status, memory = _awaited(child, begin + seconds)
        took = time.monotonic() - begin
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    return Ended(None if status is None else os.waitstatus_to_exitcode(status), *texts, took, memory)


def _command(arguments: list[str], folder: str | None, out: int, err: int) -> None:
    """In the fork; never returns."""
    from editalk.cli.run import main

    code = 99
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="strict", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if folder is not None:
            os.chdir(folder)
        code = read(Path(arguments[1])) if arguments[0] == READ else main(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def read(path: Path) -> int:
    """What every command does first: all of the sound, the first and the last picture."""
    from editalk.errors import EditalkError
    from editalk.media import FrameReader, decode_sound, probe

    try:
        info = probe(path)
        decode_sound(path, path.with_suffix(".f32"), start=info.video.start, index=info.audio.index)
        with FrameReader(info) as reader:
            reader.image(0)
            reader.image(reader.frames - 1)
    except EditalkError as error:
        print(f"editalk: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _awaited(child: int, until: float) -> tuple[int | None, int]:
    while time.monotonic() < until:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            return status, usage.ru_maxrss * 1024
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    _, _, usage = os.wait4(child, 0)
    return None, usage.ru_maxrss * 1024


if __name__ == "__main__":
    serve()
