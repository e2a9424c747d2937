"""Further audio tracks of the source, cut along with the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from editalk.audio import Audio
from editalk.media import AudioInfo, MediaInfo, decode_sound
from editalk.plan import EditPlan
from editalk.reporting import Reporter
from editalk.soundtrack import Soundtrack
from editalk.timebase import TimeRange


@dataclass(frozen=True)
class Track:
    info: AudioInfo
    sound: Soundtrack


def further_tracks(
    info: MediaInfo, plan: EditPlan, speech: Sequence[TimeRange], folder: Path, reporter: Reporter
) -> tuple[Track, ...]:
    """All sound streams but the one that is edited, decoded into the folder. Raises MediaError."""
    made = []
    for track in info.further:
        with reporter.stage(f"Decoding audio track {number(info, track)}"):
            raw = folder / f"track{track.index}.f32"
            sound = decode_sound(info.path, raw, start=info.video.start, index=track.index)
        made.append(Track(track, Soundtrack.along(plan, sound, speech)))
    return tuple(made)


def number(info: MediaInfo, track: AudioInfo) -> int:
    """Of a sound stream among those of the file, from 1."""
    return 1 + info.sounds.index(track)


def by_turns(tracks: Sequence[Track], seconds: float) -> Iterator[tuple[tuple[AudioInfo, Audio], ...]]:
    """So many seconds of every track at a time."""
    for turn in zip_longest(*(t.sound.chunks(seconds) for t in tracks)):
        yield tuple((t.info, chunk) for t, chunk in zip(tracks, turn, strict=True) if chunk is not None)


def rows(info: MediaInfo) -> list[dict[str, Any]]:
    """What `apply --json` says of the tracks."""
    return [
        {"track": k, "speech": t == info.audio, "codec": t.codec, "sample_rate": t.sample_rate, "layout": t.layout,
         "language": t.language, "title": t.title}
        for k, t in enumerate(info.sounds, 1)
    ]  # fmt: skip
