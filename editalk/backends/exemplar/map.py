"""What is known of the footage that may be shown again, and what it costs to jump from one place of it to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.backends.exemplar.joins import LONGEST
from editalk.cuts import cells_outside, lid_gaps, picture_gaps, shut_around, squared_gaps
from editalk.face.geometry import JAW, LIPS

Costs = NDArray[np.float64]

JUMP = 1.5  # what a jump costs beyond the difference of its two sides (an inter-ocular distance costs 6)
CRAMPED = 1.0  # a jump at the very end or to the very beginning of a scene
LID = 3.0  # a jump from open eyes to shut ones
BLINK = 2.0  # a jump in the middle of a blink, on either side
MIRRORED = 6.0  # a jump behind which the footage runs back where it came from
TURN = 0.7  # mirrored distance over the way moved below which that begins to show
REACH = 8  # frames on either side of a turn that are compared
MOVED = 1.2  # squared luma of thumbnails: less motion cannot be seen to turn
MOVING = 0.03  # a frame of usual motion
UNSEEN = 0.5  # a frame without a face
CUT = 8.0  # usual steps of the whole picture: more is a cut of scenes


@dataclass(frozen=True)
class FootageMap:
    """What is known of the source frames that may serve as base footage.

    `frames`: [m] ascending; `pose`: [m, k] and `thumb`: [m, d] as in `CutEvidence`; `goes_on`: [m] bool, the next row
    is the next frame of the same scene; `burden`: [m] what showing the frame costs (motion, no face); `lids`: [m] as
    `editalk.cuts.lid_openings`; `seen`: [d] bool, the cells of `thumb` that show motion as it will be seen.
    """

    frames: NDArray[np.int64]
    pose: NDArray[np.floating[Any]]
    thumb: NDArray[np.floating[Any]]
    goes_on: NDArray[np.bool_]
    burden: Costs
    lids: NDArray[np.floating[Any]]
    seen: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.frames)

    def row(self, frame: int) -> int | None:
        at = int(np.searchsorted(self.frames, frame))
        return at if at < len(self.frames) and self.frames[at] == frame else None

    def between(self, start: int, end: int) -> FootageMap:
        """Rows [start, end)."""
        goes_on = self.goes_on[start:end].copy()
        goes_on[-1:] = False
        return FootageMap(self.frames[start:end], self.pose[start:end], self.thumb[start:end], goes_on,
                          self.burden[start:end], self.lids[start:end], self.seen)  # fmt: skip


def footage_map(frames: NDArray[np.int64], pose: NDArray[np.floating[Any]], thumb: NDArray[np.floating[Any]],
                lids: NDArray[np.floating[Any]], seen: NDArray[np.bool_] | None = None) -> FootageMap:  # fmt: skip
    """From `frames` [m] ascending, `pose` [m, k], `thumb` [m, d], `lids` [m]; `seen`: [d], None: all cells."""
    steps = np.abs(np.diff(thumb.astype(np.float64), axis=0)).mean(1)
    usual = float(np.median(steps)) + 0.3 if len(steps) else 1.0
    goes_on = np.append((np.diff(frames) == 1) & (steps < CUT * usual + 4), False)
    motion = np.append(steps, steps[-1:] if len(steps) else 0.0) / usual
    burden = MOVING * np.minimum(motion, 4) + UNSEEN * ~np.isfinite(pose).all(1)
    return FootageMap(frames, pose, thumb, goes_on, np.asarray(burden, np.float64), lids,
                      np.ones(thumb.shape[1], bool) if seen is None else seen)  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- jumps


def rows_left(known: FootageMap) -> NDArray[np.int64]:
    """[m] rows from each row to the end of its stretch, itself included."""
    ends = np.flatnonzero(~known.goes_on)
    return np.asarray(ends[np.searchsorted(ends, np.arange(len(known)))] - np.arange(len(known)) + 1, np.int64)


def first_row(known: FootageMap, row: int) -> int:
    """The first row of the stretch that a row belongs to."""
    broken = np.flatnonzero(~known.goes_on[:row])
    return int(broken[-1]) + 1 if len(broken) else 0


def stretches(known: FootageMap) -> list[tuple[int, int]]:
    """(first row, rows) of everything that goes on without a cut."""
    starts = [0, *(np.flatnonzero(~known.goes_on)[:-1] + 1)] if len(known) else []
    left = rows_left(known)
    return [(int(row), int(left[row])) for row in starts]


def jump_gaps(known: FootageMap) -> Costs:
    """[m, m] what a jump costs after row i to row j: j is shown where i + 1 would have come."""
    rows = np.arange(len(known))
    following = np.minimum(rows + 1, len(known) - 1)
    gaps = picture_gaps(known.frames, known.pose, known.thumb, following, rows)
    gaps += LID * lid_gaps(known.lids[following], known.lids[rows])
    shut = BLINK * shut_around(known.lids)
    gaps += shut[following][:, None] + shut[None] + MIRRORED * _turning(known)
    ahead = np.abs(rows[None] - following[:, None])
    gaps[ahead < 3] += 5.0  # a stumble, not a jump
    lead = np.array([j - first_row(known, int(j)) for j in rows])
    short = np.minimum(rows_left(known)[:, None] - 1, lead[None]) < LONGEST // 2  # nothing to morph with
    return gaps + JUMP + CRAMPED * short


def _turning(known: FootageMap) -> Costs:
    """[m, m] 0…1: how much the footage seems to run backwards around a jump after row i to row j.

    Around a turn at most half REACH frames before or behind the jump, every frame is compared with the one as far on
    its other side; where those are alike though the picture moves, it runs back. Real nods stay above TURN.
    """
    apart = motion_gaps(known).astype(np.float32)
    m = len(apart)
    moved = np.zeros(m, np.float32)
    for s in range(1, REACH + 1):
        moved[s:] += np.diagonal(apart, -s) / REACH
    worst = np.zeros((m, m), np.float32)
    for early in range(-REACH // 2, REACH // 2 + 1):
        turned, count = np.zeros((m, m), np.float32), 0
        for s in range(abs(early) + 1, REACH + 1):  # nearer ones lie on one side of the jump
            turned += _shifted(apart, early + s, s - early)
            count += 1
        # the way moved on the side on which the turn lies
        way = np.roll(moved, early)[:, None] if early >= 0 else np.roll(moved, early)[None]
        ratio = np.where(way >= MOVED, turned / count / np.maximum(way, MOVED), 1.0)
        worst = np.maximum(worst, np.clip(1 - ratio / TURN, 0, 1))
    return np.asarray(worst, np.float64)


def motion_gaps(known: FootageMap) -> Costs:
    """[m, m] squared differences of all rows' thumbnails, where they will be seen."""
    return squared_gaps(known.thumb[:, known.seen], known.thumb[:, known.seen])


