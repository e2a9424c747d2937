"""Which encoder writes a sound stream, at which rate, layout and bit rate: the source's own codec where that can be.
"""

from __future__ import annotations

from dataclasses import dataclass

import av

from editalk.errors import OutputError
from editalk.media.info import AudioInfo

_LOSSLESS = {"mp4": ("alac", "flac"), "mov": ("pcm_", "alac"), "matroska": ("pcm_", "flac", "alac")}
_UNWRITTEN = ("pcm_bluray", "pcm_dvd", "pcm_vidc", "pcm_f16le", "pcm_f24le", "pcm_s16be_planar")
_LOSSY = {"ac3": "ac3", "eac3": "eac3", "opus": "libopus"}
_TAKES = {"mp4": ("ac3", "eac3", "libopus"), "mov": ("ac3", "eac3"), "matroska": ("ac3", "eac3", "libopus")}
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_AC3_RATES = (48000, 44100, 32000)
_AC3_BITS = (*(64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576), 640)  # kbit/s
_OPUS_RATE = 48000
_USUAL_BITS = 16  # of FLAC
_SURROUND = 6  # channels: AC-3 has no more
_OPUS_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_AAC_LAYOUTS = {"5.1(side)": "5.1", "5.0(side)": "5.0"}  # one place of the loudspeakers, two names: AAC has one of them


@dataclass(frozen=True)
class SoundEncoding:
    """An encoder's name; `rate`: Hz; `bit_rate`: bit/s, None: lossless; `format`: of samples, None: the usual one."""

    name: str
    rate: int
    layout: str
    bit_rate: int | None
    format: str | None = None


def audio_codec(like: AudioInfo, form: str) -> str:
    """The source's own codec where the container takes it and an encoder is here, else AAC; Opus in WebM."""
    if form == "webm":
        return "libopus"
    if like.codec.startswith(_LOSSLESS[form]) and like.codec in av.codecs_available:
        return "pcm_s24le" if like.codec in _UNWRITTEN else like.codec
    name = _LOSSY.get(like.codec)
    if name in _TAKES[form] and name in av.codecs_available and _fits(name, like):
        return name
    return "aac"


def sound_encoding(like: AudioInfo, form: str) -> SoundEncoding:
    """Raises OutputError for a sample rate that AAC does not have."""
    name = audio_codec(like, form)
    least = 128_000 if like.channels == 1 else 96_000 * like.channels
    if name == "libopus":
        most = 256_000 * like.channels
        layout = _OPUS_LAYOUTS.get(like.channels, like.layout)
        return SoundEncoding(name, _OPUS_RATE, layout, min(max(like.bit_rate or 0, least), most))
    if name in ("ac3", "eac3"):
        wanted = max(like.bit_rate or 0, least) // 1000
        kbits = next((n for n in _AC3_BITS if n >= wanted), _AC3_BITS[-1])
        return SoundEncoding(name, like.sample_rate, like.layout, kbits * 1000)
    if name != "aac":
        deep = "s32" if name == "flac" and like.bits > _USUAL_BITS else None
        return SoundEncoding(name, like.sample_rate, like.layout, None, deep)
    if like.sample_rate not in _AAC_RATES:
        raise OutputError(f"AAC has no sample rate of {like.sample_rate} Hz; convert the source's sound to 48000 Hz")
    most = min(6 * like.sample_rate * like.channels, 256_000 * like.channels)  # AAC's own limit, then what is of use
    layout = _AAC_LAYOUTS.get(like.layout, like.layout)
    return SoundEncoding(name, like.sample_rate, layout, min(max(like.bit_rate or 0, least), most))


def _fits(name: str, like: AudioInfo) -> bool:
    if name == "libopus":
        return like.sample_rate == _OPUS_RATE
    return like.sample_rate in _AC3_RATES and like.channels <= _SURROUND
