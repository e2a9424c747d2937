"""The DiT backend as a user meets it: weights of random numbers through the whole chain, and what it refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_musetalk
import torch
from dit_weights import SIGMAS, ltx_video_folder
from test_backends import analysis, given, planned, source  # noqa: F401

from editalk.backends import Choice, choose
from editalk.backends.base import WindowInput
from editalk.backends.combined import Combined
from editalk.backends.dit.backend import Dit
from editalk.backends.dit.edits import NEW, edited_strip, shown_at
from editalk.backends.dit.weights import inspect
from editalk.backends.musetalk import MuseTalk
from editalk.errors import DeviceError, ModelsError, UsageError
from editalk.plan import Region

HOME = ("EDITALK_MODELS", "HF_HOME", "XDG_CACHE_HOME")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ltx_video_folder(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in HOME:
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def removal(request: pytest.FixtureRequest) -> WindowInput:
    opened = request.getfixturevalue("source")
    return given(opened, planned(opened, "removal"), request.getfixturevalue("analysis"))


@pytest.fixture
def replacement(request: pytest.FixtureRequest) -> WindowInput:
    opened = request.getfixturevalue("source")
    return given(opened, planned(opened, "replacement"), request.getfixturevalue("analysis"))


def test_a_removal_makes_its_renoised_neighbours_and_nothing_else(folder: Path, removal: WindowInput) -> None:
    made = list(Dit(folder).render(removal))
    window = removal.window
    strip = edited_strip(window.strip, 8)
    kept, at = strip.kept(8), shown_at(window, strip, 8)
    generated = [
        frame for frame in range(window.context.start, window.context.end)
        if np.isfinite(at[frame - window.context.start])
        and kept[min(max(0, round(at[frame - window.context.start])), len(kept) - 1)] == NEW
    ]  # fmt: skip
    assert [m.frame for m in made] == generated
    join = window.joins[0].frame
    assert all(join - 8 <= frame < join + 15 for frame in generated)
    assert all(m.mask is None for m in made)


def test_new_lips_stay_inside_the_lower_face(folder: Path, replacement: WindowInput) -> None:
    """Retimed frames are new altogether; of the others no pixel above the eyes or off the face's sides changes."""
    for one in Dit(folder).render(replacement):
        if one.mask is None or one.source is None:
            continue
        points = replacement.track.at(one.source)
        assert points is not None
        rows, columns = np.nonzero(one.mask)
        if len(rows):
            assert rows.min() > points[[33, 263], 1].max()
            wide = points[:, 0].max() - points[:, 0].min()
            assert columns.min() > points[:, 0].min() - 0.5 * wide
            assert columns.max() < points[:, 0].max() + 0.5 * wide


@pytest.mark.parametrize("region", [Region.FACE, Region.HEAD, Region.FRAME])
def test_regions_reach_further(folder: Path, replacement: WindowInput, region: Region) -> None:
    small = {m.frame: m for m in Dit(folder).render(replacement)}
    large = Dit(folder).render(replace(replacement, window=replace(replacement.window, lip_region=region)))
    for one in large:
        less = small[one.frame].mask
        if one.mask is not None and less is not None and (less > 0).any():
            assert (one.mask > 0).sum() > 1.3 * (less > 0).sum()


def test_a_lip_pass_follows_temporal_edits(folder: Path, tmp_path: Path, replacement: WindowInput) -> None:
    """Weights that do not hear make the retimed frames, MuseTalk the lips on them and on the footage beside them."""
    deaf = Dit(ltx_video_folder(tmp_path / "deaf", hears=False))
    both = Combined(deaf, MuseTalk(tiny_musetalk.written(tmp_path / "lips")))
    assert both.capabilities.lips
    plain = {m.frame: m for m in deaf.render(replace(replacement, window=replace(replacement.window, lips=())))}
    made = {m.frame: m for m in both.render(replacement)}
    assert set(plain) <= set(made)
    lips = {f for s in replacement.window.lips for f in range(s.start, s.end)}
    assert set(made) - set(plain) <= lips
    for frame, one in plain.items():
        if frame not in lips:
            assert (one.image == made[frame].image).all()


def test_tokens_are_counted(folder: Path, replacement: WindowInput) -> None:
    backend = Dit(folder)
    assert backend.figures() == {}
    list(backend.render(replacement))
    found = backend.figures()
    assert 0 < found["tokens"] < found["tokens_full_frame"] * 2
    assert found["tokens"] % 1 == 0


def test_a_seed_decides(folder: Path, removal: WindowInput) -> None:
    one, again, other = (next(Dit(folder).render(replace(removal, seed=seed))).image for seed in (1, 1, 2))
    assert (one == again).all()
    assert not (one == other).all()


