"""The timeline's changes → render windows with their latent edits."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from editalk.latent import Change, Strip, latent_edits, phase
from editalk.operations import Operation
from editalk.plan.types import Join, Piece, Region, RenderWindow
from editalk.timebase import FrameRange

LIP_EDGE = 2  # frames by which new lips fade into the footage's own on either side
CONTEXT_STEPS = 3  # latent frames of clean context on either side of a window

MOST_STEPS = 64  # frames of a latent frame, of any backend's VAE

_ORDER = (Region.MOUTH, Region.FACE, Region.HEAD, Region.FRAME)


@dataclass(frozen=True)
class _Change:
    span: FrameRange
    region: Region


def joins(pieces: Sequence[Piece]) -> tuple[Join, ...]:
    """The places where footage does not continue, and the two ends of new content."""
    found: list[Join] = []
    for a, b in zip(pieces, pieces[1:], strict=False):
        left = a.source_end - 1 if a.source is not None else None
        if left is None or b.source is None or b.source != left + 1:
            found.append(Join(b.start, left, b.source))
    return tuple(found)


def windows(
    pieces: Sequence[Piece],
    lips: Sequence[tuple[FrameRange, Region]],
    operations: Sequence[Operation],
    step: int,
) -> tuple[RenderWindow, ...]:
    """Stretches of the timeline that get new pixels, apart from each other; all else stays the source's.

    A join takes a latent frame of footage on either side with it, as does what is new or resampled. Behind, that one
    may begin up to a step less one frame later: the grid's phase fits the side before.
    """
    frames = pieces[-1].end if pieces else 0
    faded = [(FrameRange(max(0, s.start - LIP_EDGE), min(frames, s.end + LIP_EDGE)), r) for s, r in lips]
    changes = [_Change(span, region) for span, region in faded]
    for join in joins(pieces):
        changes.append(_Change(FrameRange(join.frame - step, join.frame + 2 * step - 1), Region.FRAME))
    for piece in pieces:
        if piece.source is None or piece.resampled:
            changes.append(_Change(FrameRange(piece.start - step, piece.end + 2 * step - 1), Region.FRAME))
    merged = list(_merge(changes, frames, step))
    ends = [0, *(c.span.end for c in merged[:-1])]
    starts = [*(c.span.start for c in merged[1:]), frames]
    laid, drawn = Laid(pieces, operations), _Spans([s for s, _ in faded])
    return tuple(
        _window(change, laid, [faded[k] for k in drawn.meeting(change.span.start + 1, change.span.end - 1)],
                FrameRange(end, start), step)
        for change, end, start in zip(merged, ends, starts, strict=False)
    )  # fmt: skip


class _Spans:
    """Stretches of frames, in any order, that are found fast where they are many."""

    def __init__(self, spans: Sequence[FrameRange]) -> None:
        self.spans = spans
        self.order = sorted(range(len(spans)), key=lambda k: spans[k].start)
        self.starts = [spans[k].start for k in self.order]
        self.furthest = list(accumulate((spans[k].end for k in self.order), max))

    def meeting(self, low: int, high: int) -> list[int]:
        """Indices, ascending, of those that begin at `high` at the latest and end at `low` at the earliest."""
        near = self.order[bisect_left(self.furthest, low) : bisect_right(self.starts, high)]
        return sorted(k for k in near if self.spans[k].end >= low)


class Laid:
    """A timeline's pieces, joins and operations."""

    def __init__(self, pieces: Sequence[Piece], operations: Sequence[Operation]) -> None:
        self.pieces, self.joins = pieces, joins(pieces)
        self._pieces = _Spans([FrameRange(p.start, p.end) for p in pieces])
        self._operations = _Spans([o.timeline for o in operations])
        self._frames = [join.frame for join in self.joins]

    def pieces_in(self, span: FrameRange) -> list[Piece]:
        return [self.pieces[k] for k in self._pieces.meeting(span.start + 1, span.end - 1)]

    def joins_at(self, span: FrameRange) -> tuple[Join, ...]:
        """Those inside and at the ends."""
        return self.joins[bisect_left(self._frames, span.start) : bisect_right(self._frames, span.end)]

    def operations_at(self, span: FrameRange) -> tuple[int, ...]:
        """Their indices."""
        return tuple(self._operations.meeting(span.start, span.end))


