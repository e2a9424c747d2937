"""A sound stream of an output: in the source's codec where it can be written, else AAC."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.format import AudioFormat
from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition

from editalk.errors import OutputError
from editalk.media.info import AudioInfo

_LOSSLESS = {"mov": ("pcm_", "alac"), "matroska": ("pcm_", "flac", "alac")}
_LOSSY = {"ac3": "ac3", "eac3": "eac3", "opus": "libopus"}  # kept where the encoder takes rate and channels
_AC3_CHANNELS = 6
_NAMED_CHANNELS = 8  # from there on a number has no usual layout


def audio_codec(like: AudioInfo, form: str) -> str:
    """The encoder of the source's own codec where the container takes it, else AAC."""
    if like.codec.startswith(_LOSSLESS.get(form, ("\0",))) and like.codec in av.codecs_available:
        return like.codec
    name = _LOSSY.get(like.codec, "")
    if name not in av.codecs_available or (name == "libopus" and form == "mov"):
        return "aac"
    encoder = av.Codec(name, "w")
    fits = like.channels <= _AC3_CHANNELS or name == "libopus"
    return name if fits and like.sample_rate in (encoder.audio_rates or ()) else "aac"


def check_sounds(sounds: Sequence[AudioInfo], form: str) -> None:
    """Before the work, not after it. Raises OutputError for a sound that no encoder takes."""
    for number, like in enumerate(sounds, 1):
        name = audio_codec(like, form)
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate, context.layout = like.sample_rate, _layout(like, name)
        context.format = (context.codec.audio_formats or [AudioFormat("s16")])[0]
        try:
            context.open()
        except (av.error.FFmpegError, ValueError) as error:
            raise OutputError(
                f"audio track {number}: {name} takes no sound of {like.sample_rate} Hz in the layout {like.layout}; "
                "convert it to 48000 Hz in a layout with a name, such as 5.1"
            ) from error


def _layout(like: AudioInfo, name: str) -> str:
    """Channels without a layout get the usual one of their number where an encoder wants one."""
    if like.layout.endswith(" channels") and name in ("aac", *_LOSSY.values()) and like.channels <= _NAMED_CHANNELS:
        return AudioLayout(f"{like.channels}c").name
    return like.layout


def audio_stream(container: OutputContainer, like: AudioInfo, form: str) -> AudioStream:
    name = audio_codec(like, form)
    stream = container.add_stream(name, rate=like.sample_rate, layout=_layout(like, name))
    if not isinstance(stream, AudioStream):
        raise OutputError(f"{name} is not a sound encoder here")
    if name == "aac":
        _set_bit_rate(stream.codec_context, like)
    elif name in _LOSSY.values() and like.bit_rate:
        stream.codec_context.bit_rate = like.bit_rate
    stream.codec_context.time_base = Fraction(1, like.sample_rate)
    if like.language:
        stream.metadata["language"] = like.language
    if like.title:
        stream.metadata["title"] = like.title
    stream.disposition = Disposition(like.disposition)
    return stream


def _set_bit_rate(context: AudioCodecContext, like: AudioInfo) -> None:
    least = 128_000 if like.channels == 1 else 96_000 * like.channels
    most = min(6 * like.sample_rate * like.channels, 256_000 * like.channels)  # AAC's own limit, then what is of use
    context.bit_rate = min(max(like.bit_rate or 0, least), most)
