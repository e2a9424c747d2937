"""The predictor: the prior adapted to a speaker, closures of known phones, strange voices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talker import SOUND_RATE, learnt, talking, voice

from editalk.asr import Phone
from editalk.audio import Audio
from editalk.backends.exemplar import prior
from editalk.backends.exemplar.mouth import Mouth
from editalk.backends.exemplar.phones import CLASS, VISEMES
from editalk.backends.exemplar.predict import Predictor
from editalk.backends.exemplar.shape import APERTURE, MEASURES, WIDTH, MouthSpace, aperture, gap, measures


def said_alone(phone: str) -> np.ndarray:
    """[MEASURES] the prior's mouth for a phone that is known but not heard, amid vowels."""
    known = np.zeros((100, len(VISEMES)))
    known[:, CLASS["AH"]] = 1
    known[45:56] = 0
    known[45:56, CLASS[phone]] = 1
    seen = prior.inputs(np.zeros(100), np.zeros(100), np.zeros_like(known), known)
    return np.asarray(prior.load()(seen)[0][45:62].mean(0))


def test_rounding_rounds_and_closures_close() -> None:
    for rounded in ("UW", "OW", "W", "AO"):
        for spread in ("IY", "EY", "S", "AE"):
            assert said_alone(rounded)[WIDTH] < said_alone(spread)[WIDTH] - 0.3, (rounded, spread)
    for closed in ("M", "F"):
        assert said_alone(closed)[APERTURE] < said_alone("AA")[APERTURE] - 0.5


def test_known_closures_close() -> None:
    sync, _, _ = learnt()
    sound, loud = voice(4.0, seed=5)
    times = (np.arange(len(loud)) + 0.5) / 25
    phones = tuple(Phone("M", t, t + 0.08) for t in (0.5, 0.9, 1.3, 3.0, 3.4))
    free, got = (gap(sync.predictor(sound, 0.0, times, p)) for p in ((), phones))
    mouth = sync.predictor.mouth
    for phone in phones:
        near = np.abs(times + sync.predictor.lead - (phone.start + phone.end) / 2) <= 0.08
        assert got[near].min() <= mouth.shut + 0.01
    assert got[12:35].std() > 0.5 * free[12:35].std()


def test_a_strange_voice_still_moves_the_lips() -> None:
    sync, track, _ = learnt()
    sound, loud = voice(5.0, seed=7)
    wave = sound.mono()
    dull = Audio((0.1 * np.convolve(wave, np.ones(6) / 6, "same"))[:, None].astype(np.float32), SOUND_RATE)
    times = (np.arange(len(loud)) + 0.5) / 25
    opened = aperture(sync.predictor(dull, 0.0, times))
    seen = aperture(sync.space.shapes(track.points))
    assert np.corrcoef(opened[3:-3], loud[3:-3])[0, 1] > 0.5
    assert 0.35 < opened.std() / seen.std() < 1.5
    assert opened.max() < seen.mean() + 3.5 * seen.std()


@pytest.mark.parametrize("late", [-0.04, 0.0, 0.08])
def test_the_lead_is_found(late: float) -> None:
    sound, loud = voice(10.0, seed=2)
    times = (np.arange(len(loud)) + 0.5) / 25
    points = talking(14 * np.interp(times + late, times, loud))
    space = MouthSpace.of(points)
    found = Predictor.learn(space, space.shapes(points), times, sound, 0.0)
    assert found.lead == pytest.approx(late, abs=0.045)
    assert found.fit > 0.6


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), size=st.floats(-4, 4), lips=st.floats(0, 1))
def test_a_mouth_stays_within_what_it_does(seed: int, size: float, lips: float) -> None:
    rng = np.random.default_rng(seed)
    points = talking(14 * rng.uniform(0, 1, 60))
    shapes = MouthSpace.of(points).shapes(points)
    mouth = Mouth.of(shapes, np.ones(60, bool))
    made = mouth.shapes(size * rng.normal(size=(5, MEASURES)))
    opened = gap(made)
    assert opened.min() > -0.01
    assert opened.max() < mouth.mean[APERTURE] + 3.05 * mouth.spread[APERTURE] + 0.01
    shut = gap(mouth.closed(made, np.full(5, lips), np.zeros(5)))
    assert (shut <= opened + 1e-9).all()
    assert np.allclose(shut, opened + lips * np.minimum(0, mouth.shut - opened), atol=1e-6)
    own = mouth.standard(measures(shapes))
    assert np.abs(own[:, APERTURE].mean()) < 1e-6
    assert np.corrcoef(aperture(mouth.shapes(own)), aperture(shapes))[0, 1] > 0.99
