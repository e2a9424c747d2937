from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editalk.cuts import (
    CutEvidence,
    choose_cut,
    choose_place,
    face_pose,
    frame_levels,
    lid_openings,
    picture_gaps,
    pose_gaps,
    shut_around,
    squared_gaps,
    thumbnail,
)
from editalk.timebase import FrameRange, FrameRate


def evidence(n: int = 60, first: int = 0) -> CutEvidence:
    """Everything alike: only what a test changes decides."""
    alike = np.full(n, -30.0), np.zeros(n, bool), np.ones(n), np.zeros((n, 4)), np.zeros((n, 6))
    return CutEvidence(np.arange(first, first + n), *alike)


def changed(field: str, values: dict[int, Any], base: CutEvidence | None = None) -> CutEvidence:
    base = base or evidence()
    rows = np.array(getattr(base, field))
    for row, value in values.items():
        rows[row] = value
    return replace(base, **{field: rows})


def test_with_nothing_to_choose_by_the_preferred_frames_win() -> None:
    cut = choose_cut(evidence(), FrameRange(10, 17), FrameRange(30, 37), 13, 33)
    assert (cut.left, cut.right) == (13, 33)
    assert choose_place(evidence(), FrameRange(10, 17), 12).left == 12


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [("rms_db", -60.0, -30.0), ("speech", False, True), ("motion", 0.0, 9.0)],
)
def test_a_cut_goes_where_it_is_quiet_and_still(field: str, good: Any, bad: Any) -> None:
    values = dict.fromkeys(range(60), bad) | {11: good, 35: good}
    cut = choose_cut(changed(field, values), FrameRange(10, 17), FrameRange(30, 37), 13, 33)
    assert (cut.left, cut.right) == (11, 35)
    assert choose_place(changed(field, values), FrameRange(10, 17), 13).left == 11


@pytest.mark.parametrize(("field", "unit"), [("pose", 0.1), ("thumb", 20.0)])
def test_the_two_sides_are_to_look_alike(field: str, unit: float) -> None:
    alike = {i: i * unit for i in range(60)} | {15: 999.0, 16: 999.0, 31: 999.0, 32: 999.0}
    cut = choose_cut(changed(field, alike), FrameRange(10, 17), FrameRange(30, 37), 10, 36)
    assert (cut.left, cut.right) in {(15, 31), (15, 32), (16, 31), (16, 32)}


def test_a_removal_removes_something() -> None:
    cut = choose_cut(evidence(), FrameRange(10, 14), FrameRange(10, 14), 12, 12)
    assert cut.left < cut.right
    with pytest.raises(ValueError, match="removes anything"):
        choose_cut(evidence(), FrameRange(12, 13), FrameRange(12, 13), 12, 12)


def test_ranges_without_evidence_are_refused() -> None:
    with pytest.raises(ValueError, match="no evidence"):
        choose_place(evidence(first=100), FrameRange(10, 14), 12)


def test_rows_of_evidence_must_fit_and_ascend() -> None:
    with pytest.raises(ValueError, match="one row"):
        replace(evidence(), speech=np.zeros(3, bool))
    with pytest.raises(ValueError, match="ascending"):
        replace(evidence(), frames=np.zeros(60, np.int64))


def test_evidence_may_have_holes() -> None:
    whole = changed("pose", {i: i * 0.01 for i in range(60)})
    kept = np.r_[8:18, 28:38]
    parts = CutEvidence(whole.frames[kept], whole.rms_db[kept], whole.speech[kept], whole.motion[kept],
                        whole.pose[kept], whole.thumb[kept])  # fmt: skip
    one, two = (choose_cut(e, FrameRange(10, 17), FrameRange(30, 37), 13, 33) for e in (whole, parts))
    assert (one.left, one.right) == (two.left, two.right)


def face_with_lids(opening: float) -> np.ndarray[Any, Any]:
    """[478, 3] with eyes 40 pixels wide and `opening` of that open."""
    points = np.zeros((478, 3), np.float32)
    for (left, right), (top, bottom), x in (((33, 133), (159, 145), 0), ((263, 362), (386, 374), 80)):
        points[left], points[right] = (x, 50, 0), (x + 40, 50, 0)
        points[top], points[bottom] = (x + 20, 50 - 20 * opening, 0), (x + 20, 50 + 20 * opening, 0)
    return points


