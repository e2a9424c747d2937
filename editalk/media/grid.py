"""From the timestamps of a stream to a constant grid of frames."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from editalk.media.limits import MOST_FRAMES
from editalk.timebase import FrameRate, nearest

Ticks = NDArray[np.int64]

STANDARD = tuple(
    sorted(
        [Fraction(n) for n in (5, 6, 8, 10, 12, 15, 16, 18, 20, 24, 25, 30, 48, 50, 60, 90, 96, 100, 120, 240)]
        + [Fraction(n * 1000, 1001) for n in (12, 15, 24, 30, 48, 60, 90, 120, 240)]
    )
)
SNAP = Fraction(5, 10_000)
EVEN = 0.25  # of a frame: how far a timestamp may lie from the grid of a constant rate
ONCE = 0.98  # share of source frames that the average rate must show exactly once


def snap(rate: Fraction) -> Fraction:
    """The nearest standard rate if it lies within 0.05 %, else the rate itself."""
    best = min(STANDARD, key=lambda standard: abs(standard - rate))
    return best if abs(best - rate) <= SNAP * best else rate


def deviation(pts: Ticks, rate: Fraction, time_base: Fraction) -> float:
    """How far, in frames, the timestamps [n] lie at most from n frames of a rate (the best phase is taken)."""
    offset = (pts - pts[0]) * float(time_base * rate) - np.arange(len(pts))
    return float(offset.max() - offset.min()) / 2


def nearest_source(pts: Ticks, rate: Fraction, time_base: Fraction, frames: int) -> Ticks:
    """[frames]: the index of the source frame nearest to each instant of the grid (the earlier one of two)."""
    times = (pts - pts[0]) * float(time_base)
    grid = np.arange(frames) / float(rate)
    right = np.clip(np.searchsorted(times, grid), 1, max(1, len(times) - 1))
    left = right - 1
    if len(times) == 1:
        return np.zeros(frames, np.int64)
    take_right = times[right] - grid < grid - times[left] - 1e-9
    return np.where(take_right, right, left).astype(np.int64)


def constant_grid(
    pts: Ticks, last_duration: int, time_base: Fraction, average: Fraction | None, nominal: Fraction | None
) -> tuple[FrameRate, Ticks, bool]:
    """(rate, shown, variable) for increasing timestamps `pts` [n]; `shown` [frames] holds a timestamp per grid frame.

    An even stream keeps its own rate, snapped to the standard fraction. An uneven one gets its average rate if nearly
    every source frame is then shown exactly once, else its nominal rate. Raises OverflowError for more than
    `MOST_FRAMES`.
    """
    even = _even_rate(pts, last_duration, time_base, average, nominal)
    if even is not None:
        return FrameRate(even), pts, False
    span = (int(pts[-1] - pts[0]) + last_duration) * time_base
    mean = snap(average or Fraction(len(pts)) / span)
    for rate in (mean, snap(Fraction(len(pts)) / span), _trend(pts, time_base)):
        index = nearest_source(pts, rate, time_base, _count(span * rate))
        if float((np.bincount(index, minlength=len(pts)) == 1).mean()) >= ONCE:
            return FrameRate(rate), pts[index], True
    rate = snap(_plausible(nominal, pts, time_base) or mean)
    return FrameRate(rate), pts[nearest_source(pts, rate, time_base, _count(span * rate))], True


def _count(frames: Fraction) -> int:
    """Frames of the grid, at least one; arrays are made for them."""
    if frames > MOST_FRAMES:
        raise OverflowError(f"{float(frames):.3g} frames")
    return max(1, nearest(frames))


def phase(shown: Ticks, rate: FrameRate, time_base: Fraction) -> Fraction:
    """Seconds by which the frames that a grid shows lie behind its instants, by the median.

    The sound is cut to the pictures by as much, so that an uneven stream is in sync on average, not only at its start.
    """
    late = (shown - shown[0]) * float(time_base) - np.arange(len(shown)) / float(rate)
    return Fraction(float(np.median(late))).limit_denominator(1_000_000)


def _even_rate(
    pts: Ticks, last_duration: int, time_base: Fraction, average: Fraction | None, nominal: Fraction | None
) -> Fraction | None:
    """The rate on whose grid all the timestamps lie, or None."""
    if len(pts) == 1:
        return snap(average or nominal or (1 / (last_duration * time_base) if last_duration else Fraction(25)))
    measured = Fraction(len(pts) - 1) / (int(pts[-1] - pts[0]) * time_base)
    for rate in (nominal, average, measured):
        if rate and deviation(pts, snap(rate), time_base) <= EVEN:
            return snap(rate)
    return None


def _trend(pts: Ticks, time_base: Fraction) -> Fraction:
    """The rate of the straight line through the timestamps: no odd gap at the end changes it."""
    slope = float(np.polyfit(np.arange(len(pts)), pts - pts[0], 1)[0])
    return snap(Fraction(1 / (slope * float(time_base))).limit_denominator(1001))


def _plausible(nominal: Fraction | None, pts: Ticks, time_base: Fraction) -> Fraction | None:
    """The nominal rate, unless it is the tick rate of the container rather than a frame rate."""
    gap = Fraction(int(np.median(np.diff(pts)))) * time_base
    usual = 1 / gap if gap else None
    if nominal and usual and nominal > 4 * usual:
        return usual
    return nominal or usual
