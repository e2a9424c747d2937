"""Captions: which words stand on the screen together, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from editalk.transcript.types import Transcript, Word, ends_sentence

LINE = 42  # characters
LINES = 2
LONGEST = 6.0  # seconds
SHORTEST = 1.0  # seconds, where the next cue leaves room
PAUSE = 0.7  # seconds between words that end a cue
CLAUSE_ENDS = (",", ";", ":", "—", "–")
FILLED = 0.6  # of a cue's characters after which the end of a clause ends it


@dataclass(frozen=True)
class Cue:
    """`lines` shown from `start` to `end`, seconds; at most two of 42 characters (a longer word is broken)."""

    start: float
    end: float
    lines: tuple[str, ...]
    speaker: str | None = None


def cues(transcript: Transcript) -> tuple[Cue, ...]:
    """The captions of a transcript, in order and without overlap."""
    groups = [(g, segment.speaker) for segment in transcript.segments for g in _groups(segment.words)]
    made = []
    for i, (words, speaker) in enumerate(groups):
        start = words[0].start
        following = groups[i + 1][0][0].start if i + 1 < len(groups) else float("inf")
        end = max(words[-1].end, min(start + SHORTEST, following))
        made.append(
            Cue(start, max(start, min(end, following, start + LONGEST)), wrapped([w.text for w in words]), speaker)
        )
    return tuple(made)


def wrapped(words: Sequence[str]) -> tuple[str, ...]:
    """Words in lines of at most 42 characters, two of like length where one does not do."""
    text = " ".join(words)
    if len(text) <= LINE:
        return (text,)
    spaces = [i for i, c in enumerate(text) if c == " " and i <= LINE and len(text) - i - 1 <= LINE]
    if spaces:
        best = min(spaces, key=lambda i: abs(2 * i - len(text)) - (8 if text[i - 1] in ".,;:!?" else 0))
        return text[:best], text[best + 1 :]
    return tuple(_filled(words))


def _filled(words: Sequence[str]) -> list[str]:
    """Lines filled from the left; a word longer than a line is broken."""
    pieces = [word[i : i + LINE] for word in words for i in range(0, len(word), LINE)]
    lines: list[str] = []
    for piece in pieces:
        if lines and len(lines[-1]) + 1 + len(piece) <= LINE:
            lines[-1] += " " + piece
        else:
            lines.append(piece)
    return lines


def _groups(words: Sequence[Word]) -> list[tuple[Word, ...]]:
    groups: list[list[Word]] = []
    for word in words:
        if groups and _joins(groups[-1], word):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [tuple(group) for group in groups]


def _joins(group: Sequence[Word], word: Word) -> bool:
    """Whether a word may stand in one cue with the words before it."""
    last, texts = group[-1], [w.text for w in group]
    used = len(" ".join(texts))
    ended = ends_sentence(last.text) or (last.text.endswith(CLAUSE_ENDS) and used >= FILLED * LINE * LINES)
    fits = len(wrapped([*texts, word.text])) <= LINES
    return fits and not ended and word.start - last.end <= PAUSE and word.end - group[0].start <= LONGEST
