"""Faces: geometry, the track's file, and following a real portrait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from editalk.errors import ReadError
from editalk.face import (
    Box,
    FaceTrack,
    FaceTracker,
    box,
    eye_distance,
    face_mask,
    head_mask,
    mouth_mask,
    pose,
    template,
)
from editalk.face.geometry import STILL, similarity
from editalk.face.tracker import bridged

Picture = NDArray[np.uint8]
RNG = np.random.default_rng(7)


def cloud(n: int = 5) -> NDArray[np.float32]:
    points = RNG.normal(0, 60, (478, 3))
    points[[33, 133], :2], points[[263, 362], :2] = (-45, -30), (45, -30)
    points[10, :2], points[152, :2] = (0, -120), (0, 120)
    return np.asarray(np.repeat((points + [200, 220, 0])[None], n, 0), np.float32)


@settings(deadline=None)
@given(scale=st.floats(0.2, 5), angles=st.tuples(*[st.floats(-1, 1)] * 3), move=st.tuples(*[st.floats(-500, 500)] * 3))
def test_similarity_finds_what_was_done(
    scale: float, angles: tuple[float, float, float], move: tuple[float, float, float]
) -> None:
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(angles).as_matrix()
    source = np.random.default_rng(1).normal(size=(28, 3))
    found = similarity(source, (scale * source @ turn.T + np.array(move))[None])
    assert np.isclose(found.scale[0], scale)
    assert np.allclose(found.rotation[0], turn, atol=1e-6)
    assert np.allclose(found.move[0], move, atol=1e-5 * (1 + abs(np.array(move)).max()))


def test_pose_there_and_back() -> None:
    points = cloud()
    points[2] = np.nan
    found = pose(points, template(points))
    assert np.isnan(found.scale[2])
    back = found.forward(found.backward(points.astype(float)))
    assert np.allclose(back[[0, 1, 3, 4]], points[[0, 1, 3, 4]], atol=1e-3)
    assert np.isnan(found.turn()[2]).all()
    assert np.isfinite(found.turn()[0]).all()


def test_template_is_upright_with_eyes_one_apart() -> None:
    face = template(cloud())
    left, right = face[[33, 133]].mean(0), face[[263, 362]].mean(0)
    assert np.allclose(right - left, [1, 0, 0], atol=1e-6)
    assert face[152, 1] > face[10, 1]
    assert abs(face[list(STILL)]).max() < 10


def test_template_without_faces() -> None:
    with pytest.raises(ValueError, match="no face"):
        template(np.full((3, 478, 3), np.nan, np.float32))


def test_boxes() -> None:
    assert Box(0, 0, 10, 10).overlap(Box(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert Box(0, 0, 10, 10).overlap(Box(20, 0, 30, 10)) == 0
    assert Box(-5, -5, 900, 20).within((10, 30)) == Box(0, 0, 30, 10)
    assert box(np.array([[1.2, 2.0], [3.0, 5.5]])) == Box(1, 2, 3, 6)


def test_track_file(tmp_path: Path) -> None:
    points = cloud(3)
    points[1] = np.nan
    track = FaceTrack(np.array([4, 5, 9]), points)
    track.save(tmp_path / "a.npz")
    again = FaceTrack.load(tmp_path / "a.npz")
    assert np.array_equal(again.frames, track.frames)
    assert np.array_equal(again.points, track.points, equal_nan=True)
    assert [again.row(f) for f in (4, 5, 6, 9)] == [0, None, None, 2]
    assert again.at(5) is None
    assert list(again.between(5, 9).frames) == [5]
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no zip at all"])
def test_damaged_track_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ReadError):
        FaceTrack.load(tmp_path / "a.npz")


def test_track_file_of_something_else(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", frames=np.arange(3), points=np.zeros((2, 478, 3)))
    with pytest.raises(ReadError, match="not a face track"):
        FaceTrack.load(tmp_path / "a.npz")


def test_joined_tracks_hold_each_frame_once() -> None:
    points = cloud(4)
    a, b = FaceTrack(np.array([0, 1]), points[:2]), FaceTrack(np.array([1, 7]), points[2:] + 1)
    both = FaceTrack.joined([a, b])
    assert list(both.frames) == [0, 1, 7]
    assert np.array_equal(both.points[1], points[1])
    assert len(FaceTrack.joined([]).frames) == 0


@settings(deadline=None)
@given(missing=st.sets(st.integers(1, 18)), cut=st.integers(1, 19))
def test_gaps_are_bridged_only_where_short_and_inside_a_shot(missing: set[int], cut: int) -> None:
    points = np.zeros((20, 478, 3), np.float32) + np.arange(20, dtype=np.float32)[:, None, None]
    points[sorted(missing)] = np.nan
    shots = (np.arange(20) >= cut).astype(np.int64)
    out = bridged(np.arange(20), points, shots)
    for i in range(20):
        low = max(j for j in range(i + 1) if j not in missing)
        high = min(j for j in range(i, 20) if j not in missing)
        filled = high - low <= 4 and shots[low] == shots[high]
        assert np.isfinite(out[i, 0, 0]) == (i not in missing or filled)
        if np.isfinite(out[i, 0, 0]):
            assert np.allclose(out[i], i, atol=1e-4)


@pytest.fixture(scope="module")
def portrait() -> Picture:
    """[512, 512, 3] Y U V of a public-domain portrait; its face is about 130 pixels wide."""
    data = pytest.importorskip("skimage.data")
    pytest.importorskip("mediapipe")
    import cv2

    return np.asarray(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2YUV), np.uint8)


def scene(portrait: Picture, shift: int = 0, canvas: tuple[int, int] = (540, 960)) -> Picture:
    out = np.full((*canvas, 3), 128, np.uint8)
    left = 100 + shift
    out[10:522, left : left + 512] = portrait
    return out


def moving(portrait: Picture, n: int, blank: set[int]) -> Iterator[tuple[int, Picture]]:
    for i in range(n):
        image = scene(portrait, 8 * i)
        yield i, np.full_like(image, 128) if i in blank else image


def test_follows_a_face_over_a_gap(portrait: Picture) -> None:
    with FaceTracker() as tracker:
        track = tracker.track(moving(portrait, 14, set()))
    assert track.found.all()
    steps = np.diff(track.points[:, 4, 0])
    assert np.abs(steps - 8).max() < 2.5
    assert 40 < eye_distance(track.points)[0] < 90


def test_a_new_shot_is_not_bridged(portrait: Picture) -> None:
    with FaceTracker() as tracker:
        track = tracker.track(moving(portrait, 10, {4, 5}))
    assert list(np.flatnonzero(~track.found)) == [4, 5]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_pictures(portrait: Picture, turns: int) -> None:
    upright = scene(portrait)
    with FaceTracker() as tracker:
        expected = tracker.see(0, upright)
    coded = np.ascontiguousarray(np.rot90(upright, -turns))
    with FaceTracker(90 * turns) as tracker:
        found = tracker.see(0, coded)
    assert expected is not None
    assert found is not None
    h, w = upright.shape[:2]
    x, y = found[:, 0], found[:, 1]
    back = {1: (y, h - x), 2: (w - x, h - y), 3: (w - y, x)}[turns]
    assert np.abs(np.stack(back, 1) - expected[:, :2]).max() < 4


def test_chooses_among_faces(portrait: Picture) -> None:
    import cv2

    image = np.full((540, 1100, 3), 128, np.uint8)
    small = cv2.resize(portrait, (380, 380))
    image[100:480, 40:420] = small
    image[10:522, 560:1072] = portrait
    places = {}
    for choose in (None, 1, 2):
        with FaceTracker(choose=choose) as tracker:
            found = tracker.see(0, image)
        assert found is not None
        places[choose] = found[4, 0]
    assert places[1] < 500 < places[2]
    assert abs(places[None] - places[2]) < 5
    with FaceTracker(choose=3) as tracker:
        assert tracker.see(0, image) is None


def test_finds_a_small_face(portrait: Picture) -> None:
    import cv2

    image = np.full((1080, 1920, 3), 128, np.uint8)
    image[700:956, 1500:1756] = cv2.resize(portrait, (256, 256), interpolation=cv2.INTER_AREA)
    with FaceTracker() as tracker:
        found = tracker.see(0, image)
    assert found is not None
    assert 1500 < found[4, 0] < 1756
    assert 700 < found[4, 1] < 956


def test_no_face() -> None:
    pytest.importorskip("mediapipe")
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    with FaceTracker() as tracker:
        track = tracker.track((i, noise) for i in range(3))
    assert not track.found.any()
    assert track.points.shape == (3, 478, 3)


def test_empty_and_wrong_requests() -> None:
    with FaceTracker() as tracker:
        assert tracker.track(iter(())).points.shape == (0, 478, 3)
    with pytest.raises(ValueError, match="quarters"):
        FaceTracker(45)
    with pytest.raises(ValueError, match="from 1"):
        FaceTracker(choose=0)


def test_masks_nest(portrait: Picture) -> None:
    with FaceTracker() as tracker:
        points = tracker.see(0, scene(portrait))
    assert points is not None
    mouth, face, head = (f(points, (540, 960)) > 127 for f in (mouth_mask, face_mask, head_mask))
    assert 0 < mouth.sum() < face.sum() < head.sum()
    assert (face & ~head).sum() < 0.01 * face.sum()
    assert (mouth & ~face).sum() < 0.02 * mouth.sum()