def test_lids_are_told_by_the_clips_own_openings() -> None:
    opening = np.where(np.arange(40) % 20 < 3, 0.05, 0.3)
    lids = lid_openings(np.stack([face_with_lids(float(x)) for x in opening]))
    assert lids == pytest.approx(opening / 0.3, abs=1e-3)
    assert np.isnan(lid_openings(np.full((2, 478, 3), np.nan, np.float32))).all()
    around = shut_around(lids)
    assert around[1] > around[5] > 0
    assert around[12] == 0


def test_no_cut_lies_in_a_blink() -> None:
    lids = np.ones(60)
    lids[10:14] = 0.1
    cut = choose_cut(replace(evidence(), lids=lids), FrameRange(10, 18), FrameRange(30, 37), 12, 33)
    assert cut.left >= 16
    lids[:] = np.where(np.arange(60) < 34, 1.0, 0.1)
    assert choose_cut(replace(evidence(), lids=lids), FrameRange(10, 17), FrameRange(30, 37), 13, 35).right <= 32


@given(st.integers(0, 50), st.integers(1, 10), st.data())
def test_a_cut_stays_within_its_ranges(start: int, width: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    n = 100
    heard = rng.normal(-40, 9, n), rng.random(n) < 0.5
    known = CutEvidence(np.arange(n), *heard, rng.random(n), rng.normal(size=(n, 4)), rng.normal(size=(n, 6)))
    left, right = FrameRange(start, start + width), FrameRange(start + width + 2, start + 2 * width + 2)
    cut = choose_cut(known, left, right, start, start + width + 2)
    assert cut.left in left
    assert cut.right in right
    assert np.isfinite(cut.cost)


def test_levels_are_measured_around_the_start_of_a_frame() -> None:
    rate = FrameRate(Fraction(25))
    sound = np.zeros(16000)
    sound[rate.sample(10, 16000) - 100 : rate.sample(10, 16000) + 100] = 0.5
    levels = frame_levels(sound, 16000, rate, np.arange(25))
    assert levels.argmax() == 10
    assert levels[10] > -10
    assert levels[5] <= -99
    assert np.isfinite(frame_levels(sound, 16000, rate, np.array([500]))).all()


@pytest.mark.parametrize("size", [(90, 160), (101, 37), (20, 20)])
def test_a_thumbnail_keeps_the_mean_and_the_place(size: tuple[int, int]) -> None:
    luma = np.zeros(size, np.uint8)
    luma[: size[0] // 2] = 200
    small = thumbnail(luma)
    width = min(32, size[1])
    assert len(small) % width == 0
    grid = small.reshape(-1, width)
    assert grid[0].mean() == pytest.approx(200)
    assert grid[-1].mean() == pytest.approx(0)


def test_poses_are_in_inter_ocular_distances() -> None:
    face = np.zeros((3, 478, 3), np.float32)
    face[:, [33, 133], 0], face[:, [263, 362], 0] = 100, 200
    face[1] += 50
    face[2] = np.nan
    gaps = pose_gaps(face_pose(face), face_pose(face))
    assert gaps[0, 1] == pytest.approx(0.5 * 2**0.5, rel=1e-3)
    assert gaps[0, 2] == 1.0
    assert gaps[2, 2] == 0.0


@given(st.integers(0, 999))
def test_squared_gaps_are_what_they_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 50, (4, 3)), rng.normal(0, 50, (5, 3))
    expected = np.square(a[:, None] - b[None]).mean(2)
    np.testing.assert_allclose(squared_gaps(a, b), expected, atol=1e-6)


def test_motion_the_other_way_costs() -> None:
    swing = np.sin(np.arange(40) / 6)[:, None] * np.ones(4)
    frames = np.arange(40)
    forward = int(np.argmin(np.abs(np.sin(np.arange(30, 40) / 6) - np.sin(1 / 6)))) + 30  # the same place, rising again
    back = int(np.argmin(np.abs(np.sin(np.arange(12, 25) / 6) - np.sin(1 / 6)))) + 12  # falling
    gaps = picture_gaps(frames, swing, np.zeros((40, 2)), np.array([1]), np.array([forward, back]))
    assert gaps[0, 0] < gaps[0, 1]