def test_weights_are_loaded_once_for_many_jobs(
    folder: Path, removal: WindowInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each job with a backend, a seed and figures of its own."""
    from editalk.backends.dit import backend, weights

    loads, load = [], weights.load
    monkeypatch.setattr(weights, "load", lambda *given: (loads.append(given), load(*given))[1])
    backend._models.clear()
    jobs = [Dit(folder) for _ in range(3)]
    made = [[one.image for one in job.render(replace(removal, seed=seed))]
            for job, seed in zip(jobs, (1, 2, 1), strict=True)]  # fmt: skip
    assert len(loads) == 1
    assert len({tuple(job.figures().items()) for job in jobs}) == 1
    assert all(np.array_equal(a, b) for a, b in zip(made[0], made[2], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(made[0], made[1], strict=True))
    list(Dit(folder, precision="bf16").render(removal))
    assert len(loads) == 2


def test_what_a_folder_holds_is_known_without_loading_it(folder: Path, tmp_path: Path) -> None:
    found = inspect(folder)
    assert (found.family, found.step, found.lips, found.distilled) == ("ltx-video", 8, True, True)
    deaf = ltx_video_folder(tmp_path / "deaf", hears=False)
    assert not inspect(deaf).lips
    assert not Dit(deaf).capabilities.lips


def test_layers_that_nobody_trained_are_no_lips(folder: Path, tmp_path: Path, replacement: WindowInput) -> None:
    from editalk.backends.dit.audio_adapter import AudioAdapter

    copy = shutil.copytree(folder, tmp_path / "copy")
    adapter = AudioAdapter.load(copy / "audio_adapter")
    for layer in adapter.layers:
        torch.nn.init.zeros_(layer.to_out.weight)
    adapter.save(copy / "audio_adapter")
    with pytest.raises(DeviceError, match="nobody has trained it"):
        next(Dit(copy).render(replacement))


def test_running_out_of_memory_says_what_to_do(
    folder: Path, removal: WindowInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr("editalk.backends.dit.temporal.denoise", full)
    with pytest.raises(DeviceError, match=r"out of memory: a window of \d+ frames") as raised:
        list(Dit(folder).render(removal))
    assert "--precision fp8" in str(raised.value)
    assert "--offload" in str(raised.value)


BROKEN = {
    "transformer/config.json": ("{", ModelsError, "config.json"),
    "vae/config.json": (json.dumps({"_class_name": "VQModel"}), ModelsError, "no video VAE"),
    "transformer/diffusion_pytorch_model.safetensors": ("torn", ModelsError, "cannot be read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_says_which_file(folder: Path, tmp_path: Path, removal: WindowInput, name: str) -> None:
    text, error, words = BROKEN[name]
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / name).write_text(text, "utf-8")
    with pytest.raises(error, match=words) as raised:
        next(Dit(copy).render(removal))
    assert str(copy) in str(raised.value)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="holds no safetensors"):
        choose(Choice("dit", weights=str(tmp_path)))
    with pytest.raises(DeviceError, match="no such folder"):
        choose(Choice("dit", weights=str(tmp_path / "nowhere")))
    with pytest.raises(UsageError, match="there is no model"):
        choose(Choice("dit", weights="ltx-9"))


@pytest.mark.usefixtures("nothing_here")
def test_without_weights_dit_says_how_to_get_them_and_auto_does_without() -> None:
    with pytest.raises(DeviceError, match=r"editalk models pull ltx-2\.3-distilled"):
        choose(Choice("dit"))
    backend, why = choose(Choice())
    assert backend.name == "exemplar"
    assert "neither a GPU nor weights" in why


@pytest.mark.parametrize(("capability", "free", "wanted"), [((9, 0), 80, "dit"), ((9, 0), 8, "exemplar"),
                                                            ((7, 5), 80, "exemplar")])  # fmt: skip
def test_auto_takes_dit_where_gpu_and_weights_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], free: int, wanted: str
) -> None:
    monkeypatch.setattr("editalk.models.locate", lambda spec: folder if spec.name == "ltx-2.3-distilled" else None)
    for name, value in (("is_available", True), ("device_count", 1), ("get_device_capability", capability),
                        ("mem_get_info", (free * 2**30, 80 * 2**30))):  # fmt: skip
        monkeypatch.setattr(f"torch.cuda.{name}", lambda *_, value=value: value)
    backend, why = choose(Choice())
    assert backend.name == wanted
    assert ("GPU and weights (ltx-2.3-distilled)" in why) == (wanted == "dit")
    if isinstance(backend, Dit):
        assert (backend.device.type, backend.precision) == ("cuda", "fp8")


def test_flags_that_do_not_fit(folder: Path) -> None:
    with pytest.raises(UsageError, match="no precision is called “int3”"):
        choose(Choice("dit", weights=str(folder), precision="int3"))
    with pytest.raises(UsageError, match="no lip pass is called “wav2lip”"):
        choose(Choice("dit", weights=str(folder), lip_pass="wav2lip"))
    with pytest.raises(UsageError, match="backend exemplar has no weights"):
        choose(Choice("exemplar", weights=str(folder)))
    with pytest.raises(DeviceError, match="--offload"):
        choose(Choice("dit", weights=str(folder), offload=True))
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="finds no CUDA GPU"):
            choose(Choice("dit", "cuda", weights=str(folder)))
    assert choose(Choice(weights=str(folder)))[0].name == "dit"


def test_other_weights_are_another_key(folder: Path, tmp_path: Path) -> None:
    other = ltx_video_folder(tmp_path / "other", seed=1)
    assert len({Dit(folder).key, Dit(other).key, Dit(folder, precision="bf16").key}) == 3
    assert Dit(folder).key == Dit(folder).key
    assert len(SIGMAS) == 5
