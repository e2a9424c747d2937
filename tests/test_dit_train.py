"""Training a small lip model: examples are the lip pass's, the loss the paper's, a training can be taken up again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from editalk.backends.crops import around_faces
from editalk.backends.dit import train
from editalk.backends.dit.audio_features import audio_features
from editalk.backends.dit.linear_vae import LinearVae, fit
from editalk.backends.dit.masks import region_mask
from editalk.backends.dit.model import Scene, near
from editalk.backends.dit.precision import Precision
from editalk.backends.dit.tokens import REFERENCE
from editalk.backends.dit.train import main
from editalk.backends.dit.training import data, loop, shapes
from editalk.backends.dit.training.data import Take, films, is_held
from editalk.backends.dit.training.examples import Example, Shown, example, heard, shown, shown_mouths, stretch, to_fit
from editalk.backends.dit.training.loss import level, loss, noisy, velocity
from editalk.backends.dit.weights import inspect, load, text_of
from editalk.errors import ReadError
from editalk.face import FaceTrack
from editalk.face.geometry import LIPS
from editalk.media import probe
from editalk.plan.types import Region
from editalk.reporting import Silent
from tests.talker import talking, voice

STEP, CELL = 8, 16
FEATURES = "log-mel-100-8"


def take(seed: int, frames: int = 57) -> Take:
    """A face whose mouth is a dark bar that opens with the voice."""
    sound, loud = voice((frames + 0.5) / 25, seed)
    opening = 12 * loud[:frames]
    points = talking(opening)[..., :2] * 128 / 300
    pictures = np.full((frames, 128, 112, 3), 150, np.uint8)
    for picture, gap in zip(pictures, opening, strict=True):
        picture[80 : 82 + round(gap), 42:68] = 30
    return Take(f"take{seed}", pictures, points, sound, 25.0)


@pytest.fixture(scope="module")
def learn() -> list[Shown]:
    return [shown(take(i), audio_features(FEATURES)) for i in range(3)]


@pytest.fixture(scope="module")
def vae(learn: list[Shown]) -> LinearVae:
    return fit(to_fit([one.take for one in learn], STEP, CELL, np.random.default_rng(0)), STEP, CELL, 6)


def trainer(learn: list[Shown], vae: LinearVae) -> loop.Trainer:
    size = loop.Size(vae.channels, layers=2, heads=2, head=12, window=8, embeddings=4, width=16)
    return loop.Trainer(*loop.network(size, audio_features(FEATURES), 0), vae, [[one] for one in learn], 0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_an_example_withholds_mouths_and_nothing_else(learn: list[Shown], vae: LinearVae, seed: int) -> None:
    made = example(learn[0], learn[1:], vae, 8, np.random.default_rng(seed))
    tokens = made.tokens
    own = tokens.frame != REFERENCE
    count = int(tokens.frame.max()) + 1
    assert len(made.windows) == 1 + STEP * (count - 1)
    assert own.sum() % count == 0  # the same cells in all latent frames
    assert torch.equal(tokens.mask, tokens.face)
    assert set(tokens.mask.tolist()) == {0.0, 1.0}
    assert not tokens.mask[~own].any()
    assert bool((tokens.coords[~own, 0, 1] < 0).all())
    assert len(torch.unique(tokens.coords[~own, 0, 0])) in (0, 6)


def test_tokens_are_those_of_the_lip_pass(learn: list[Shown], vae: LinearVae) -> None:
    one, frames = learn[0].take, 41
    wanted = np.arange(frames) > 8
    tokens = stretch(one, 5, wanted, vae, 1)
    mask = torch.from_numpy(region_mask(one.points[5 : 5 + frames], wanted, Region.MOUTH, STEP, CELL, 128, 112))
    scene = Scene(vae.encode(torch.from_numpy(one.floats(5, 5 + frames))), mask, mask.clone())
    theirs = scene.tokens(vae, 25.0)[near(mask, 1).flatten()]
    for name in ("mask", "coords", "frame", "face"):
        assert torch.equal(getattr(tokens, name), getattr(theirs, name)), name
    assert torch.allclose(tokens.latent, theirs.latent, atol=1e-4)


def test_references_are_mouths_at_times_of_their_own(learn: list[Shown], vae: LinearVae) -> None:
    found = shown_mouths(learn[0].take, vae, np.random.default_rng(0), 4)
    times = [float(part.coords[0, 0, 0]) for part in found]
    assert times == pytest.approx([-(32 + k) * STEP / 25 for k in range(4)])
    assert all(bool((part.frame == REFERENCE).all()) and not part.mask.any() for part in found)


def test_noise_levels_are_high() -> None:
    rng = np.random.default_rng(0)
    found = np.array([level(rng) for _ in range(4000)])
    assert np.all((found > 0) & (found < 1))
    assert (found > 0.72).mean() == pytest.approx(0.75, abs=0.03)


def test_noise_is_where_the_mask_says(learn: list[Shown], vae: LinearVae) -> None:
    tokens = example(learn[0], (), vae, 8, np.random.default_rng(0)).tokens
    noise = torch.randn(tokens.latent.shape)
    found = noisy(tokens, noise, 0.75)
    kept = tokens.mask == 0
    assert torch.equal(found.latent[kept], tokens.latent[kept])
    assert torch.allclose(found.latent[~kept], 0.25 * tokens.latent[~kept] + 0.75 * noise[~kept], atol=1e-6)


def test_only_generated_tokens_are_learnt(learn: list[Shown], vae: LinearVae) -> None:
    made = trainer(learn, vae)
    given_ = example(learn[0], (), vae, 8, np.random.default_rng(0))
    noise = torch.randn(given_.tokens.latent.shape)
    found = loss(made.net, made.adapter, made.text, given_, 0.7, noise)
    off = velocity(made.net, made.adapter, made.text, noisy(given_.tokens, noise, 0.7), 0.7, given_.windows)
    chosen = given_.tokens.mask > 0
    assert torch.allclose(found, (off - noise + given_.tokens.latent)[chosen].square().mean())
    found.backward()  # type: ignore[no-untyped-call]
    outputs = [p for name, p in made.adapter.layers.named_parameters() if ".to_out." in name]
    assert all(p.grad is not None and bool(p.grad.any()) for p in outputs)


def test_the_projection_learns_to_hear_openings(learn: list[Shown], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "STEPS", 60)
    size = loop.Size(4, layers=1, heads=1, head=12, window=8, embeddings=4, width=16)
    _, adapter = loop.network(size, audio_features(FEATURES), 0)
    other = shown(take(9), audio_features(FEATURES))
    assert shapes.teach(adapter, [[one] for one in learn], [other], 0, Silent()) > 0.7
    assert not adapter.trained  # the transformer's blocks do not listen yet


def test_it_learns_and_sound_comes_to_matter(learn: list[Shown], vae: LinearVae) -> None:
    made = trainer(learn, vae)
    before = made.adapter.trained
    for _ in range(30):
        made.losses.append(made.one(0))
    assert np.mean(made.losses[-8:]) < 0.9 * np.mean(made.losses[:8])
    assert (before, made.adapter.trained) == (False, True)
    given_ = example(learn[0], (), vae, 8, np.random.default_rng(1))
    wrong = heard(learn[1], 0, len(given_.windows), 8)
    right, other = loop.validated(made, [(given_, wrong)], (0.9,))
    assert right != other


def test_a_training_is_taken_up_where_it_was_left(learn: list[Shown], vae: LinearVae, tmp_path: Path) -> None:
    straight, first, second = (trainer(learn, vae) for _ in range(3))
    for _ in range(4):
        straight.one(0.1)
    for _ in range(2):
        first.one(0.1)
    loop.kept(tmp_path / "state", first)
    loop.taken_up(tmp_path / "state", second)
    assert second.step == 2
    for _ in range(2):
        second.one(0.1)
    for name, value in straight.named.items():
        assert torch.equal(value, second.named[name]), name
        assert torch.equal(straight.mean[name], second.mean[name]), name


def test_the_folder_is_a_model_and_says_the_same(learn: list[Shown], vae: LinearVae, tmp_path: Path) -> None:
    made = trainer(learn, vae)
    made.one(0.1)
    for _ in range(2):  # the second time over the first
        loop.write(made, tmp_path / "small", {"seed": 0})
    found = inspect(tmp_path / "small")
    assert (found.family, found.step, found.lips) == ("ltx-video", STEP, True)
    cpu = torch.device("cpu")
    model = load(found, text_of(found, "", cpu, Precision.FP32), cpu, Precision.FP32, False)
    assert isinstance(model.vae, LinearVae)
    assert model.sigmas(100)[:: loop.STEPS] == (1, 0)
    one = learn[0]
    given_ = example(one, learn[1:], vae, 8, np.random.default_rng(3))
    start, length = 4, len(given_.windows)
    at = np.arange(start, start + length) / 25
    tokens = noisy(given_.tokens, torch.randn(given_.tokens.latent.shape), 0.8)
    theirs = model.family.velocity(tokens, 0.8, model.family.hear(one.take.sound, at, at))
    loop.put_back(made, made.mean)
    with torch.no_grad():
        own = velocity(made.net, made.adapter, made.text, tokens, 0.8, heard(one, start, length, 8))
    assert torch.allclose(own, theirs, atol=1e-4)
    assert json.loads((tmp_path / "small" / "training.json").read_text("utf-8")) == {"seed": 0}


def test_what_is_withheld_hangs_on_the_name_alone() -> None:
    names = [f"clip{i}" for i in range(700)]
    assert 60 < sum(is_held(n) for n in names) < 140
    assert is_held("bbaf4p") == is_held("bbaf4p")


def test_bad_clips_are_left_out(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "bad_clips.txt").write_text("b\tgrey\n", "utf-8")
    assert [p.name for p in films(tmp_path)] == ["a.mp4"]
    with pytest.raises(ReadError, match="no films"):
        films(tmp_path / "none")


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "-o", str(tmp_path / "out")]) == ReadError.exit_code
    assert "no films" in capsys.readouterr().err


def test_windows_of_an_example_are_the_frames_own(learn: list[Shown]) -> None:
    assert torch.equal(heard(learn[0], 3, 9, 8)[2], heard(learn[0], 5, 1, 8)[0])
    assert Example(None, heard(learn[0], 0, 1, 8)).windows.shape == (1, 8, 1, 8)  # type: ignore[arg-type]


def test_the_command_trains_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    films_ = [[take(i, 41)] for i in range(4)]
    monkeypatch.setattr(data, "films", lambda folder: [])
    monkeypatch.setattr(data, "takes", lambda *given: films_)
    monkeypatch.setattr(data, "is_held", lambda name: name in ("take2", "take3"))
    monkeypatch.setattr(train, "CHANNELS", 4)
    monkeypatch.setattr(train, "CHECKS", 2)
    monkeypatch.setattr(shapes, "STEPS", 5)
    for steps in (1, 2):
        assert main([str(tmp_path), "-o", str(tmp_path / "out"), "--steps", str(steps), "--licence", "CC0"]) == 0
    said = capsys.readouterr().err
    assert said.count("by ear") == 1  # the second run goes on
    about = json.loads((tmp_path / "out" / "training.json").read_text("utf-8"))
    assert (about["steps"], about["licence"], about["learnt"]) == (2, "CC0", ["take0", "take1"])
    assert inspect(tmp_path / "out").lips


@pytest.mark.skipif("EDITALK_CLIPS" not in os.environ, reason="EDITALK_CLIPS names no folder of real clips")
def test_takes_of_a_real_clip(tmp_path: Path) -> None:
    path = films(Path(os.environ["EDITALK_CLIPS"]))[0]
    found = data.takes([path], CELL, 128, 2, tmp_path, Silent())[0]
    crop = around_faces(FaceTrack.load(tmp_path / f"{path.stem}.track.npz").points, probe(path).video, CELL, 128)
    assert found[0].pictures.shape[1:3] == (crop.rows, crop.columns)
    assert len(found) == 2
    for view in found:
        mouth = view.points[np.isfinite(view.points[:, 0, 0])][:, list(LIPS)]
        assert mouth.min() > 0
        assert mouth.max() < 128
    again = data.takes([path], CELL, 128, 2, tmp_path, Silent())[0]
    assert np.array_equal(again[1].pictures, found[1].pictures)
