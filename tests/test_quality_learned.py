"""Networks of learned metrics: the same answers as the published programs' from the same (made-up) weights.

Expected values were computed with joonson/syncnet_python, mk-minchul/AdaFace, the packages lpips 0.1.4, pytorch-fid
0.3.0 and python_speech_features 0.6, their weights set by `filled`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.linalg import sqrtm
from torch import Tensor

from editalk.errors import DeviceError
from editalk.quality.frechet import frechet_distance
from editalk.quality.inception import Inception
from editalk.quality.learned import FACES, INCEPTION, LEARNED, LPIPS, SYNCNET, load
from editalk.quality.perceptual import STAGES, PerceptualNet
from editalk.quality.recognise import PLACES, FaceNet, aligned, embedded
from editalk.quality.syncnet import SyncNet, cepstra, crops, embeddings, offsets


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDITALK_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def filled(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a formula, by the order of the tensors' names."""
    out = {}
    for i, (name, tensor) in enumerate(sorted(tensors.items())):
        if not tensor.is_floating_point():
            out[name] = tensor
            continue
        wave = torch.cos(torch.arange(tensor.numel(), dtype=torch.float64) * 0.37 + i * i).reshape(tensor.shape)
        if name.endswith("running_var"):
            value = 1 + 0.2 * wave
        elif tensor.ndim > 1:
            value = wave * 1.4 / tensor[0].numel() ** 0.5
        else:
            value = 0.1 * wave + (1.0 if name.endswith("weight") else 0.0)
        out[name] = value.to(tensor.dtype)
    return out


def pattern(*shape: int) -> Tensor:
    return torch.sin(torch.arange(int(np.prod(shape)), dtype=torch.float64) * 0.013).reshape(shape).float()


# ------------------------------------------------------------------------------------------------------------- SyncNet


def syncnet() -> SyncNet:
    net = SyncNet()
    net.load_state_dict(filled(net.state_dict()))
    return net.eval()


@torch.inference_mode()
def test_syncnet_sees_and_hears_as_the_authors() -> None:
    net = syncnet()
    seen = net.seen(128 + 100 * pattern(1, 3, 5, 224, 224))[0, :4]
    assert seen.numpy() == pytest.approx([-0.275136, -0.266707, -0.091352, 0.125197], abs=1e-4)
    heard = net.heard(10 * pattern(1, 1, 13, 20))[0, :4]
    assert heard.numpy() == pytest.approx([4.362415, 2.697411, -1.131366, -3.963122], abs=1e-3)


def test_cepstra_are_those_of_python_speech_features() -> None:
    n = np.arange(4000)
    found = cepstra((8000 * np.sin(n * 0.05 + n**2 * 1e-5)).round())
    assert found.shape == (24, 13)
    assert found[0, :4] == pytest.approx([16.988793, 23.849520, 17.018962, 14.221061], abs=1e-5)
    assert found[11, :4] == pytest.approx([17.847151, 23.519362, 14.750683, 8.781120], abs=1e-5)
    assert found[-1, -2:] == pytest.approx([3.569679, 8.800762], abs=1e-5)


@pytest.mark.parametrize("late", [-4, 0, 7])
def test_the_offset_is_found(late: int) -> None:
    """Sound that is heard `late` pictures after it belongs."""
    both = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (120, 8)).astype(np.float32))
    found = offsets(both[20:100], both[20 - late : 100 - late])
    assert found.offset == -late
    assert found.distance < 1
    assert found.confidence > 2


