"""The sound streams of an output: in the source's own codecs where these can be written, else AAC."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.format import AudioFormat
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition

from editalk.errors import OutputError
from editalk.media.info import AudioInfo
from editalk.mux.sound_encoders import sound_encoding


def check_sounds(sounds: Sequence[AudioInfo], form: str) -> None:
    """Before the work, not after it. Raises OutputError for a sound that no encoder takes."""
    for number, like in enumerate(sounds, 1):
        made = sound_encoding(like, form)
        context = av.CodecContext.create(made.name, "w")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate, context.layout = made.rate, made.layout
        context.format = (context.codec.audio_formats or [AudioFormat("s16")])[0]
        try:
            context.open()
        except (av.error.FFmpegError, ValueError) as error:
            raise OutputError(
                f"audio track {number}: {made.name} takes no sound of {like.sample_rate} Hz in the layout "
                f"{like.layout}; convert it to 48000 Hz in a layout with a name, such as 5.1"
            ) from error


def audio_stream(container: OutputContainer, like: AudioInfo, form: str) -> AudioStream:
    made = sound_encoding(like, form)
    stream = container.add_stream(made.name, rate=made.rate, layout=made.layout)
    if not isinstance(stream, AudioStream):
        raise OutputError(f"{made.name} is not a sound encoder here")
    if made.format is not None:
        stream.codec_context.format = made.format
    if made.bit_rate is not None:
        stream.codec_context.bit_rate = made.bit_rate
    stream.codec_context.time_base = Fraction(1, made.rate)
    if like.language:
        stream.metadata["language"] = like.language
    if like.title:
        stream.metadata["title"] = like.title
    stream.disposition = Disposition(like.disposition)
    return stream
