"""Between decoded frames and arrays: Y, U, V at full resolution, exact both ways for 8-bit planar pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from editalk.media.info import Colour, VideoInfo

Image = NDArray[np.uint8]
"""[height, width, 3] uint8: Y, U, V, see `editalk.backends.base.Image`."""

Area = tuple[slice, slice]
"""Rows and columns, both ends given; they may reach beyond the picture."""

_PLANAR = {
    "yuv420p": (2, 2, 8),
    "yuv422p": (2, 1, 8),
    "yuv444p": (1, 1, 8),
    "yuv420p10le": (2, 2, 10),
    "yuv422p10le": (2, 1, 10),
    "yuv444p10le": (1, 1, 10),
}  # name → horizontal and vertical chroma step, bits
_FULL_RANGE = {"yuvj420p": "yuv420p", "yuvj422p": "yuv422p", "yuvj444p": "yuv444p"}
_GREY = ("gray", "gray10le")
_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
_BT601 = (0.299, 0.114)


def working_format(pix_fmt: str) -> str:
    """The planar format in which a source's pictures are edited and written: its own where x264 and x265 take it."""
    name = _FULL_RANGE.get(pix_fmt, pix_fmt)
    if name in _PLANAR:
        return name
    form = VideoFormat(name)
    deep = max(part.bits for part in form.components) > 8
    if form.is_rgb or len(form.components) < 3:
        return ("yuv444p" if form.is_rgb else "yuv420p") + ("10le" if deep else "")
    wide, high = form.chroma_width(16) < 16, form.chroma_height(16) < 16
    return f"yuv{'420' if high else '422' if wide else '444'}p" + ("10le" if deep else "")


def to_working(frame: VideoFrame) -> VideoFrame:
    """The frame in its working format, its values untouched where only the name differs."""
    name = working_format(frame.format.name)
    if frame.format.name == name:
        return frame
    if frame.format.name in _FULL_RANGE:
        tags = Colour(2, int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace))
        return _timed_like(frame, copied(frame, tags))
    if frame.format.name in _GREY:
        return _timed_like(frame, _coloured(frame, name))
    if frame.format.is_rgb:
        return frame.reformat(format=name, dst_colorspace="ITU709", dst_color_range="MPEG")
    return frame.reformat(format=name)


def _timed_like(frame: VideoFrame, copy: VideoFrame) -> VideoFrame:
    copy.pts = frame.pts
    if frame.time_base is not None:
        copy.time_base = frame.time_base
    return copy


def _coloured(frame: VideoFrame, name: str) -> VideoFrame:
    """A grey frame with neutral chroma; swscale would take its luma for full range."""
    bits = _PLANAR[name][2]
    copy = VideoFrame(frame.width, frame.height, name)
    plane_array(copy, 0, bits)[:] = plane_array(frame, 0, bits)
    for k in (1, 2):
        plane_array(copy, k, bits)[:] = 1 << (bits - 1)
    _tag(copy, Colour(*(int(tag) for tag in (frame.color_range, frame.color_primaries, frame.color_trc,
                                             frame.colorspace))))  # fmt: skip
    return copy


def working_colour(pix_fmt: str, colour: Colour) -> Colour:
    """The tags of a source's pictures in their working format: RGB becomes BT.709, limited."""
    return Colour(1, colour.primaries, colour.trc, 1) if VideoFormat(pix_fmt).is_rgb else colour


def luma(frame: VideoFrame) -> NDArray[np.uint8]:
    """[h, w] luma with 8 bits, deeper ones cut off; the frame's own memory where it has 8."""
    plain = to_working(frame)
    bits = _PLANAR[plain.format.name][2]
    plane = plane_array(plain, 0, bits)
    return np.asarray(plane if bits == 8 else plane >> (bits - 8), np.uint8)


def copied(frame: VideoFrame, colour: Colour) -> VideoFrame:
    """A frame of its own with the same values, in the working format, tagged with a colour."""
    name = working_format(frame.format.name)
    bits = _PLANAR[name][2]
    copy = VideoFrame(frame.width, frame.height, name)
    for k in range(3):
        plane_array(copy, k, bits)[:] = plane_array(frame, k, bits)
    _tag(copy, colour)
    return copy


def to_image(frame: VideoFrame, within: Area | None = None) -> Image:
    """[h, w, 3] Y, U, V; chroma repeated to full resolution, 10 bits rounded to 8; 0 outside the rows and columns
    `within`.
    """
    plain = to_working(frame)
    if within is None:
        return _converted(plain, (slice(0, plain.height), slice(0, plain.width)))
    shape = plain.height, plain.width
    rows, columns = (slice(min(max(0, a.start), n), min(max(0, a.stop), n)) for a, n in zip(within, shape, strict=True))
    image = np.zeros((*shape, 3), np.uint8)  # memory that is not touched costs nothing
    if rows.start < rows.stop and columns.start < columns.stop:
        image[rows, columns] = _converted(plain, (rows, columns))
    return image


