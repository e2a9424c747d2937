"""Folders of weights that lie: paths out of the folder, code, sizes that no memory holds."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from dit_weights import ltx_video_folder

from editalk import models
from editalk.asr import openai_whisper
from editalk.backends.dit.model import Model
from editalk.backends.dit.precision import Precision
from editalk.backends.dit.weights import inspect, load, text_of
from editalk.errors import DeviceError, ModelsError
from editalk.models.places import files
from editalk.models.registry import ModelFile, ModelSpec

pytestmark = pytest.mark.usefixtures("one_thread")
Damage = Callable[[Path], object]
TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"


class Planted:
    """What runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ltx_video_folder(tmp_path_factory.mktemp("weights") / "ltx-tiny")


def loaded(folder: Path) -> Model:
    cpu, found = torch.device("cpu"), inspect(folder)
    return load(found, text_of(found, "hello", cpu, Precision.FP32), cpu, Precision.FP32, False)


def config(part: str, **values: object) -> Damage:
    def change(folder: Path) -> None:
        path = folder / part / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def header(length: int, text: bytes, rest: bytes = b"") -> Damage:
    return lambda folder: (folder / TRANSFORMER).write_bytes(struct.pack("<Q", length) + text + rest)


def tensor(**about: object) -> Damage:
    text = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} | about}).encode()
    return header(len(text), text, bytes(4))


def shards(name: str) -> Damage:
    """An index that names a file outside, which is there and whole."""

    def change(folder: Path) -> None:
        from safetensors import safe_open

        with safe_open(folder / TRANSFORMER, "pt") as file:
            names = list(file.keys())
        outside = folder.parent / "outside.safetensors"
        shutil.move(folder / TRANSFORMER, outside)
        wanted = name.replace("OUTSIDE", str(outside))
        (folder / f"{TRANSFORMER}.index.json").write_text(
            json.dumps({"metadata": {}, "weight_map": dict.fromkeys(names, wanted)})
        )

    return change


def pickled(folder: Path) -> None:
    (folder / TRANSFORMER).unlink()
    torch.save({"x": Planted(folder / "ran")}, folder / "transformer" / "diffusion_pytorch_model.bin")


def linked(folder: Path) -> None:
    (folder / TRANSFORMER).unlink()
    (folder / TRANSFORMER).symlink_to("/dev/zero")


LIES: dict[str, Damage] = {
    "a milliard layers": config("transformer", num_layers=10**9),
    "a hundred layers": config("transformer", num_layers=100),
    "a milliard heads": config("transformer", num_attention_heads=10**9),
    "layers below 0": config("transformer", num_layers=-1),
    "layers in words": config("transformer", num_layers="many"),
    "steps in words": config("vae", step="8; rm"),
    "a milliard frames": config("vae", step=10**9),
    "cells of 0": config("vae", cell=0),
    "a header of 2^60": header(1 << 60, b"{}"),
    "a header of 0": header(0, b""),
    "a deep header": header(200_000, b"[" * 200_000),
    "offsets beyond": tensor(data_offsets=[0, 1 << 40]),
    "offsets backwards": tensor(data_offsets=[4, 0]),
    "a shape of terabytes": tensor(shape=[1 << 40]),
    "an unknown dtype": tensor(dtype="OBJECT"),
    "an index that leads out": shards("../../outside.safetensors"),
    "an index that names a place": shards("OUTSIDE"),
    "a pickle": pickled,
    "a link to a device": linked,
}


@pytest.mark.parametrize("lie", LIES)
def test_weights_that_lie_are_refused(lie: str, source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ltx-tiny"
    shutil.copytree(source, folder)
    LIES[lie](folder)
    with pytest.raises(ModelsError):
        loaded(folder)
    assert not (folder / "ran").exists()


def test_the_same_folder_without_a_lie_loads(source: Path) -> None:
    assert loaded(source).sigmas


def test_a_whisper_checkpoint_that_runs_code_does_not(tmp_path: Path) -> None:
    path, mark = tmp_path / "base.pt", tmp_path / "ran"
    torch.save({"dims": Planted(mark), "model_state_dict": {}}, path)
    with pytest.raises(DeviceError, match="cannot be loaded"):
        openai_whisper._model(str(path), None)
    assert not mark.exists()


def test_an_index_names_no_files_outside(tmp_path: Path) -> None:
    spec = ModelSpec("m", "p", "dit", "a/b", "main", "l", "u", 1.0, (ModelFile("t/*.safetensors"),))
    (tmp_path / "t").mkdir()
    index = {"weight_map": {"a": "../../etc/passwd", "b": "/etc/passwd", "c": "one.safetensors"}}
    (tmp_path / "t" / "x.safetensors.index.json").write_text(json.dumps(index))
    assert all(not name.startswith("/") and ".." not in name for name in files(spec, tmp_path))


@pytest.mark.parametrize("name", ["../x.safetensors", "/x.safetensors", "a/../../x.safetensors", "..\\x.safetensors",
                                  "x.bin", "x.pt", "x.ckpt", "x.pkl", "x.zip", "x.py"])  # fmt: skip
def test_the_registry_lists_no_paths_out_and_no_code(name: str, tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(
        "[m]\npurpose='p'\nbackend='dit'\nrepository='a/b'\nrevision='main'\nlicence='l'\nlicence_url='u'\n"
        f"memory_gib=1\nfiles=[{{name='{name}'}}]\n"
    )
    with pytest.raises(ModelsError):
        models.load_registry(path)
