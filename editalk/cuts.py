"""Where to cut: the frames near word boundaries at which a join is heard and seen least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.timebase import FrameRange, FrameRate

Floats = NDArray[np.float64]
Reals = NDArray[np.floating[Any]]

UPPER_FACE = (10, 67, 297, 109, 338, 151, 9, 8, 168, 6, 197, 195, 33, 133, 362, 263, 127, 356, 234, 454, 54, 284, 103,
              332, 21, 251, 162, 389)  # fmt: skip
"""Points of the 478-point face mesh that speech does not move."""
EYES = ((33, 133), (263, 362))
LIDS = ((159, 145), (386, 374))  # middles of the lids of either eye
THUMB_WIDTH = 32
BLINK = 0.55  # of the usual opening: below it an eye is shut, or about to be
BLINK_NEAR = 4  # frames around a cut in which a blink is in the way
QUIET_DB = 30.0  # decibels above the floor that cost the whole weight of `rms`


@dataclass(frozen=True)
class CutEvidence:
    """What is known of some source frames; row i is about source frame `frames[i]` and a cut right before it.

    `frames`: [n] int, ascending. `rms_db`: [n] energy of the sound around the frame's start. `speech`: [n] bool,
    somebody speaks then. `motion`: [n] mean luma difference to the frame before. `pose`: [n, k] place of face points
    in inter-ocular distances, NaN where there is no face. `thumb`: [n, d] luma thumbnails, 0…255. `lids`: [n] see
    `lid_openings`; None: not known.
    """

    frames: NDArray[np.int64]
    rms_db: Reals
    speech: NDArray[np.bool_]
    motion: Reals
    pose: Reals
    thumb: Reals
    lids: Reals | None = None

    def __post_init__(self) -> None:
        n = len(self.frames)
        if any(len(x) != n for x in (self.rms_db, self.speech, self.motion, self.pose, self.thumb)):
            raise ValueError("evidence needs one row a frame")
        if (np.diff(self.frames) <= 0).any():
            raise ValueError("frames of the evidence are not ascending")

    def rows(self, span: FrameRange) -> NDArray[np.int64]:
        """Rows of the frames of a range that are known; ValueError where none is."""
        low, high = np.searchsorted(self.frames, [span.start, span.end])
        if low == high:
            raise ValueError(f"no evidence about frames {span.start} to {span.end}")
        return np.arange(low, high)


@dataclass(frozen=True)
class CutWeights:
    """What each fault costs. `rms` is per QUIET_DB above the floor, `motion` per twice the usual motion, `level` per
    12 dB, `pose` per inter-ocular distance, `turn` and `thumb` per usual step, `lids` per eye opened or shut, `blink`
    with all frames around it shut; `deviation` at the edge of the range.
    """

    speech: float = 1.0
    rms: float = 1.5
    level: float = 0.3
    motion: float = 0.6
    pose: float = 6.0
    turn: float = 0.4
    thumb: float = 0.25
    lids: float = 1.0
    blink: float = 1.5
    deviation: float = 0.5


@dataclass(frozen=True)
class Cut:
    """The timeline goes … `left`-1 | `right` …: source frames [left, right) are gone (none where both are equal)."""

    left: int
    right: int
    cost: float


def choose_cut(
    evidence: CutEvidence,
    left: FrameRange,
    right: FrameRange,
    prefer_left: int,
    prefer_right: int,
    weights: CutWeights = CutWeights(),
) -> Cut:
    """The best pair of a first removed frame in `left` and a first kept frame in `right`.

    Only pairs that remove at least one frame count where right lies behind left; ranges in the other order serve a
    join of a moved passage. Raises ValueError where no pair is left.
    """
    rows, columns = evidence.rows(left), evidence.rows(right)
    total = _pair(evidence, rows, columns, weights)
    total += (_single(evidence, rows, weights) + _deviation(evidence, rows, left, prefer_left, weights))[:, None]
    total += (_single(evidence, columns, weights) + _deviation(evidence, columns, right, prefer_right, weights))[None]
    first, second = evidence.frames[rows][:, None], evidence.frames[columns][None]
    if prefer_right >= prefer_left:
        total = np.where(second > first, total, np.inf)
    i, j = np.unravel_index(int(total.argmin()), total.shape)
    if not np.isfinite(total[i, j]):
        raise ValueError("no pair of frames removes anything")
    return Cut(int(evidence.frames[rows[i]]), int(evidence.frames[columns[j]]), float(total[i, j]))


def choose_place(evidence: CutEvidence, where: FrameRange, prefer: int, weights: CutWeights = CutWeights()) -> Cut:
    """The best frame of a range to put something new before: quiet and still."""
    rows = evidence.rows(where)
    total = 2 * _single(evidence, rows, weights) + _deviation(evidence, rows, where, prefer, weights)
    best = int(total.argmin())
    frame = int(evidence.frames[rows[best]])
    return Cut(frame, frame, float(total[best]))


def frame_levels(samples: Reals, sample_rate: int, rate: FrameRate, frames: NDArray[np.int64],
                 seconds: float = 0.03) -> Floats:  # fmt: skip
    """[n] RMS in dB of mono sound [m] within `seconds` around each frame's start; the sound begins with frame 0."""
    power = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    centre = np.array([rate.sample(int(f), sample_rate) for f in frames], np.int64)
    half = max(1, round(seconds * sample_rate / 2))
    low, high = (np.clip(centre + side, 0, len(samples)) for side in (-half, half))
    mean = (power[high] - power[low]) / np.maximum(high - low, 1)
    return np.asarray(10 * np.log10(np.maximum(mean, 1e-10)), np.float64)


