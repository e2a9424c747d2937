"""Where the footage of the strands begins and ends, in source frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from editalk.plan.strands import Strand
from editalk.timebase import FrameRange, FrameRate
from editalk.transcript import Word

REACH = 0.12  # seconds around a word boundary in which a cut may lie (design, section 3)
PAUSE_KEPT = 0.2  # seconds of a pause beside a removed phrase that may go with it
CLEAR = 0.04  # seconds of quiet that go with a removed phrase on either side where a pause mark makes room for it


class CutChooser(Protocol):
    """Picks the frames at which a cut shows and is heard least. Ranges are of choices: both ends inclusive."""

    def point(self, choice: FrameRange, prefer: int) -> int:
        """The source frame at which footage is parted: it ends before the frame, and goes on with it elsewhere."""
        ...

    def join(self, left: FrameRange, right: FrameRange, prefer: tuple[int, int]) -> tuple[int, int]:
        """(l, r): the footage before the join ends before source frame l in `left`, the one behind begins with r."""
        ...


class PreferredCuts:
    """Cuts where the words say, without looking at picture or sound."""

    def point(self, choice: FrameRange, prefer: int) -> int:
        return prefer

    def join(self, left: FrameRange, right: FrameRange, prefer: tuple[int, int]) -> tuple[int, int]:
        return prefer


@dataclass(frozen=True)
class Footage:
    """Source frames [start, end) of a strand."""

    start: int
    end: int


@dataclass(frozen=True)
class Boundaries:
    """The gaps between words: gap k lies before word k (k = len(words): behind the last), seconds."""

    words: Sequence[Word]
    duration: Fraction
    rate: FrameRate
    frames: int

    def gap(self, k: int) -> tuple[float, float]:
        left = self.words[k - 1].end if k > 0 else 0.0
        right = self.words[k].start if k < len(self.words) else float(self.duration)
        return (left, right) if left <= right else ((left + right) / 2,) * 2

    def quiet_behind(self, k: int, frame: int) -> float:
        """Seconds of gap k that lie before a source frame."""
        return max(0.0, float(self.rate.seconds(frame)) - self.gap(k)[0])

    def quiet_before(self, k: int, frame: int) -> float:
        """Seconds of gap k from a source frame on."""
        return max(0.0, self.gap(k)[1] - float(self.rate.seconds(frame)))

    def choices(self, k: int, low: float, high: float) -> FrameRange:
        """Frames at which a cut in gap k may lie, both ends inclusive: within the gap, and within [low, high]."""
        left, right = self.gap(k)
        first = self.rate.frames_to_cover(max(left, low))
        last = self.rate.frame_at(min(right, high))
        if first > last:  # no frame begins inside: the frames around it
            middle = self.rate.frames((max(left, low) + min(right, high)) / 2)
            first, last = middle - 1, middle + 1
        return FrameRange(min(max(first, 0), self.frames), min(max(last, 0), self.frames))


def footage(
    parts: Sequence[Strand], boundaries: Boundaries, chooser: CutChooser
) -> tuple[tuple[Footage | None, ...], Footage, Footage]:
    """Source frames of every strand, and the head and tail of the source that lie before and behind all words.

    Head and tail stay, cut down to a pause that begins or ends the script. A strand with words has at least one frame.
    """
    n = len(boundaries.words)
    shown = [(i, p.first, p.end) for i, p in enumerate(parts) if p.footage]
    order = [(-1, 0, 0), *shown, (len(parts), n, n)]
    used = {-1, n} | {word for p in parts for word in range(p.first, p.end)}
    cutting = _Cutting(boundaries, chooser, frozenset(used))
    begins, ends = {-1: 0}, {len(parts): boundaries.frames}
    for (i, _, end), (j, first, _) in zip(order, order[1:], strict=False):
        pauses = [p.pause for p in parts[i + 1 : j] if p.pause is not None]
        outer = i < 0 or j == len(parts)
        if not pauses or outer and j - i > 2:
            ends[i], begins[j] = cutting.between(end, first)
        else:
            ends[i], begins[j] = (cutting.at_end if outer else cutting.paused)(end, first, sum(pauses))
    ranges = tuple(
        Footage(begins[i], max(ends[i], begins[i] + 1)) if p.footage else None for i, p in enumerate(parts)
    )
    head, tail = Footage(0, ends[-1]), Footage(begins[len(parts)], boundaries.frames)
    if parts and parts[0].pause is not None:
        own = _own(parts, ranges, 1, lambda p, shown: boundaries.quiet_before(p.first, shown.start))
        kept = boundaries.rate.frames(max(0.0, parts[0].pause - own))
        head = Footage(max(0, head.end - kept), head.end)
    if parts and parts[-1].pause is not None:
        own = _own(parts, ranges, len(parts) - 2, lambda p, shown: boundaries.quiet_behind(p.end, shown.end))
        kept = boundaries.rate.frames(max(0.0, parts[-1].pause - own))
        tail = Footage(tail.start, min(boundaries.frames, tail.start + kept))
    return ranges, head, tail


def _own(
    parts: Sequence[Strand], ranges: Sequence[Footage | None], i: int, quiet: Callable[[Strand, Footage], float]
) -> float:
    """The quiet that strand i brings with it; none where it is not there, or new."""
    shown = ranges[i] if 0 <= i < len(parts) else None
    return 0.0 if shown is None or parts[i].new else quiet(parts[i], shown)


class _Cutting:
    """The cuts of one edit; a gap whose two sides both stay is parted at one frame, whoever asks."""

    def __init__(self, at: Boundaries, chooser: CutChooser, used: frozenset[int]) -> None:
        self.at, self.chooser, self.used = at, chooser, used
        self.points: dict[int, int] = {}

    def between(self, end: int, first: int) -> tuple[int, int]:
        """Footage up to before word `end`, then footage from word `first` on."""
        if end == first:
            return (self.point(end),) * 2
        (kept, gone), (went, stays) = self.at.gap(end), self.at.gap(first)
        if gone - kept >= stays - went:  # the longer of the two pauses stays
            left, right = gone, min(stays, went + PAUSE_KEPT)
        else:
            left, right = max(kept, gone - PAUSE_KEPT), went
        lefts, last = self.choices(end, left, parted=end in self.used)
        rights, start = self.choices(first, right, parted=first - 1 in self.used)
        return self.chooser.join(lefts, rights, (last, start))

    def paused(self, end: int, first: int, pause: float) -> tuple[int, int]:
        """Footage up to before word `end`, then from word `first` on, with at most `pause` seconds without words.

        What is quiet on either side of words that go adds up. Where all of it is shorter than the pause, or goes on
        elsewhere, this is `between`.
        """
        (kept, gone), (went, stays) = self.at.gap(end), self.at.gap(first)
        if end == first:
            gone = went = (kept + stays) / 2
        elif end in self.used or first - 1 in self.used:
            return self.between(end, first)
        left, right = gone - kept, stays - went
        spare = left + right - pause
        if spare <= 0:
            return self.between(end, first)
        clear = 0.0 if end == first else min(CLEAR, spare / 2)
        left, right = max(0.0, left - clear), max(0.0, right - clear)
        last = self.at.rate.frames(kept + min(left, max(pause / 2, pause - right)))
        rest = pause - self.at.quiet_behind(end, last)
        return last, max(self.at.rate.frames(stays - rest), last if first >= end else 0)

    def at_end(self, end: int, first: int, pause: float) -> tuple[int, int]:
        """Where head or tail meet the words: as `between`, but they go where words go whose quiet is pause enough."""
        (kept, gone), (went, stays) = self.at.gap(end), self.at.gap(first)
        if end == 0 < first and first - 1 not in self.used and stays - went >= pause + CLEAR:
            return 0, self.at.rate.frames(stays - pause)
        if first == len(self.at.words) > end and end not in self.used and gone - kept >= pause + CLEAR:
            return self.at.rate.frames(kept + pause), self.at.frames
        return self.between(end, first)

    def point(self, k: int) -> int:
        """The frame at which gap k is parted: close behind the word before it, a pause stays with what follows."""
        if k not in self.points:
            left, right = self.at.gap(k)
            middle = left + min((right - left) / 2, REACH) if k else max(right - REACH, (left + right) / 2)
            choice, prefer = self._around(k, middle)
            self.points[k] = self.chooser.point(choice, prefer)
        return self.points[k]

    def choices(self, k: int, seconds: float, parted: bool) -> tuple[FrameRange, int]:
        """The frames allowed in gap k and the preferred one; a parted gap leaves no choice."""
        if parted:
            return FrameRange(self.point(k), self.point(k)), self.point(k)
        return self._around(k, seconds)

    def _around(self, k: int, seconds: float) -> tuple[FrameRange, int]:
        choice = self.at.choices(k, seconds - REACH, seconds + REACH)
        return choice, min(max(self.at.rate.frames(seconds), choice.start), choice.end)
