"""The picture stream of an output: the source's codec family, format and tags."""

from __future__ import annotations

from collections.abc import Sequence

from av.codec.context import ThreadType
from av.container import OutputContainer
from av.video.stream import VideoStream

from editalk.errors import OutputError
from editalk.media.info import VideoInfo
from editalk.mux.encoders import THREADS, encoding, prepare
from editalk.timebase import FrameRate


def video_stream(
    container: OutputContainer, like: VideoInfo, rate: FrameRate, form: str, crf: float | None, preset: str | None,
    settings: Sequence[str] = (),
) -> VideoStream:  # fmt: skip
    """`settings`: more of them, that only x264 or x265 itself knows."""
    made = encoding(like, form, crf, preset)
    options = dict(made.options)
    if settings:
        own = f"{made.name[3:]}-params"
        options[own] = ":".join([options[own], *settings])
    stream = container.add_stream(made.name, rate=rate.value, options=options)
    if not isinstance(stream, VideoStream):
        raise OutputError(f"{made.name} is not a video encoder here")
    context = stream.codec_context
    prepare(context, made, like)
    context.time_base = 1 / rate.value
    context.color_range, context.colorspace = like.colour.range, like.colour.space
    context.color_primaries, context.color_trc = like.colour.primaries, like.colour.trc
    context.sample_aspect_ratio = like.sample_aspect
    context.thread_type = ThreadType.AUTO
    if made.name == "libx264":
        context.thread_count = THREADS
    if made.name == "libx265" and form != "matroska":
        context.codec_tag = "hvc1"  # the one that QuickTime plays
    if like.matrix:
        stream.set_display_matrix(like.matrix)
    elif like.rotation:
        stream.set_display_rotation(like.rotation)
    return stream
