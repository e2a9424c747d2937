"""Rendered windows and the source's own frames → the pictures of the timeline, in order, as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from editalk.backends.base import Rendered
from editalk.errors import MediaError
from editalk.media import FrameReader, VideoInfo, to_frame
from editalk.media.container import describe
from editalk.media.image import copied, plane_array, to_working
from editalk.plan import EditPlan, RenderWindow
from editalk.timebase import FrameRange

_EVEN = 4  # pixels that an area begins at a multiple of: whole chroma samples
_PLAIN = {"protocol_whitelist": "file", "format_whitelist": "matroska,webm"}
_CLOCK = 25  # a strip counts its frames in ticks of this many a second, whatever the footage's rate


def paste(base: VideoFrame | None, rendered: Rendered, like: VideoInfo) -> VideoFrame:
    """The picture of a timeline frame: new pixels where the mask is set, the source's own, bit for bit, elsewhere."""
    if rendered.mask is None or base is None:
        return to_frame(rendered.image, like)
    import cv2

    made = copied(to_working(base), like.colour)
    x, y, w, h = cv2.boundingRect(rendered.mask)
    if not w:
        return made
    top, left = (n // _EVEN * _EVEN for n in (y, x))
    area = slice(top, y + h - 1 + _EVEN), slice(left, x + w - 1 + _EVEN)
    part, mask = to_frame(np.ascontiguousarray(rendered.image[area]), like), rendered.mask[area]
    bits = max(component.bits for component in made.format.components)
    for k in range(3):
        new, whole = plane_array(part, k, bits), plane_array(made, k, bits)
        high, wide = (-(-n // m) for n, m in zip(rendered.mask.shape, whole.shape, strict=True))
        old = whole[top // high : top // high + new.shape[0], left // wide : left // wide + new.shape[1]]
        # a chroma sample changes with any of its pixels
        changed = mask if new.shape == mask.shape else _reduced(mask, *new.shape)
        np.copyto(old, new, where=changed != 0)
    return made


def _reduced(mask: NDArray[np.uint8], h: int, w: int) -> NDArray[np.uint8]:
    """[h, w]: the greatest value of the pixels that a chroma sample stands for."""
    rows, columns = -(-mask.shape[0] // h), -(-mask.shape[1] // w)
    padded = np.pad(mask, ((0, h * rows - mask.shape[0]), (0, w * columns - mask.shape[1])))
    return np.asarray(padded.reshape(h, rows, w, columns).max(axis=(1, 3)), np.uint8)


class StripWriter:
    """A window's new pictures on disk, lossless: what was rendered is not rendered again. Without any picture the file
    is empty.

    Lossless H.264 takes a third of FFV1's time both ways, but no odd sizes.
    """

    def __init__(self, path: Path, like: VideoInfo, pix_fmt: str) -> None:
        self._path, self._count = path, 0
        self._box = av.open(_name(path), "w", format="matroska", options={"fflags": "+bitexact"})
        even = like.width % 2 == like.height % 2 == 0
        stream = self._box.add_stream("libx264" if even else "ffv1", rate=_CLOCK)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = like.width, like.height, pix_fmt
        stream.codec_context.options = (
            {"qp": "0", "preset": "ultrafast", "g": "30"} if even
            else {"level": "3", "coder": "0", "context": "0", "g": "1"}
        )  # fmt: skip
        stream.codec_context.thread_type = "SLICE"
        self._stream = stream

    def write(self, number: int, frame: VideoFrame) -> None:
        """`number`: the frame's place in the window, ascending."""
        self._count += 1
        frame.pts, frame.time_base = number, Fraction(1, _CLOCK)
        self._box.mux(self._stream.encode(frame))

    def close(self) -> None:
        if self._count:
            self._box.mux(self._stream.encode(None))
        self._box.close()
        if not self._count:
            self._path.write_bytes(b"")


def read_strip(path: Path) -> Iterator[tuple[int, VideoFrame]]:
    """(place in the window, picture) of what a StripWriter wrote."""
    try:
        if not path.stat().st_size:
            return
        with av.open(_name(path), options=_PLAIN) as box:
            box.streams.video[0].thread_type = "AUTO"
            for frame in box.decode(box.streams.video[0]):
                if frame.pts is not None and frame.time_base is not None:
                    yield round(frame.pts * frame.time_base * _CLOCK), frame
    except (av.FFmpegError, OSError, IndexError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> MediaError:
    return MediaError(f"{path}: a rendered window cannot be read ({describe(error)}); run again")


def _name(path: Path) -> str:
    """For FFmpeg, which takes what stands before a colon for a protocol."""
    return f"file:{path.absolute()}"


def new_frames(strips: Sequence[Strip]) -> tuple[FrameRange, ...]:
    """The timeline frames that have new pictures, stretches in order and not adjoining; nothing is decoded."""
    made: list[FrameRange] = []
    for strip in strips:
        for number in sorted(_numbers(strip.path)):
            frame = strip.window.span.start + number
            if made and made[-1].end == frame:
                made[-1] = FrameRange(made[-1].start, frame + 1)
            else:
                made.append(FrameRange(frame, frame + 1))
    return tuple(made)


def _numbers(path: Path) -> Iterator[int]:
    """The places in the window of the pictures that a StripWriter wrote."""
    try:
        if path.stat().st_size:
            with av.open(_name(path), options=_PLAIN) as box:
                for packet in box.demux(video=0):
                    if packet.pts is not None and packet.time_base is not None:
                        yield round(packet.pts * packet.time_base * _CLOCK)
    except (av.FFmpegError, OSError, IndexError) as error:
        raise _unreadable(path, error) from error


@dataclass(frozen=True)
class Shown:
    """One picture of the timeline; `source`: the source frame that it is, untouched, None for a new picture."""

    frame: int
    picture: VideoFrame
    source: int | None


class Strip(Protocol):
    """A rendered window."""

    @property
    def window(self) -> RenderWindow: ...

    @property
    def path(self) -> Path: ...


def timeline(
    plan: EditPlan, reader: FrameReader, strips: Sequence[Strip], without: Sequence[FrameRange] = ()
) -> Iterator[Shown]:
    """Every picture of the timeline in order, but those of the stretches `without`, which are not decoded. Raises
    MediaError where a new picture is missing.
    """
    left_out = {frame for span in without for frame in range(span.start, span.end)}
    new = _rendered(strips)
    ready = next(new, None)
    for piece in plan.timeline:
        for frame in range(piece.start, piece.end):
            if frame in left_out:
                continue
            if ready is not None and ready[0] == frame:
                yield Shown(frame, ready[1], None)
                ready = next(new, None)
            elif piece.source is None or piece.resampled:
                raise MediaError(f"timeline frame {frame} was not rendered; clear the cache and run again")
            else:
                own = piece.source + frame - piece.start
                yield Shown(frame, to_working(reader.frame(own)), own)


def _rendered(strips: Sequence[Strip]) -> Iterator[tuple[int, VideoFrame]]:
    for strip in strips:
        for number, picture in read_strip(strip.path):
            yield strip.window.span.start + number, picture