def windows_agree(given: Sequence[RenderWindow], laid: Laid, frames: int) -> int | None:
    """The first window that does not follow from its span, region and lips on a timeline of so many frames, whatever
    the step of its latent grid was; None: all do.
    """
    ends = [0, *(w.span.end for w in given[:-1])]
    starts = [*(w.span.start for w in given[1:]), frames]
    best = -1
    for step in (8, *range(1, MOST_STEPS + 1)):
        for k, (window, end, start) in enumerate(zip(given, ends, starts, strict=False)):
            lips = [(span, window.lip_region) for span in window.lips]
            if _window(_Change(window.span, window.region), laid, lips, FrameRange(end, start), step) != window:
                best = max(best, k)
                break
        else:
            return None
    return best


def _merge(changes: Sequence[_Change], frames: int, step: int) -> Iterator[_Change]:
    last: _Change | None = None
    for change in sorted(changes, key=lambda c: c.span):
        span = FrameRange(max(0, change.span.start), min(frames, change.span.end))
        if last and span.start <= last.span.end + step:  # less than a latent frame between them is no context
            region = max(last.region, change.region, key=_ORDER.index)
            last = _Change(FrameRange(last.span.start, max(last.span.end, span.end)), region)
        else:
            if last:
                yield last
            last = _Change(span, change.region)
    if last:
        yield last


def _window(
    change: _Change, laid: Laid, drawn: Sequence[tuple[FrameRange, Region]], clean: FrameRange, step: int
) -> RenderWindow:
    """`drawn`: the new lips in it; `clean`: the timeline frames between the neighbouring windows, this one included."""
    span = change.span
    reach = CONTEXT_STEPS * step
    context = FrameRange(max(clean.start, span.start - reach), min(clean.end, span.end + reach))
    near = tuple(_clipped(p, context) for p in laid.pieces_in(context))
    return RenderWindow(
        span=span,
        pieces=near,
        joins=laid.joins_at(span),
        lips=tuple(s for s, _ in drawn),
        region=change.region,
        context=context,
        strip=strip(near, context, step),
        operations=laid.operations_at(span),
        lip_region=max((r for _, r in drawn), default=Region.MOUTH, key=_ORDER.index),
    )


def _clipped(piece: Piece, span: FrameRange) -> Piece:
    """The part of a piece inside a span; what is resampled stays whole."""
    if piece.resampled:
        return piece
    start, end = max(piece.start, span.start), min(piece.end, span.end)
    source = None if piece.source is None else piece.source + start - piece.start
    return Piece(start, end - start, source, 0 if source is None else end - start)


def strip(pieces: Sequence[Piece], span: FrameRange, step: int) -> Strip:
    """The source frames that a window encodes and what is done to their latents.

    Footage that is left out between two pieces is encoded and deleted where it is shorter than the window; a jump
    further off, or backwards, starts another range. The phase puts the first change on a latent boundary.
    """
    ranges: list[FrameRange] = []
    changes: list[Change] = []
    length = 0
    for piece in pieces:
        start, end = max(piece.start, span.start), min(piece.end, span.end)
        if piece.source is None:
            changes.append(Change(length, 0, end - start))
            continue
        if piece.resampled:
            first, last = piece.source, piece.source_end
        else:
            first, last = piece.source + start - piece.start, piece.source + end - piece.start
        gap = first - ranges[-1].end if ranges else 0
        if ranges and 0 <= gap <= len(span):
            if gap:
                changes.append(Change(length, gap, 0))
                length += gap
            ranges[-1] = FrameRange(ranges[-1].start, last)
        else:
            if ranges:  # nothing is deleted, but what meets here was no neighbour: its latents are re-noised
                changes.append(Change(length, 0, 0))
            ranges.append(FrameRange(first, last))
        if piece.resampled:
            changes.append(Change(length, last - first, end - start))
        length += last - first
    trim = phase(changes[0].at, step) if changes else 0
    if trim and ranges and trim < len(ranges[0]):
        ranges[0] = FrameRange(ranges[0].start + trim, ranges[0].end)
        changes = [Change(c.at - trim, c.old, c.new) for c in changes]
        length -= trim
    edits, rest = latent_edits(length, changes, step)
    return Strip(tuple(ranges), edits, rest)
