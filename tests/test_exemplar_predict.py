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
from editalk.backends.exemplar.predict import (
    EDGE,
    FOLDS,
    MATURE,
    RIDGE,
    USUAL_SHARES,
    Predictor,
    _Kernel,
    _known,
    _shares,
)
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


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000), frames=st.integers(30, 90))
def test_withheld_is_what_learning_without_it_predicts(seed: int, frames: int) -> None:
    rng = np.random.default_rng(seed)
    features, targets, times = rng.normal(size=(frames, 5)), rng.normal(size=(frames, 2)), np.arange(frames) / 25
    kernel, got = _Kernel.fit(features, targets, times)
    bounds = np.linspace(times[0], times[-1] + 1e-6, FOLDS + 1)
    fold = (times >= bounds[3]) & (times < bounds[4])
    rest = (times < bounds[3] - EDGE) | (times >= bounds[4] + EDGE)
    rows = (features - kernel.mean) / kernel.scale
    alike = np.exp(-kernel.gamma * np.square(rows[:, None] - rows).sum(2))
    weights = np.linalg.solve(alike[np.ix_(rest, rest)] + RIDGE * np.eye(rest.sum()), targets[rest])
    assert np.allclose(got[fold], alike[np.ix_(fold, rest)] @ weights, atol=1e-8)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), doubt=st.floats(1.0, 100.0))
def test_shares_follow_what_tells_and_else_what_is_expected(seed: int, doubt: float) -> None:
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(300, MEASURES, 3))
    own, against = parts[..., 1] / MATURE, -parts.sum(2)
    assert np.allclose(_shares(parts, own, USUAL_SHARES, 1e-6)[:, [0, 2]], 0, atol=0.02)
    assert np.allclose(_shares(parts, own, USUAL_SHARES, 1e-6)[:, 1], 1, atol=0.02)
    assert np.allclose(_shares(parts, own, USUAL_SHARES, 1e9), USUAL_SHARES * (1, MATURE, 1), atol=0.02)
    assert (_shares(parts, against, USUAL_SHARES, doubt) >= 0).all()


def test_a_prior_that_does_not_fit_counts_for_less_the_more_speech_says_so() -> None:
    rng = np.random.default_rng(1)
    wanted, noise = rng.normal(size=(2, 500, MEASURES))
    assert _known(wanted + 0.3 * noise, wanted, 10.0) > 0.95
    assert _known(noise, wanted, 10.0) < 0.2 < 0.6 < _known(noise, wanted, 0.5)


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
    pressed = aperture(mouth.closed(made, np.ones(5), np.zeros(5)))
    assert (pressed <= max(mouth.shut, aperture(shapes).min()) + 0.01).all()
    own = mouth.standard(measures(shapes))
    assert np.abs(own[:, APERTURE].mean()) < 1e-6
    assert np.corrcoef(aperture(mouth.shapes(own)), aperture(shapes))[0, 1] > 0.99
