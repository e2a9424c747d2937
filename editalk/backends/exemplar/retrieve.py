"""Which frames of the speaker's own footage lend their mouths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.backends.exemplar.shape import MouthSpace, aperture
from editalk.face.track import FaceTrack

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POOL = 1500  # frames at most
NEAREST = 48  # looked at for each frame
JUMP = 0.3  # cost of leaving the footage's own order
BREAK = 1.0  # cost of a squared distance over a jump
POSE = 0.3
TURN = 0.12  # radians that count as one
LIPS = 1.5  # weight of how open the mouth is in the eye's terms: shut and ajar are further apart than wide and wider
AJAR = 0.03  # eye distances of opening from which on only its ratio counts


@dataclass(frozen=True)
class Pool:
    """Frames that may lend their mouth: `frames` [n] source frames, `at` [n, d] their shapes' coordinates,
    `turn` [n, 3] poses, `shapes` [n, k, 3], `points` [n, 478, 3].
    """

    frames: Ints
    at: Floats
    turn: Floats
    shapes: Floats
    points: NDArray[np.float32]

    @classmethod
    def of(cls, track: FaceTrack, space: MouthSpace) -> Pool:
        """Found faces that neither turn far away nor move so fast that they blur."""
        points, frames = track.points[track.found], track.frames[track.found]
        turn = space.pose(points).turn()
        good = np.linalg.norm(turn - np.median(turn, 0), axis=1) < max(0.5, 3 * float(turn.std(0).max()))
        nose = points[:, 4, :2]
        speed = np.zeros(len(points))
        speed[1:] = np.linalg.norm(np.diff(nose, axis=0), axis=1) / np.maximum(1, np.diff(frames))
        good &= speed <= max(3 * float(np.median(speed)), float(np.percentile(speed, 85)))
        rows = np.flatnonzero(good) if good.any() else np.arange(len(frames))
        stretch = -(-len(rows) // POOL)  # whole seconds stay together: they are shown in their own order
        rows = rows[(rows // 25) % stretch == 0] if stretch > 1 else rows
        shapes = space.shapes(points[rows])
        return cls(frames[rows], places(space, shapes), turn[rows], shapes, points[rows])

    def without(self, rows: Ints) -> Pool:
        keep = np.ones(len(self.frames), bool)
        keep[rows] = False
        return Pool(*(x[keep] for x in (self.frames, self.at, self.turn, self.shapes, self.points)))


def places(space: MouthSpace, shapes: Floats) -> Floats:
    """[n, d]: where shapes [n, k, 3] lie among the pool's.

    To the space's own coordinates comes the logarithm of the opening: an open mouth cannot be drawn from a shut one,
    which shows no teeth, and no shut one from a mouth that stands open.
    """
    return np.concatenate([space.coordinates(shapes), LIPS * np.log(aperture(shapes) + AJAR)[:, None]], 1)


def retrieve(pool: Pool, wanted: Floats, turn: Floats) -> Ints:
    """The pool's row for each frame: the cheapest path (Viterbi) through the nearest rows.

    `wanted`: [n, d] coordinates of the shapes; `turn`: [n, 3] poses, NaN where unknown.
    """
    if not len(wanted):
        return np.zeros(0, np.int64)
    local = _distances(wanted, pool.at) + POSE * _distances(np.nan_to_num(turn / TURN), pool.turn / TURN)
    size = len(pool.frames)
    following = np.full(size, -1)
    following[:-1] = np.where(np.diff(pool.frames) == 1, np.arange(1, size), -1)
    choices = [_candidates(local[0], None, following)]
    total, back = local[0][choices[0]], []
    for cost in local[1:]:
        rows = _candidates(cost, choices[-1], following)
        step = _steps(pool.at, choices[-1], rows, following)
        way = total[:, None] + step
        back.append(way.argmin(0))
        total = way.min(0) + cost[rows]
        choices.append(rows)
    at = int(total.argmin())
    path = [choices[-1][at]]
    for rows, came in zip(choices[-2::-1], back[::-1], strict=True):
        at = int(came[at])
        path.append(rows[at])
    return np.array(path[::-1], np.int64)


def _distances(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.maximum(0, np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T))


def _candidates(cost: Floats, before: Ints | None, following: Ints) -> Ints:
    count = min(NEAREST, len(cost))
    best = np.argpartition(cost, count - 1)[:count]
    if before is None:
        return np.asarray(best, np.int64)
    on = following[before]
    return np.asarray(np.unique(np.concatenate([best, on[on >= 0]])), np.int64)


def _steps(at: Floats, before: Ints, rows: Ints, following: Ints) -> Floats:
    """[len(before), len(rows)]: nothing for going on, else the jump and how far it leads."""
    on = np.where(following[before] >= 0, following[before], before)
    cost = JUMP + BREAK * _distances(at[on], at[rows])
    cost[following[before][:, None] == rows[None]] = 0.0
    return cost
