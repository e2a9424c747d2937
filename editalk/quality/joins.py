"""Checks of a result at its joins: does the picture jump, does the sound click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.analysis import Box, face_step
from editalk.audio import Audio
from editalk.plan import EditPlan
from editalk.timebase import FrameRange

LIMIT = 99.0  # percentile of the source's own steps that no step at a join may exceed (design, section 9)
NEAR = 8  # frames on either side of a join that belong to it
CLICK_LIMIT = 99.9
CLICK_WINDOW = 0.1  # seconds over which the source's own largest sample steps are taken


@dataclass(frozen=True)
class JoinCheck:
    """`step`: largest mean luma difference of neighbouring frames on the 256 px face around the join, steps that the
    source itself makes aside; `natural`: the 99th percentile of the source's own.
    """

    frame: int
    step: float
    natural: float

    @property
    def passed(self) -> bool:
        return self.step <= self.natural


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


class JoinWatch:
    """Watches the pictures of the timeline go by; call with every picture of a window and the one before it."""

    def __init__(self, plan: EditPlan, natural: NDArray[np.float32]) -> None:
        self.joins = [j for w in plan.windows for j in w.joins]
        self.natural = float(np.percentile(natural, LIMIT)) if len(natural) else 0.0
        self._spans = [FrameRange(max(0, j.frame - NEAR), j.frame + NEAR) for j in self.joins]
        self._worst = [0.0] * len(self.joins)
        self._before: NDArray[np.uint8] | None = None

    def watches(self, frame: int) -> bool:
        """Whether the step to this timeline frame, or the next one, is of interest."""
        return any(s.start - 1 <= frame < s.end for s in self._spans)

    def see(self, frame: int, luma: NDArray[np.uint8], box: Box | None, own: float) -> None:
        """`own`: the step that the source makes between the same two frames, 0 where they are no neighbours there."""
        if self._before is not None:
            step = face_step(self._before, luma, box)
            if step > 1.25 * own:
                for k, span in enumerate(self._spans):
                    if frame in span:
                        self._worst[k] = max(self._worst[k], step)
        self._before = luma

    def forget(self) -> None:
        """The next picture does not follow the last one seen."""
        self._before = None

    def checks(self) -> tuple[JoinCheck, ...]:
        return tuple(JoinCheck(j.frame, w, self.natural) for j, w in zip(self.joins, self._worst, strict=True))


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