def thumbnail(luma: NDArray[np.uint8], width: int = THUMB_WIDTH) -> NDArray[np.float32]:
    """[d] mean luma of a grid of `width` cells across; the whole picture [height, width], row by row."""
    import cv2

    h, w = luma.shape
    width = min(width, w)
    size = width, max(1, round(h * width / w))
    return np.asarray(cv2.resize(luma.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32).ravel()


def cells_outside(points: Reals | None, wide: int, cells: int) -> NDArray[np.bool_]:
    """[cells] of a thumbnail of a picture `wide` pixels across that lie outside the box of points [k, ≥2], in pixels;
    all of them where no point is known (NaN, None).
    """
    columns = min(THUMB_WIDTH, wide)
    mask = np.ones((cells // columns, columns), bool)
    known = np.zeros((0, 2)) if points is None else points[np.isfinite(points[:, 0]), :2]
    if len(known):
        (x0, y0), (x1, y1) = (np.asarray(end * columns / wide, int) for end in (known.min(0), known.max(0)))
        mask[max(0, y0) : max(0, y1 + 1), max(0, x0) : max(0, x1 + 1)] = False
    return np.asarray(mask.ravel(), np.bool_)


def face_pose(points: Reals) -> NDArray[np.float32]:
    """[n, 2k] place of the upper face in inter-ocular distances, from mesh points [n, 478, 3] in pixels (NaN: none).

    One distance, the median, serves all rows: so a difference of two rows is a way in the picture.
    """
    left, right = (points[:, list(eye), :2].mean(1) for eye in EYES)
    apart = np.linalg.norm(left - right, axis=1)
    unit = float(np.median(apart[np.isfinite(apart)])) if np.isfinite(apart).any() else 1.0
    return np.asarray(points[:, list(UPPER_FACE), :2].reshape(len(points), -1) / unit, np.float32)


def lid_openings(points: Reals) -> NDArray[np.float32]:
    """[n] how far the eyes are open, from mesh points [n, 478, ≥2]: 1 as usual, 0 shut; NaN without a face.

    Lid distance over eye width, mean of both eyes, as a share of the upper quartile: looking down closes it a little.
    """
    def apart(a: int, b: int) -> Floats:
        return np.asarray(np.linalg.norm(points[:, a, :2] - points[:, b, :2], axis=1), np.float64)

    found = np.mean([apart(*lids) / (apart(*corners) + 1e-6) for lids, corners in zip(LIDS, EYES, strict=True)], axis=0)
    seen = found[np.isfinite(found)]
    return np.asarray(found / (float(np.percentile(seen, 75)) + 1e-6 if len(seen) else 1.0), np.float32)


def lid_gaps(a: Reals, b: Reals) -> Floats:
    """[len(a), len(b)] difference of lid openings; 0 where a face is missing."""
    return np.asarray(np.nan_to_num(np.abs(a[:, None] - b[None]), nan=0.0), np.float64)


def pose_gaps(a: Reals, b: Reals) -> Floats:
    """[len(a), len(b)] root mean square way of the face points, inter-ocular distances.

    Two pictures without a face do not differ; one with and one without differ by a whole distance.
    """
    seen_a, seen_b = np.isfinite(a).all(1), np.isfinite(b).all(1)
    gap = squared_gaps(np.where(seen_a[:, None], a, 0), np.where(seen_b[:, None], b, 0))
    gap = np.asarray(np.sqrt(2 * gap), np.float64)  # two coordinates a point
    gap[seen_a[:, None] != seen_b[None]] = 1.0
    gap[~seen_a[:, None] & ~seen_b[None]] = 0.0
    return gap


def squared_gaps(a: Reals, b: Reals) -> Floats:
    """[len(a), len(b)] mean squared difference of rows."""
    if not a.shape[1]:
        return np.zeros((len(a), len(b)))
    centre = b.mean(0) if len(b) else 0.0
    x, y = (np.asarray(side - centre, np.float64) for side in (a, b))
    gap = np.square(x).sum(1)[:, None] + np.square(y).sum(1)[None] - 2 * x @ y.T
    return np.asarray(np.maximum(gap, 0) / a.shape[1], np.float64)


def _single(evidence: CutEvidence, rows: NDArray[np.int64], w: CutWeights) -> Floats:
    """[n] what a cut before each row costs on its own side."""
    floor = np.percentile(evidence.rms_db, 5)
    loud = np.clip((evidence.rms_db[rows] - floor) / QUIET_DB, -1, 1.5)
    usual = float(np.median(evidence.motion)) + 1e-6
    moving = np.minimum(evidence.motion[rows] / usual, 3) / 2
    cost = w.speech * evidence.speech[rows] + w.rms * loud + w.motion * moving
    if evidence.lids is not None:
        cost = cost + w.blink * shut_around(evidence.lids)[rows]
    return np.asarray(cost, np.float64)


def shut_around(lids: Reals) -> Floats:
    """[n] share of the frames right around each in which the eyes are shut: lids [n] as `lid_openings`."""
    shut = np.nan_to_num(np.asarray(lids, np.float64), nan=1.0) < BLINK
    return np.asarray(np.convolve(shut, np.full(2 * BLINK_NEAR + 1, 1 / (2 * BLINK_NEAR + 1)), "same")[: len(shut)])


def _deviation(evidence: CutEvidence, rows: NDArray[np.int64], span: FrameRange, prefer: int, w: CutWeights) -> Floats:
    reach = max(1, abs(span.start - prefer), abs(span.end - 1 - prefer))
    return np.asarray(w.deviation * np.square((evidence.frames[rows] - prefer) / reach), np.float64)


def _pair(evidence: CutEvidence, left: NDArray[np.int64], right: NDArray[np.int64], w: CutWeights) -> Floats:
    """[len(left), len(right)] how much what would have come differs from what comes, in picture and loudness."""
    cost = picture_gaps(evidence.frames, evidence.pose, evidence.thumb, left, right, w)
    if evidence.lids is not None:
        cost += w.lids * lid_gaps(evidence.lids[left], evidence.lids[right])
    cost += w.level * np.minimum(np.abs(evidence.rms_db[left][:, None] - evidence.rms_db[right][None]) / 12, 2)
    return cost


def picture_gaps(frames: NDArray[np.int64], pose: Reals, thumb: Reals, left: NDArray[np.int64],
                 right: NDArray[np.int64], weights: CutWeights = CutWeights()) -> Floats:  # fmt: skip
    """[len(left), len(right)] what it costs to show row `right` where row `left` would have come.

    `frames`: [n] ascending; `pose`: [n, k], `thumb`: [n, d] as in `CutEvidence`; `left`, `right`: rows. The face's
    place counts, its motion, and the whole picture.
    """
    thumb = np.asarray(thumb, np.float64)
    near = np.flatnonzero(np.diff(frames) == 1)
    speed = np.full_like(pose, np.nan)
    speed[near + 1] = pose[near + 1] - pose[near]
    steps = np.sqrt(np.square(thumb[near + 1] - thumb[near]).mean(1)) if len(near) else np.ones(1)
    whole = np.sqrt(squared_gaps(thumb[left], thumb[right])) / (np.median(steps) + 0.5)
    cost = weights.pose * pose_gaps(pose[left], pose[right])
    cost += weights.turn * _turns(speed, left, right) + weights.thumb * np.minimum(whole, 20)
    return cost


def _turns(speed: Reals, left: NDArray[np.int64], right: NDArray[np.int64]) -> Floats:
    """[len(left), len(right)] change of the face's motion, in usual motions."""
    seen = np.isfinite(speed).all(1)
    usual = np.sqrt(np.square(speed[seen]).mean(1)).mean() + 1e-3 if seen.any() else 1.0
    gap = np.sqrt(squared_gaps(*(np.where(seen[rows, None], speed[rows], 0) for rows in (left, right)))) / usual
    return np.asarray(np.minimum(gap, 8), np.float64)
