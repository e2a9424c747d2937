"""Words with times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word as displayed (with its punctuation) and when it is heard, seconds of the source, `end` exclusive."""

    text: str
    start: float
    end: float
    probability: float | None = None


@dataclass(frozen=True)
class Segment:
    """A turn or sentence: neighbouring words of one speaker."""

    words: tuple[Word, ...]
    speaker: str | None = None


@dataclass(frozen=True)
class Transcript:
    """What is said in a source.

    `source` is the sha256 of the media it was made from (None: made elsewhere), `engine` what made it.
    """

    segments: tuple[Segment, ...]
    language: str = "en"
    source: str | None = None
    engine: str | None = None

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)


SENTENCE_ENDS = (".", "!", "?", "…", "。", "？", "！")


def ends_sentence(text: str) -> bool:
    """Whether a displayed word closes a sentence, quotes and brackets after its stop aside."""
    return text.rstrip("\"'”’“‘»«)]").endswith(SENTENCE_ENDS)
