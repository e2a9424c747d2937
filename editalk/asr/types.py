"""What an alignment is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phone:
    """An ARPAbet phone without stress ("AH") and when it is heard, seconds, `end` exclusive."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class AlignedWord:
    """A word of the script as displayed and when it is heard, seconds, `end` exclusive.

    `probability` in 0…1 says how well the sound fits the word (0: it was not found and placed by proportion).
    `phones` may be empty.
    """

    text: str
    start: float
    end: float
    probability: float
    phones: tuple[Phone, ...] = ()


@dataclass(frozen=True)
class Alignment:
    """A script against its sound: one word for each word given, in order; times never go backwards."""

    words: tuple[AlignedWord, ...]
    seconds: float  # length of the sound

    @property
    def probability(self) -> float:
        """Mean over the words, 0…1; 1 where there are none."""
        return sum(w.probability for w in self.words) / len(self.words) if self.words else 1.0
