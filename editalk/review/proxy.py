"""A small copy of a video that every browser plays: upright, square pixels, H.264 and AAC, within a budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from editalk.media import FrameReader, SoundFile, VideoInfo
from editalk.media.image import plane_array, to_working
from editalk.mux import explain
from editalk.mux.encoders import THREADS
from editalk.plan import EditPlan
from editalk.reporting import Advance
from editalk.timebase import FrameRange, FrameRate

VERSION = 1  # counts up when a proxy becomes another
BUDGET = 45_000_000  # bytes of the two proxies of a page; base64 makes 60 MB of them
WHOLE = 1200  # seconds: of longer clips only what lies near an edit moves
NEAR = 10  # seconds around an edit
STILL = 4  # seconds that each picture stays elsewhere
CRF = 26
MOST = 2_000_000  # bit/s of a proxy, however short
LEAST = 90_000  # bit/s of its picture, however long
SIDES = ((300_000, 640), (140_000, 480), (0, 360))  # bit/s of the picture from which on its longer side has so many px
SOUNDS = ((500_000, 96_000), (250_000, 64_000), (0, 40_000))  # bit/s of all, of these for the sound
SOUND_RATE = 48000


@dataclass(frozen=True)
class Shape:
    """Of a proxy: pixels of the upright picture, even; most bit/s of its picture and of its sound."""

    width: int
    height: int
    picture: int
    sound: int


def shape_of(video: VideoInfo, seconds: float) -> Shape:
    """The shape with which two proxies of so many seconds keep the budget; never larger than the picture itself."""
    bits = min(MOST, BUDGET * 4 // max(1, min(WHOLE, round(seconds))))
    sound = next(share for least, share in SOUNDS if bits >= least)
    picture = max(LEAST, int(0.97 * bits) - sound)
    side = next(pixels for least, pixels in SIDES if picture >= least)
    wide, high = _displayed(video)
    scale = min(Fraction(1), side / max(wide, high))
    width, height = (max(2, round(n * scale / 2) * 2) for n in (wide, high))
    return Shape(width, height, picture, sound)


def _displayed(video: VideoInfo) -> tuple[Fraction, Fraction]:
    """Width and height of the upright picture in square pixels."""
    aspect = video.sample_aspect or Fraction(1)
    wide, high = Fraction(video.width) * max(aspect, Fraction(1)), Fraction(video.height) / min(aspect, Fraction(1))
    return (high, wide) if video.turns % 2 else (wide, high)


def near_edits(plan: EditPlan) -> tuple[tuple[FrameRange, ...], tuple[FrameRange, ...]]:
    """(of the source, of the timeline) the frames that move in the proxies: all of a clip of at most `WHOLE` seconds,
    else those near an edit.
    """
    rate, ref = plan.source.rate, plan.source
    whole = FrameRange(0, ref.frames), FrameRange(0, plan.frames)
    if max(rate.seconds(span.end) for span in whole) <= WHOLE:
        return (whole[0],), (whole[1],)
    source = [o.source for o in plan.operations]
    source += [FrameRange(f, f) for w in plan.windows for j in w.joins for f in (j.left, j.right) if f is not None]
    timeline = [o.timeline for o in plan.operations] + [w.span for w in plan.windows]
    return _around(source, rate, ref.frames), _around(timeline, rate, plan.frames)


def _around(spans: Sequence[FrameRange], rate: FrameRate, frames: int) -> tuple[FrameRange, ...]:
    """What lies near the spans, in order, without overlap."""
    reach, found = rate.frames(NEAR), list[FrameRange]()
    for span in sorted(spans):
        wide = FrameRange(max(0, span.start - reach), min(frames, span.end + reach))
        if found and wide.start <= found[-1].end:
            wide = FrameRange(found[-1].start, max(found.pop().end, wide.end))
        found.append(wide)
    return tuple(found)


def write_proxy(
    out: Path, reader: FrameReader, sound: SoundFile, shape: Shape, moving: Sequence[FrameRange], advance: Advance
) -> None:
    """The proxy of all frames of `reader`, frame i at i/rate. `sound`: at `SOUND_RATE`, one or two channels; cut or
    filled to the picture's length. Outside `moving` a picture stays for `STILL` seconds. Raises MediaError.
    """
    with _container(out) as container:
        video, audio = _video(container, reader, shape), _audio(container, sound, shape)
        heard = done = 0
        for number in _numbers(reader.frames, reader.rate.frames_to_cover(STILL), moving):
            until = reader.rate.sample(min(reader.frames, number + reader.rate.frames_to_cover(1)), SOUND_RATE)
            while heard < until:
                heard = _hear(container, audio, sound, heard, min(until, heard + SOUND_RATE))
            picture = _small(reader.frame(number), reader.info.video, shape)
            picture.pts, picture.time_base = number, 1 / reader.rate.value
            container.mux(video.encode(picture))
            advance(number + 1 - done)
            done = number + 1
        for stream in (video, audio):
            container.mux(stream.encode(None))


@contextmanager
def _container(out: Path) -> Iterator[OutputContainer]:
    try:
        with av.open(f"file:{out.absolute()}", "w", format="mp4", options={"movflags": "+faststart"}) as container:
            yield container
    except (OSError, av.error.FFmpegError) as error:
        raise explain(out, error) from error


def _numbers(frames: int, step: int, moving: Sequence[FrameRange]) -> Iterator[int]:
    """The frames that a proxy holds: the last one too, so that it lasts as long."""
    held = set(range(0, frames, step)) | {frames - 1}
    for span in moving:
        held |= set(range(span.start, span.end))
    yield from sorted(held)


def _video(container: OutputContainer, reader: FrameReader, shape: Shape) -> VideoStream:
    like, rate = reader.info.video, reader.rate
    stream = container.add_stream("libx264", rate=rate.value, options={
        "crf": str(CRF), "preset": "veryfast", "g": str(rate.frames_to_cover(Fraction(1, 2))), "bf": "0",
        "maxrate": str(shape.picture), "bufsize": str(2 * shape.picture),
    })  # fmt: skip
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, "yuv420p"
    context = stream.codec_context
    context.time_base = 1 / rate.value
    context.color_range, context.colorspace = like.colour.range, like.colour.space
    context.color_primaries, context.color_trc = like.colour.primaries, like.colour.trc
    context.thread_type = "SLICE"  # with a rate limit, threads of whole frames never give the same bytes twice
    context.thread_count = THREADS
    return stream


def _audio(container: OutputContainer, sound: SoundFile, shape: Shape) -> AudioStream:
    stream = container.add_stream("aac", rate=SOUND_RATE, layout="stereo" if sound.channels == 2 else "mono")
    assert isinstance(stream, AudioStream)
    stream.codec_context.bit_rate = shape.sound
    stream.codec_context.time_base = Fraction(1, SOUND_RATE)
    return stream


def _hear(container: OutputContainer, stream: AudioStream, sound: SoundFile, start: int, stop: int) -> int:
    """Encode samples [start, stop); where it stopped."""
    flat = np.ascontiguousarray(np.clip(sound.read(start, stop).samples, -1, 1)).reshape(1, -1)
    frame = AudioFrame.from_ndarray(flat, format="flt", layout="stereo" if sound.channels == 2 else "mono")
    frame.sample_rate, frame.time_base, frame.pts = SOUND_RATE, Fraction(1, SOUND_RATE), start
    container.mux(stream.encode(frame))
    return stop


def _small(frame: VideoFrame, video: VideoInfo, shape: Shape) -> VideoFrame:
    """The picture small and upright, its own copy."""
    wide, high = (shape.height, shape.width) if video.turns % 2 else (shape.width, shape.height)
    small = to_working(frame).reformat(width=wide, height=high, format="yuv420p", interpolation="AREA")
    made = VideoFrame(shape.width, shape.height, "yuv420p")
    for k in range(3):
        plane_array(made, k)[:] = np.rot90(plane_array(small, k), video.turns)
    return made