def _converted(plain: VideoFrame, area: Area) -> Image:
    """The rows and columns `area`, inside the picture, of a frame in a working format."""
    import cv2

    wide, high, bits = _PLANAR[plain.format.name]
    planes = [plane_array(plain, k, bits) for k in range(3)]
    luma = _reduced(planes[0][area], bits)
    if (wide, high) == (1, 1):
        return np.asarray(cv2.merge([luma, *(_reduced(p[area], bits) for p in planes[1:])]), np.uint8)
    rows, columns = (slice(a.start // n, -(-a.stop // n)) for a, n in zip(area, (high, wide), strict=True))
    near = area[0].start % high, area[1].start % wide
    chroma = [_repeated(_reduced(p[rows, columns], bits), wide, high, near, luma.shape) for p in planes[1:]]
    return np.asarray(cv2.merge([luma, *chroma]), np.uint8)


def to_frame(image: Image, like: VideoInfo) -> VideoFrame:
    """A frame in the source's working format and colour: the inverse of `to_image` for 8-bit pictures."""
    import cv2

    h, w = image.shape[:2]
    name = working_format(like.pix_fmt)
    wide, high, bits = _PLANAR[name]
    luma, *chroma = cv2.split(image)
    if (wide, high) != (1, 1):
        chroma = [_thinned(part, wide, high) for part in chroma]
    frame = VideoFrame(w, h, name)
    for k, part in enumerate((luma, *chroma)):
        plane_array(frame, k, bits)[:] = part if bits == 8 else part.astype(np.uint16) << (bits - 8)
    _tag(frame, like.colour)
    return frame


def rgb(image: Image, info: VideoInfo) -> NDArray[np.uint8]:
    """[h, w, 3] uint8 red, green, blue of a Y, U, V image by its stream's matrix and range, coded orientation."""
    import cv2

    return np.asarray(cv2.transform(image, _to_rgb(info.colour, info.height)), np.uint8)


def from_rgb(picture: NDArray[Any], info: VideoInfo) -> Image:
    """The inverse of `rgb`: Y, U, V of [h, w, 3] red, green, blue, 0 … 255, whole numbers or not."""
    import cv2

    matrix = _to_rgb(info.colour, info.height)
    back = np.linalg.inv(matrix[:, :3])
    turned = cv2.transform(picture.astype(np.float32), np.concatenate([back, -back @ matrix[:, 3:]], axis=1))
    return np.asarray(np.clip(np.rint(turned), 0, 255), np.uint8)


def upright(picture: NDArray[Any], rotation: int) -> NDArray[Any]:
    """A picture [h, w] or [h, w, c] as a player shows it: turned counter-clockwise by `rotation` degrees."""
    turns = round(rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def plane_array(frame: VideoFrame, k: int, bits: int = 8) -> NDArray[Any]:
    """The k-th plane [h, w] as a view on the frame's own memory: uint8, or uint16 above 8 bits."""
    plane = frame.planes[k]
    kind = "u1" if bits == 8 else "<u2"
    rows: NDArray[Any] = np.frombuffer(memoryview(plane), kind)
    return rows[: plane.line_size // rows.itemsize * plane.height].reshape(plane.height, -1)[:, : plane.width]


def _reduced(plane: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    if bits == 8:
        return plane
    step = bits - 8
    rounded: NDArray[np.uint8] = np.minimum((plane + (1 << (step - 1))) >> step, 255).astype(np.uint8)
    return rounded


def _repeated(
    part: NDArray[np.uint8], wide: int, high: int, near: tuple[int, int], shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Each value repeated for its neighbours, cut to `shape` from row and column `near` on."""
    import cv2

    size = (part.shape[1] * wide, part.shape[0] * high)
    full = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    return full[near[0] : near[0] + shape[0], near[1] : near[1] + shape[1]]


def _thinned(part: NDArray[Any], wide: int, high: int) -> NDArray[Any]:
    """The rounded means of neighbours, edges repeated where the size is odd."""
    import cv2

    h, w = part.shape
    part = cv2.copyMakeBorder(part, 0, -h % high, 0, -w % wide, cv2.BORDER_REPLICATE)
    return cv2.resize(part, (part.shape[1] // wide, part.shape[0] // high), interpolation=cv2.INTER_AREA)


def _tag(frame: VideoFrame, colour: Colour) -> None:
    frame.color_range, frame.colorspace = colour.range, colour.space
    frame.color_primaries, frame.color_trc = colour.primaries, colour.trc


def _to_rgb(colour: Colour, height: int) -> NDArray[np.float64]:
    """[3, 4] from Y, U, V to red, green, blue."""
    guess = _WEIGHTS[1] if height >= 720 else _BT601  # players do so with an untagged stream
    red, blue = _WEIGHTS.get(colour.space, guess if colour.space in (0, 2) else _BT601)
    green = 1 - red - blue
    full = colour.range == 2
    y, c, black = (1.0, 1.0, 0.0) if full else (255 / 219, 255 / 224, 16.0)
    matrix = np.array(
        [
            [y, 0, 2 * (1 - red) * c],
            [y, -2 * blue * (1 - blue) / green * c, -2 * red * (1 - red) / green * c],
            [y, 2 * (1 - blue) * c, 0],
        ]
    )
    return np.concatenate([matrix, -matrix @ np.array([[black], [128.0], [128.0]])], axis=1)
