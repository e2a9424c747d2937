"""What lies in front of a face is seen; teeth, light and a smile are none of it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talker import picture, talking

from editalk.backends.exemplar.occlusion import BARE, LowerFace, Sight, uncovered
from editalk.backends.exemplar.paste import Crop
from editalk.face.geometry import LIPS_INNER

POINTS = talking(14 * np.abs(np.sin(np.arange(40) / 3)))
FACE = LowerFace.of([Crop.of(picture(p), p) for p in POINTS[::2]])


@settings(deadline=None, max_examples=15)
@given(frame=st.integers(0, 39), light=st.floats(-25, 25))
def test_a_bare_face_in_any_light(frame: int, light: float) -> None:
    image = picture(POINTS[frame]).astype(float)
    image[..., 0] += light
    assert FACE.look(Crop.of(image.clip(0, 255).astype(np.uint8), POINTS[frame])).bare


def test_teeth_are_nothing_strange() -> None:
    import cv2

    image = picture(POINTS[5])
    cv2.fillPoly(image, [np.round(POINTS[5][list(LIPS_INNER), :2]).astype(np.int32)], (220, 120, 130))
    assert FACE.look(Crop.of(image, POINTS[5])).bare


@settings(deadline=None, max_examples=15)
@given(frame=st.integers(0, 39), luma=st.sampled_from([30, 90, 210]), wide=st.integers(45, 70))
def test_a_thing_before_the_mouth_hides_it(frame: int, luma: int, wide: int) -> None:
    image = picture(POINTS[frame])
    image[160:245, 130 - wide : 130 + wide] = (luma, 128, 128)
    assert FACE.look(Crop.of(image, POINTS[frame])).shown == 0


def test_skin_before_the_mouth_hides_it() -> None:
    """A hand of the face's own colour, its fingers shaded."""
    image = picture(POINTS[4])
    rows = np.arange(165, 240)
    shade = 12 * np.sin(rows / 2.5)[:, None, None] * np.array([1, 0, 0])
    skin = np.array([150, 120, 140]) + 3
    image[165:240, 80:180] = np.clip(skin + shade, 0, 255).astype(np.uint8)
    assert FACE.look(Crop.of(image, POINTS[4])).shown < 0.5


def test_what_is_outside_the_picture_is_not_strange() -> None:
    points = POINTS[6].copy()
    image = picture(points)[:, 130:]
    points[:, 0] -= 130
    assert FACE.look(Crop.of(np.ascontiguousarray(image), points)).shown == 1


def test_uncovered_gives_back_what_lies_in_front() -> None:
    base = picture(POINTS[0])
    image, mask = np.full_like(base, 99), np.full(base.shape[:2], 255, np.uint8)
    uncovered(base, image, mask, POINTS[0], Sight(1.0, np.array([[130.0, 215.0]], np.float32)))
    assert np.array_equal(image[215, 130], base[215, 130])
    assert (image[190, 130] == 99).all()
    assert np.array_equal(image[mask == 0], base[mask == 0])
    before = image.copy()
    uncovered(base, image, mask, POINTS[0], BARE)
    assert np.array_equal(before, image)


CLIPS = os.environ.get("EDITALK_CLIPS")


@pytest.mark.skipif(not CLIPS, reason="EDITALK_CLIPS names no folder of clips")
@pytest.mark.parametrize("name", ["latentsync_demo1_vertical.mp4", "latentsync_demo3_vertical.mp4"])
def test_real_mouths_are_bare(name: str) -> None:
    from editalk.face import FaceTracker
    from editalk.media import FrameReader, probe, to_image

    path = Path(CLIPS or "") / name
    if not path.exists():
        pytest.skip(f"no {path.name}")
    crops = []
    with FrameReader(probe(path)) as reader, FaceTracker(reader.info.video.rotation) as tracker:
        for i, frame in reader.iterate(0, 120):
            image = to_image(frame)
            points = tracker.see(i, image)
            if points is not None:
                crops.append(Crop.of(image, points))
    face = LowerFace.of(crops[::3])
    assert all(face.look(crop).shown == 1 for crop in crops)
    x, y = (round(float(v)) for v in crops[60].points[13, :2])
    eyes = 0.6 * float(np.linalg.norm(crops[60].points[33] - crops[60].points[263]))
    hidden = crops[60].image.copy()
    top, left, reach = y - crops[60].top, x - crops[60].left, round(eyes)
    hidden[max(0, top - reach) : top + reach, max(0, left - reach) : left + reach] = (60, 128, 128)
    assert face.look(Crop(hidden, crops[60].left, crops[60].top, crops[60].points)).shown == 0
