"""A sound stream of an output: in the source's own codec where it can be written, else AAC."""

from __future__ import annotations

from fractions import Fraction

from av.audio.stream import AudioStream
from av.container import OutputContainer

from editalk.errors import OutputError
from editalk.media.info import AudioInfo
from editalk.mux.sound_encoders import sound_encoding


def audio_stream(container: OutputContainer, like: AudioInfo, form: str) -> AudioStream:
    made = sound_encoding(like, form)
    stream = container.add_stream(made.name, rate=made.rate, layout=made.layout)
    if not isinstance(stream, AudioStream):
        raise OutputError(f"{made.name} is not a sound encoder here")
    if made.bit_rate is not None:
        stream.codec_context.bit_rate = made.bit_rate
    stream.codec_context.time_base = Fraction(1, made.rate)
    if like.language:
        stream.metadata["language"] = like.language
    return stream
