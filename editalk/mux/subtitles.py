"""Streams of subtitles of an output: the source's codec where the container takes it, else the container's own."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream

from editalk.media.subtitles import TEXT_SUBTITLES, SubtitlePacket, SubtitleTrack
from editalk.timebase import nearest

_UNIT = Fraction(1, 1000)  # seconds; what Matroska counts in
_HEADER = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, "
    "SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, "
    "BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\nStyle: Default,Arial,16,&Hffffff,"
    "&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\n\n[Events]\nFormat: Layer, Start, End, Style, Name, "
    "MarginL, MarginR, MarginV, Effect, Text\n"
)  # what the mov_text encoder makes the stream's own header of


def subtitle_codec(codec: str, form: str) -> str:
    """What text subtitles of `codec` are written as in a container."""
    if form != "matroska":
        return "mov_text"
    return codec if codec in TEXT_SUBTITLES - {"mov_text"} else "subrip"


class SubtitleWriter:
    """Writes the packets of a track in step with the pictures."""

    def __init__(self, container: OutputContainer, track: SubtitleTrack, source: InputContainer) -> None:
        self._container, self._waiting = container, deque(track.packets)
        self._stream = _stream(container, track, source)
        for key, value in (("language", track.info.language), ("title", track.info.title)):
            if value:
                self._stream.metadata[key] = value
        self._stream.disposition = Disposition(track.info.disposition)

    def until(self, seconds: Fraction | None) -> None:
        """Write what begins before a time; None: all that is left."""
        while self._waiting and (seconds is None or self._waiting[0].start < seconds):
            self._container.mux_one(self._packet(self._waiting.popleft()))

    def _packet(self, given: SubtitlePacket) -> Packet[Stream]:
        packet: Packet[Stream] = Packet(given.data)
        packet.stream, packet.time_base = self._stream, _UNIT
        packet.pts = packet.dts = nearest(given.start / _UNIT)
        packet.duration = nearest(given.end / _UNIT) - packet.pts
        for extra in given.like.iter_sidedata() if given.like is not None else ():
            packet.set_sidedata(extra)
        return packet


def _stream(container: OutputContainer, track: SubtitleTrack, source: InputContainer) -> Stream:
    own = source.streams[track.info.index]
    if track.codec == track.info.codec and isinstance(own, SubtitleStream):
        return container.add_stream_from_template(own)
    if track.codec != "mov_text":
        return container.add_mux_stream(track.codec)
    made = container.add_stream("mov_text")
    made.codec_context.subtitle_header = _HEADER.encode()
    return made
