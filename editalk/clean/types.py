"""What goes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    FILLER = "filler"
    REPEAT = "repeat"
    TAKE = "take"  # of a sentence that is said again


@dataclass(frozen=True)
class Cut:
    """Words [first, end) of the transcript that go."""

    kind: Kind
    first: int
    end: int


@dataclass(frozen=True)
class ShorterPause:
    """A pause between kept words `behind` and `before` (the next that stays), and the seconds it shall last.

    `quiet`: the seconds that it lasts, those on either side of words that go added up.
    """

    behind: int
    before: int
    quiet: float
    seconds: float


@dataclass(frozen=True)
class Cleaning:
    """Cuts in order and without overlap, and pauses in order."""

    cuts: tuple[Cut, ...] = ()
    pauses: tuple[ShorterPause, ...] = ()

    @property
    def gone(self) -> frozenset[int]:
        """The words that go."""
        return frozenset(k for cut in self.cuts for k in range(cut.first, cut.end))
