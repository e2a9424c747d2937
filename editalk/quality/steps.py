"""Where a result jumps from frame to frame: its largest face steps against the reference's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LIMIT = 99.0  # percentile of the reference's own steps (design, section 9)
LIKE = 1.25  # a step at most so much larger than the reference's between the same two frames is the footage's own
APART = 8  # frames between two places that are named


@dataclass(frozen=True)
class Step:
    """`frame`: the later one of the two; `step`: mean luma difference on the 256 px face; `percentile`: the share of
    the reference's own steps that are smaller, 0…100.
    """

    frame: int
    step: float
    percentile: float


@dataclass(frozen=True)
class StepProfile:
    """`natural`: 99th percentile of the reference's steps; `above`: how many steps of the candidate exceed it where the
    reference does not step alike; `largest`: the largest of those at least 8 frames apart, the largest first.
    """

    natural: float
    above: int
    largest: tuple[Step, ...]


def step_profile(reference: Floats, candidate: Floats, first: int = 0, most: int = 5) -> StepProfile:
    """Of face steps [n] to the frame before, NaN where there is none; `first`: the number of the first frame."""
    known = np.sort(reference[np.isfinite(reference)])
    if not len(known):
        return StepProfile(float("nan"), 0, ())
    natural = float(np.percentile(known, LIMIT))
    own = np.nan_to_num(reference, nan=0.0)
    unlike = np.where(np.isfinite(candidate) & (candidate > LIKE * own), candidate, -1.0)
    places: list[int] = []
    for i in np.argsort(-unlike, kind="stable"):
        if len(places) == most or unlike[i] < 0:
            break
        if all(abs(int(i) - p) >= APART for p in places):
            places.append(int(i))
    largest = tuple(
        Step(first + i, float(unlike[i]), 100 * float(np.searchsorted(known, unlike[i])) / len(known)) for i in places
    )
    return StepProfile(natural, int((unlike > natural).sum()), largest)
