"""Subtitles within a video along with their words: as captions, and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html import unescape

from editalk.media.subtitles import SubtitlePacket, SubtitleTrack
from editalk.plan import EditPlan
from editalk.sidecars.captions import Retimed, retime
from editalk.transcript import Word
from editalk.transcript.captions import CaptionCue, CaptionFile

_ASS = ("ass", "ssa")
_ASS_FIELDS = 8  # before the text, which may hold commas itself
_TAG = re.compile(r"<[^<>]*>|\{[^{}]*\}")


def captions_of(track: SubtitleTrack) -> CaptionFile:
    """Each packet a cue, whose `line` is the packet's number, from 1."""
    form = "vtt" if track.codec == "webvtt" else "srt"
    cues = [
        CaptionCue(None, p.start, max(p.start, p.end), _lines(track.codec, p.data), line=k)
        for k, p in enumerate(track.packets, 1)
    ]
    return CaptionFile(form, tuple(cues))


def retime_subtitles(
    plan: EditPlan, track: SubtitleTrack, words: Sequence[Word], codec: str
) -> tuple[SubtitleTrack, Retimed]:
    """The track for the edited timeline, in `codec`; what is unchanged keeps its bytes where that is its own."""
    retimed = retime(plan, captions_of(track), words)
    packets = []
    for k, cue in enumerate(retimed.file.cues):
        old = track.packets[cue.line - 1] if cue.line else None
        same = old is not None and codec == track.codec and _lines(codec, old.data) == cue.lines
        data = old.data if same and old is not None else _data(codec, track.codec, cue.lines, old)
        if codec in _ASS:
            data = b"%d,%b" % (k, data.partition(b",")[2])  # players show a number once
        packets.append(SubtitlePacket(cue.start, cue.end, data, old.like if old and codec == track.codec else None))
    return replace(track, codec=codec, packets=tuple(packets)), retimed


def _lines(codec: str, data: bytes) -> tuple[str, ...]:
    if codec == "mov_text":
        data = data[2 : 2 + int.from_bytes(data[:2], "big")]
        if data[:2] in (b"\xfe\xff", b"\xff\xfe"):
            return tuple(data.decode("utf-16", "replace").split("\n"))
    text = data.decode("utf-8", "replace")
    if codec in _ASS:
        text = text.split(",", _ASS_FIELDS)[-1].replace(r"\N", "\n").replace(r"\n", "\n")
    return tuple(text.replace("\r\n", "\n").split("\n"))


def _data(codec: str, given: str, lines: Sequence[str], old: SubtitlePacket | None) -> bytes:
    """Text of one codec as a packet of another or the same; styles stay where both write them alike."""
    if codec in _ASS:
        fields = old.data.split(b",", _ASS_FIELDS)[:-1] if old is not None and given in _ASS else []
        head = b",".join(fields) if len(fields) == _ASS_FIELDS else b"0,0,Default,,0,0,0,"
        return head + b"," + r"\N".join(lines).encode()
    text = "\n".join(lines)
    if codec != given:
        text = _TAG.sub("", text)
        text = unescape(text) if given == "webvtt" else text
    data = text.encode()
    return len(data).to_bytes(2, "big") + data if codec == "mov_text" else data
