"""How long a join has to be, and how fast its textures go over, tried out on reduced pictures."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editalk.analysis import mere_mix
from editalk.backends.exemplar.flow import Luma
from editalk.backends.exemplar.morph import SPAN, Morpher, smoothstep
from editalk.cores import share

LONGEST = 8  # morphed frames on either side of a join
STEP = 0.85  # of the clip's 99th percentile: a join as still as that does not show
CLOSE = 0.92  # of the same: full-size pictures may step more than reduced ones
STEEP = 10.0  # what going beyond that counts in addition
FACE = 256  # side of the face crop that steps are measured on, pixels
FADES = (2.5, 4.5)  # frames over which the textures of a join go over, from top to bottom
WIDEST = 0.6  # share of the way that a fade takes at most
MIDDLE = 1.2  # how much faster than evenly a join's weights rise in its middle
THUMB = 200  # long side of the pictures in which a mere mix of the two sides is looked for
MIXED = 2  # frames in a row that may look like a mere mix
DOUBLE = 0.15  # of the clip's 99th percentile: what every further one counts


@dataclass(frozen=True)
class JoinMorph:
    """Frames to morph `before` and `after` a join; `score`: its largest step, in the clip's 99th percentile; `span`:
    the share of the way over which textures go over.
    """

    before: int
    after: int
    score: float
    span: float = SPAN

    def weight(self, offset: int) -> float:
        """Share of the right side `offset` frames behind the join (negative: before it)."""
        if not self.before + self.after:
            return float(offset >= 0)
        even = (offset + self.before + 1) / (self.before + self.after + 1)
        return 0.6 * even + 0.4 * smoothstep(even)  # gentle ends, and a middle that is not much faster


def morph_frames(distance: float, rate: float) -> int:
    """Frames to morph on either side of a join whose plain cut steps by `distance`, in the clip's 99th percentile.

    0 where that would not show; at most 8, and not longer than a third of a second.
    """
    if distance <= STEP:
        return 0
    return min(LONGEST, max(1, round(rate / 3)), max(1, round(1.5 * distance)))


def plan_join(morpher: Morpher, left: int, right: int, natural: NDArray[np.floating[Any]],
              longest: int = LONGEST) -> JoinMorph:  # fmt: skip
    """How to join source frame `left` to source frame `right`, tried out on small pictures.

    `natural`: [n] face steps of the footage around. At most `longest` frames on either side, and only where both sides
    have footage that goes on (not over a cut of scenes).
    """
    limit = float(np.percentile(natural, 99)) if len(natural) else 4.0
    trial = _Trial(morpher, left, right, float(np.percentile(natural, 25)) if len(natural) else 0.0)
    if not trial.usable(left) or not trial.usable(right):
        return JoinMorph(0, 0, 0.0)
    best = JoinMorph(0, 0, trial.steps(JoinMorph(0, 0, 0.0)) / limit)
    if best.score <= STEP or longest <= 0:
        return best
    before, after = trial.room(right - 1, -1, longest, limit), trial.room(left + 1, 1, longest, limit)
    first = morph_frames(best.score, float(morpher.footage.rate))
    least = _worth(best.score, 0)
    for k in sorted({min(k, longest) for k in (first - 1, first, first + 2, LONGEST)} - {0}):
        for fade in FADES:
            tried = _faded(min(k, before), min(k, after), fade)
            if tried is None or least <= STEP:
                continue
            score = trial.steps(tried) / limit
            worth = _worth(score, trial.mixed(tried))
            if worth < 0.97 * least:
                best, least = JoinMorph(tried.before, tried.after, score, tried.span), worth
    return best


def _worth(score: float, mixed: int) -> float:
    """What a join counts that steps by `score` and shows `mixed` frames that look like a mere mix; least is best."""
    return score + STEEP * max(0.0, score - CLOSE) + DOUBLE * max(0, mixed - MIXED)


def _faded(before: int, after: int, fade: float) -> JoinMorph | None:
    """A morph whose textures go over in `fade` frames; None where that is too long for it."""
    frames = before + after
    if not frames:
        return None
    span = MIDDLE * fade / (frames + 1)
    return JoinMorph(before, after, 0.0, min(span, WIDEST)) if span <= WIDEST or fade == FADES[0] else None


class _Trial:
    """One join, drawn small; `usual`: a small step of the footage itself."""

    def __init__(self, morpher: Morpher, left: int, right: int, usual: float) -> None:
        self.morpher, self.left, self.right, self.usual = morpher, left, right, usual
        self._drawn: dict[tuple[int, float, float], Luma] = {}
        self._thumbs: dict[int, NDArray[np.float32]] = {}

    def usable(self, frame: int) -> bool:
        return 0 <= frame < self.morpher.footage.frames

    def room(self, start: int, way: int, most: int, limit: float) -> int:
        """Frames from `start` on that go on without a cut of scenes."""
        if not self.usable(start):
            return 0
        count, last = 0, self.morpher.luma(start - way)
        for frame in range(start, start + way * most, way):
            if not self.usable(frame):
                break
            luma = self.morpher.luma(frame)
            if float(cv2.absdiff(luma, last).mean()) > max(25.0, 4 * limit):
                break
            count, last = count + 1, luma
        return count

    def steps(self, join: JoinMorph) -> float:
        """The largest step on the face."""
        pictures = list(self._pictures(join))
        box = self._box(self.left) or self._box(self.right)
        crops = [_face(p, box) for p in pictures]
        return max(float(cv2.absdiff(a, b).mean()) for a, b in zip(crops, crops[1:], strict=False))

    def mixed(self, join: JoinMorph) -> int:
        """Frames that look like a mere mix of the two sides, where those differ."""
        count = 0
        for offset, made in zip(range(-join.before, join.after), list(self._pictures(join))[1:-1], strict=True):
            sides = (self.left + 1 + offset, self.right + offset)
            a, b = (self._thumb(self._inside(frame)) for frame in sides)
            count += mere_mix(a, _thumb(made), b, self.usual / 2)
        return count

    def _pictures(self, join: JoinMorph) -> Iterator[Luma]:
        yield self.morpher.luma(self._inside(self.left - join.before))
        keys = []
        for offset in range(-join.before, join.after):
            w = join.weight(offset)
            span = join.span if abs(w - 0.5) <= join.span / 2 else 0.0  # beyond it only one side shows
            keys.append((offset, w, span))
        self._draw([key for key in keys if key not in self._drawn])
        yield from (self._drawn[key] for key in keys)
        yield self.morpher.luma(self._inside(self.right + join.after))

    def _draw(self, keys: list[tuple[int, float, float]]) -> None:
        """Sketches on all cores; the footage is for one thread."""
        ends = [(self._inside(self.left + 1 + offset), self._inside(self.right + offset)) for offset, _, _ in keys]
        for frame in sorted({frame for pair in ends for frame in pair}):
            self.morpher.luma(frame)
        with ThreadPoolExecutor(share()) as pool:
            made = pool.map(lambda pair, key: self.morpher.sketch(*pair, *key[1:]), ends, keys)
            self._drawn.update(zip(keys, made, strict=True))

    def _thumb(self, frame: int) -> NDArray[np.float32]:
        if frame not in self._thumbs:
            self._thumbs[frame] = _thumb(self.morpher.luma(frame))
        return self._thumbs[frame]

    def _inside(self, frame: int) -> int:
        return min(max(frame, 0), self.morpher.footage.frames - 1)

    def _box(self, frame: int) -> tuple[int, int, int, int] | None:
        points = self.morpher.track.at(frame)
        if points is None:
            return None
        low, high = (side[:2] / self.morpher.scale for side in (points.min(0), points.max(0)))
        side = 1.25 * float((high - low).max())
        x, y = (low + high - side) / 2
        return int(x), int(y), int(x + side), int(y + side)


def _thumb(luma: Luma) -> NDArray[np.float32]:
    scale = min(1.0, THUMB / max(luma.shape))
    size = max(1, round(luma.shape[1] * scale)), max(1, round(luma.shape[0] * scale))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.float32)


def _face(luma: Luma, box: tuple[int, int, int, int] | None) -> Luma:
    x0, y0, x1, y1 = box or (0, 0, luma.shape[1], luma.shape[0])
    part = luma[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    return np.asarray(cv2.resize(part if part.size else luma, (FACE, FACE), interpolation=cv2.INTER_AREA), np.uint8)
