"""Checks of a result at its joins: does the picture jump or show something twice, does the sound click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.analysis import Analysis, face_box, face_step, mere_mix, step_luma
from editalk.audio import Audio
from editalk.cuts import cells_outside, thumbnail
from editalk.plan import EditPlan
from editalk.timebase import FrameRange

LIMIT = 99.0  # percentile of the source's own steps that no step at a join may exceed (design, section 9)
NEAR = 8  # frames on either side of a join that belong to it
PART = 0.02  # share of the picture that has to jump to be seen: a hand
LEAST = 1.0  # luma: a face that steps less is not seen to, however still the source is
LEAST_AROUND = 4.0  # luma, over PART of the picture: hair moves so much unseen; a hand that jumps, ten times
FINE = 128  # width of the pictures on which a double picture is looked for
CLICK_LIMIT = 99.9
CLICK_WINDOW = 0.1  # seconds over which the source's own largest sample steps are taken


@dataclass(frozen=True)
class Natural:
    """The 99th percentiles of what the source itself does: steps on the 256 px face, steps of the picture around it,
    and ways of that within two frames; mean luma differences.
    """

    face: float
    around: float
    way: float


@dataclass(frozen=True)
class JoinCheck:
    """The worst of the frames around a join, steps that the source itself makes aside.

    `step`: mean luma difference of neighbouring frames on the 256 px face; `around`: the same over the fiftieth part of
    the rest of the picture that changes most (hands, background); `double`: the way that is gone by a frame which is a
    mere mix of its two neighbours. `natural`: what the source itself does.
    """

    frame: int
    step: float
    around: float
    double: float
    natural: Natural

    @property
    def parts(self) -> dict[str, float]:
        """What may show → how much, in the source's own 99th percentile."""
        return {"the face jumps": self.step / max(self.natural.face, LEAST),
                "hands, body or background jump": self.around / max(self.natural.around, LEAST_AROUND),
                "two pictures show at once": self.double / max(self.natural.way, LEAST_AROUND)}  # fmt: skip

    @property
    def score(self) -> float:
        """1: as bad as the source's own 99th percentile."""
        return max(self.parts.values())

    @property
    def passed(self) -> bool:
        return self.score <= 1

    @property
    def reasons(self) -> list[str]:
        """What shows, worst first."""
        return sorted((name for name, share in self.parts.items() if share > 1), key=lambda name: -self.parts[name])


@dataclass(frozen=True)
class ClickCheck:
    """`step`: largest difference of neighbouring samples within 5 ms of where two sounds meet, `natural`: the source's
    own 99.9th percentile over 100 ms maxima.
    """

    sample: int
    step: float
    natural: float

    @property
    def passed(self) -> bool:
        return self.step <= self.natural


def natural_motion(analysis: Analysis) -> Natural:
    """From all footage looked at so far."""
    steps = analysis.steps()
    around, ways = [np.zeros(0)], [np.zeros(0)]
    for block in analysis.blocks():
        masks = [cells_outside(p, analysis.width, block.thumbs.shape[1])
                 for p in (block.track.at(int(f)) for f in block.track.frames)]  # fmt: skip
        for found, apart in ((around, 1), (ways, 2)):
            found.append(np.array([around_step(a, b, mask) for a, b, mask in
                                   zip(block.thumbs, block.thumbs[apart:], masks, strict=False)]))  # fmt: skip
    return Natural(*(_percentile(x) for x in (steps, np.concatenate(around), np.concatenate(ways))))


def _percentile(values: NDArray[np.floating[Any]]) -> float:
    return float(np.percentile(values, LIMIT)) if len(values) else 0.0


