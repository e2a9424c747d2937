"""Are new pictures there at all: dark, of one colour, or the same one over and over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.analysis import Analysis, face_box, face_step, step_luma
from editalk.audio import runs
from editalk.cuts import cells_outside, thumbnail
from editalk.face.geometry import LIPS_OUTER
from editalk.plan import RenderWindow
from editalk.quality.checks import Check, at_least, at_most
from editalk.timebase import FrameRange, FrameRate

Floats = NDArray[np.float64]
Points = NDArray[np.float32]

DARK = 0.5  # of the light of the darkest source frame near, of which a new one has at least so much
PLAIN = 0.2  # the same for contrast
LEAST_LIGHT = 4.0  # luma over black: a source that is darker cannot be fallen short of
LEAST_CONTRAST = 2.0  # luma: a plainer source neither
NEAR = 2.0  # seconds of the source on either side of what a window shows that its light is compared with
MOST = 80  # source frames that tell the light
STILL = 0.1  # of the source's median step: a face that moves less is the same picture again
HELD = 0.2  # seconds for which a picture may stand
LONGER = 1.5  # times the source's own longest still stretch that new pictures may stand
PARTS = ("the picture", "the face", "the mouth")


def looks(thumb: NDArray[np.float32], points: Points | None, wide: int) -> Floats:
    """[PARTS, 2]: mean and SD of luma of a thumbnail [d] of a picture `wide` pixels across; NaN where there is no face
    or too little of it.
    """
    out = np.full((len(PARTS), 2), np.nan)
    out[0] = thumb.mean(), thumb.std()
    if points is not None:
        for k, some in ((1, points), (2, points[list(LIPS_OUTER)])):
            cells = thumb[~cells_outside(some, wide, len(thumb))]
            if len(cells) >= 4:
                out[k] = cells.mean(), cells.std()
    return out


@dataclass(frozen=True)
class OwnLooks:
    """What the source itself looks like: `least` [PARTS, 2] mean and SD of luma, the first over `black`."""

    least: Floats
    black: float

    def shares(self, seen: Floats) -> Floats:
        """[PARTS, 2] of the least that the source has; NaN where that says nothing."""
        floor = np.array([self.black, 0.0])
        least = self.least - floor
        telling = least >= (LEAST_LIGHT, LEAST_CONTRAST)
        return np.where(telling, (seen - floor) / np.where(telling, least, 1.0), np.nan)


@dataclass(frozen=True)
class OwnStillness:
    """`step`: a face that steps less is the same picture again; `longest`: frames that the source itself stands so."""

    step: float
    longest: int


def own_looks(analysis: Analysis, window: RenderWindow) -> OwnLooks:
    """Of the footage that a window shows and 2 s beside it; all footage looked at where it shows none."""
    rate, frames = analysis.info.video.rate, analysis.reader.frames
    shown = [(p.source, p.source_end, p) for p in window.pieces if p.source is not None]
    spans = [FrameRange(max(0, a - rate.frames(NEAR)), min(frames, b + rate.frames(NEAR))) for a, b, _ in shown]
    rows = [(t, p) for s in spans for t, p in zip(analysis.thumbs(s), analysis.track(s).points, strict=True)]
    if not rows:
        rows = [(t, p) for b in analysis.blocks() for t, p in zip(b.thumbs, b.track.points, strict=True)]
    rows = rows[:: max(1, len(rows) // MOST)]
    black = 0.0 if analysis.info.video.colour.range == 2 else 16.0
    if not rows:
        return OwnLooks(np.zeros((len(PARTS), 2)), black)
    with np.errstate(all="ignore"):
        every = np.stack([looks(t, p if np.isfinite(p[0, 0]) else None, analysis.width) for t, p in rows])
    known = np.isfinite(every)
    return OwnLooks(np.where(known.any(0), np.where(known, every, np.inf).min(0), np.nan), black)


def own_stillness(analysis: Analysis) -> OwnStillness:
    """Of all footage looked at."""
    steps = np.concatenate([b.steps for b in analysis.blocks()] or [np.zeros(0, np.float32)])
    known = steps[np.isfinite(steps)]
    least = STILL * float(np.median(known)) if len(known) else 0.0
    return OwnStillness(least, max((b - a for a, b in runs(steps < least)), default=0))


class PictureWatch:
    """Watches the new pictures of the windows go by; call `see` with every picture that is written."""

    def __init__(
        self, windows: Sequence[RenderWindow], looks: Sequence[OwnLooks], still: OwnStillness, rate: FrameRate
    ) -> None:
        self._windows, self._looks, self._still, self._rate = windows, looks, still, rate
        self._shares: list[list[tuple[int, Floats]]] = [[] for _ in windows]
        self._same: list[list[int]] = [[] for _ in windows]  # frames that are the picture before again
        self._last: tuple[int, NDArray[np.uint8]] | None = None

    def window(self, frame: int) -> int | None:
        """The window that a timeline frame lies in."""
        return next((k for k, w in enumerate(self._windows) if frame in w.span), None)

    def see(self, frame: int, luma: NDArray[np.uint8], points: Points | None) -> None:
        """A new picture; `points`: [478, ≥2] of the face, about."""
        k = self.window(frame)
        if k is None:
            return
        small, scale = step_luma(luma)
        self._shares[k].append((frame, self._looks[k].shares(looks(thumbnail(small), _times(points, scale),
                                                                   small.shape[1]))))  # fmt: skip
        if self._last is not None and self._last[0] == frame - 1:
            box = face_box(_times(points, scale))
            if face_step(self._last[1], small, box) < self._still.step:
                self._same[k].append(frame)
        self._last = frame, small

    def checks(self) -> tuple[Check, ...]:
        """Those of each window that has new pictures."""
        made = []
        for k, seen in enumerate(self._shares):
            if seen:
                made += [*self._black(seen), self._frozen(k, seen)]
        return tuple(made)

    def _black(self, seen: list[tuple[int, Floats]]) -> list[Check]:
        frames, shares = np.array([f for f, _ in seen]), np.stack([s for _, s in seen])
        made = []
        for column, what, limit in ((0, "light", DARK), (1, "contrast", PLAIN)):
            values = np.where(np.isfinite(shares[:, :, column]), shares[:, :, column], np.inf)
            worst, part = np.unravel_index(int(values.argmin()), values.shape)
            if not np.isfinite(values[worst, part]):
                continue
            low = values.min(1) < limit
            span = next(((frames[a], frames[b - 1] + 1) for a, b in runs(low) if a <= worst < b),
                        (frames[0], frames[-1] + 1))  # fmt: skip
            made.append(at_least("black", f"{what} of {PARTS[part]}", *self._seconds(*span),
                                 float(values[worst, part]), limit, "of the source's least"))  # fmt: skip
        return made

    def _frozen(self, k: int, seen: list[tuple[int, Floats]]) -> Check:
        frames = np.array([f for f, _ in seen])
        same = np.isin(frames, self._same[k])
        a, b = max(runs(same), key=lambda run: run[1] - run[0], default=(0, 0))
        limit = max(HELD, LONGER * float(self._rate.seconds(self._still.longest)))
        span = (frames[max(0, a - 1)], frames[b - 1] + 1) if b > a else (frames[0], frames[-1] + 1)
        return at_most("frozen", "the face stands still", *self._seconds(*span), float(self._rate.seconds(b - a)),
                       limit, "s")  # fmt: skip

    def _seconds(self, start: int, end: int) -> tuple[float, float]:
        return float(self._rate.seconds(int(start))), float(self._rate.seconds(int(end)))


def _times(points: Points | None, scale: float) -> Points | None:
    return None if points is None else np.asarray(points * scale, np.float32)
