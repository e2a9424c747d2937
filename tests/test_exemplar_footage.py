from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editalk.backends.base import Area, Image
from editalk.backends.exemplar.footage import (
    Shot,
    base_footage,
    picture,
    points,
    points_at,
    resample,
    take_path,
)
from editalk.backends.exemplar.joins import JoinMorph
from editalk.backends.exemplar.map import FootageMap, footage_map, jump_gaps, turned
from editalk.backends.exemplar.morph import Morpher
from editalk.cuts import squared_gaps
from editalk.face import FaceTrack
from editalk.timebase import FrameRate


def known(n: int = 75, first: int = 0, seed: int = 0, cut: int | None = None) -> FootageMap:
    """A head that sways in two unrelated rhythms; `cut`: another scene from there on."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / 25
    sway = np.stack([np.sin(2.1 * t), np.cos(2.9 * t), np.sin(1.3 * t + 1)], 1) * 0.05
    pose = sway @ rng.normal(size=(3, 8)) + rng.normal(0, 0.001, (n, 8))
    thumb = 100 + sway @ rng.normal(size=(3, 24)) * 60 + rng.normal(0, 0.2, (n, 24))
    if cut is not None:
        thumb[cut:] += 60
    return footage_map(np.arange(first, first + n), pose.astype(np.float32), thumb.astype(np.float32), np.ones(n))


def shown(shots: tuple[Shot, ...]) -> list[int]:
    """The frame that dominates each picture."""
    return [round(s.frame if s.other is None or s.weight < 0.5 else s.other) for s in shots]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 74), st.integers(2, 80))
def test_exactly_as_many_frames_that_go_on_and_lead_in(b: int, n: int) -> None:
    shots = base_footage(known(), b - 1, b, n, 25.0)
    assert len(shots) == n
    if b < 74:
        assert shots[0].frame == b
    last = shots[-1]
    if b > 1 and n > 3:
        assert (last.frame if last.other is None else last.other) == b - 1


@pytest.mark.parametrize("n", [25, 50, 75])
def test_a_short_clip_is_long_enough_for_additions(n: int) -> None:
    frames = shown(base_footage(known(), 36, 37, n, 25.0))
    assert np.bincount(frames).max() <= 3
    steps = np.diff(frames)
    assert (steps >= 0).sum() + (steps < 0).sum() == n - 1
    assert (steps == -1).sum() == 0, "nothing runs backwards"
    assert (steps == 1).mean() > 0.85, "runs are natural footage"


def test_jumps_are_morphed_with_weights_that_rise() -> None:
    shots = base_footage(known(), 36, 37, 50, 25.0)
    morphed = [s.weight for s in shots if s.other is not None]
    assert all(0 < w < 1 for w in morphed)
    for a, b in zip(shots, shots[1:], strict=False):
        if a.other is not None and b.other is not None and b.weight > a.weight:
            assert (b.frame, b.other) == (a.frame + 1, a.other + 1), "both sides go on"


def test_missing_sides() -> None:
    opening = base_footage(known(), None, 20, 40, 25.0)
    closing = base_footage(known(), 60, None, 40, 25.0)
    assert len(opening) == len(closing) == 40
    assert shown(opening)[-1] == 19
    assert shown(closing)[0] == 61
    assert len(base_footage(known(), 74, None, 30, 25.0)) == 30, "nothing follows the last frame"
    assert len(base_footage(known(), None, 0, 30, 25.0)) == 30
    assert base_footage(known(), 3, 4, 0, 25.0) == ()


def test_a_replaced_stretch_of_nearly_the_length_is_resampled() -> None:
    shots = base_footage(known(), 9, 32, 20, 25.0)  # 22 frames between
    assert shots == resample(10, 22, 20)
    assert len(base_footage(known(), 9, 32, 44, 25.0)) == 44


def test_no_run_crosses_a_cut_of_scenes() -> None:
    footage = known(cut=50)
    assert not footage.goes_on[49]
    frames = shown(base_footage(footage, 30, 31, 60, 25.0))
    assert not any(a == 49 and b == 50 for a, b in zip(frames, frames[1:], strict=False))


def test_a_long_source_is_searched_around_the_place() -> None:
    frames = shown(base_footage(known(2000, 5000), 6200, 6201, 50, 25.0))
    assert min(frames) > 5700
    assert max(frames) < 6700


def test_no_footage_is_an_error() -> None:
    nothing = footage_map(np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32),
                          np.zeros(0))  # fmt: skip
    for call in (lambda: base_footage(nothing, 1, 2, 5, 25.0), lambda: take_path(nothing, 5, 25.0)):
        with pytest.raises(ValueError, match="no footage"):
            call()


@given(st.integers(0, 90), st.integers(1, 60), st.integers(1, 60))
def test_resampling_is_even_and_stays_inside(first: int, source_frames: int, n: int) -> None:
    places = [s.frame for s in resample(first, source_frames, n)]
    assert len(places) == n
    assert places[0] == first
    assert max(places) <= first + source_frames - 1
    assert (np.diff(places) >= 0).all()


def test_a_take_plays_forward_and_then_goes_on_by_jumps() -> None:
    footage = known(100)
    assert shown(take_path(footage, 80, 25.0)) == list(range(80))
    frames = shown(take_path(footage, 330, 25.0))
    assert len(frames) == 330
    assert frames[:50] == list(range(50))
    assert (np.diff(frames) == 1).mean() > 0.9
    assert np.bincount(frames, minlength=100).max() <= 9


def nodding(n: int = 75) -> FootageMap:
    """A head that goes down and up again evenly: what a jump to the way back would mirror."""
    t = np.arange(n)
    place = np.abs((t + 12) % 48 - 24.0)[:, None]
    thumb = 100 + place * np.linspace(1, 3, 24)[None]
    return footage_map(t, (place * 0.002 * np.ones((1, 8))).astype(np.float32), thumb.astype(np.float32), np.ones(n))


def test_a_jump_behind_which_all_runs_back_is_dear() -> None:
    gaps = jump_gaps(nodding(110))
    assert gaps[24, 47] > gaps[24, 73] + 2, "on the way down at 24 and 73, on the same place on the way up at 47"


def test_sequences_that_run_back_are_told() -> None:
    ramp = np.arange(60, dtype=np.float64)[:, None] * np.ones(24)
    apart = squared_gaps(ramp, ramp)
    assert turned(apart, [*range(10, 30), *range(29, 10, -1)]) < 0.1
    assert turned(apart, list(range(10, 50))) == 1
    assert turned(apart, [10, 11]) == 1


def test_jumps_keep_away_from_blinks() -> None:
    footage = known()
    lids = np.ones(75)
    lids[30:34] = 0.1
    blinking = replace(footage, lids=lids)
    plain, kept = jump_gaps(footage), jump_gaps(blinking)
    assert (kept[28:33] > plain[28:33] + 0.5).all()
    np.testing.assert_allclose(kept[50:, 50:], plain[50:, 50:])


RATE = FrameRate(Fraction(25))


@dataclass
class Ramp:
    """Footage whose frame k is a bright square that moves to the right, one pixel a frame."""

    frames: int = 40
    rate: FrameRate = RATE

    def image(self, frame: int, within: Area | None = None) -> Image:
        image = np.full((96, 128, 3), 60, np.uint8)
        image[30:62, 20 + frame : 60 + frame, 0] = 200
        image[38:54, 30 + frame : 50 + frame, 0] = 90
        return image


NOBODY = FaceTrack(np.arange(40), np.full((40, 478, 3), np.nan, np.float32))


def test_whole_positions_are_the_source_untouched() -> None:
    for position in (7.0, 7.04, 6.96):
        np.testing.assert_array_equal(picture(Morpher(Ramp(), NOBODY), Shot(position)), Ramp().image(7))


def test_positions_between_frames_move_on_rather_than_dissolve() -> None:
    between = picture(Morpher(Ramp(), NOBODY), Shot(7.5))[..., 0].astype(float)
    centre = (between[30:62] > 150).sum() / 32
    assert centre == pytest.approx((Ramp().image(7)[30:62, :, 0] > 150).sum() / 32, abs=1.5)


def test_face_points_between_frames() -> None:
    track = FaceTrack(np.arange(3), np.arange(3, dtype=np.float32)[:, None, None] * np.ones((3, 478, 3), np.float32))
    nowhere = points_at(NOBODY, 3.5)
    assert nowhere is None
    half = points_at(track, 1.5)
    assert half is not None
    assert half[0, 0] == pytest.approx(1.5)
    mixed = points(track, Shot(0.0, 2.0, 0.25))
    assert mixed is not None
    assert mixed[0, 0] == pytest.approx(0.5)


def test_a_planner_says_how_long_the_morphs_are() -> None:
    asked: list[tuple[int, int, int]] = []

    def planner(left: int, right: int, longest: int) -> JoinMorph:
        asked.append((left, right, longest))
        return JoinMorph(min(2, longest), min(3, longest), 0.5)

    shots = base_footage(known(), 36, 37, 50, 25.0, planner)
    assert len(asked) >= 1
    assert all(left + 1 != right and 0 < longest <= 8 for left, right, longest in asked)
    assert 0 < sum(s.other is not None for s in shots) <= 5 * len(asked)


def test_a_single_new_frame_lies_between_its_neighbours() -> None:
    (shot,) = base_footage(known(), 20, 40, 1, 25.0)
    assert (shot.frame, shot.other, shot.weight) == (21.0, 39.0, 0.5)
