"""Between source and timeline: where footage went, and what a place on the timeline shows.

Positions are in frames, fractional between them; a frame's own stretch is [n, n + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

from editalk.plan.types import Piece
from editalk.timebase import FrameRange


def source_of(pieces: Sequence[Piece], position: float) -> float | None:
    """The source position shown at a timeline position; None in new content and beyond the ends."""
    piece = next((p for p in pieces if p.start <= position < p.end), None)
    if piece is None or piece.source is None:
        return None
    return piece.source + (position - piece.start) * piece.source_frames / piece.frames


def shown_at(pieces: Sequence[Piece], source: float) -> float | None:
    """The first timeline position that shows a source position; None where it was taken out."""
    for piece in pieces:
        if piece.source is not None and piece.source <= source < piece.source_end:
            return piece.start + (source - piece.source) * piece.frames / piece.source_frames
    return None


def shown(pieces: Sequence[Piece], source: FrameRange) -> tuple[FrameRange, ...]:
    """The timeline frames that show any of the source frames [start, end), stretches in order and not adjoining."""
    found: list[FrameRange] = []
    for piece in pieces:
        if piece.source is None:
            continue
        low, high = max(source.start, piece.source), min(source.end, piece.source_end)
        if low >= high:
            continue
        pace = piece.frames / piece.source_frames
        start = piece.start + floor((low - piece.source) * pace)
        end = min(piece.end, piece.start + ceil((high - piece.source) * pace))
        if found and found[-1].end >= start:
            found[-1] = FrameRange(found[-1].start, max(end, found[-1].end))
        else:
            found.append(FrameRange(start, end))
    return tuple(found)


def lands(pieces: Sequence[Piece], source: float) -> float:
    """Where a mark on a source position goes: to that footage, or to what follows it where it was taken out."""
    at = shown_at(pieces, source)
    if at is not None:
        return at
    later = [p for p in pieces if p.source is not None and p.source > source]
    if later:
        return float(min(later, key=lambda p: (p.source or 0, p.start)).start)
    return float(pieces[-1].end) if pieces else 0.0
