"""What became of the source's words in an edit."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import LCSseq

from editalk.plan import Caption, EditPlan, Origin, SoundPiece
from editalk.spoken import fold, spoken
from editalk.transcript import Word

_EDGE = 0.002  # seconds: times of captions are rounded where they went through JSON


@dataclass(frozen=True)
class Said:
    """`words`: for each caption of the plan the source words that it says, none where it is new. `by`: for each source
    word the caption that says it, None where it was taken out. `footage`: kept words keep their footage; in a new take
    all are said anew.
    """

    words: tuple[range, ...]
    by: tuple[int | None, ...]
    footage: bool


def said(plan: EditPlan, words: Sequence[Word]) -> Said:
    """Kept words are where the source's own sound is; in a new take the same words count as kept."""
    footage = plan.voice_covers != "script"
    found = _heard(plan, words) if footage else _alike(plan.captions, words)
    by: list[int | None] = [None] * len(words)
    for caption, spoken_words in enumerate(found):
        for word in spoken_words:
            by[word] = caption if by[word] is None else by[word]
    return Said(tuple(found), tuple(by), footage)


def pairs(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """Indices of words that are said alike, in order on both sides; as many as can be."""
    made: list[tuple[int, int]] = []
    for op in LCSseq.opcodes(_keys(left, "<"), _keys(right, ">")):
        if op.tag == "equal":
            made += zip(range(op.src_start, op.src_end), range(op.dest_start, op.dest_end), strict=True)
    return made


def _keys(texts: Sequence[str], side: str) -> list[str]:
    """Punctuation alone is like nothing on the other side."""
    return [spoken_key(text) or f"{side}{k}" for k, text in enumerate(texts)]


@lru_cache(maxsize=65536)
def spoken_key(text: str) -> str:
    """As it is said, without spaces; other scripts by their letters; empty for punctuation alone."""
    return "".join(spoken(text)) or "".join(c for c in fold(text) if c.isalnum())


def _heard(plan: EditPlan, words: Sequence[Word]) -> list[range]:
    rate = plan.source.sample_rate
    starts = [piece.start for piece in plan.sound]
    middles = [(w.start + w.end) / 2 for w in words]
    found = []
    for caption in plan.captions:
        middle = (caption.start + caption.end) / 2 * rate
        piece = plan.sound[max(0, bisect_right(starts, middle) - 1)]
        if piece.origin is not Origin.SOURCE:
            found.append(range(0))
            continue
        low, high = (_source(piece, t * rate) / rate for t in (caption.start, caption.end))
        first, end = bisect_left(middles, low - _EDGE), bisect_right(middles, high + _EDGE)
        if first == end:  # one of several captions of one word
            first = min(range(len(words)), key=lambda w: abs(middles[w] - (low + high) / 2))
            end = first + 1
        found.append(range(first, end))
    return found


def _source(piece: SoundPiece, sample: float) -> float:
    return piece.offset + (sample - piece.start) * piece.source_samples / piece.samples


def _alike(captions: Sequence[Caption], words: Sequence[Word]) -> list[range]:
    found = [range(0)] * len(captions)
    for caption, word in pairs([c.text for c in captions], [w.text for w in words]):
        found[caption] = range(word, word + 1)
    return found
