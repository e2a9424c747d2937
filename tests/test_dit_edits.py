"""Edited latent sequences: what is kept, inserted, deleted, re-noised, and where on the timeline it is shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from editalk.backends.dit.edits import NEW, RENOISE, edited_strip, shown_at
from editalk.backends.dit.masks import frames_of
from editalk.latent import Action, LatentEdit, Strip
from editalk.plan.types import Piece, RenderWindow
from editalk.plan.windows import windows
from editalk.timebase import FrameRange


@st.composite
def edited(draw: st.DrawFn) -> tuple[list[Piece], int]:
    """Pieces of a timeline with one to three changes, and the grid's step."""
    pieces: list[Piece] = []
    at = source = 0

    def keep(frames: int) -> None:
        nonlocal at, source
        last = pieces[-1] if pieces else None
        if last and last.continues(source):
            pieces[-1] = Piece(last.start, last.frames + frames, last.source, last.source_frames + frames)
        else:
            pieces.append(Piece(at, frames, source, frames))
        at, source = at + frames, source + frames

    if draw(st.booleans()):
        keep(draw(st.integers(1, 90)))
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["remove", "add", "retime", "replace"]))
        new, old = draw(st.integers(1, 60)), draw(st.integers(1, 60))
        if kind in ("remove", "replace"):
            source += old
        if kind in ("add", "replace"):
            pieces.append(Piece(at, new, None, 0))
            at += new
        if kind == "retime":
            pieces.append(Piece(at, max(1, old * 3 // 2), source, old))
            at, source = at + max(1, old * 3 // 2), source + old
        keep(draw(st.integers(1, 90)))
    return pieces, draw(st.sampled_from([4, 8]))


def windows_of(pieces: list[Piece], step: int) -> tuple[RenderWindow, ...]:
    return windows(pieces, [], (), step)


@given(edited())
def test_the_sequence_is_the_strips_latents_edited(made: tuple[list[Piece], int]) -> None:
    pieces, step = made
    for window in windows_of(pieces, step):
        strip = edited_strip(window.strip, step)
        assert (len(strip.frames) - 1) % step == 0
        inserted = sum(e.count for e in window.strip.edits if e.action is Action.INSERT)
        assert strip.latents.count(NEW) == inserted
        own = [k for k in strip.latents if k != NEW]
        assert own == sorted(set(own))  # in order, each once
        assert all(k in range(1 + (len(strip.frames) - 1) // step) for k in own)
        assert {m for k, m in zip(strip.latents, strip.mask, strict=True) if k == NEW} <= {1.0}
        assert {m for k, m in zip(strip.latents, strip.mask, strict=True) if k != NEW} <= {0.0, RENOISE}
        assert len(strip.kept(step)) == 1 + step * (len(strip.latents) - 1)


@given(edited())
def test_what_is_kept_is_shown_where_the_timeline_shows_it(made: tuple[list[Piece], int]) -> None:
    """Every decoded frame that is a source frame lies at the timeline frame of just that source frame."""
    pieces, step = made
    for window in windows_of(pieces, step):
        strip = edited_strip(window.strip, step)
        kept, at = strip.kept(step), shown_at(window, strip, step)
        known = at[np.isfinite(at)]
        assert (np.diff(known) >= -1e-9).all()
        for frame in range(window.context.start, window.context.end):
            place = at[frame - window.context.start]
            if not np.isfinite(place) or place != round(place) or not 0 <= place < len(kept):
                continue
            source = kept[int(place)]
            piece = next(p for p in window.pieces if p.start <= frame < p.end)
            if source != NEW and piece.source is not None and not piece.resampled:
                assert piece.source + frame - piece.start == source


@given(edited())
def test_frames_without_footage_are_generated_inside_the_window(made: tuple[list[Piece], int]) -> None:
    """All that is new or resampled lies in generated latents, and all that is generated lies in the window's span."""
    pieces, step = made
    for window in windows_of(pieces, step):
        strip = edited_strip(window.strip, step)
        kept, at = strip.kept(step), shown_at(window, strip, step)
        for frame in range(window.context.start, window.context.end):
            place = at[frame - window.context.start]
            piece = next(p for p in window.pieces if p.start <= frame < p.end)
            if piece.source is None or piece.resampled:
                assert np.isfinite(place)
                near = {kept[min(max(0, int(f(place))), len(kept) - 1)] for f in (np.floor, np.ceil)}
                assert NEW in near
            elif not window.span.start <= frame < window.span.end and np.isfinite(place):
                assert kept[min(max(0, round(place)), len(kept) - 1)] != NEW


def test_a_removal_by_hand() -> None:
    """Frames 9…24 of 33 go: latents 2 and 3; latents 1 and 4 are re-noised, frame 0 stays."""
    edits = (LatentEdit(Action.KEEP, 0, 1), LatentEdit(Action.RENOISE, 1, 1), LatentEdit(Action.DELETE, 2, 2),
             LatentEdit(Action.RENOISE, 4, 1))  # fmt: skip
    strip = edited_strip(Strip((FrameRange(100, 133),), edits, 0), 8)
    assert strip.frames == tuple(range(100, 133))
    assert (strip.latents, strip.mask) == ((0, 1, 4), (0.0, RENOISE, RENOISE))
    assert strip.kept(8).tolist() == [100] + [NEW] * 16
    latents = torch.arange(5.0).view(5, 1, 1, 1)
    assert strip.apply(latents).flatten().tolist() == [0, 1, 4]


def test_new_content_before_the_first_frame_makes_a_new_first_latent() -> None:
    """The first frame fills a latent of its own, generated but for its place: latent 0 alone holds a single frame."""
    edits = (LatentEdit(Action.INSERT, 0, 2), LatentEdit(Action.RENOISE, 0, 1), LatentEdit(Action.KEEP, 1, 1))
    strip = edited_strip(Strip((FrameRange(0, 9),), edits, 0), 8)
    assert strip.frames == (0,) * 8 + tuple(range(9))
    assert (strip.latents, strip.mask) == ((NEW, NEW, 1, 2), (1.0, 1.0, RENOISE, 0.0))
    assert strip.kept(8).tolist() == [NEW] * 17 + list(range(1, 9))


def test_the_last_latent_is_filled_with_the_last_frame() -> None:
    strip = edited_strip(Strip((FrameRange(0, 12),), (LatentEdit(Action.KEEP, 0, 3),), 0), 8)
    assert strip.padding == 5
    assert strip.frames == (*range(12), *[11] * 5)


@pytest.mark.parametrize("step", [4, 8])
def test_frames_of_a_latent(step: int) -> None:
    """Latent 0 is frame 0, latent k ≥ 1 frames step·(k−1)+1 … step·k, inclusive (section 3.3)."""
    assert list(frames_of(0, step)) == [0]
    for k in range(1, 6):
        assert list(frames_of(k, step)) == list(range(step * (k - 1) + 1, step * k + 1))
