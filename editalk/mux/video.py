"""The picture stream of an output: the source's codec family, format and tags."""

from __future__ import annotations

import math

import av
from av.codec.context import ThreadType
from av.container import OutputContainer
from av.video.stream import VideoStream

from editalk.errors import OutputError
from editalk.media.image import working_format
from editalk.media.info import VideoInfo
from editalk.timebase import FrameRate

CRF = 11
PRESETS = {"libx264": "veryfast", "libx265": "ultrafast"}
_WORST = 3  # quantisers above the CRF that noise may cost: a noisy MPEG-1 clip at CRF 14 fell to 41.9 dB
_SMALL = 2_228_224  # pixels of a picture at HEVC's levels below 5


def video_codec(like: VideoInfo) -> str:
    """The encoder of the source's codec family."""
    name = "libx265" if like.codec == "hevc" else "libx264"
    if name not in av.codecs_available:
        raise OutputError(f"this build of PyAV cannot encode {name[3:]}; install the wheel from PyPI: pip install av")
    return name


def video_stream(
    container: OutputContainer, like: VideoInfo, rate: FrameRate, form: str, crf: float | None, preset: str | None
) -> VideoStream:
    name = video_codec(like)
    options = {"crf": f"{CRF if crf is None else crf:g}", "preset": preset or PRESETS[name]}
    options[f"{name[3:]}-params"] = ":".join(_parameters(name, like, float(options["crf"])))
    stream = container.add_stream(name, rate=rate.value, options=options)
    if not isinstance(stream, VideoStream):
        raise OutputError(f"{name} is not a video encoder here")
    context = stream.codec_context
    stream.width, stream.height, stream.pix_fmt = like.width, like.height, working_format(like.pix_fmt)
    context.time_base = 1 / rate.value
    context.color_range, context.colorspace = like.colour.range, like.colour.space
    context.color_primaries, context.color_trc = like.colour.primaries, like.colour.trc
    context.sample_aspect_ratio = like.sample_aspect
    context.thread_type = ThreadType.AUTO
    if name == "libx265" and form != "matroska":
        context.codec_tag = "hvc1"  # the one that QuickTime plays
    if like.rotation:
        stream.set_display_rotation(like.rotation)
    return stream


def _parameters(name: str, like: VideoInfo, crf: float) -> list[str]:
    """Settings that only the encoder itself knows."""
    most = math.ceil(crf) + _WORST
    deep = working_format(like.pix_fmt).endswith("10le")
    found = [f"qpmax={most + 12 if deep and name == 'libx264' else most}"]  # x264 counts from -12 at 10 bits
    if name == "libx265":
        found += ["log-level=error", "psy-rd=0"]  # visibly lossless without: a tenth of the time
        if like.width * like.height <= _SMALL and like.rate.value <= 60:
            found += ["ctu=16", "max-tu-size=16"]  # another tenth; levels from 5 on want larger units
    if like.colour.range == 1:
        # "limited" is the default, so the encoders tag it only together with something else that they tag
        found.append("videoformat=component")
    return found
