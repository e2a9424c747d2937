"""Which sentences of a translation say what which sentences of its source say: Gale and Church, A program for aligning
sentences in bilingual corpora, Computational Linguistics 19(1), 1993.

Long sentences are translated by long ones, short ones by short ones: where one text has l₁ letters, the other has about
c·l₁ with a variance of s²·l₁, so δ = (l₂ − c·l₁) / √(s²·l̄) is a standard normal deviate. The most probable sequence of
beads is found by dynamic programming; a bead joins nought to two sentences of either side. c is the ratio of the whole
texts: not every script has as many letters as ours. A sentence without a counterpart costs much, so it mostly joins its
neighbour's bead: no footage goes because of a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import erfc, inf, log, sqrt

from editalk.dub.sentences import Sentence

PRIORS = {(1, 1): 0.89, (1, 0): 0.0099, (0, 1): 0.0099, (2, 1): 0.089, (1, 2): 0.089, (2, 2): 0.011}
"""Probability of each kind of bead (table 5 of the paper): sentences of the source, of the translation."""
VARIANCE = 6.8  # s², a letter
LEAST_PROBABILITY = 1e-10
BAND = 60  # sentences that the two texts may run apart
UNLIKE = 2.0  # times as many sentences on one side: the two texts are not divided alike


@dataclass(frozen=True)
class Bead:
    """Source sentences [first, end) and dub sentences [dub_first, dub_end); either may be empty."""

    first: int
    end: int
    dub_first: int
    dub_end: int


def beads(source: Sequence[Sentence], dub: Sequence[Sentence]) -> tuple[Bead, ...]:
    """Beads that cover all sentences of both sides in their order.

    Paragraphs are anchors where both sides have as many. What is not divided alike is one bead: a translation that is
    one long sentence is said over the whole.
    """
    if not source or not dub:
        return (Bead(0, len(source), 0, len(dub)),)
    anchors = source[-1].paragraph == dub[-1].paragraph
    rows, columns = (_paragraphs(side) if anchors else [0, len(side)] for side in (source, dub))
    ratio = sum(s.letters for s in dub) / sum(s.letters for s in source)
    made: list[Bead] = []
    for (a, b), (c, d) in zip(pairwise(rows), pairwise(columns), strict=True):
        alike = b - a <= UNLIKE * (d - c) and d - c <= UNLIKE * (b - a)
        sides = [s.letters for s in source[a:b]], [s.letters for s in dub[c:d]]
        found = _aligned(*sides, ratio) if alike else [Bead(0, b - a, 0, d - c)]
        made += [Bead(a + x.first, a + x.end, c + x.dub_first, c + x.dub_end) for x in found]
    return tuple(made)


def _aligned(source: Sequence[int], dub: Sequence[int], ratio: float) -> list[Bead]:
    """The cheapest beads; a cost is −log of a probability."""
    least = {(0, 0): (0.0, Bead(0, 0, 0, 0))}
    slope = len(dub) / len(source)
    for i in range(len(source) + 1):
        for j in range(max(0, round(i * slope) - BAND), min(len(dub), round(i * slope) + BAND) + 1):
            for (m, n), prior in PRIORS.items():
                before = least.get((i - m, j - n))
                if before is None:
                    continue
                cost = before[0] + _distance(sum(source[i - m : i]), sum(dub[j - n : j]), ratio) - log(prior)
                if cost < least.get((i, j), (inf,))[0]:
                    least[i, j] = cost, Bead(i - m, i, j - n, j)
    path: list[Bead] = []
    at = len(source), len(dub)
    while at != (0, 0):
        path.append(least[at][1])
        at = path[-1].first, path[-1].dub_first
    return path[::-1]


def _distance(source: int, dub: int, ratio: float) -> float:
    """−log of the probability that lengths differ so much or more: 2 (1 − Φ(|δ|))."""
    delta = (dub - ratio * source) / sqrt(VARIANCE * (source + dub / ratio) / 2)
    return -log(max(erfc(abs(delta) / sqrt(2)), LEAST_PROBABILITY))


def _paragraphs(side: Sequence[Sentence]) -> list[int]:
    """The sentences that paragraphs begin with, and the number of sentences."""
    return [0, *(k for k in range(1, len(side)) if side[k].paragraph != side[k - 1].paragraph), len(side)]