def cells_without_mouth(points: NDArray[np.floating[Any]], wide: int, cells: int) -> NDArray[np.bool_]:
    """[cells] of thumbnails of pictures `wide` pixels across that the lower face never reaches: it is drawn anew.

    `points`: [n, 478, ≥2] pixels, NaN without a face.
    """
    seen = cells_outside(points[:, list(LIPS + JAW)].reshape(-1, points.shape[2]), wide, cells)
    return seen if seen.any() else ~seen


def turned(apart: Costs, rows: Sequence[int]) -> float:
    """How nearly a sequence of rows runs backwards somewhere: the least mirrored distance over the way moved before.

    `apart`: [m, m] squared differences of all rows' thumbnails. 1 where nothing turns.
    """
    seen = apart[np.ix_(rows, rows)]
    steps = np.arange(1, REACH + 1)
    least = 1.0
    for c in range(REACH, len(rows) - REACH - 1):
        moved = float(seen[c - steps, c].mean())
        if moved >= MOVED:
            back = min(float(seen[c - steps, c + steps].mean()), float(seen[c + 1 - steps, c + steps].mean()))
            least = min(least, back / moved)
    return least


def _shifted(apart: NDArray[np.float32], back: int, on: int) -> NDArray[np.float32]:
    """[m, m] of rows i - back and j + on, the nearest ones at the ends."""
    rows = np.arange(len(apart))
    return np.asarray(apart[np.ix_(np.clip(rows - back, 0, None), np.clip(rows + on, None, len(apart) - 1))])
