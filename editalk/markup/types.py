"""What an edited text says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    PLAIN = "plain"
    INSERTED = "inserted"  # inside {++ ++} or the new half of {~~ ~> ~~}: never matched to a source word
    DELETED = "deleted"  # inside {-- --}, ~~ ~~ or the old half: says which source words go


@dataclass(frozen=True)
class Token:
    """A word of the edited text as displayed; `line` and `column` count from 1.

    `event`: it stands in plain brackets, as in `[laughs]`. `glued`: no space before it, as after a dash in `so—I`.
    """

    text: str
    line: int
    column: int
    paragraph: int = 0
    mark: Mark = Mark.PLAIN
    event: bool = False
    glued: bool = False


@dataclass(frozen=True)
class Attribute:
    """`[these words]{rerender=face}` or `{retime=1.2s}`: tokens [first, end) of `EditedText.tokens`, at least one."""

    first: int
    end: int
    rerender: str | None = None  # mouth, face, head or frame
    retime: float | None = None  # seconds
    line: int = 1
    column: int = 1


@dataclass(frozen=True)
class Pause:
    """`[pause 0.5s]` before token `before` (an index into `EditedText.tokens`, its length at the end)."""

    before: int
    seconds: float
    line: int = 1
    column: int = 1


@dataclass(frozen=True)
class Speaker:
    """`NAME: ` at the start of paragraph `paragraph` (as in `Token.paragraph`), as the transcript writes the name."""

    paragraph: int
    name: str


@dataclass(frozen=True)
class EditedText:
    tokens: tuple[Token, ...]
    attributes: tuple[Attribute, ...] = ()
    pauses: tuple[Pause, ...] = ()
    speakers: tuple[Speaker, ...] = ()
