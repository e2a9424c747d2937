"""TAPSF: blocks of 17 latent frames, elsewhere from step to step, at rest in the middle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from editalk.backends.dit.blocks import SHIFT, WIDTH, offset, partition, resting

STEPS = st.integers(1, 40)


def restated(frames: int, shift: int) -> set[tuple[int, int]]:
    """The paper's words, plainly: cut every 17 latent frames from `shift` before the start on; whatever sticks out at
    an end is the block of 17 at that end.
    """
    if frames <= WIDTH:
        return {(0, frames)}
    blocks = set()
    start = -shift
    while start < frames:
        begin = min(max(start, 0), frames - WIDTH)
        blocks.add((begin, begin + WIDTH))
        start += WIDTH
    return blocks


@given(st.integers(1, 200), STEPS, st.data())
def test_blocks_are_the_papers(frames: int, steps: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, steps - 1))
    made = partition(frames, step, steps)
    assert {(b.frames.start, b.frames.stop) for b in made} == restated(frames, offset(step, steps))
    assert {k for b in made for k in b.frames} == set(range(frames))
    assert all(len(b.frames) == min(WIDTH, frames) for b in made)


@given(STEPS)
def test_the_partition_moves_early_and_late_and_rests_in_between(steps: int) -> None:
    at = [offset(i, steps) for i in range(steps)]
    assert at[0] == 0
    for i in range(1, steps):
        moved = (at[i] - at[i - 1]) % WIDTH
        assert moved == (0 if resting(i, steps) else SHIFT)
    rests = [i for i in range(steps) if resting(i, steps)]
    assert rests == list(range(rests[0], rests[-1] + 1)) if rests else steps < 4


@given(st.integers(1, 200), STEPS, st.data())
def test_only_resting_blocks_have_a_cache_and_each_its_own(frames: int, steps: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, steps - 1))
    names = [b.cache for b in partition(frames, step, steps)]
    if resting(step, steps):
        assert len(set(names)) == len(names)
        assert None not in names
    else:
        assert set(names) == {None}
    assert {b.cache for b in partition(frames, step, steps, cached=False)} == {None}
