"""The timeline in segments: packets of the source, and pictures that are encoded; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from editalk.plan import EditPlan, Piece
from editalk.timebase import FrameRange, FrameRate

LEAST = 0.5  # seconds: to copy less is not worth a change of encoder


@dataclass(frozen=True)
class Copy:
    """Source frames from `source` on, from the packets `first` to `last`, inclusive, in reading order."""

    source: int
    first: int
    last: int


@dataclass(frozen=True)
class Segment:
    """A stretch of the timeline. `copy`: what it shows; None: it is encoded."""

    span: FrameRange
    copy: Copy | None = None


class Order(Protocol):
    """The reading order of a source, see `Coded`."""

    @property
    def shown(self) -> NDArray[np.int64]: ...

    @property
    def entry(self) -> NDArray[np.bool_]: ...

    @property
    def leading(self) -> NDArray[np.bool_]: ...


def kept(plan: EditPlan, watched: Callable[[int], bool]) -> tuple[Piece, ...]:
    """The stretches of footage outside all windows whose pictures nobody watches."""
    found: list[Piece] = []
    ends = [*(w.span for w in plan.windows), FrameRange(plan.frames, plan.frames)]
    free = [FrameRange(a, b.start) for a, b in zip([0, *(w.end for w in ends[:-1])], ends, strict=True) if a < b.start]
    for piece in plan.timeline:
        if piece.source is None or piece.resampled:
            continue
        for span in free:
            frames = [f for f in range(max(piece.start, span.start), min(piece.end, span.end)) if not watched(f)]
            for run in np.split(frames, np.flatnonzero(np.diff(frames) != 1) + 1) if frames else []:
                start = int(run[0])
                found.append(Piece(start, len(run), piece.source + start - piece.start, len(run)))
    return tuple(found)


def segments(pieces: Sequence[Piece], frames: int, order: Order, rate: FrameRate) -> tuple[Segment, ...]:
    """Segments that tile the timeline [0, frames): of the stretches `kept`, all that can be copied.

    A copied segment begins with a picture that decoding can begin at and holds all that is read from there on up to
    some picture, so it needs nothing else; the pictures that lead up to its first are encoded before it.
    """
    least = max(1, rate.frames(LEAST))
    entries = np.flatnonzero(order.entry & (order.shown >= 0))
    made: list[Segment] = []
    at = 0
    for piece in pieces:
        for run in _runs(piece, order, entries, least):
            if run.span.start > at:
                made.append(Segment(FrameRange(at, run.span.start)))
            made.append(run)
            at = run.span.end
    return (*made, Segment(FrameRange(at, frames))) if at < frames else tuple(made)


def _runs(piece: Piece, order: Order, entries: NDArray[Any], least: int) -> Iterator[Segment]:
    assert piece.source is not None
    begin = piece.source
    for first in entries[np.argsort(order.shown[entries], kind="stable")]:
        start = int(order.shown[first])
        if not begin <= start < piece.source_end:
            continue
        last, end = _reach(order, int(first), start, piece.source_end)
        if end - start >= least:
            at = piece.start + start - piece.source
            yield Segment(FrameRange(at, at + end - start), Copy(start, int(first), last))
            begin = end


def _reach(order: Order, first: int, start: int, limit: int) -> tuple[int, int]:
    """(last packet, source frame behind) of the longest stretch from an entry on that shows [start, end) without a gap
    and ends by `limit`.
    """
    last, end, most, count, led = first, start, start - 1, 0, True
    for k in range(first, len(order.shown)):
        shown = int(order.shown[k])
        if led and k > first and order.leading[k] and shown < start:
            continue  # leads up to the first picture: nothing else refers to it
        led = led and (k == first or bool(order.leading[k]))
        if not start <= shown < limit:
            break
        count, most = count + 1, max(most, shown)
        if count == most - start + 1:
            last, end = k, most + 1
    return last, end
