"""Exemplar lips on a made-up face whose mouth opens with a made-up voice."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from editalk.audio import Audio
from editalk.backends.exemplar.draw import LipRenderer
from editalk.backends.exemplar.hearing import Hearing
from editalk.backends.exemplar.lips import LipSync
from editalk.backends.exemplar.paste import Crop, lower_box, paste
from editalk.backends.exemplar.path import ramps
from editalk.backends.exemplar.retrieve import Pool, retrieve
from editalk.backends.exemplar.shape import MOVING, MouthSpace, aperture
from editalk.face import FaceTrack
from editalk.face.geometry import INNER_PAIRS, JAW, LIPS_INNER, LIPS_OUTER, eye_distance
from editalk.face.geometry import aperture as seen_aperture
from editalk.timebase import FrameRate

RATE = FrameRate(Fraction(25))
SOUND_RATE = 16000
SIZE = (300, 260)
Floats = NDArray[np.float64]


def face() -> Floats:
    """[478, 3]: landmarks at plausible places, 60 pixels between the eyes, the middle of the mouth at (130, 190)."""
    rng = np.random.default_rng(3)
    points = np.stack([130 + rng.uniform(-70, 70, 478), rng.uniform(50, 170, 478), rng.uniform(-10, 10, 478)], 1)
    points[[33, 133], :2], points[[263, 362], :2] = [(88, 110), (112, 110)], [(172, 110), (148, 110)]
    points[10, :2], points[[1, 2, 4], :2] = (130, 40), (130, 160)
    for ring, wide, high in ((LIPS_OUTER, 28, 11), (LIPS_INNER, 20, 2)):
        angle = np.pi - np.arange(20) / 20 * 2 * np.pi
        points[list(ring), :2] = np.stack([130 + wide * np.cos(angle), 190 + high * np.sin(angle)], 1)
    angle = np.linspace(np.pi * 0.95, np.pi * 0.05, len(JAW))
    points[list(JAW), :2] = np.stack([130 + 68 * np.cos(angle), 180 + 62 * np.sin(angle)], 1)
    points[[207, 427], :2] = (95, 175), (165, 175)
    points[[98, 327], :2] = (115, 162), (145, 162)
    return np.asarray(points, np.float64)


def talking(opening: Floats, sway: float = 4.0) -> NDArray[np.float32]:
    """[n, 478, 3]: the face swaying, its lower lip and jaw down by `opening` pixels."""
    points = np.repeat(face()[None], len(opening), 0)
    low = np.array([points[0, i, 1] > 190 for i in MOVING])
    rows = np.array(MOVING)[low]
    points[:, rows, 1] += opening[:, None] * (1 - 0.4 * (points[:, rows, 1] > 215))
    points[..., 0] += sway * np.sin(np.arange(len(opening)) / 9)[:, None]
    return points.astype(np.float32)


def voice(seconds: float, seed: int = 0) -> tuple[Audio, Floats]:
    """Noise in syllables and how loud it is at each frame, with a second's pause in the middle."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SOUND_RATE)
    knots = rng.uniform(0.05, 1, int(seconds * 5) + 2)
    t = np.arange(n) / SOUND_RATE
    loud = np.interp(t * 5, np.arange(len(knots)), knots)
    loud[(t > seconds / 2 - 0.5) & (t < seconds / 2 + 0.5)] = 0.0
    wave = (0.2 * loud * rng.standard_normal(n) + 1e-5 * rng.standard_normal(n)).astype(np.float32)
    frames = (np.arange(int(seconds * 25)) + 0.5) / 25
    return Audio(wave[:, None], SOUND_RATE), np.interp(frames, t, loud)


def learnt(seconds: float = 8.0) -> tuple[LipSync, FaceTrack, Audio]:
    sound, loud = voice(seconds)
    track = FaceTrack(np.arange(len(loud)), talking(14 * loud))
    sync = LipSync.fit(track, sound, 0.0, RATE)
    assert sync is not None
    return sync, track, sound


