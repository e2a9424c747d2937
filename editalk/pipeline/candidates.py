"""The best of several renderings of a window, each from a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from editalk.compose import timeline
from editalk.pipeline.inspection import Pictures, Usual
from editalk.pipeline.render import RenderedWindow
from editalk.plan import EditPlan, RenderWindow
from editalk.quality.joins import NEAR
from editalk.quality.sync import LAG
from editalk.soundtrack import Soundtrack
from editalk.timebase import FrameRange

JOIN, FOLLOW, LATE, BROKEN = 1.0, 1.0, 0.5, 10.0
"""Weights of: the worst join's score; 1 - r of the lips; their lag in limits; each check of the pictures that fails."""
HEAR = 1.0  # seconds of sound beside the lips


@dataclass(frozen=True)
class Score:
    """What speaks against one rendering; the least total wins. `join`: score of the window's worst join, 0 without one;
    `r`, `lag` (seconds): the worst of its lips, None where nothing tells; `broken`: checks of the pictures that fail.
    """

    seed: int
    join: float
    r: float | None
    lag: float | None
    broken: tuple[str, ...]

    @property
    def total(self) -> float:
        lips = FOLLOW * (1 - self.r) if self.r is not None else 0.0
        late = LATE * abs(self.lag) / LAG if self.lag is not None else 0.0
        return JOIN * self.join + lips + late + BROKEN * len(self.broken)

    @property
    def row(self) -> dict[str, Any]:
        """As JSON values."""
        return {"seed": self.seed, "score": round(self.total, 4), "join": round(self.join, 3),
                "r": None if self.r is None else round(self.r, 3),
                "lag_ms": None if self.lag is None else round(1e3 * self.lag), "failed": list(self.broken)}  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """Which rendering of a window was taken. `seed` None: its backend draws no lots. `scores`: of all, where there were
    several.
    """

    window: RenderWindow
    seed: int | None
    scores: tuple[Score, ...] = ()

    @property
    def row(self) -> dict[str, Any]:
        """As JSON values."""
        span = self.window.span
        made: dict[str, Any] = {"window": [span.start, span.end], "seed": self.seed}
        return made | ({"scores": [s.row for s in self.scores]} if self.scores else {})


def best(
    plan: EditPlan, usual: Usual, speech: Soundtrack, candidates: Sequence[RenderedWindow]
) -> tuple[RenderedWindow, Chosen]:
    """Of renderings of one window, in the order of their seeds; of equals the first."""
    first = candidates[0]
    if len(candidates) == 1:
        return first, Chosen(first.window, first.seed)
    scores = tuple(score(plan, usual, speech, one) for one in candidates)
    won = min(range(len(scores)), key=lambda k: scores[k].total)
    return candidates[won], Chosen(first.window, candidates[won].seed, scores)


def score(plan: EditPlan, usual: Usual, speech: Soundtrack, made: RenderedWindow) -> Score:
    """Of a rendering in its place, the pictures beside it included."""
    window, rate, at = made.window, plan.source.rate, plan.source.sample_rate
    near = FrameRange(max(0, window.span.start - NEAR - 2), min(plan.frames, window.span.end + NEAR + 2))
    others = [w.span for w in plan.windows if w.span != window.span]
    elsewhere = [FrameRange(0, near.start), FrameRange(near.end, plan.frames), *others]
    heard = max(0, rate.sample(window.span.start, at) - round(HEAR * at))
    with Pictures(plan, usual, bool(window.lips), (window,), heard) as eyes:
        for shown in timeline(plan, usual.source.reader, [made], elsewhere):
            eyes.see(shown)
        if window.lips:
            end = rate.sample(window.span.end, at) + round(HEAR * at)
            for start in range(heard, end, at):
                eyes.hear(speech.read(start, min(end, start + at)))
        fits = eyes.fits()
        checks = [*eyes.checks(), *(c for fit in fits for c in fit.checks(rate) if "face" in c.what)]
        joins = [j.score for j in eyes.joins.checks()]
    known = [f for f in fits if f.r == f.r]
    lag = max((f.lag for f in known), key=abs, default=None)
    broken = tuple(f"{c.kind}: {c.what}" for c in checks if not c.passed)
    return Score(made.seed or 0, max(joins, default=0.0), min((f.r for f in known), default=None), lag, broken)
