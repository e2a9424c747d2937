"""A mouth drawn onto a picture: its shape, its edges, its light."""

from __future__ import annotations

import numpy as np
import pytest
from talker import picture, talking

from editalk.backends.exemplar.paste import Crop, lower_box, paste
from editalk.backends.exemplar.shape import MOVING
from editalk.face.geometry import INNER_PAIRS, JAW, eye_distance
from editalk.face.geometry import aperture as seen_aperture


def test_inner_lips_of_the_made_up_face() -> None:
    points = talking(np.array([0.0, 10.0]), sway=0.0)
    assert seen_aperture(points)[1] > seen_aperture(points)[0] + 0.1
    assert all(points[1, b, 1] > points[1, a, 1] for a, b in INNER_PAIRS)
    assert eye_distance(points)[0] == pytest.approx(60, abs=8)


def test_wanted_shape_is_drawn() -> None:
    """The dark mouth of the result lies where the wanted inner lips are, whatever the exemplar's opening."""
    points = talking(np.array([2.0, 14.0, 20.0]), sway=0.0)
    base, lender = picture(points[0]), Crop.of(picture(points[2]), points[2])
    wanted = points[1, list(MOVING), :2].astype(float)
    image, mask = paste(base, points[0], wanted, lender)
    dark = image[..., 0] < 70
    rows = np.flatnonzero(dark[:, 130])
    expected = points[1, [13, 14], 1]
    assert abs(rows.min() - expected.min()) < 2.5
    assert abs(rows.max() - expected.max()) < 2.5
    assert np.array_equal(image[mask == 0], base[mask == 0])
    assert mask.any()
    area = lower_box(points[0])
    assert np.array_equal(image[: area.top], base[: area.top])


def test_the_edge_of_the_drawn_box_meets_the_picture() -> None:
    points = talking(np.array([2.0, 14.0]), sway=0.0)
    base = picture(points[0])
    lender = Crop.of(picture(points[1]), points[1])
    image, mask = paste(base, points[0], points[1, list(MOVING), :2].astype(float), lender)
    ys, xs = np.nonzero(mask)
    inside = slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)
    step = np.abs(image[inside].astype(int) - base[inside])
    assert max(step[0].max(), step[:, 0].max(), step[:, -1].max()) <= 1


def test_light_is_matched() -> None:
    points = talking(np.array([6.0, 6.0]), sway=0.0)
    base = picture(points[0])
    lender = Crop.of(picture(points[1], light=35), points[1])
    image, _ = paste(base, points[0], points[0, list(MOVING), :2].astype(float), lender)
    chin = slice(205, 225), slice(110, 150)
    assert abs(float(image[chin].astype(float).mean() - base[chin].mean())) < 4


@pytest.mark.parametrize("place", [(-100, 0), (90, 0), (0, 120), (400, 0)])
def test_a_face_at_the_picture_edge(place: tuple[int, int]) -> None:
    points = talking(np.array([3.0, 12.0]), sway=0.0)
    points[..., :2] += place
    base = picture(talking(np.array([3.0]), sway=0.0)[0])
    lender = Crop.of(picture(talking(np.array([12.0]), sway=0.0)[0]), talking(np.array([12.0]), sway=0.0)[0])
    image, mask = paste(base, points[0], points[1, list(MOVING), :2].astype(float), lender)
    assert image.shape == base.shape
    assert mask.shape == base.shape[:2]
    assert np.array_equal(image[mask == 0], base[mask == 0])


def test_a_dark_mouth_stays_dark_in_another_light() -> None:
    points = talking(np.array([16.0, 16.0]), sway=0.0)
    base, other = picture(points[0], light=50), picture(points[1])
    image, _ = paste(base, points[0], points[0, list(MOVING), :2].astype(float), Crop.of(other, points[1]))
    inside = slice(194, 200), slice(125, 136)
    assert abs(float(image[(*inside, 0)].mean()) - float(other[(*inside, 0)].mean())) < 8


def test_nothing_of_the_exemplars_background_comes_along() -> None:
    """A head against a bright wall lends its mouth to one against its own skin's colour."""
    import cv2

    points = talking(np.array([6.0, 6.0]), sway=0.0)
    base, other = picture(points[0]), picture(points[1])
    face = np.zeros(other.shape[:2], np.uint8)
    outline = np.concatenate([points[1, list(JAW), :2], [(198, 20), (62, 20)]])
    cv2.fillConvexPoly(face, cv2.convexHull(outline.astype(np.float32)).astype(np.int32), 255)
    other[face == 0] = (235, 90, 200)
    image, _ = paste(base, points[0], points[0, list(MOVING), :2].astype(float), Crop.of(other, points[1]))
    assert np.abs(image.astype(int) - base)[face == 0].max() <= 5
    assert np.abs(image[..., 1].astype(int) - base[..., 1]).max() < 12


def test_whole_crops() -> None:
    points = talking(np.array([3.0, 3.0]), sway=0.0)
    image = picture(points[0])
    assert Crop.of(image, points[0]).whole
    points[1, :, 0] -= 100
    assert not Crop.of(image, points[1]).whole