def picture(points: NDArray[np.float32], light: float = 0.0) -> NDArray[np.uint8]:
    """Skin with texture, red lips, a dark mouth."""
    import cv2

    rng = np.random.default_rng(5)
    noise = cv2.GaussianBlur(rng.normal(0, 20, (*SIZE, 3)).astype(np.float32), (0, 0), 1.2)
    image = np.clip(np.array([150 + light, 120, 140]) + noise, 0, 255).astype(np.uint8)
    for ring, colour in ((LIPS_OUTER, (110, 115, 175)), (LIPS_INNER, (30, 128, 130))):
        polygon = np.round(points[list(ring), :2] * 16).astype(np.int32)
        cv2.fillPoly(image, [polygon], colour, cv2.LINE_AA, 4)
    return image


class Pictures:
    """Footage drawn on demand."""

    rate = RATE

    def __init__(self, track: FaceTrack) -> None:
        self.track, self.frames, self.asked = track, len(track.frames), list[int]()

    def image(self, frame: int) -> NDArray[np.uint8]:
        self.asked.append(frame)
        return picture(self.track.points[frame])


def test_lips_follow_a_new_voice() -> None:
    sync, track, _ = learnt()
    sound, loud = voice(6.0, seed=9)
    times = (np.arange(len(loud)) + 0.5) / 25
    path = sync.plan(sound, 0.0, times, track.points[: len(loud)])
    points = track.points[: len(loud)].astype(float)
    points[:, list(MOVING), :2] = path.wanted
    opened = seen_aperture(points)
    scores = [np.corrcoef(opened[3 - k : len(opened) - 3 - k], loud[3:-3])[0, 1] for k in range(-3, 4)]
    assert scores[3] > 0.6
    assert abs(int(np.argmax(scores)) - 3) <= 1
    assert 0.4 < opened.std() / seen_aperture(track.points).std() < 1.3
    assert path.drawn.all()


def test_lips_rest_in_silence() -> None:
    sync, track, _ = learnt()
    times = (np.arange(40) + 0.5) / 25
    quiet = Audio(np.random.default_rng(0).normal(0, 1e-5, (32000, 1)).astype(np.float32), SOUND_RATE)
    shapes = sync.predictor(quiet, 0.0, times)
    rest = float(aperture(sync.space.shapes(track.points[95:105])).mean())
    assert np.abs(aperture(shapes) - rest).max() < 0.02
    digital = sync.predictor(Audio(np.zeros((32000, 1), np.float32), SOUND_RATE), 0.0, times)
    assert np.allclose(digital, shapes, atol=0.02)


def test_a_clock_that_starts_later_changes_nothing() -> None:
    sync, track, _ = learnt()
    sound, loud = voice(3.0, seed=4)
    times = (np.arange(len(loud)) + 0.5) / 25
    early = sync.plan(sound, 0.0, times, track.points[: len(loud)])
    late = sync.plan(sound, 70.0, times + 70, track.points[: len(loud)])
    assert np.allclose(early.wanted, late.wanted, atol=1e-6)


def test_little_footage_stays_sane() -> None:
    sync, track, sound = learnt(2.4)
    path = sync.plan(sound, 0.0, (np.arange(60) + 0.5) / 25, track.points)
    opened = aperture(path.shapes)
    seen = aperture(sync.space.shapes(track.points))
    assert opened.min() > -0.02
    assert opened.max() < seen.mean() + 3.5 * seen.std()


def test_too_little_footage() -> None:
    sound, loud = voice(2.0)
    points = talking(14 * loud)
    points[20:] = np.nan
    assert LipSync.fit(FaceTrack(np.arange(len(loud)), points), sound, 0.0, RATE) is None


def test_frames_without_a_face_keep_their_picture() -> None:
    sync, track, sound = learnt()
    points = track.points[:20].copy()
    points[5:9] = np.nan
    path = sync.plan(sound, 0.0, (np.arange(20) + 0.5) / 25, points)
    assert list(np.flatnonzero(~path.drawn)) == [5, 6, 7, 8]
    renderer = LipRenderer(sync.pool, sync.rate, path, Pictures(track))
    assert renderer.draw(6, picture(track.points[6])) is None
    assert renderer.draw(10, picture(track.points[10])) is not None


def test_a_still_mouth_can_be_learnt_from() -> None:
    sound, loud = voice(4.0)
    track = FaceTrack(np.arange(len(loud)), talking(np.zeros(len(loud)), sway=0.0))
    sync = LipSync.fit(track, sound, 0.0, RATE)
    assert sync is not None
    path = sync.plan(sound, 0.0, (np.arange(30) + 0.5) / 25, track.points[:30])
    assert np.isfinite(path.wanted).all()
    assert np.abs(path.wanted - track.points[:30, list(MOVING), :2]).max() < 3


