"""Base footage: natural runs of source frames of exactly the wanted length for new or resampled content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Image
from editalk.backends.exemplar.flow import Points
from editalk.backends.exemplar.joins import LONGEST, JoinMorph, morph_frames
from editalk.backends.exemplar.map import (
    REACH,
    TURN,
    Costs,
    FootageMap,
    first_row,
    jump_gaps,
    motion_gaps,
    rows_left,
    stretches,
    turned,
)
from editalk.backends.exemplar.morph import SPAN, Morpher, morph
from editalk.cuts import pose_gaps, squared_gaps
from editalk.face import FaceTrack

JoinPlanner = Callable[[int, int, int], JoinMorph]
"""(left source frame, right source frame, most frames on either side) → how the two are joined"""

NEAREST = 0.05  # frames: a position nearer to a whole frame than this shows that frame
REUSE = 0.15  # a frame that was shown before in the same piece, once; grows with every further time
NEARBY = 0.02  # a frame that is also seen right beside the piece
MOST_USES = 2
TRIES = 10
NODS = 0.8  # of what the footage turns itself, at most so much excuses a path
AVOIDED = 3.0  # a jump of a path that seems to run backwards, every time
SPEEDS = (0.85, 1.15)  # speeds at which footage still looks natural
MOST_ROWS = 900


@dataclass(frozen=True)
class Shot:
    """What one output frame shows: source position `frame`, going over to `other` by `weight` (0…1), textures within
    `span` of the way.
    """

    frame: float
    other: float | None = None
    weight: float = 0.0
    span: float = SPAN


# ------------------------------------------------------------------------------------------------------------- paths


def base_footage(known: FootageMap, a: int | None, b: int | None, n: int, rate: float,
                 planner: JoinPlanner | None = None) -> tuple[Shot, ...]:  # fmt: skip
    """Footage for exactly `n` frames behind source frame `a` and before source frame `b`.

    It goes on from `a` and leads into `b` (None: the piece begins or ends the video), plays forward, and jumps where
    two places look alike; every jump is morphed, as long as `planner` says (None: guessed from thumbnails and pose).
    Raises ValueError where no footage is known.
    """
    if n <= 0:
        return ()
    if not len(known):
        raise ValueError("no footage to choose from")
    if a is not None and b is not None and SPEEDS[0] * n <= b - a - 1 <= SPEEDS[1] * n:
        return resample(a + 1, b - a - 1, n)
    if a is None and b is None:
        return take_path(known, n, rate, planner)
    if n == 1:
        return (_single(known, a, b),)
    known = _nearby(known, a, b)
    return _shots(_search(known, a, b, n, rate), known, rate, planner)


def resample(first: int, source_frames: int, n: int) -> tuple[Shot, ...]:
    """`source_frames` frames from `first` on, evenly as `n`; as `Piece.source_position` counts."""
    last = first + max(source_frames - 1, 0)
    return tuple(Shot(min(float(last), first + i * source_frames / n)) for i in range(n))


def take_path(known: FootageMap, n: int, rate: float, planner: JoinPlanner | None = None) -> tuple[Shot, ...]:
    """Footage for a whole new take of `n` frames: forward from the first, beyond the footage's end by jumps back."""
    if n <= 0:
        return ()
    if not len(known):
        raise ValueError("no footage to choose from")
    known = known.between(0, max(MOST_ROWS, n)) if len(known) > MOST_ROWS else known
    reach = rows_left(known)
    if n <= reach[0]:
        return tuple(Shot(float(f)) for f in known.frames[:n])
    gaps = jump_gaps(known)
    used = np.zeros(len(known))
    shortest = min(round(2 * rate), max(1, len(known) // 2))
    runs: list[tuple[int, int]] = []
    row, left = 0, n
    while left > reach[row]:
        out, back = _best_jump(gaps, used, reach, row, shortest)
        count = min(out - row + 1, left)
        runs.append((row, count))
        left -= count
        used[row : row + count] += 1
        row = back
    if left:
        runs.append((row, left))
    return _shots(runs, known, rate, planner)


def _best_jump(gaps: Costs, used: Costs, reach: NDArray[np.int64], row: int, shortest: int) -> tuple[int, int]:
    """(last row before, first row behind) the best jump out of a run from `row` on."""
    end = row + int(reach[row])
    outs = np.arange(min(row + shortest, end) - 1, end)
    worth = gaps[outs] + REUSE * used[None] + np.where(reach[None] < shortest, 20.0, 0.0)
    worth = worth + 4.0 * ((end - 1 - outs[:, None]) + np.arange(len(used))[None]) / len(used)  # footage left unused
    i, j = np.unravel_index(int(worth.argmin()), worth.shape)
    used[max(0, int(j) - 3) : int(j) + 4] += 4  # the next jump goes elsewhere
    return int(outs[i]), int(j)


def _single(known: FootageMap, a: int | None, b: int | None) -> Shot:
    """One frame between two: between what follows one and what leads to the other."""
    sides = [float(near if known.row(near) is not None else f)
             for f, near in ((f, f + way) for f, way in ((a, 1), (b, -1)) if f is not None)]  # fmt: skip
    return Shot(sides[0], sides[1], 0.5) if len(sides) == 2 and sides[0] != sides[1] else Shot(sides[0])


def _nearby(known: FootageMap, a: int | None, b: int | None) -> FootageMap:
    """At most MOST_ROWS rows around the place."""
    if len(known) <= MOST_ROWS:
        return known
    place = a if a is not None else b if b is not None else int(known.frames[0])
    middle = int(np.searchsorted(known.frames, place))
    start = min(max(0, middle - MOST_ROWS // 2), len(known) - MOST_ROWS)
    return known.between(start, start + MOST_ROWS)


def _search(known: FootageMap, a: int | None, b: int | None, n: int, rate: float) -> list[tuple[int, int]]:
    """Runs (first row, frames) of the cheapest path. Frames shown too often get dearer until they are not, and so do
    the jumps of a path that seems to run backwards.
    """
    problem = _Problem(known, a, b, n, min(LONGEST, max(1, round(rate / 3))))
    burden = known.burden + NEARBY * _beside(known, a, b, n)
    apart = motion_gaps(known)
    natural = min((turned(apart, range(row, row + count)) for row, count in stretches(known)), default=1.0)
    limit = TURN * max(natural, NODS)
    runs: list[tuple[int, int]] = []
    least = float("inf")
    for _ in range(TRIES):
        found = problem.solve(burden)
        uses = np.zeros(len(known))
        for row, count in found:
            uses[row : row + count] += 1
        often, turning = max(0.0, uses.max() - MOST_USES), turned(apart, _with_context(known, a, b, found))
        fault = often + max(0.0, 1 - turning / limit)
        if fault < least:
            runs, least = found, fault
        if not fault:
            break
        burden = burden + REUSE * np.maximum(uses - 1, 0)
        if turning < limit:
            problem.avoid(found)
    return runs


def _with_context(known: FootageMap, a: int | None, b: int | None, runs: Sequence[tuple[int, int]]) -> list[int]:
    """The rows shown by some runs, and those of the kept footage around them."""
    rows = [row + i for row, count in runs for i in range(count)]
    before, behind = (None if f is None else known.row(f) for f in (a, b))
    if before is not None:
        rows = [*range(max(0, before - 2 * REACH), before + 1), *rows]
    if behind is not None:
        rows += range(behind, min(len(known), behind + 2 * REACH))
    return rows


def _beside(known: FootageMap, a: int | None, b: int | None, n: int) -> Costs:
    """[m] 1 for frames that are seen as kept footage right beside the piece, 0 from its own length away."""
    left = np.where(known.frames <= a, 1 - (a - known.frames) / n, 0) if a is not None else 0.0
    right = np.where(known.frames >= b, 1 - (known.frames - b) / n, 0) if b is not None else 0.0
    return np.clip(np.maximum(left, right) + np.zeros(len(known)), 0, 1)


class _Problem:
    """The cheapest way of n frames through the rows: forward, with jumps, between fixed ends.

    Inner runs last at least `inner` frames, the outer ones `outer` (so that morphs do not overlap), less where n or the
    footage is short.
    """

    def __init__(self, known: FootageMap, a: int | None, b: int | None, n: int, half: int) -> None:
        self.known, self.n, self.m = known, n, len(known)
        self.gaps = jump_gaps(known).astype(np.float32)
        self.reach = rows_left(known)
        self.inner = max(1, min(2 * half, n // 3))
        outer = max(1, min(half, n // 3))
        self.first, self.head = self._start(a, outer)
        self.final, self.tail = self._goal(b, outer)

    def _start(self, a: int | None, outer: int) -> tuple[Costs, int]:
        """[m] cost of beginning with each row, and frames before the first jump."""
        if a is None:
            return np.zeros(self.m), min(outer, int(self.reach.max()))
        row = self.known.row(a)
        if row is not None and self.known.goes_on[row]:
            cost = np.full(self.m, np.inf)
            cost[row + 1] = 0.0
            return cost, min(outer, int(self.reach[row + 1]))
        return (np.zeros(self.m) if row is None else np.asarray(self.gaps[row], np.float64)), 1

    def _goal(self, b: int | None, outer: int) -> tuple[Costs, int]:
        """[m] cost of ending with each row, and frames behind the last jump."""
        if b is None:
            return np.zeros(self.m), 1
        row = self.known.row(b)
        if row is not None and row > 0 and self.known.goes_on[row - 1]:
            cost = np.full(self.m, np.inf)
            cost[row - 1] = 0.0
            return cost, min(outer, row - first_row(self.known, row))
        return (np.zeros(self.m) if row is None else np.asarray(self.gaps[:, row], np.float64)), 1

    def solve(self, burden: Costs) -> list[tuple[int, int]]:
        n, m = self.n, self.m
        total = np.concatenate([[0.0], np.cumsum(burden)])
        enter, before = np.full((n, m), np.inf), np.zeros((n, m), np.int32)
        ready, since = np.full((n, m), np.inf), np.zeros((n, m), np.int32)  # far enough into a run to jump
        enter[0] = self.first
        for t in range(n):
            if t:
                enter[t], before[t] = self._jumps(ready[t - 1])
                on = np.flatnonzero(self.known.goes_on)
                ready[t, on + 1] = ready[t - 1, on] + burden[on + 1]
                since[t, on + 1] = since[t - 1, on]
            self._mature(enter, ready, since, total, t, self.head, only_first=True)
            self._mature(enter, ready, since, total, t, self.inner, only_first=False)
        for length in range(self.tail, self.inner):
            self._mature(enter, ready, since, total, n - 1, length, only_first=False)
        return self._traced(ready, since, before)

    def avoid(self, runs: Sequence[tuple[int, int]]) -> None:
        """Make the jumps of these runs, and those right beside them, dearer."""
        for (row, count), (start, _) in zip(runs, runs[1:], strict=False):
            last = row + count - 1
            self.gaps[max(0, last - 2) : last + 3, max(0, start - 2) : start + 3] += AVOIDED

    def _jumps(self, ready: Costs) -> tuple[Costs, NDArray[np.int64]]:
        if not np.isfinite(ready).any():
            return np.full(self.m, np.inf), np.zeros(self.m, np.int64)
        cost = self.gaps + ready[:, None].astype(np.float32)
        best = cost.argmin(0)
        return np.asarray(cost[best, np.arange(self.m)], np.float64), best

    def _mature(self, enter: Costs, ready: Costs, since: NDArray[np.int32], total: Costs, t: int, length: int,
                only_first: bool) -> None:  # fmt: skip
        """Runs of `length` frames that end at time t may be left from now on."""
        begin = t - length + 1
        if begin < 0 or (begin == 0) != only_first:
            return
        rows = np.flatnonzero(self.reach >= length)
        ends = rows + length - 1
        cost = enter[begin, rows] + total[ends + 1] - total[rows]
        better = cost < ready[t, ends]
        ready[t, ends[better]] = cost[better]
        since[t, ends[better]] = begin

    def _traced(self, ready: Costs, since: NDArray[np.int32], before: NDArray[np.int32]) -> list[tuple[int, int]]:
        total = ready[-1] + self.final
        row, t = int(total.argmin()), self.n - 1
        if not np.isfinite(total[row]):
            raise ValueError(f"the known footage is too short for {self.n} frames")
        runs: list[tuple[int, int]] = []
        while t >= 0:
            begin = int(since[t, row])
            start = row - (t - begin)
            runs.append((start, t - begin + 1))
            row, t = int(before[begin, start]), begin - 1
        return runs[::-1]


# ------------------------------------------------------------------------------------------------------------- shots


def _shots(runs: Sequence[tuple[int, int]], known: FootageMap, rate: float,
           planner: JoinPlanner | None) -> tuple[Shot, ...]:  # fmt: skip
    shots = [Shot(float(known.frames[row + i])) for row, count in runs for i in range(count)]
    reach = rows_left(known)
    at = 0
    for k in range(1, len(runs)):
        (row, count), (start, length) = runs[k - 1], runs[k]
        at += count
        last = row + count - 1
        room_before = count if k == 1 else count // 2
        room_after = length if k == len(runs) - 1 else length - length // 2
        lead = start - first_row(known, start)
        if planner is not None:
            planned = planner(int(known.frames[last]), int(known.frames[start]), min(LONGEST, room_before, room_after))
            join = replace(planned, before=min(planned.before, lead), after=min(planned.after, int(reach[last]) - 1))
        else:
            half = morph_frames(1.5 * _distance(known, last, start), rate)
            join = JoinMorph(min(half, room_before, lead), min(half, room_after, int(reach[last]) - 1), 0.0)
        for offset in range(-join.before, join.after):
            left, right = known.frames[last + 1 + offset], known.frames[start + offset]
            shots[at + offset] = Shot(float(left), float(right), join.weight(offset), join.span)
    return tuple(shots)


def _distance(known: FootageMap, last: int, start: int) -> float:
    """The step of a plain jump, in the footage's own 99th percentile."""
    rows = np.flatnonzero(known.goes_on)
    if not len(rows):
        return 0.0
    worst = 0.0
    following = np.array([last + 1 if known.goes_on[last] else last])
    for gap, values in ((pose_gaps, known.pose), (lambda x, y: np.sqrt(squared_gaps(x, y)), known.thumb)):
        own = np.array([gap(values[i : i + 1], values[i + 1 : i + 2])[0, 0] for i in rows])
        usual = float(np.percentile(own, 99)) + 1e-3
        worst = max(worst, float(gap(values[following], values[[start]])[0, 0]) / usual)
    return worst


# ---------------------------------------------------------------------------------------------------------- pictures


def picture(morpher: Morpher, shot: Shot) -> Image:
    """The picture of a shot."""
    if shot.other is None or shot.weight <= 0:
        return _at(morpher, shot.frame)
    if shot.weight >= 1:
        return _at(morpher, shot.other)
    (a, between_a), (b, between_b) = _split(shot.frame), _split(shot.other)
    if not between_a and not between_b:
        return morpher.picture(a, b, shot.weight, shot.span)
    left, right = (_at(morpher, p) for p in (shot.frame, shot.other))
    a_points, b_points = (points_at(morpher.track, p) for p in (shot.frame, shot.other))
    return morph(left, right, shot.weight, a_points, b_points, shot.span)


def points(track: FaceTrack, shot: Shot) -> Points | None:
    """[478, 3] where the face is in the picture of a shot; None without a face."""
    left = points_at(track, shot.frame)
    if shot.other is None or shot.weight <= 0:
        return left
    right = points_at(track, shot.other)
    if left is None or right is None:
        return left if shot.weight < 0.5 else right
    return (1 - shot.weight) * left + shot.weight * right


def points_at(track: FaceTrack, position: float) -> Points | None:
    """[478, 3] of a face at a source position between two frames; None without a face."""
    low, share = _split(position)
    left = track.at(low)
    if not share:
        return left
    right = track.at(low + 1)
    return left if right is None else right if left is None else (1 - share) * left + share * right


def _split(position: float) -> tuple[int, float]:
    """The frame and the share of the next one; 0 where a whole frame is near."""
    near = round(position)
    if abs(position - near) <= NEAREST:
        return near, 0.0
    return int(np.floor(position)), float(position - np.floor(position))


def _at(morpher: Morpher, position: float) -> Image:
    low, share = _split(min(max(position, 0.0), morpher.footage.frames - 1.0))
    return morpher.picture(low, low + 1, share) if share else morpher.footage.image(low)
