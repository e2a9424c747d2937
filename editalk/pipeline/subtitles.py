"""Subtitles within the source, brought along into the edit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editalk.media import MediaInfo
from editalk.media.subtitles import TEXT_SUBTITLES, SubtitleTrack, read_subtitles
from editalk.mux import form_of, subtitle_codec
from editalk.pipeline.captions import row, say
from editalk.plan import EditPlan
from editalk.reporting import Reporter
from editalk.sidecars import captions_of, retime_subtitles
from editalk.transcript import Word


@dataclass(frozen=True)
class Subtitles:
    """`rows`: what `apply --json` says of the tracks."""

    tracks: tuple[SubtitleTrack, ...]
    rows: tuple[dict[str, Any], ...]


def follow_subtitles(
    info: MediaInfo, plan: EditPlan, words: Sequence[Word], out: Path, reporter: Reporter
) -> Subtitles:
    """Text subtitles retimed, for the container of `out`; those that are pictures are left out, and named."""
    tracks, rows = [], []
    for k, stream in enumerate(info.subtitles, 1):
        name = f"subtitle track {k}"
        if stream.codec not in TEXT_SUBTITLES:
            reporter.warn(f"{name} ({stream.codec}) is left out: it holds pictures, whose times cannot be changed here")
            continue
        given = read_subtitles(info.path, stream, info.video.start)
        codec = subtitle_codec(stream.codec, form_of(out))
        track, retimed = retime_subtitles(plan, given, words, codec)
        say(name, retimed, reporter)
        tracks.append(track)
        rows.append({"source": name, "output": codec} | row(captions_of(given), retimed))
    return Subtitles(tuple(tracks), tuple(rows))
