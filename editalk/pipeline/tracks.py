"""Further audio tracks of the source, cut along with the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from editalk.audio import Audio
from editalk.errors import MediaError, OutputError
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
    """All sound streams but the one that is edited, decoded into the folder; those that cannot be are left out, and
    named.
    """
    if info.undecoded:
        many = "s" * (info.undecoded > 1)
        reporter.warn(f"{info.undecoded} audio track{many} that nothing here can decode: left out")
    made = []
    for track in info.further:
        name = f"audio track {1 + info.sounds.index(track)}"
        try:
            with reporter.stage(f"Decoding {name}"):
                raw = folder / f"track{track.index}.f32"
                sound = decode_sound(info.path, raw, start=info.video.start, index=track.index)
        except MediaError as error:
            if isinstance(error, OutputError):
                raise
            reporter.warn(f"{name} is left out: {error}")
            continue
        made.append(Track(track, Soundtrack.along(plan, sound, speech)))
    return tuple(made)


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
