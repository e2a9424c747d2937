"""The plan of an edit: every number that is needed to render it, and nothing that has to be looked up again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from editalk.latent import Strip
from editalk.operations import Operation
from editalk.timebase import FrameRange, FrameRate


class Origin(StrEnum):
    SOURCE = "source"
    VOICE = "voice"
    ROOM_TONE = "room_tone"


class Region(StrEnum):
    """What of the picture gets new pixels."""

    MOUTH = "mouth"
    FACE = "face"
    HEAD = "head"
    FRAME = "frame"


@dataclass(frozen=True)
class Piece:
    """A stretch of the timeline's picture.

    Timeline frames [start, start + frames). `source`: the first of `source_frames` source frames that it shows, evenly
    resampled where the two lengths differ; None where there is no footage for it: new content.
    """

    start: int
    frames: int
    source: int | None
    source_frames: int

    @property
    def end(self) -> int:
        return self.start + self.frames

    @property
    def source_end(self) -> int:
        """The source frame behind the last one shown."""
        if self.source is None:
            raise ValueError("new content shows no source frame")
        return self.source + self.source_frames

    @property
    def resampled(self) -> bool:
        return self.source is not None and self.frames != self.source_frames

    def continues(self, source: int) -> bool:
        """Whether footage from source frame `source` on plays on from this piece as if nothing had happened."""
        return self.source is not None and not self.resampled and self.source_end == source

    def source_position(self, frame: int) -> float:
        """Where in the source a timeline frame of this piece lies (fractional where resampled)."""
        if self.source is None:
            raise ValueError("new content has no source position")
        return self.source + (frame - self.start) * self.source_frames / self.frames


@dataclass(frozen=True)
class SoundPiece:
    """A stretch of the timeline's sound.

    Timeline samples [start, start + samples), at the source's sample rate, from `offset` of its origin. It begins with
    an equal-power crossfade of `fade` samples out of the piece before it (0: continuous or a plain cut).
    `source_samples` differs from `samples` only where a span of the source is time-stretched (Retime).
    `gain_db` is added (a voice is matched to its surroundings).
    """

    start: int
    samples: int
    origin: Origin
    offset: int
    source_samples: int
    voice: int | None = None  # index of the voice file
    fade: int = 0
    gain_db: float = 0.0

    @property
    def end(self) -> int:
        return self.start + self.samples


@dataclass(frozen=True)
class Join:
    """Timeline frame `frame` shows source frame `right`, the one before it `left`; None: new content on that side."""

    frame: int
    left: int | None
    right: int | None


@dataclass(frozen=True)
class RenderWindow:
    """A stretch of the timeline that gets new pixels.

    Timeline frames [span.start, span.end). `pieces` tile the window and its context; where the timeline's reach
    beyond, they are cut there. `lips`: the timeline frames whose mouth must follow the sound of the timeline, with new
    pixels in `lip_region`.
    `joins`: the places inside the window where the footage of two neighbouring pieces does not continue. `context`:
    clean frames on either side that a backend may look at.
    """

    span: FrameRange
    pieces: tuple[Piece, ...]
    joins: tuple[Join, ...]
    lips: tuple[FrameRange, ...]
    region: Region
    context: FrameRange
    strip: Strip
    operations: tuple[int, ...]  # indices into the plan's operations
    lip_region: Region = Region.MOUTH


@dataclass(frozen=True)
class SourceRef:
    """What the plan was made for. `track`: of the file's sound streams, from 1, the one that is edited."""

    name: str
    sha256: str
    rate: FrameRate
    frames: int
    sample_rate: int
    samples: int
    channels: int
    track: int = 1


@dataclass(frozen=True)
class VoiceRef:
    path: str
    sha256: str


@dataclass(frozen=True)
class Caption:
    """A word of the edited script and when it is heard, timeline seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class EditPlan:
    """Timeline, sound, windows: all a renderer needs. `timeline` and `sound` tile [0, end) without gap or overlap.

    `dubbed`: the language that a dub speaks instead of the source's, "und" where it is not known; None: no dub.
    """

    source: SourceRef
    voices: tuple[VoiceRef, ...]
    voice_covers: str | None  # "script", "new-words" or None
    operations: tuple[Operation, ...]
    timeline: tuple[Piece, ...]
    sound: tuple[SoundPiece, ...]
    windows: tuple[RenderWindow, ...]
    captions: tuple[Caption, ...]
    dubbed: str | None = None

    @property
    def frames(self) -> int:
        return self.timeline[-1].end if self.timeline else 0

    @property
    def samples(self) -> int:
        return self.sound[-1].end if self.sound else 0
