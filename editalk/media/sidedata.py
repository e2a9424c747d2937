"""What travels beside a decoded frame: how it is turned and mirrored, and on what display it was graded."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import cast

from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame

from editalk.media.info import LightLevel, Mastering

_DYNAMIC = {
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DOVI_METADATA": "Dolby Vision",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
}
_RATIONALS = struct.Struct("=20i2i")  # AVMasteringDisplayMetadata
_ONE = 1 << 16  # of a display matrix, 16.16 fixed point


def mastering(frame: VideoFrame) -> Mastering | None:
    """None where the frame does not say."""
    data = _data(frame, Type.MASTERING_DISPLAY_METADATA)
    if data is None or len(data) < _RATIONALS.size:
        return None
    *parts, has_primaries, has_luminance = _RATIONALS.unpack_from(data)
    if not all(parts[1::2]):
        return None
    numbers = [Fraction(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    red, green, blue, white = ((numbers[k], numbers[k + 1]) if has_primaries else None for k in range(0, 8, 2))
    least, most = (n if has_luminance else None for n in numbers[8:])
    return Mastering(red, green, blue, white, least, most)


def light_level(frame: VideoFrame) -> LightLevel | None:
    """None where the frame does not say."""
    data = _data(frame, Type.CONTENT_LIGHT_LEVEL)
    return None if data is None or len(data) < 8 else LightLevel(*struct.unpack_from("=2I", data))


def dynamic(frame: VideoFrame) -> tuple[str, ...]:
    """Names of the HDR metadata that is another one for every frame."""
    names = (_DYNAMIC.get(kind.name) for kind in Type if _data(frame, kind) is not None)
    return tuple(dict.fromkeys(name for name in names if name))


def mirrored(frame: VideoFrame) -> tuple[int, ...] | None:
    """The display matrix where it mirrors the picture."""
    matrix = _matrix(frame)
    return matrix if matrix is not None and _determinant(matrix) < 0 else None


def rotation(frame: VideoFrame) -> int:
    """Degrees counter-clockwise by which a player turns the picture: 0, 90, 180 or 270. A mirrored picture is taken as
    turned first and mirrored left to right then.
    """
    matrix = _matrix(frame)
    if matrix is None:
        return 0
    a, b = matrix[0], matrix[1]
    if _determinant(matrix) < 0:
        a = -a  # without the mirror
    return round(-math.degrees(math.atan2(b, a)) / 90) * 90 % 360


def _matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    data = _data(frame, Type.DISPLAYMATRIX)
    return None if data is None or len(data) < 36 else struct.unpack_from("=9i", data)


def _determinant(matrix: tuple[int, ...]) -> float:
    return (matrix[0] * matrix[4] - matrix[1] * matrix[3]) / _ONE**2


def _data(frame: VideoFrame, kind: Type) -> bytes | None:
    held = cast(SideDataContainer, frame.side_data)  # PyAV's stub knows one kind only
    try:
        return bytes(held[kind])
    except KeyError:
        return None
