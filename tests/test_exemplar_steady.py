"""New mouths keep to the face's own pace, and never drag the picture before into one that moves."""

from __future__ import annotations

import numpy as np
import pytest

from editalk.analysis import face_box, face_step
from editalk.backends.exemplar.steady import MARGIN, steadied, step_limit

SIZE = 160


def points() -> np.ndarray:
    """Landmarks that fill the middle of the picture."""
    t = np.linspace(0, 2 * np.pi, 478)
    return np.stack([80 + 50 * np.cos(t), 80 + 50 * np.sin(t), 0 * t], axis=1).astype(np.float32)


def still() -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.stack([(x + y) % 200, x * 0 + 128, x * 0 + 128], axis=-1).astype(np.uint8)


def with_mouth(image: np.ndarray, level: int) -> np.ndarray:
    out = image.copy()
    out[90:120, 60:100, 0] = level
    return out


@pytest.fixture
def mask() -> np.ndarray:
    found = np.zeros((SIZE, SIZE), np.uint8)
    found[85:125, 55:105] = 255
    return found


def test_a_fast_mouth_is_slowed_down_to_the_limit(mask: np.ndarray) -> None:
    base, box = still(), face_box(points())
    before, now = with_mouth(base, 40), with_mouth(base, 120)
    step = face_step(before[..., 0], now[..., 0], box)
    made = steadied((base, before), (base, now), mask, points(), 0.85 * step)
    assert face_step(before[..., 0], made[..., 0], box) < 0.9 * step
    assert (made[mask == 0] == now[mask == 0]).all()


def test_a_slow_mouth_is_left_alone(mask: np.ndarray) -> None:
    base = still()
    now = with_mouth(base, 42)
    assert steadied((base, with_mouth(base, 40)), (base, now), mask, points(), 5.0) is now


def test_nothing_of_the_picture_before_a_jump_is_kept(mask: np.ndarray) -> None:
    base = still()
    jumped = np.roll(base, 37, axis=1)
    now = with_mouth(jumped, 120)
    assert steadied((base, with_mouth(base, 40)), (jumped, now), mask, points(), 5.0) is now


def test_the_limit_is_the_footages_own() -> None:
    assert step_limit(np.arange(101, dtype=np.float32)) == pytest.approx(MARGIN * 99)
    assert step_limit(np.zeros(0, np.float32)) == float("inf")
