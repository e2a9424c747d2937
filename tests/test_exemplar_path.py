"""Whose mouth is drawn and where its landmarks go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talker import talking

from editalk.backends.exemplar.path import opened, plan_path, ramps
from editalk.backends.exemplar.retrieve import Pool, retrieve
from editalk.backends.exemplar.shape import MOVING, MouthSpace, aperture
from editalk.face import FaceTrack
from editalk.face.geometry import JAW


@given(runs=st.lists(st.tuples(st.integers(-5, 40), st.integers(0, 30)), max_size=4), ramp=st.integers(0, 6))
def test_ramps(runs: list[tuple[int, int]], ramp: int) -> None:
    weights = ramps([(a, a + n) for a, n in runs], 40, ramp)
    covered = {i for a, n in runs for i in range(a, a + n) if 0 <= i < 40}
    assert {int(i) for i in np.flatnonzero(weights > 0)} == covered
    assert weights.max(initial=0) <= 1
    if ramp == 0:
        assert all(weights[i] == 1 for i in covered)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), jump=st.integers(5, 60))
def test_retrieval_follows_the_footage(seed: int, jump: int) -> None:
    """Asked for a stretch of the pool itself it gives that stretch."""
    rng = np.random.default_rng(seed)
    at = rng.normal(size=(90, 9)).cumsum(0) / 3
    zeros = np.zeros((90, 3))
    pool = Pool(np.arange(90), at, zeros, np.zeros((90, 1, 3)), np.zeros((90, 478, 3), np.float32))
    assert list(retrieve(pool, at[jump : jump + 20], np.full((20, 3), np.nan))) == list(range(jump, jump + 20))
    assert len(retrieve(pool, at[:0], zeros[:0])) == 0


def test_pool_is_bounded_and_leaves_out_turned_heads() -> None:
    loud = np.abs(np.sin(np.arange(4000) / 3))
    points = talking(14 * loud)
    space = MouthSpace.of(points)
    points[100:110, :, 0] = 130 + 0.3 * (points[100:110, :, 0] - 130)
    pool = Pool.of(FaceTrack(np.arange(4000), points), space)
    assert 500 < len(pool.frames) <= 1500
    assert not set(range(100, 110)) & set(pool.frames.tolist())


def speaker() -> tuple[MouthSpace, Pool, np.ndarray]:
    points = talking(14 * np.abs(np.sin(np.arange(120) / 3)) ** 2)
    space = MouthSpace.of(points)
    return space, Pool.of(FaceTrack(np.arange(120), points), space), points


@settings(deadline=None, max_examples=15)
@given(first=st.integers(2, 40), opening=st.floats(6, 14))
def test_a_closure_of_two_frames_is_drawn_closed(first: int, opening: float) -> None:
    space, pool, points = speaker()
    asked = talking(np.full(50, opening))
    asked[first : first + 2] = talking(np.zeros(2), sway=0.0)
    shapes = space.shapes(asked)
    path = plan_path(space, pool, shapes, points[:50], np.ones(50))
    drawn = points[:50].astype(float)
    drawn[:, list(MOVING), :2] = path.wanted
    got = aperture(space.shapes(drawn.astype(np.float32)))
    shut = float(aperture(shapes[first : first + 1])[0])
    assert got[first : first + 2] == pytest.approx(shut, abs=0.012)
    assert np.abs(got - aperture(shapes)).max() < 0.03


def test_a_shut_mouth_is_not_lent_to_an_open_one() -> None:
    space, pool, points = speaker()
    shapes = space.shapes(talking(np.full(30, 13.0)))
    path = plan_path(space, pool, shapes, points[:30], np.ones(30))
    lent = aperture(pool.shapes[path.rows])
    assert lent.min() > 0.6 * float(aperture(shapes).min())


def test_a_mouth_that_never_moved_shows_no_way_of_opening() -> None:
    shapes = MouthSpace.of(talking(np.zeros(30))).shapes(talking(np.zeros(30)))
    assert opened(shapes, np.full(30, 0.2), shapes) is shapes


def test_the_jaws_ends_stay_where_they_are() -> None:
    space, pool, points = speaker()
    path = plan_path(space, pool, space.shapes(talking(np.full(40, 14.0))), points[:40], np.ones(40))
    ends = [MOVING.index(JAW[0]), MOVING.index(JAW[-1])]
    assert np.abs(path.wanted[:, ends] - points[:40][:, [JAW[0], JAW[-1]], :2]).max() < 0.01
