"""What an editing program is told: files, clips on tracks, marks. Every format is written from these."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from editalk.media.info import Colour
from editalk.operations import Kind
from editalk.timebase import FrameRange, FrameRate

NAME = 60  # characters of a clip's or a mark's name


class Content(StrEnum):
    KEPT = "kept"
    GENERATED = "generated"
    VOICE = "voice"
    ROOM_TONE = "room tone"
    REMOVED = "removed"


@dataclass(frozen=True)
class Media:
    """A file that clips refer to. `path`: absolute. `start`: its first frame's timecode, counted in frames. `frames` of
    picture, 0 where it has none; `samples` of sound at the timeline's sample rate. `sample_rate`: the file's own.
    """

    path: Path
    reel: str
    start: int
    frames: int
    samples: int
    sample_rate: int
    channels: int

    @property
    def name(self) -> str:
        return plain(self.path.name)

    @property
    def url(self) -> str:
        return self.path.as_uri()


@dataclass(frozen=True)
class Clip:
    """Ticks [start, start + length) of its track, from tick `offset` of a file on, counted from the file's beginning.

    `offset` is whole but where a voice file lies on a track that counts in frames. `fade`: seconds of crossfade out of
    the clip before it, which only the edited file has.
    """

    start: int
    length: int
    media: Media
    offset: Fraction
    name: str
    content: Content
    gain_db: float = 0.0
    fade: float = 0.0

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True)
class Track:
    """Clips in order that do not overlap. `rate`: ticks per second, the frame rate or the sample rate."""

    name: str
    picture: bool
    rate: Fraction
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class Mark:
    """What was edited: timeline frames [frame, frame + frames), at least one. `source`: the frames concerned."""

    frame: int
    frames: int
    kind: Kind
    text: str
    source: FrameRange
    region: str | None = None

    @property
    def label(self) -> str:
        return f"{self.kind.value}: {short(self.text)}" if self.text else self.kind.value

    def note(self, rate: FrameRate) -> str:
        """Source seconds."""
        span = self.source.seconds(rate)
        where = f"source {span.start:.3f} s" if not len(self.source) else f"source {span.start:.3f} to {span.end:.3f} s"
        return f"{where}, {self.region}" if self.region else where


@dataclass(frozen=True)
class Picture:
    """`width`, `height`: upright, in pixels of shape `aspect`."""

    width: int
    height: int
    aspect: Fraction
    colour: Colour


@dataclass(frozen=True)
class Timeline:
    """`start`: the timecode of its first frame, counted in frames; `drop`: shown as drop-frame timecode."""

    name: str
    rate: FrameRate
    start: int
    drop: bool
    frames: int
    sample_rate: int
    channels: int
    picture: Picture
    tracks: tuple[Track, ...]
    marks: tuple[Mark, ...] = field(default=())

    @property
    def media(self) -> tuple[Media, ...]:
        """Every file that a clip refers to, once, in order."""
        return tuple(dict.fromkeys(clip.media for track in self.tracks for clip in track.clips))

    @property
    def shots(self) -> tuple[Clip, ...]:
        """The clips of the picture; they tile [0, frames)."""
        return next((track.clips for track in self.tracks if track.picture), ())

    @property
    def sounds(self) -> tuple[Track, ...]:
        return tuple(track for track in self.tracks if not track.picture)

    def marks_of(self, clip: Clip) -> tuple[Mark, ...]:
        """The marks that begin in a clip of the picture."""
        return tuple(mark for mark in self.marks if clip.start <= mark.frame < clip.end)


def plain(text: str) -> str:
    """One line of characters that every format can hold: a file's name may be any bytes."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in whole).split())


def short(text: str) -> str:
    return text if len(text) <= NAME else text[: NAME - 1].rstrip() + "…"