def around_step(before: NDArray[np.float32], thumb: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Mean luma difference of two thumbnails [d] over the part that changes most, of the cells that `mask` lets count.

    Hands are small: over the whole picture they would hardly count.
    """
    change = np.abs(thumb - before)[mask]
    count = max(1, round(PART * len(thumb)))
    return float(np.sort(change)[-count:].mean()) if len(change) else 0.0


@dataclass
class _Worst:
    """What was seen so far around one join."""

    span: FrameRange
    step: float = 0.0
    around: float = 0.0
    double: float = 0.0


@dataclass
class _Seen:
    luma: NDArray[np.uint8]
    thumb: NDArray[np.float32]
    fine: NDArray[np.float32]
    new: bool


@dataclass
class JoinWatch:
    """Watches the pictures of the timeline go by; call `see` with every picture around a join and the one before it."""

    plan: EditPlan
    natural: Natural
    _worst: list[_Worst] = field(init=False)
    _last: list[_Seen] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        frames = [j.frame for w in self.plan.windows for j in w.joins]
        self._worst = [_Worst(FrameRange(max(0, f - NEAR), f + NEAR + 1)) for f in frames]

    def watches(self, frame: int) -> bool:
        """Whether the step to this timeline frame, or the next one, is of interest."""
        return any(w.span.start - 1 <= frame < w.span.end for w in self._worst)

    def see(self, frame: int, luma: NDArray[np.uint8], points: NDArray[np.float32] | None, own: bool,
            new: bool) -> None:  # fmt: skip
        """`points`: [478, ≥2] of the face, about; `own`: the source itself goes on from the last picture to this one;
        `new`: it is none of the source's pictures.
        """
        w = luma.shape[1]
        small, scale = step_luma(luma)
        seen = _Seen(small, thumbnail(small), thumbnail(small, FINE), new)
        box = None if points is None else face_box(points * scale)
        near = [worst for worst in self._worst if frame in worst.span]
        mask = cells_outside(points, w, len(seen.thumb))
        if self._last and not own:
            before = self._last[-1]
            step, around = face_step(before.luma, seen.luma, box), around_step(before.thumb, seen.thumb, mask)
            for worst in near:
                worst.step, worst.around = max(worst.step, step), max(worst.around, around)
        if len(self._last) == 2 and self._last[1].new and mere_mix(self._last[0].fine, self._last[1].fine, seen.fine):
            way = around_step(self._last[0].thumb, seen.thumb, mask)
            for worst in near:
                worst.double = max(worst.double, way)
        self._last = [*self._last[-1:], seen]

    def forget(self) -> None:
        """The next picture does not follow the last one seen."""
        self._last = []

    def checks(self) -> tuple[JoinCheck, ...]:
        frames = [j.frame for w in self.plan.windows for j in w.joins]
        return tuple(JoinCheck(f, w.step, w.around, w.double, self.natural)
                     for f, w in zip(frames, self._worst, strict=True))  # fmt: skip


class ClickWatch:
    """Listens to the timeline's sound go by in chunks, in order."""

    def __init__(self, plan: EditPlan, natural: float) -> None:
        self.places = [p.start for p in plan.sound[1:]]
        self.natural = natural
        self._reach = round(0.005 * plan.source.sample_rate)
        self._worst = [0.0] * len(self.places)
        self._at = 0
        self._last: NDArray[np.float32] | None = None

    def hear(self, chunk: Audio) -> None:
        wave = chunk.samples if self._last is None else np.concatenate([self._last, chunk.samples])
        start = self._at - (0 if self._last is None else 1)
        steps = np.abs(np.diff(wave, axis=0)).max(axis=1) if len(wave) > 1 else np.zeros(0, np.float32)
        for k, place in enumerate(self.places):
            near = steps[max(0, place - self._reach - start - 1) : max(0, place + self._reach - start)]
            if len(near):
                self._worst[k] = max(self._worst[k], float(near.max()))
        self._at += len(chunk.samples)
        self._last = wave[-1:]

    def checks(self) -> tuple[ClickCheck, ...]:
        return tuple(ClickCheck(p, w, self.natural) for p, w in zip(self.places, self._worst, strict=True))


def natural_click(maxima: Sequence[float]) -> float:
    """What the source's own sound does: the 99.9th percentile of its largest sample steps in 100 ms windows."""
    return float(np.percentile(maxima, CLICK_LIMIT)) if len(maxima) else 0.0


def step_maxima(chunk: Audio) -> list[float]:
    """The largest sample step of every 100 ms of a chunk."""
    steps = np.abs(np.diff(chunk.samples, axis=0)).max(axis=1) if len(chunk.samples) > 1 else np.zeros(0)
    n = max(1, round(CLICK_WINDOW * chunk.rate))
    return [float(steps[i : i + n].max()) for i in range(0, len(steps) - n + 1, n)]