def test_exemplars_are_decoded_in_order_and_once() -> None:
    sync, track, sound = learnt()
    path = sync.plan(sound, 0.0, (np.arange(50) + 0.5) / 25, track.points[:50])
    footage = Pictures(track)
    renderer = LipRenderer(sync.pool, sync.rate, path, footage)
    for i in range(50):
        assert renderer.draw(i, picture(track.points[i])) is not None
    assert footage.asked == sorted(set(footage.asked))


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


def test_an_exemplar_outside_the_picture_is_not_drawn() -> None:
    sync, track, sound = learnt(4.0)
    away = track.points.copy()
    away[..., 0] += 4000
    sync = replace(sync, pool=replace(sync.pool, points=away[sync.pool.frames]))
    path = sync.plan(sound, 0.0, (np.arange(5) + 0.5) / 25, track.points[:5])
    assert LipRenderer(sync.pool, sync.rate, path, Pictures(track)).draw(0, picture(track.points[0])) is None


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


@given(gain=st.floats(0.05, 1.0))
@settings(deadline=None, max_examples=10)
def test_features_do_not_depend_on_the_level(gain: float) -> None:
    sound, _ = voice(2.0)
    room = 0.01 * np.random.default_rng(1).standard_normal(sound.samples.shape)
    sound = Audio(sound.samples + room.astype(np.float32), 16000)
    a, b = (Hearing(Audio(sound.samples * np.float32(g), 16000), 0.0) for g in (1.0, gain))
    times = np.arange(10, 40) / 25
    for x, y in zip(a.features(times), b.features(times), strict=True):
        assert np.abs(x - y).max() < 0.05


def test_features_of_a_very_short_sound() -> None:
    hearing = Hearing(Audio(np.zeros((5, 1), np.float32), 16000), 0.0)
    assert np.isfinite(hearing.features(np.array([0.0, 1.0]))[0]).all()


def test_inner_lips_of_the_made_up_face() -> None:
    points = talking(np.array([0.0, 10.0]), sway=0.0)
    assert seen_aperture(points)[1] > seen_aperture(points)[0] + 0.1
    assert all(points[1, b, 1] > points[1, a, 1] for a, b in INNER_PAIRS)
    assert eye_distance(points)[0] == pytest.approx(60, abs=8)


CLIPS = os.environ.get("EDITALK_CLIPS")


@pytest.mark.skipif(not CLIPS, reason="EDITALK_CLIPS names no folder of clips")
def test_self_reenactment_on_a_real_clip() -> None:
    """A window predicted from the rest of the clip follows the truth, in time and size."""
    import av

    from editalk.face import FaceTracker

    path = Path(CLIPS or "") / "latentsync_demo3_vertical.mp4"
    if not path.exists():
        pytest.skip(f"no {path.name}")
    with av.open(str(path)) as box:
        stream = box.streams.video[0]
        rate = FrameRate(Fraction(stream.average_rate or 25))
        images = (
            (i, np.asarray(f.reformat(width=360, height=640).to_ndarray(format="yuv444p").transpose(1, 2, 0), np.uint8))
            for i, f in enumerate(box.decode(stream)) if i < 360
        )  # fmt: skip
        with FaceTracker() as tracker:
            track = tracker.track(images)
    with av.open(str(path)) as box:
        convert = av.AudioResampler(format="fltp", layout="mono", rate=SOUND_RATE)
        parts = [p.to_ndarray()[0] for f in box.decode(audio=0) for p in convert.resample(f)]
    sound = Audio(np.concatenate(parts)[:, None].astype(np.float32), SOUND_RATE)
    rest = track.frames > 135
    sync = LipSync.fit(FaceTrack(track.frames[rest], track.points[rest]), sound, 0.0, rate)
    assert sync is not None
    path_ = sync.plan(sound, 0.0, (np.arange(120) + 0.5) / float(rate), track.points[:120])
    points = track.points[:120].astype(float)
    points[:, list(MOVING), :2] = path_.wanted
    truth, got = seen_aperture(track.points[:120]), seen_aperture(points)
    assert np.corrcoef(truth, got)[0, 1] > 0.45
    assert 0.5 < got.std() / truth.std() < 1.2
