"""What edits cost, in seconds: of new speech, of joins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from editalk.spoken import spoken
from editalk.transcript import Word

JOIN = 0.3  # seconds of rendering around a join
QUIET_JOIN = 0.06  # at most so much less where a long pause hides it
SENTENCE_JOIN = 0.03  # so much less between sentences
LONG_PAUSE = 0.6  # seconds; longer ones hide a join no better

VOWELS = re.compile(r"[aeiouy]+")
SENTENCE_END = re.compile(r"[.?!…。？！][\"'”’)\]»]*$")


@lru_cache(maxsize=65536)
def estimate_seconds(text: str) -> float:
    """How long a displayed word (or several) takes to say, at the pace of a talk; 0 where nothing is said."""
    return sum(0.12 * _syllables(word) + 0.02 * len(word) for word in spoken(text))


def _syllables(word: str) -> int:
    silent = word.endswith("e") and not word.endswith(("le", "ee", "ie"))
    return max(1, len(VOWELS.findall(word)) - silent)


def ends_sentence(text: str) -> bool:
    return SENTENCE_END.search(text) is not None


def half_joins(words: Sequence[Word]) -> list[float]:
    """The cost of one side of a join before each word and at the end, len(words) + 1 values: less at pauses."""
    costs = [JOIN / 2 - QUIET_JOIN - SENTENCE_JOIN]
    for before, after in pairwise(words):
        pause = min(max(after.start - before.end, 0.0), LONG_PAUSE)
        sentence = SENTENCE_JOIN if ends_sentence(before.text) else 0.0
        costs.append(JOIN / 2 - QUIET_JOIN * pause / LONG_PAUSE - sentence)
    return [*costs, costs[0]]
