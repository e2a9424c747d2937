"""Exemplar lips on a made-up face whose mouth opens with a made-up voice."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talker import RATE, SOUND_RATE, learnt, talking, voice

from editalk.audio import Audio
from editalk.backends.exemplar.hearing import Hearing
from editalk.backends.exemplar.lips import LipSync
from editalk.backends.exemplar.shape import MOVING, aperture
from editalk.face import FaceTrack
from editalk.face.geometry import aperture as seen_aperture
from editalk.timebase import FrameRate


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


def test_a_still_mouth_can_be_learnt_from() -> None:
    sound, loud = voice(4.0)
    track = FaceTrack(np.arange(len(loud)), talking(np.zeros(len(loud)), sway=0.0))
    sync = LipSync.fit(track, sound, 0.0, RATE)
    assert sync is not None
    path = sync.plan(sound, 0.0, (np.arange(30) + 0.5) / 25, track.points[:30])
    assert np.isfinite(path.wanted).all()
    assert np.abs(path.wanted - track.points[:30, list(MOVING), :2]).max() < 3


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
