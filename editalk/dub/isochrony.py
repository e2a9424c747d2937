"""Isochrony: when each sentence of a dub begins, and how much of the footage is shown under it.

A cell is a sentence with the pause behind it, from onset to onset. The dub says how long the speech lasts; the pause is
free within bounds, and so is where in the footage the pause begins, within a reach. Over the whole talk the sum of
these is least, found by dynamic programming over the onsets:

    drift     DRIFT · d² a cell: the onset lies d seconds off the source's (beyond `FAR` it grows linearly)
    stretch   m · (ln(m / n) / ln limit)²: n seconds of footage shown in m; `NOTICED` is the limit of speech, `PAUSE` of
              pauses. Beyond `MOST` frames are added or removed: `JOIN` each time, `NEW` a second
    reach     REACHED · x²: x seconds of the footage of a pause are shown under speech, or the other way round
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.timebase import FrameRange, FrameRate

Floats = NDArray[np.float64]
Counts = NDArray[np.integer[Any]]

NOTICED = 1.25  # times as slow or as fast: up to there nobody sees that a speaker is stretched
PAUSE = 2.0  # the same of somebody who says nothing
MOST = 1.6  # a sentence's footage is stretched so far at most, a pause's twice as far
DRIFT, FAR = 10.0, 0.5
JOIN, NEW = 2.0, 4.0
REACHED = 2.0
REACH = 0.4  # seconds
LEAST_PAUSE, NO_PAUSE = 0.25, 0.1  # seconds between sentences that a longer pause of the source keeps; at least
LONGER, LONGEST = 0.5, 2.0  # a pause may become so many seconds more than so many times as long
BEAM = 1.5  # seconds around the onsets that are nearest to the source's, one by one


@dataclass(frozen=True)
class Cell:
    """A sentence and the pause behind it. `sentence`: its source frames, None where the source does not say it;
    `pause`: source frames without words, empty where there are none; `speech`: frames that the dub's sentence lasts, 0
    before the first; `usual`: frames of the pause where there is no footage to say it.
    """

    sentence: FrameRange | None
    pause: FrameRange
    speech: int
    usual: int = 0

    @property
    def quiet(self) -> int:
        """Frames of the source's pause."""
        return len(self.pause) if self.sentence is not None else self.usual

    @property
    def length(self) -> int:
        """Frames from onset to onset in the source; what it does not say adds its own."""
        return (len(self.sentence) if self.sentence is not None else self.speech) + self.quiet


@dataclass(frozen=True)
class Timed:
    """A cell on the timeline: speech from frame `onset` on, then `pause` frames. `lent`: source frames of the pause
    shown under the speech, negative: of the speech under the pause.
    """

    cell: Cell
    onset: int
    pause: int
    lent: int

    @property
    def span(self) -> FrameRange:
        """Its timeline frames, the pause included."""
        return FrameRange(self.onset, self.onset + self.cell.speech + self.pause)


def isochronous(cells: Sequence[Cell], rate: FrameRate) -> tuple[Timed, ...]:
    """The onsets of least cost; the first cell begins at frame 0."""
    reference = np.cumsum([0, *(c.length for c in cells)])
    bounds = [_bounds(c, rate) for c in cells]
    middle = _nearest(cells, bounds, reference)
    beam = np.arange(-rate.frames(BEAM), rate.frames(BEAM) + 1)
    total = np.where(beam == 0, 0.0, np.inf)  # [offsets from `middle`]
    chosen: list[Counts] = []
    for k, (cell, (low, high)) in enumerate(zip(cells, bounds, strict=True)):
        pauses = np.arange(low, high + 1)
        fits = _fit(cell, pauses, rate)[0]
        before = middle[k + 1] + beam[:, None] - cell.speech - pauses - middle[k] - beam[0]  # rows of `total`
        known = (before >= 0) & (before < len(beam))
        cost = np.where(known, total[np.clip(before, 0, len(beam) - 1)], np.inf) + fits
        chosen.append(pauses[cost.argmin(1)])
        total = cost.min(1) + _drift((middle[k + 1] + beam - reference[k + 1]) / float(rate))
    end = int(middle[-1] + beam[total.argmin()])
    made: list[Timed] = []
    for k in range(len(cells) - 1, -1, -1):
        pause = int(chosen[k][end - middle[k + 1] - beam[0]])
        end -= cells[k].speech + pause
        made.append(Timed(cells[k], end, pause, int(_fit(cells[k], np.array([pause]), rate)[1][0])))
    return tuple(made[::-1])


def _nearest(cells: Sequence[Cell], bounds: Sequence[tuple[int, int]], reference: Counts) -> list[int]:
    """Onsets that one after the other come as near to the source's as the pause before them allows."""
    onsets = [0]
    for k, (cell, (low, high)) in enumerate(zip(cells, bounds, strict=True)):
        spoken = onsets[-1] + cell.speech
        onsets.append(min(max(int(reference[k + 1]), spoken + low), spoken + high))
    return onsets


def _bounds(cell: Cell, rate: FrameRate) -> tuple[int, int]:
    """Least and most frames of a cell's pause."""
    if cell.sentence is None:
        return cell.usual, cell.usual
    least = min(cell.quiet, rate.frames(LEAST_PAUSE))
    if cell.speech:
        least = max(least, rate.frames(NO_PAUSE))
    return least, max(least, round(LONGEST * cell.quiet) + rate.frames(LONGER))


def _fit(cell: Cell, pauses: Counts, rate: FrameRate) -> tuple[Floats, Counts]:
    """([n] the least cost of each of n pauses, [n] the frames to lend for it)."""
    if cell.sentence is None:
        return np.zeros(len(pauses)), np.zeros(len(pauses), np.int64)
    reach = rate.frames(REACH) if cell.speech and cell.sentence.end == cell.pause.start else 0
    lent = np.arange(-min(reach, len(cell.sentence) // 3), min(reach, cell.quiet) + 1)
    second = float(rate)
    cost = _stretch(np.full(1, cell.speech), len(cell.sentence) + lent, NOTICED, MOST, second)[None]
    cost = cost + _stretch(pauses[:, None], cell.quiet - lent[None], PAUSE, PAUSE * MOST, second)
    cost = cost + REACHED * np.square(lent / second)
    best = cost.argmin(1)
    return np.asarray(cost[np.arange(len(pauses)), best], np.float64), lent[best]


def _stretch(shown: Counts, source: Counts, limit: float, most: float, second: float) -> Floats:
    """What it costs to show `source` frames in `shown`, element by element."""
    ratio = np.log(np.maximum(shown, 0.5) / np.maximum(source, 0.5))
    inside = np.clip(ratio, -np.log(most), np.log(most))
    beyond = np.maximum(shown - most * source, source - most * shown).clip(0)
    cost = shown / second * np.square(inside / np.log(limit))
    cost = cost + np.where(beyond >= 1, JOIN + NEW * beyond / second, 0)
    return np.asarray(np.where(shown + source == 0, 0.0, cost), np.float64)


def _drift(seconds: Floats) -> Floats:
    far = np.abs(seconds)
    return np.asarray(DRIFT * np.where(far <= FAR, np.square(far), FAR * (2 * far - FAR)), np.float64)
