"""A sound stream of an output: in the source's codec where it can be written, else AAC."""

from __future__ import annotations

from fractions import Fraction

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition

from editalk.errors import OutputError
from editalk.media.info import AudioInfo

_LOSSLESS = {"mov": ("pcm_", "alac"), "matroska": ("pcm_", "flac", "alac")}
_LOSSY = {"ac3": "ac3", "eac3": "eac3", "opus": "libopus"}  # kept where the encoder takes rate and channels
_AC3_CHANNELS = 6
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


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


def audio_stream(container: OutputContainer, like: AudioInfo, form: str) -> AudioStream:
    name = audio_codec(like, form)
    if name == "aac" and like.sample_rate not in _AAC_RATES:
        raise OutputError(f"AAC has no sample rate of {like.sample_rate} Hz; convert the source's sound to 48000 Hz")
    stream = container.add_stream(name, rate=like.sample_rate, layout=like.layout)
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
