"""A path's mouths, drawn: what is decoded when, and which exemplars are refused."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from talker import RATE, Pictures, picture, talking

from editalk.backends.exemplar.draw import LipRenderer
from editalk.backends.exemplar.paste import lower_box
from editalk.backends.exemplar.path import LipPath, plan_path
from editalk.backends.exemplar.retrieve import Pool
from editalk.backends.exemplar.shape import MOVING, MouthSpace, aperture
from editalk.face import FaceTrack, FaceTracker
from editalk.face.geometry import LIPS
from editalk.media import FrameReader, probe, to_image


class Speaker:
    """Footage of 100 frames and what is learnt from it."""

    def __init__(self) -> None:
        opening = 14 * np.abs(np.sin(np.arange(100) / 3))
        self.track = FaceTrack(np.arange(100), talking(opening))
        self.space = MouthSpace.of(self.track.points)
        self.pool = Pool.of(self.track, self.space)
        self.footage = Pictures(self.track)

    def path(self, count: int, points: NDArray[np.float32] | None = None) -> LipPath:
        """Frames 0 … count, to speak as 40 … 40 + count."""
        shapes = self.space.shapes(self.track.points[40 : 40 + count])
        points = self.track.points[:count] if points is None else points
        return plan_path(self.space, self.pool, shapes, points, np.ones(count))

    def renderer(self, path: LipPath) -> LipRenderer:
        return LipRenderer(self.pool, RATE, path, self.footage)


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


def covered(image: NDArray[np.uint8], left: int = 85, top: int = 165, right: int = 180) -> NDArray[np.uint8]:
    """A cup before the mouth."""
    image[top:235, left:right] = (215, 122, 118)
    return image


def test_frames_without_a_face_keep_their_picture(speaker: Speaker) -> None:
    points = speaker.track.points[:20].copy()
    points[5:9] = np.nan
    path = speaker.path(20, points)
    assert list(np.flatnonzero(~path.drawn)) == [5, 6, 7, 8]
    renderer = speaker.renderer(path)
    assert renderer.draw(6, picture(speaker.track.points[6])) is None
    assert renderer.draw(10, picture(speaker.track.points[10])) is not None


def test_exemplars_are_decoded_in_order_and_once(speaker: Speaker) -> None:
    renderer = speaker.renderer(speaker.path(50))
    for i in range(50):
        assert renderer.draw(i, picture(speaker.track.points[i])) is not None
    assert speaker.footage.asked == sorted(set(speaker.footage.asked))


def test_an_exemplar_outside_the_picture_is_not_drawn(speaker: Speaker) -> None:
    away = speaker.track.points.copy()
    away[..., 0] += 4000
    path = speaker.path(5)
    speaker.pool = replace(speaker.pool, points=away[speaker.pool.frames])
    assert speaker.renderer(path).draw(0, picture(speaker.track.points[0])) is None


def test_no_lips_are_drawn_over_a_cup(speaker: Speaker) -> None:
    renderer = speaker.renderer(speaker.path(30))
    for i in range(10):
        assert renderer.draw(i, picture(speaker.track.points[i])) is not None
    for i in range(10, 20):
        assert renderer.draw(i, covered(picture(speaker.track.points[i]))) is None
    assert renderer.draw(29, picture(speaker.track.points[29])) is not None


def test_what_covers_a_corner_stays(speaker: Speaker) -> None:
    """Lips are drawn beside something in front of the chin; not on it."""
    points = speaker.track.points
    base = covered(picture(points[3]), left=140, top=206)
    drawn = speaker.renderer(speaker.path(10)).draw(3, base)
    assert drawn is not None
    image, mask = drawn
    thing = slice(208, 230), slice(143, 160)
    assert np.abs(image[thing].astype(int) - base[thing]).max() <= 2
    assert np.abs(image[180:200, 100:125].astype(int) - base[180:200, 100:125]).max() > 10
    assert np.array_equal(image[mask == 0], base[mask == 0])


def test_covered_exemplars_are_not_lent(speaker: Speaker) -> None:
    """The frames best suited show a cup: others are taken."""
    plain = speaker.footage.image
    hidden = set(range(40, 46))
    speaker.footage.image = lambda frame, within=None: covered(plain(frame)) if frame in hidden else plain(frame)  # type: ignore
    renderer, cups = speaker.renderer(speaker.path(30)), 0
    for i in range(30):
        drawn = renderer.draw(i, picture(speaker.track.points[i]))
        assert drawn is not None
        area = lower_box(speaker.track.points[i])
        cups += int((drawn[0][area.slices][..., 0] > 205).mean() > 0.05)
    assert cups == 0


CLIPS = os.environ.get("EDITALK_CLIPS")


@pytest.mark.skipif(not CLIPS, reason="EDITALK_CLIPS names no folder of clips")
def test_the_true_shape_is_found_again_in_the_picture() -> None:
    """Mouths of other frames, drawn in the true shape, are seen in it (design, section 9: M-LMD on a 256 px face)."""
    path = Path(CLIPS or "") / "latentsync_demo3_vertical.mp4"
    if not path.exists():
        pytest.skip(f"no {path.name}")
    first, count, beside = 60, 40, 15
    with FrameReader(probe(path)) as reader, FaceTracker() as tracker, FaceTracker() as again:
        track = tracker.track((i, to_image(frame)) for i, frame in reader.iterate(0, 220))
        space = MouthSpace.of(track.points)
        rest = (track.frames < first - beside) | (track.frames >= first + count + beside)
        pool = Pool.of(FaceTrack(track.frames[rest], track.points[rest]), space)
        points = track.points[first : first + count]
        shapes = space.shapes(points)
        renderer = LipRenderer(pool, reader.rate, plan_path(space, pool, shapes, points, np.ones(count)), reader)
        drawn = [renderer.draw(i, reader.image(first + i)) for i in range(count)]
        assert all(d is not None for d in drawn)
        seen = again.track((i, d[0]) for i, d in enumerate(drawn) if d is not None)
    got = space.shapes(seen.points)
    assert np.corrcoef(aperture(got), aperture(shapes))[0, 1] > 0.95
    lips = [MOVING.index(i) for i in LIPS]
    face = 256 / float(np.linalg.norm(space.face[10] - space.face[152]))
    assert np.linalg.norm((got - shapes)[:, lips, :2], axis=2).mean() * face < 1.5
