"""Where the sentences of a text end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from editalk.markup import Token
from editalk.transcript import Transcript
from editalk.transcript.types import ends_sentence
from editalk.transcript.writing import paragraphs

DIGIT = 5  # letters that a digit is said with
UNSTOPPED_PAUSE = 0.35  # seconds that end a sentence where nothing is punctuated
ABBREVIATIONS = frozenset("bzw ca dr evtl fr ggf hr inkl jr mme mr mrs ms nr prof sog sr st vgl vs".split())


@dataclass(frozen=True)
class Sentence:
    """Words [first, end) of a text, at least one; `letters` as they are said; `paragraph` counts from 0."""

    first: int
    end: int
    paragraph: int
    letters: int


def of_text(tokens: Sequence[Token], files: int = 1) -> tuple[Sentence, ...]:
    """The sentences of a dub's text; its lines where just they are as many as the voice's files."""
    texts, places = [t.text for t in tokens], [t.paragraph for t in tokens]
    made = _cut(texts, places, _stops(texts))
    by_line = _cut(texts, [t.line for t in tokens], set())
    return by_line if files > 1 and len(by_line) == files != len(made) else made


def of_transcript(transcript: Transcript) -> tuple[Sentence, ...]:
    """The sentences of a source, by its paragraphs (as `transcript.writing` has them) and stops, else by its pauses."""
    words = transcript.words
    places = [k for k, (inside, _) in enumerate(paragraphs(transcript)) for _ in inside]
    texts = [w.text for w in words]
    ends = _stops(texts)
    if not ends:
        ends = {k for k in range(len(words) - 1) if words[k + 1].start - words[k].end >= UNSTOPPED_PAUSE}
    return _cut(texts, places, ends)


def spoken_letters(texts: Iterable[str]) -> int:
    """How many letters some words are said with: the unit of their expected length."""
    return max(1, sum(DIGIT if c.isdigit() else 1 for text in texts for c in text if c.isalnum()))


def _cut(texts: Sequence[str], places: Sequence[int], ends: set[int]) -> tuple[Sentence, ...]:
    """A sentence ends behind the words `ends` and where `places` change; these are its paragraphs."""
    made: list[Sentence] = []
    for paragraph, (_, inside) in enumerate(groupby(range(len(texts)), key=lambda k: places[k])):
        rows = list(inside)
        first = rows[0]
        for k in rows:
            if k in ends or k == rows[-1]:
                made.append(Sentence(first, k + 1, paragraph, spoken_letters(texts[first : k + 1])))
                first = k + 1
    return tuple(made)


def _stops(texts: Sequence[str]) -> set[int]:
    """The words that close a sentence."""
    cased = any(text[:1].isupper() for text in texts)
    return {k for k in range(len(texts)) if ends_sentence(texts[k]) and not _abbreviated(texts, k, cased)}


def _abbreviated(texts: Sequence[str], k: int, cased: bool) -> bool:
    """Whether the stop of word k is an abbreviation's or an ordinal's; `cased`: sentences begin with a capital."""
    bare = texts[k].strip("\"'„“”‘’«»()[]")
    if k + 1 == len(texts) or not bare.endswith(".") or bare.endswith(".."):
        return False
    core, following = bare[:-1], texts[k + 1].lstrip("\"'„“”‘’«»([")
    short = "." in core or len(core) == 1 or (core.isdigit() and len(core) <= 2) or core.lower() in ABBREVIATIONS
    return short or (cased and following[:1].islower())
