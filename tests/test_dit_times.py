"""Where tokens stand in time, and the references beside them, against the paper's words plainly restated."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from editalk.backends.dit.references import References
from editalk.backends.dit.times import REACH, SENTINEL, coordinates, forward_backward, sentinel, span_of
from editalk.backends.dit.tokens import REFERENCE, Tokens

RATES = st.sampled_from([24000 / 1001, 25.0, 30.0, 60.0])


@given(st.integers(0, 300), st.sampled_from([4, 8]), RATES)
def test_a_latent_frame_lasts_as_long_as_its_frames(latent: int, step: int, rate: float) -> None:
    start, end = span_of(latent, step, rate)
    assert start == max(0, step * latent - step + 1) / rate
    assert end == (step * latent + 1) / rate


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), RATES)
def test_coordinates_by_hand(frames: int, rows: int, columns: int, rate: float) -> None:
    made = coordinates(frames, rows, columns, 8, 32, rate)
    i = 0
    for k in range(frames):
        for row in range(rows):
            for column in range(columns):
                wanted = torch.tensor([span_of(k, 8, rate), (32 * row, 32 * row + 32), (32 * column, 32 * column + 32)])
                torch.testing.assert_close(made[i], wanted, atol=1e-5, rtol=1e-6)
                i += 1
    assert i == len(made)


def test_sentinels_differ_and_lie_before_everything() -> None:
    made = [sentinel(place, 8, 25.0) for place in range(6)]
    assert len({start for start, _ in made}) == 6
    assert all(end <= -(SENTINEL - 1) * 8 / 25 for _, end in made)


@given(st.integers(0, 40), st.integers(1, 17), st.integers(0, 100), RATES)
def test_forward_backward_times(begin: int, width: int, reference: int, rate: float) -> None:
    """d latent frames off the boundary, at most REACH, on the side where the reference lies; never in the block."""
    block = range(begin, begin + width)
    if reference in block:
        with pytest.raises(ValueError, match="lies in the block"):
            forward_backward(block, reference, 8, rate)
        return
    start, end = forward_backward(block, reference, 8, rate)
    block_start, block_end = span_of(begin, 8, rate)[0], span_of(begin + width - 1, 8, rate)[1]
    if reference < begin:
        assert end <= block_start + 1e-9
        assert start >= block_start - (REACH * 8 + 8) / rate
        if begin - reference <= REACH:
            assert (start, end) == span_of(reference, 8, rate)
    else:
        assert start >= block_end - 1e-9
        assert end <= block_end + (REACH * 8 + 1e-6) / rate
        if reference - block.stop < REACH:
            assert (start, end) == span_of(reference, 8, rate)


def references(frames: int, faces: set[int], clean: set[int], count: int) -> References:
    """Two tokens a latent frame, the first of them a face where there is one."""
    frame = torch.arange(frames).repeat_interleave(2)
    zeros = torch.zeros(len(frame))
    tokens = Tokens(torch.randn(len(frame), 3), zeros, coordinates(frames, 1, 2, 8, 32, 25.0), frame, zeros)
    seen = torch.tensor([int(k) in faces and i % 2 == 0 for i, k in enumerate(frame.tolist())])
    known = torch.tensor([k in clean for k in range(frames)])
    return References(tokens, seen, known, known, count, 8, 25.0)


def test_face_references_come_from_the_block_or_from_near_it() -> None:
    made = references(40, set(range(40)), set(range(40)), 6).face_references(range(17, 34))
    assert len(made) == 6
    assert len({float(m.coords[0, 0, 0]) for m in made}) == 6  # each a time of its own
    begin = span_of(17, 8, 25.0)[0]
    assert all(float(m.coords[:, 0, 1].max()) < begin for m in made)
    assert all((m.frame == REFERENCE).all() and not m.mask.any() and not m.face.any() for m in made)
    few = references(40, {2, 16, 20, 39}, set(range(40)), 2).face_references(range(18, 30))
    latents = references(40, {2, 16, 20, 39}, set(range(40)), 2)
    assert len(few) == 2
    assert [f.coords[0, 1].tolist() for f in few] == [[0.0, 32.0]] * 2
    chosen = latents.face_references(range(18, 30))
    near = [latents.tokens.latent[2 * k] for k in (16, 20)]
    assert all(torch.equal(c.latent[0], n) for c, n in zip(chosen, near, strict=True))


def test_frame_references_only_where_nothing_is_clean() -> None:
    known = references(40, set(), {0, 1, 38, 39}, 0)
    assert known.frame_references(range(17)) == []
    before, behind = known.frame_references(range(10, 27))
    assert torch.equal(before.latent, known.tokens.latent[2:4])  # latent frame 1, all of it
    assert torch.equal(behind.latent, known.tokens.latent[76:78])  # latent frame 38
    assert tuple(before.coords[0, 0].tolist()) == pytest.approx(forward_backward(range(10, 27), 1, 8, 25.0))
    assert tuple(behind.coords[0, 0].tolist()) == pytest.approx(forward_backward(range(10, 27), 38, 8, 25.0))
    assert len(references(40, set(), {39}, 0).frame_references(range(17))) == 1
