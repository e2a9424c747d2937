"""From the source to the timeline and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from editalk.plan import Piece, lands, shown, shown_at, source_of
from editalk.timebase import FrameRange

# 0-99 kept, 100-119 taken out, 120-179 kept, 20 new frames, 300-339 moved here at half pace, 200-209
PIECES = (
    Piece(0, 100, 0, 100),
    Piece(100, 60, 120, 60),
    Piece(160, 20, None, 0),
    Piece(180, 80, 300, 40),
    Piece(260, 10, 200, 10),
)


def test_what_a_place_shows() -> None:
    assert [source_of(PIECES, at) for at in (0, 99.5, 100, 165, 182, 270)] == [0, 99.5, 120, None, 301, None]


def test_where_footage_went() -> None:
    assert [shown_at(PIECES, at) for at in (0, 110, 120, 301, 205)] == [0, None, 100, 182, 265]
    assert shown(PIECES, FrameRange(90, 130)) == (FrameRange(90, 110),)
    assert shown(PIECES, FrameRange(195, 310)) == (FrameRange(180, 200), FrameRange(260, 270))
    assert shown(PIECES, FrameRange(100, 120)) == ()


def test_a_mark_on_what_is_gone_goes_to_what_follows() -> None:
    assert [lands(PIECES, at) for at in (50, 110, 190, 250, 400)] == [50, 100, 260, 180, 270]
    assert lands((), 3) == 0


ROWS = st.tuples(st.integers(1, 50), st.one_of(st.none(), st.integers(0, 400)), st.integers(1, 50))


@given(st.lists(ROWS, min_size=1))
def test_every_source_frame_shown_is_found(rows: list[tuple[int, int | None, int]]) -> None:
    pieces, at = [], 0
    for frames, source, length in rows:
        pieces.append(Piece(at, frames, source, 0 if source is None else length))
        at += frames
    for frame in range(at):
        source = source_of(pieces, frame)
        if source is not None:
            places = shown(pieces, FrameRange(int(source), int(source) + 1))
            assert any(frame in place for place in places)
            first = shown_at(pieces, source)
            assert first is not None
            assert first <= frame + 1e-6
            assert lands(pieces, source) == first
