"""The prior of the lips: its weights, its training, the phones it sees."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talker import talking, voice

from editalk.asr import Phone
from editalk.audio import Audio
from editalk.backends.exemplar import prior, train
from editalk.backends.exemplar.corpus import Clip, Example, clips, examples
from editalk.backends.exemplar.phones import CLASS, VISEMES, closing, heard, likely, phone_costs, said
from editalk.backends.exemplar.shape import APERTURE, MEASURES
from editalk.errors import DeviceError, ReadError
from editalk.face import FaceTrack
from editalk.reporting import Silent
from editalk.voice.acoustic import phone_model


def made_up(count: int, seed: int = 0) -> list[Example]:
    """Examples whose lips open with the loudness and close for the second class."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(count):
        level = 8 * np.sin(np.arange(200) / rng.uniform(4, 9)) - 10
        costs = rng.uniform(0, 60, (200, 40))
        known = np.zeros((200, len(VISEMES)))
        known[np.arange(200), rng.integers(0, len(VISEMES), 20).repeat(10)] = 1
        wanted = np.repeat((level / 8 - 2 * known[:, 1])[:, None], MEASURES, 1)
        found.append(Example(f"clip{k}", level, level / 8, costs, known, wanted, np.ones(200)))
    return found


def test_the_shipped_weights() -> None:
    begin = time.process_time()
    prior.load.cache_clear()
    loaded = prior.load()
    assert time.process_time() - begin < 0.5  # the import of safetensors included; 50 ms without
    assert prior.WEIGHTS.stat().st_size < 400_000
    assert "CC BY 4.0" in loaded.about["data"]
    assert float(loaded.about["held-out aperture r by ear"]) > 0.8


def test_weights_that_cannot_be_used(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "prior.safetensors"
    with pytest.raises(DeviceError, match="cannot be read"):
        prior.load(path)
    path.write_bytes(prior.WEIGHTS.read_bytes()[:5000])
    with pytest.raises(DeviceError, match="cannot be read"):
        prior.load(path)
    weights = dict(prior.load().weights)
    save_file(weights, path, {"recipe": "0"})
    with pytest.raises(DeviceError, match="another version"):
        prior.load(path)
    path = tmp_path / "other.safetensors"
    save_file(weights | {"in.bias": np.full_like(weights["in.bias"], np.nan)}, path, {"recipe": prior.RECIPE})
    with pytest.raises(DeviceError, match="another version"):
        prior.load(path)


def test_training_learns_and_numpy_computes_what_torch_does(tmp_path: Path) -> None:
    import torch

    found = made_up(12)
    made = train.train(found, 0, 10, Silent())
    assert made.losses[-1] < 0.6 * made.losses[0]
    assert made.with_phones > 0.5
    again = train.train(found, 0, 1, Silent())
    once_more = train.train(found, 0, 1, Silent())
    assert all(np.array_equal(again.weights[k], once_more.weights[k]) for k in again.weights)
    train.save(made, tmp_path / "p.safetensors", {"data": "made up"})
    loaded = prior.load(tmp_path / "p.safetensors")
    assert loaded.about["data"] == "made up"
    e = found[0]
    seen = prior.inputs(e.level, e.swell, likely(e.costs), e.said)
    weights = {k: torch.from_numpy(v) for k, v in loaded.weights.items()}
    expected = train.forward(weights, torch.from_numpy(seen.T[None].astype(np.float32)))[0].T.numpy()
    assert np.abs(loaded(seen)[0] - expected).max() < 1e-4


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no films"):
        clips(tmp_path, Silent())
    with pytest.raises(ReadError):
        train.train([], 0, 1, Silent())
    assert train.main([str(tmp_path / "missing"), "-o", str(tmp_path / "x")]) == 3
    assert not (tmp_path / "x").exists()


def test_examples_of_a_clip() -> None:
    sound, loud = voice(4.0)
    track = FaceTrack(np.arange(len(loud)), talking(14 * loud))
    track.points[40:50] = np.nan
    phones = (Phone("B", 0.5, 0.6), Phone("AA", 0.6, 0.8))
    (e,) = examples([Clip("a", track, sound, 25.0, phones)])
    assert len(e.level) == len(e.wanted) == 400
    steps = np.interp((np.arange(400) + 0.5) / 100, (np.arange(len(loud)) + 0.5) / 25, loud)
    assert np.corrcoef(e.wanted[e.weight > 0, APERTURE], steps[e.weight > 0])[0, 1] > 0.95
    assert e.weight[170:190].max() == 0
    assert e.said[55, CLASS["B"]] == e.said[70, CLASS["AA"]] == 1
    nobody = FaceTrack(track.frames, np.full_like(track.points, np.nan))
    assert examples([Clip("a", nobody, sound, 25.0, ())]) == []


def test_every_phone_has_a_class() -> None:
    assert {n for n in phone_model().names if not n.startswith("+")} == set(CLASS)


def test_what_is_heard() -> None:
    sound, _ = voice(2.0)
    likely_ = heard(sound, 210)
    assert likely_.shape == (210, len(VISEMES))
    assert np.allclose(likely_.sum(1), 1, atol=1e-6)
    assert likely_[205:, 0].min() > 0.9  # behind the end
    for samples in (0, 5, 160, 400, 800):
        assert np.isfinite(phone_costs(Audio(np.zeros((samples, 1), np.float32), 16000), 3)).all()


phones = st.lists(
    st.tuples(st.sampled_from(["P", "F", "AA", "SIL", "strange"]), st.floats(-3, 6), st.floats(0.01, 0.5)), max_size=6
)


@settings(deadline=None)
@given(phones, st.floats(-2, 3), st.integers(1, 300))
def test_what_is_said(given_: list[tuple[str, float, float]], start: float, count: int) -> None:
    track = said([Phone(n, a, a + d) for n, a, d in given_], start, count)
    total = track.sum(1)
    assert np.all(np.isclose(total, 1) | (total == 0))
    if not given_:
        assert not track.any()


@settings(deadline=None)
@given(phones, st.sampled_from([23.976, 25.0, 30.0, 60.0]), st.integers(0, 100))
def test_every_closure_closes_a_frame(given_: list[tuple[str, float, float]], rate: float, seed: int) -> None:
    times = (np.arange(50) + 0.5) / rate
    gape = np.random.default_rng(seed).uniform(0, 2, 50)
    lips, teeth = closing([Phone(n, a, a + d) for n, a, d in given_], times, gape)
    assert lips.min() >= 0
    assert max(lips.max(), teeth.max()) <= 1
    for name, start, length in given_:
        middle = start + length / 2
        if name in ("P", "F") and times[0] < middle < times[-1]:
            assert (lips if name == "P" else teeth)[np.abs(times - middle) <= 0.08].max() == 1
    if not any(name == "P" for name, _, _ in given_):
        assert not lips.any()


def test_the_command_says_what_it_wants() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "editalk.backends.exemplar.train", "--help"], capture_output=True, text=True, check=True
    )
    assert "FOLDER" in made.stdout.upper()
