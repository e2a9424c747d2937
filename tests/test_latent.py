"""The latent grid: an edit of frames as an edit of latent frames, and the rest that resampling absorbs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from editalk.latent import Action, Change, LatentEdit, latent_edits, latents, phase


@st.composite
def strips(draw: st.DrawFn) -> tuple[int, list[Change], int]:
    """(frames, changes, step): ascending, disjoint changes."""
    step = draw(st.sampled_from([4, 8]))
    frames = draw(st.integers(1, 200))
    changes, at = [], 0
    for _ in range(draw(st.integers(0, 4))):
        at += draw(st.integers(0, 40))
        if at > frames:
            break
        old = draw(st.integers(0, min(60, frames - at)))
        changes.append(Change(at, old, draw(st.integers(0, 60))))
        at += old
    return frames, changes, step


def frames_of(count: int, step: int) -> int:
    """Frames that `count` latent frames decode to."""
    return 0 if count == 0 else 1 + step * (count - 1)


@given(st.integers(1, 500), st.sampled_from([4, 8]))
def test_latents_hold_all_frames_and_no_latent_is_idle(frames: int, step: int) -> None:
    count = latents(frames, step)
    assert frames_of(count - 1, step) < frames <= frames_of(count, step)


@given(st.integers(1, 500), st.sampled_from([4, 8]))
def test_the_phase_puts_a_change_on_a_latent_boundary(at: int, step: int) -> None:
    moved = at - phase(at, step)
    assert moved >= 1
    assert (moved - 1) % step == 0  # frame `moved` is the first of its latent frame


@given(strips())
def test_edits_tile_the_strip_in_order(strip: tuple[int, list[Change], int]) -> None:
    frames, changes, step = strip
    edits, _ = latent_edits(frames, changes, step)
    at = 0
    for edit in edits:
        assert edit.count > 0
        assert edit.start == at
        at += 0 if edit.action is Action.INSERT else edit.count
    assert at == latents(frames, step)


@given(strips())
def test_the_rest_is_what_the_grid_cannot_say(strip: tuple[int, list[Change], int]) -> None:
    frames, changes, step = strip
    edits, rest = latent_edits(frames, changes, step)
    added = sum(e.count for e in edits if e.action is Action.INSERT)
    gone = sum(e.count for e in edits if e.action is Action.DELETE)
    assert step * (added - gone) + rest == sum(c.new - c.old for c in changes)


@given(strips())
def test_untouched_latents_are_kept(strip: tuple[int, list[Change], int]) -> None:
    frames, changes, step = strip
    edits, _ = latent_edits(frames, changes, step)
    near = {k for c in changes for k in range(latents(c.at, step) - 1, latents(c.at + c.old, step) + 1)}
    for edit in edits:
        touched = [k for k in range(edit.start, edit.start + edit.count) if k in near]
        if edit.action is Action.KEEP:
            assert not touched
        elif edit.action is not Action.INSERT:
            assert len(touched) == edit.count


def test_a_removal_by_hand() -> None:
    """33 frames are latents 0…4; frames 9…24 are latents 2 and 3: these go, the neighbours are re-noised."""
    edits, rest = latent_edits(33, [Change(9, 16, 0)], 8)
    assert edits == (
        LatentEdit(Action.KEEP, 0, 1),
        LatentEdit(Action.RENOISE, 1, 1),
        LatentEdit(Action.DELETE, 2, 2),
        LatentEdit(Action.RENOISE, 4, 1),
    )
    assert rest == 0


def test_an_addition_by_hand() -> None:
    """20 new frames are nearest to 2 latent frames (16); resampling makes up for 4."""
    edits, rest = latent_edits(17, [Change(9, 0, 20)], 8)
    assert LatentEdit(Action.INSERT, 2, 2) in edits
    assert rest == 4


def test_a_retime_is_spread_evenly() -> None:
    """80 frames from frame 1 on are latents 1…10; 24 more are 3 latents, one behind each quarter of them."""
    edits, rest = latent_edits(89, [Change(1, 80, 104)], 8)
    assert [e.start for e in edits if e.action is Action.INSERT] == [3, 6, 8]
    assert rest == 0
    edits, rest = latent_edits(89, [Change(1, 80, 56)], 8)
    assert [e.start for e in edits if e.action is Action.DELETE] == [2, 6, 9]
    assert rest == 0