def test_windows_are_the_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 pictures and as much sound: 35 windows; the k-th sees pictures k to k + 4 and hears 20 cepstra from 4 k on."""
    calls: dict[str, list[Tensor]] = {"seen": [], "heard": []}

    def spy(name: str) -> Any:
        def answer(self: SyncNet, x: Tensor) -> Tensor:
            calls[name].append(x)
            return torch.zeros(len(x), 1024)

        return answer

    for name in calls:
        monkeypatch.setattr(SyncNet, name, spy(name))
    faces = [np.full((224, 224, 3), k, np.uint8) for k in range(40)]
    wave = np.random.default_rng(0).normal(0, 1000, 40 * 640)
    seen, heard = embeddings(SyncNet(), faces, wave)
    assert len(seen) == len(heard) == 35
    windows = torch.cat(calls["seen"])
    assert windows[13, 0, :, 0, 0].tolist() == [13, 14, 15, 16, 17]
    assert torch.cat(calls["heard"])[13, 0].numpy() == pytest.approx(cepstra(wave)[52:72].T, abs=1e-4)


def test_the_crop_has_the_face_above_its_middle() -> None:
    """A face of 100 × 100 at (150, 100): 0.4 of its half size on the sides, 0.8 below, none above."""
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[100:200, 150:250] = 200
    crop = next(iter(crops([picture], np.array([[150.0, 100, 250, 200]]))))
    rows, columns = np.flatnonzero(crop[:, 112, 0] > 100), np.flatnonzero(crop[10, :, 0] > 100)
    assert crop.shape == (224, 224, 3)
    assert (rows[0], rows[-1]) == (0, pytest.approx(224 * 100 / 140 - 1, abs=2))
    assert (columns[0], columns[-1]) == (pytest.approx(32, abs=2), pytest.approx(191, abs=2))


# ---------------------------------------------------------------------------------------------------------------- CSIM


@torch.inference_mode()
def test_faces_are_embedded_as_by_the_published_network() -> None:
    net = FaceNet((2, 2, 2, 2))
    loaded = FaceNet.of({f"model.net.{k}": v for k, v in filled(net.state_dict()).items()})
    found = loaded(pattern(1, 3, 112, 112))[0]
    assert found[:4].numpy() == pytest.approx([-0.0529057, -0.0336260, 0.0126389, 0.0016267], abs=1e-5)
    assert float(found.square().sum()) == pytest.approx(1)


def test_equal_faces_are_equal() -> None:
    face = np.random.default_rng(0).integers(0, 255, (112, 112, 3), dtype=np.uint8)
    both = embedded(FaceNet((2, 2, 2, 2)).eval(), [face, face])
    assert float(both[0] @ both[1]) == pytest.approx(1, abs=1e-5)


def test_faces_are_turned_upright() -> None:
    """Landmarks at the places that such networks expect, turned by 20° and twice as large."""
    turn = 2 * np.array([[np.cos(0.35), -np.sin(0.35)], [np.sin(0.35), np.cos(0.35)]])
    points = np.zeros((478, 3), np.float32)
    spots = PLACES @ turn.T + (150, 60)
    for rows, spot in zip(((33, 133), (362, 263), (4,), (61,), (291,)), spots, strict=True):
        points[list(rows), :2] = spot
    image = np.zeros((420, 420, 3), np.uint8)
    for k, (x, y) in enumerate(spots.round().astype(int)):
        image[y - 4 : y + 5, x - 4 : x + 5] = 50 * (k + 1)
    found = aligned(image, points)
    for k, (x, y) in enumerate(PLACES.round().astype(int)):
        assert found[y, x, 0] == pytest.approx(50 * (k + 1), abs=3)


def test_other_weights_are_refused() -> None:
    with pytest.raises(DeviceError, match="no IR-18"):
        FaceNet.of({"body.0.x": torch.zeros(1)})


# ---------------------------------------------------------------------------------------------------------- LPIPS, FID


def lpips_tensors() -> dict[str, Tensor]:
    """Named as in the package lpips."""
    numbers, shapes = iter((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)), dict[str, Tensor]()
    before = 3
    for k, widths in enumerate(STAGES, 1):
        for width in widths:
            name = f"net.slice{k}.{next(numbers)}"
            shapes |= {f"{name}.weight": torch.zeros(width, before, 3, 3), f"{name}.bias": torch.zeros(width)}
            before = width
    shapes |= {f"lin{k}.model.1.weight": torch.zeros(1, widths[-1], 1, 1) for k, widths in enumerate(STAGES)}
    return {k: v.abs() if k.startswith("lin") else v for k, v in filled(shapes).items()}


@torch.inference_mode()
def test_lpips_is_the_packages() -> None:
    net = PerceptualNet.of(lpips_tensors())
    x = pattern(1, 3, 64, 64)
    assert float(net(x, -x)[0]) == pytest.approx(0.221989, abs=1e-5)
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert net.distance(picture, picture) == 0
    with pytest.raises(DeviceError, match="13 convolutions"):
        PerceptualNet.of({"a": torch.zeros(3)})


@torch.inference_mode()
def test_inception_is_pytorch_fids() -> None:
    """Its classifier, which FID does not use, is no part of ours but of the order of the names."""
    net = Inception().eval()
    classes = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    tensors = filled(net.state_dict() | classes)
    net.load_state_dict({k: v for k, v in tensors.items() if k not in classes})
    found = net(pattern(1, 3, 299, 299))[0]
    assert found[:4].numpy() == pytest.approx([0.958994, 0, 0, 0.762300], abs=1e-4)
    assert float(found.mean()) == pytest.approx(0.099534, abs=1e-5)


@pytest.mark.parametrize(("n", "m", "d"), [(50, 60, 10), (300, 40, 20), (500, 400, 12)])
def test_frechet_is_scipys(n: int, m: int, d: int) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(0, 1, (n, d)), rng.normal(0.3, 2, (m, d)) @ rng.normal(0, 1, (d, d))
    ca, cb = np.cov(a.T), np.cov(b.T)
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(ca + cb - 2 * sqrtm(ca @ cb).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_frechet_by_hand() -> None:
    """Means 3 apart, SDs 1 and 2: 9 + (2 − 1)². With fewer rows than dimensions too: 5² + 0."""
    a = np.array([[-1.0], [1.0]]) / np.sqrt(2)
    assert frechet_distance(a, 3 + 2 * a) == pytest.approx(10)
    wide = np.random.default_rng(0).normal(0, 1, (4, 50))
    moved = wide.copy()
    moved[:, 0] += 5
    assert frechet_distance(wide, moved) == pytest.approx(25)
    assert np.isnan(frechet_distance(a[:1], a))


# ------------------------------------------------------------------------------------------------------------- weights


def test_every_learned_metric_says_in_one_line_what_it_lacks(models: Path) -> None:
    for metric in LEARNED:
        lacks = metric.missing()
        assert lacks is not None
        assert "\n" not in lacks
        if metric.weights is not None:
            assert str(models / metric.weights.name / metric.weights.file) in lacks
    assert {f for m in LEARNED for f in m.figures} == {
        "sync_c", "sync_d", "sync_offset", "csim", "lpips", "fid", "fvd",
    }  # fmt: skip


def test_weights_are_found_and_loaded(models: Path) -> None:
    net = syncnet()
    target = models / SYNCNET.name / SYNCNET.file
    target.parent.mkdir()
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, target)
    assert SYNCNET.missing() is None
    other = SyncNet()
    load(other, SYNCNET)
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in net.state_dict().items())
    target.write_bytes(b"no weights")
    with pytest.raises(DeviceError, match=r"syncnet_v2\.safetensors"):
        SYNCNET.load()
    save_file({"x": torch.zeros(1)}, target)
    with pytest.raises(DeviceError, match="is missing"):
        load(other, SYNCNET)


def test_a_listed_file_must_be_the_one_that_is_listed(models: Path) -> None:
    for weights in (LPIPS, INCEPTION):
        target = models / weights.name / weights.file
        target.parent.mkdir()
        save_file({"x": torch.zeros(1)}, target)
        assert "another file than models.toml lists" in str(weights.missing())
        with pytest.raises(DeviceError):
            weights.load()


def test_what_lies_in_hugging_faces_cache_is_found(models: Path) -> None:
    place = models / "hub" / f"models--{FACES.repository.replace('/', '--')}" / "snapshots" / "abc" / FACES.file
    place.parent.mkdir(parents=True)
    save_file({"x": torch.zeros(1)}, place)
    assert FACES.path() == place
