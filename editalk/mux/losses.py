"""What an output cannot keep of its source, in sentences for the one who edits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from av.video.format import VideoFormat

from editalk.media.info import AudioInfo, MediaInfo, VideoInfo
from editalk.mux.cover import COVERS
from editalk.mux.encoders import HDR_WORDS, encoding
from editalk.mux.sound_encoders import audio_codec

_FAMILIES = {
    "libx264": "H.264", "libx265": "HEVC", "libvpx-vp9": "VP9", "libsvtav1": "AV1", "prores_ks": "ProRes",
    "dnxhd": "DNxHD", "ffv1": "FFV1",
}  # fmt: skip
_SAME = {
    "h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1",
    "prores": "prores_ks",
}  # fmt: skip


def losses(like: MediaInfo, form: str) -> tuple[str, ...]:
    """A sentence each."""
    streams = [f"the data stream “{name}” is not written" for name in like.data]
    if like.cover and form not in COVERS:
        streams.append("the cover picture is not written: such a file holds none")
    return (*_of_pictures(like.video, form), *_of_sounds(like.sounds, form), *streams)


def _of_pictures(like: VideoInfo, form: str) -> Iterator[str]:
    made = encoding(like, form, None, None)
    family = _FAMILIES[made.name]
    if made.name != _SAME.get(like.codec, like.codec):
        yield f"the picture is {like.codec}: it is written as {family}"
    source, written = VideoFormat(like.pix_fmt.replace("yuvj", "yuv")), VideoFormat(made.pix_fmt)
    if len(source.components) % 2 == 0:
        yield f"the picture has transparency ({like.pix_fmt}): it is written without"
    deep, kept = (max(part.bits for part in shape.components) for shape in (source, written))
    if deep > kept:
        yield f"the picture has {deep} bits a sample: it is written with {kept}"
    if source.is_rgb:
        yield f"the picture is RGB ({like.pix_fmt}): it is written as Y, U, V without subsampling"
    if like.dynamic:
        yield f"{' and '.join(like.dynamic)} metadata is for every frame of the source: it is written without"
    if (like.mastering or like.light) and made.name not in HDR_WORDS:
        yield f"{family} carries no mastering display or light level here: it is written without"
    if like.fields and not made.fields:
        yield f"the picture is interlaced, which {family} of this size is not here: its lines stay, unmarked"
    if like.variable:
        yield f"the frame rate is variable: it is written at a constant {float(like.rate):.6g} frames a second"


def _of_sounds(sounds: Sequence[AudioInfo], form: str) -> Iterator[str]:
    for number, like in enumerate(sounds, 1):
        name = audio_codec(like, form).removeprefix("lib")
        if name != like.codec.removeprefix("lib"):
            which = "the sound" if len(sounds) == 1 else f"audio track {number}"
            yield f"{which} is {like.codec}: it is written as {name}"
