"""What is said of joins: steps of the face and around it, and pictures that show two at once."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from editalk.analysis import Analysis, Block, mere_mix
from editalk.face import FaceTrack
from editalk.plan import EditPlan
from editalk.quality.joins import JoinCheck, JoinWatch, Natural, natural_motion
from editalk.timebase import FrameRate

RATE = FrameRate(Fraction(25))
H, W = 144, 192
WALL = np.random.default_rng(0).integers(60, 180, (H, W)).astype(np.uint8)


def face(x: int = 64) -> NDArray[np.float32]:
    """[478, 3] points over the square of the face."""
    spread = np.random.default_rng(1).uniform(0, 64, (478, 3)).astype(np.float32)
    return np.asarray(spread + (x, 32, 0), np.float32)


def picture(face_at: int = 64, hand_at: int = 10) -> NDArray[np.uint8]:
    """A face and a hand before a wall."""
    luma = WALL.copy()
    luma[32:96, face_at : face_at + 64] = 200
    luma[48:80, face_at + 16 : face_at + 48] = 90
    luma[112:136, hand_at : hand_at + 24] = 230
    return luma


def watched(pictures: list[NDArray[np.uint8]], new: set[int], natural: Natural, scale: int = 1) -> JoinCheck:
    """The check of a join before picture 3, seen `scale` times as large; `new`: pictures the source does not have."""
    plan = SimpleNamespace(windows=[SimpleNamespace(joins=[SimpleNamespace(frame=3)])])
    watch = JoinWatch(cast(EditPlan, plan), natural)
    for k, luma in enumerate(pictures):
        assert watch.watches(k)
        large = luma.repeat(scale, 0).repeat(scale, 1)
        watch.see(k, large, face() * scale, own=k not in new and k - 1 not in new and k not in (0, 3), new=k in new)
    (check,) = watch.checks()
    return check


NATURAL = Natural(face=4.0, around=20.0, way=30.0)


def test_a_still_join_passes() -> None:
    check = watched([picture()] * 6, set(), NATURAL)
    assert (check.score, check.passed, check.reasons) == (0.0, True, [])


def test_a_jump_of_the_face_is_named() -> None:
    check = watched([picture()] * 3 + [picture(90)] * 3, set(), NATURAL)
    assert check.step > 20
    assert check.reasons[0] == "the face jumps"
    assert check.score == pytest.approx(check.step / 4.0)


def test_a_large_picture_is_judged_as_a_small_one() -> None:
    """1152×864 pixels are more than steps are measured on."""
    pictures = [picture()] * 3 + [picture(66)] * 3
    small, large = watched(pictures, set(), NATURAL), watched(pictures, set(), NATURAL, 6)
    assert large.step == pytest.approx(small.step, rel=0.15)
    assert large.around == pytest.approx(small.around, rel=0.15)


def test_a_hand_that_jumps_is_named_though_the_face_rests() -> None:
    check = watched([picture(hand_at=10)] * 3 + [picture(hand_at=150)] * 3, set(), NATURAL)
    assert check.step == 0
    assert check.reasons == ["hands, body or background jump"]
    assert not check.passed


def test_a_dissolve_is_named() -> None:
    a, b = picture(hand_at=10), picture(hand_at=150)
    middle = ((a.astype(int) + b) // 2).astype(np.uint8)
    check = watched([a, a, middle, b, b, b], {2}, Natural(4.0, 200.0, 30.0))
    assert check.reasons == ["two pictures show at once"]
    moved = picture(hand_at=80)
    assert watched([a, a, moved, b, b, b], {2}, Natural(4.0, 200.0, 30.0)).double == 0, "a hand on its way is no mix"


def test_steps_of_the_source_itself_do_not_count() -> None:
    moving = [picture(hand_at=10 + 20 * k) for k in range(3)]
    assert watched(moving + [moving[-1]] * 3, set(), NATURAL).around == 0


def test_a_clip_that_stands_still_is_measured_with_what_can_be_seen() -> None:
    quiet = JoinCheck(3, 0.8, 0.5, 0.0, Natural(0.01, 0.01, 0.01))
    assert quiet.passed
    assert JoinCheck(3, 1.5, 0.5, 0.0, Natural(0.01, 0.01, 0.01)).score == 1.5


def test_a_mix_is_told_from_a_picture() -> None:
    a, b, other = (np.random.default_rng(k).normal(size=(20, 20)).astype(np.float32) for k in range(3))
    assert mere_mix(a, 0.5 * a + 0.5 * b, b)
    assert not mere_mix(a, a, b)
    assert not mere_mix(a, other, b)


def test_natural_motion_is_the_footages_own() -> None:
    frames = np.arange(30)
    thumbs = np.full((30, 24, 32), 100, np.float32)
    for k in frames:
        thumbs[k, 20:, :8] += 3 * k  # a hand, three levels a frame
    track = FaceTrack(frames, np.stack([face()] * 30))
    nothing = np.zeros(30, np.float32)
    block = Block(track, thumbs.reshape(30, -1), nothing, nothing + 2)
    analysis: Any = SimpleNamespace(steps=lambda: nothing + 2, blocks=lambda: [block], width=W)
    natural = natural_motion(cast(Analysis, analysis))
    assert (natural.face, natural.around, natural.way) == pytest.approx((2.0, 3.0, 6.0))
