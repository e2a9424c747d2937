"""What the landmarks of two faces on a common clock tell: do the lips move alike, is it the same face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.face import aperture, pearson
from editalk.face.geometry import JAW, LIPS, STILL, similarity

Floats = NDArray[np.float64]
Points = NDArray[np.floating[Any]]

FACE = 256  # pixels from the top of the forehead to the chin: the face that distances refer to (design, section 9)
REACH = 0.2  # seconds of lag that are looked at on either side
LAG_STEP = 0.01  # seconds
MESH = 468  # landmarks of the face; the irises' follow
_FIRM = np.array([i not in {*LIPS, *JAW} for i in range(MESH)])


@dataclass(frozen=True)
class LandmarkFigures:
    """Candidate against reference over the frames where both show a face; NaN where there is nothing to tell.

    `r`: Pearson correlation of the inner lips' aperture. `r_at_lag`: the largest one over lags of ±200 ms, `lag_ms`:
    the lag that gives it, positive where the candidate comes late. `sd_ratio`: SD of the candidate's aperture over the
    reference's. `m_lmd`, `f_lmd`: mean distance of the lips' 40 and of all 468 landmarks, pose taken out, in pixels at
    a 256 px face (landmark distance as in Chen et al. 2018, with FaceMesh's landmarks). `jitter`: mean second
    difference of the candidate's lips, same unit; `jitter_ratio`: over the reference's. `identity`: distance of the two
    mean faces, lips and jaw left out, same unit.
    """

    frames: int
    r: float
    r_at_lag: float
    lag_ms: float
    sd_ratio: float
    m_lmd: float
    f_lmd: float
    jitter: float
    jitter_ratio: float
    identity: float


def compare_landmarks(reference: Points, candidate: Points, times: Floats) -> LandmarkFigures:
    """Of [n, 478, 3] each, NaN rows without a face, shown at `times` [n] seconds."""
    seen = np.isfinite(reference[:, 0, 0]) & np.isfinite(candidate[:, 0, 0])
    if seen.sum() < 3:
        return LandmarkFigures(int(seen.sum()), *[float("nan")] * 9)
    a, b = aperture(reference), aperture(candidate)
    best, lag = lagged(times, b, times, a)
    face = mean_face(reference[seen])
    p, q = posed(reference, face), posed(candidate, face)
    jitters = second_difference(p[:, list(LIPS)]), second_difference(q[:, list(LIPS)])
    far = np.linalg.norm(p - q, axis=2)[seen]
    firm = posed(mean_face(candidate[seen])[None], face)[0][_FIRM] - posed(face[None], face)[0][_FIRM]
    return LandmarkFigures(
        int(seen.sum()), pearson(a, b), best, 1e3 * lag, ratio(float(b[seen].std()), float(a[seen].std())),
        float(far[:, list(LIPS)].mean()), float(far.mean()), jitters[1], ratio(jitters[1], jitters[0]),
        float(np.linalg.norm(firm, axis=1).mean()),
    )  # fmt: skip


def mean_face(points: Points) -> Floats:
    """[478, 3]: the mean of found faces [n, 478, 3] in the pose of the first one."""
    first = np.asarray(points[0], np.float64)
    pose = similarity(first[list(STILL)], np.asarray(points)[:, list(STILL)])
    return np.asarray(pose.backward(np.asarray(points, np.float64)).mean(0))


def posed(points: Points, face: Floats) -> Floats:
    """[n, 478, 3] → [n, 468, 2]: the pose of `face` [478, 3], pixels at a 256 px face; NaN without a face."""
    high = float(np.linalg.norm(face[10] - face[152]))
    pose = similarity(face[list(STILL)], np.asarray(points)[:, list(STILL)])
    return np.asarray(pose.backward(np.asarray(points[:, :MESH], np.float64))[..., :2] * FACE / high)


def second_difference(points: Floats) -> float:
    """Mean length of the second difference over time of [n, k, 2]; NaN below three frames in a row."""
    steps = np.linalg.norm(np.diff(points, 2, axis=0), axis=2)
    return float(np.nanmean(steps)) if np.isfinite(steps).any() else float("nan")


def lagged(times: Floats, values: Points, clock: Floats, other: Points, reach: float = REACH) -> tuple[float, float]:
    """(r, lag): the best correlation of `values` [n] at `times` with `other` [m] at `clock`, interpolated, over lags of
    ± `reach` seconds in steps of 10 ms; a positive lag says that the values come late.
    """
    known = np.isfinite(other)
    if not known.any():
        return float("nan"), float("nan")
    steps = np.arange(-round(reach / LAG_STEP), round(reach / LAG_STEP) + 1)
    scores = [pearson(values, np.interp(times - s * LAG_STEP, clock[known], other[known])) for s in steps]
    best = int(np.argmax(scores))
    return scores[best], float(steps[best] * LAG_STEP)


def ratio(a: float, b: float) -> float:
    """a / b; NaN where b is 0."""
    return a / b if b > 1e-12 else float("nan")
