"""Chapters along with their footage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from editalk.media.info import Chapter
from editalk.plan import EditPlan, Piece
from editalk.plan.mapping import lands, shown
from editalk.timebase import FrameRange, FrameRate

SLIVER = 1.0  # seconds of a chapter: what is less, and less than half of it, is the pauses around what was taken out


@dataclass(frozen=True)
class Followed:
    """`chapters`: in the timeline's order and seconds, without overlap. `gone`: those that no more than pauses are left
    of.
    """

    chapters: tuple[Chapter, ...]
    gone: tuple[Chapter, ...]


def follow_chapters(plan: EditPlan, chapters: Sequence[Chapter]) -> Followed:
    """Chapters of the source where their footage went.

    A chapter whose footage was parted by moves begins where most of it is. Chapters that adjoined each other do so
    again, and the last of them lasts to the end if it did.
    """
    rate, total = plan.source.rate, plan.source.frames
    placed: list[tuple[Fraction, Fraction, Chapter]] = []
    gone: list[Chapter] = []
    for chapter in sorted(chapters, key=lambda c: c.start):
        span = FrameRange(*(min(max(0, rate.frames(t)), total) for t in sorted((chapter.start, chapter.end))))
        runs = _runs(plan.timeline, span)
        if sum(map(len, runs)) < min(rate.frames(SLIVER), max(1, len(span) // 2)):
            gone.append(chapter)
            continue
        run = max(runs, key=len)
        placed.append((_start(plan, chapter, run), rate.seconds(run.end), chapter))
    placed.sort(key=lambda p: p[0])
    return Followed(tuple(_spaced(placed, chapters, rate, plan.frames, total)), tuple(gone))


def _runs(pieces: Sequence[Piece], span: FrameRange) -> list[FrameRange]:
    """The timeline stretches that show a chapter, what is new between two of them in the same."""
    found: list[FrameRange] = []
    for run in shown(pieces, span):
        if found and all(p.source is None for p in pieces if found[-1].end < p.end and p.start < run.start):
            run = FrameRange(found.pop().start, run.end)
        found.append(run)
    return found


def _start(plan: EditPlan, chapter: Chapter, run: FrameRange) -> Fraction:
    """Where the chapter's first footage is, to the fraction of a frame, if that is in the run; else the run's start."""
    rate = plan.source.rate.value
    at = Fraction(lands(plan.timeline, float(chapter.start * rate)))
    return max(Fraction(0), at / rate) if abs(at - run.start) < 1 else run.start / rate


def _spaced(
    placed: Sequence[tuple[Fraction, Fraction, Chapter]], given: Sequence[Chapter], rate: FrameRate, frames: int,
    total: int,
) -> list[Chapter]:  # fmt: skip
    """Ends where the next one starts, for chapters that did so in the source, and no later for any. The first starts
    with the timeline where the source's first did.
    """
    starts, half = [c.start for c in given], Fraction(1, 2) / rate.value
    made = []
    for k, (start, end, chapter) in enumerate(placed):
        if k == 0 and min(starts) <= half:
            start = Fraction(0)
        limit = placed[k + 1][0] if k + 1 < len(placed) else rate.seconds(frames)
        adjoined = chapter.end >= rate.seconds(total) - half or any(abs(s - chapter.end) <= half for s in starts)
        made.append(replace(chapter, start=start, end=limit if adjoined or end > limit else end))
    return [c for c in made if c.start < c.end]
