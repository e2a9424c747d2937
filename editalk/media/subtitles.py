"""Subtitles that a video file holds, packet by packet."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.error
from av.packet import Packet
from av.stream import Stream

from editalk.errors import MediaError
from editalk.media.container import describe, opened
from editalk.media.info import SubtitleInfo
from editalk.media.limits import MOST_SUBTITLES, check_count

TEXT_SUBTITLES = frozenset({"mov_text", "srt", "subrip", "text", "webvtt", "ass", "ssa"})
"""FFmpeg's names of subtitles that are text; others are pictures."""


@dataclass(frozen=True)
class SubtitlePacket:
    """Shown for seconds [start, end) from the first frame. `data`: in the codec's own form. `like`: the packet that it
    was in the source, which may carry more beside it (WebVTT's settings); None for a new one.
    """

    start: Fraction
    end: Fraction
    data: bytes
    like: Packet[Stream] | None = None


@dataclass(frozen=True)
class SubtitleTrack:
    """A stream of subtitles in `codec`, which need not be the one that it has in the source, `info`."""

    info: SubtitleInfo
    codec: str
    packets: tuple[SubtitlePacket, ...]


def read_subtitles(path: Path, info: SubtitleInfo, start: Fraction) -> SubtitleTrack:
    """A stream of a file whose first frame is at media time `start`. Raises MediaError."""
    found: list[SubtitlePacket] = []
    with opened(path) as container:
        stream = container.streams[info.index]
        try:
            for packet in container.demux(stream):
                data = bytes(packet)
                if not data or packet.pts is None or (info.codec == "mov_text" and not any(data[:2])):
                    continue  # mov_text fills the time between two subtitles with empty ones
                begin = packet.pts * packet.time_base - start
                lasts = (packet.duration or 0) * packet.time_base
                check_count(path, "subtitles", len(found) + 1, MOST_SUBTITLES)
                found.append(SubtitlePacket(begin, begin + lasts, data, packet))
        except av.error.FFmpegError as error:
            raise MediaError(
                f"{path}: its subtitles, stream {info.index}, are damaged ({describe(error)}); export the file again"
            ) from error
    return SubtitleTrack(info, info.codec, tuple(found))
