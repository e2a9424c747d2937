"""The LTX VAEs, the latent upsampler, and folders of weights of both families, tiny and random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dit_weights import ltx2_folder, ltx_vae, ltx_video_folder
from safetensors.torch import save_file

from editalk.audio import Audio
from editalk.backends.dit import caching, schedules
from editalk.backends.dit.ltx_vae import LatentUpsampler, LtxVae
from editalk.backends.dit.model import Model, Scene, denoise, halved
from editalk.backends.dit.precision import Precision
from editalk.backends.dit.sampling import no_references
from editalk.backends.dit.vae import TILE, decoded, encoded
from editalk.backends.dit.weights import Weights, inspect, load, text_of
from editalk.errors import ModelsError

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def vae() -> LtxVae:
    return LtxVae(ltx_vae(), CPU)


def pictures(frames: int, side: int = 64) -> torch.Tensor:
    """Smooth, moving pictures in −1 … 1."""
    at = torch.arange(frames)[:, None, None, None] / 10
    y, x = torch.meshgrid(torch.arange(side) / 20, torch.arange(side) / 20, indexing="ij")
    return torch.sin(x + 2 * y + at + torch.arange(3)[None, :, None, None])


def test_geometry_is_read_from_the_checkpoint(vae: LtxVae) -> None:
    assert (vae.step, vae.cell) == (8, 32)
    made = vae.encode(pictures(17))
    assert made.shape == (3, vae.channels, 2, 2)
    assert vae.decode(made).shape == (17, 3, 64, 64)


def test_latents_are_the_pipelines(vae: LtxVae) -> None:
    from diffusers import LTXConditionPipeline

    given = pictures(9).transpose(0, 1)[None]
    plain = vae.network.encode(given).latent_dist.mode()
    network = vae.network
    wanted = LTXConditionPipeline._normalize_latents(plain, network.latents_mean, network.latents_std)
    torch.testing.assert_close(vae.encode(pictures(9)), wanted[0].transpose(0, 1))
    torch.testing.assert_close(vae.plain(vae.normalised(plain)), plain, atol=1e-5, rtol=1e-5)


def test_a_latent_depends_on_its_frames_and_those_before(vae: LtxVae) -> None:
    """Latent k ≥ 1 ends with frame 8 k: what comes later does not matter (section 3.3, causality)."""
    video = pictures(33)
    whole = vae.encode(video)
    torch.testing.assert_close(vae.encode(video[:17]), whole[:3], atol=1e-5, rtol=1e-4)
    changed = video.clone()
    changed[17] += 1
    other = vae.encode(changed)
    torch.testing.assert_close(other[:3], whole[:3], atol=1e-5, rtol=1e-4)
    assert (other[3] - whole[3]).abs().max() > 1e-3


def test_tiles_of_time_change_little(vae: LtxVae) -> None:
    """Longer than a tile: the number of latents and frames is right, and what tiles cost is less than what moves."""
    frames = 8 * (TILE + 8) + 1
    video = pictures(frames)
    made = encoded(vae, (p.permute(1, 2, 0).numpy() for p in video))
    whole = vae.encode((127.5 * (video + 1)).round().to(torch.uint8))
    assert made.shape == whole.shape
    torch.testing.assert_close(made[: TILE - 1], whole[: TILE - 1], atol=1e-4, rtol=1e-3)
    assert (made - whole).abs().mean() < 0.5 * (whole[1:] - whole[:-1]).abs().mean()
    shown = np.stack(list(decoded(vae, whole)))
    assert shown.shape == (frames, 64, 64, 3)
    plain = vae.decode(whole).permute(0, 2, 3, 1).numpy()
    off = np.abs(shown - plain).max((1, 2, 3))
    assert off[: 2 * TILE].max() < 1e-4  # the decoder looks ahead, so that a tile differs towards its end
    assert off.mean() < 0.5 * np.abs(np.diff(plain, axis=0)).max((1, 2, 3)).mean()


def test_decoders_that_know_noise_get_the_same_every_time() -> None:
    knowing = LtxVae(ltx_vae(timestep_conditioning=True), CPU)
    latents = torch.randn(2, knowing.channels, 2, 2)
    assert torch.equal(knowing.decode(latents), knowing.decode(latents))


def upsampler() -> Any:
    from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel

    torch.manual_seed(0)
    return LTXLatentUpsamplerModel(in_channels=8, mid_channels=32, num_blocks_per_stage=1)


def test_upsampled_latents_are_the_pipelines(vae: LtxVae) -> None:
    from diffusers import LTXLatentUpsamplePipeline

    network = upsampler()
    latents = torch.randn(3, vae.channels, 2, 2)
    pipeline = LTXLatentUpsamplePipeline(vae.network, network)
    pipeline.set_progress_bar_config(disable=True)
    wanted = pipeline(latents=latents.transpose(0, 1)[None], height=64, width=64, output_type="latent").frames
    made = LatentUpsampler(network, vae)(latents)
    torch.testing.assert_close(made, wanted[0].transpose(0, 1), atol=1e-5, rtol=1e-5)
    assert made.shape == (3, vae.channels, 4, 4)


def test_two_passes(tmp_path: Path) -> None:
    """A folder with an upsampler: the second pass starts from what the first made and leaves what is clean."""
    folder = ltx_video_folder(tmp_path, linear=False)
    (folder / "scheduler" / "scheduler_config.json").write_text("{}", "utf-8")
    upsampler().save_pretrained(folder / "latent_upsampler")
    found = Weights(folder, "ltx-video", 8, True, distilled=True)
    model = loaded(found)
    assert model.upsample is not None
    assert model.second == schedules.LTX_VIDEO_SECOND_PASS
    assert model.sigmas(100) == schedules.LTX_VIDEO_FIRST_PASS
    assert isinstance(model.family.net.transformer_blocks, caching.CachedBlocks)  # type: ignore[attr-defined]
    clean = torch.randn(3, 8, 4, 4)
    mask = torch.zeros(3, 4, 4)
    mask[1] = 1
    scene = Scene(clean, mask, mask)
    coarse = halved(scene, clean[..., ::2, ::2])
    assert coarse.mask.shape == (3, 2, 2)
    first = denoise(model, coarse, 25.0, None, 0, no_references)
    second = denoise(model, scene, 25.0, None, 1, no_references, start=model.upsample(first), sigmas=model.second)
    assert torch.equal(second[[0, 2]], clean[[0, 2]])
    other = denoise(model, scene, 25.0, None, 1, no_references, start=torch.zeros_like(clean), sigmas=model.second)
    assert not torch.allclose(second[1], other[1])


def loaded(found: Weights) -> Model:
    return load(found, text_of(found, "", CPU, Precision.FP32), CPU, Precision.FP32, False)


def test_a_folder_of_the_other_family(tmp_path: Path) -> None:
    """LTX-2's parts are found, loaded and heard: another sound, other latents."""
    folder = ltx2_folder(tmp_path)
    found = inspect(folder)
    assert (found.family, found.step, found.lips) == ("ltx2", 8, True)
    model = loaded(found)
    assert model.family.lips
    rng = np.random.default_rng(0)
    scene = Scene(torch.randn(3, model.vae.channels, 2, 2), torch.ones(3, 2, 2), torch.ones(3, 2, 2))
    at = np.arange(17) / 25
    made = []
    for _ in range(2):
        sound = Audio(rng.standard_normal((16000, 1)).astype(np.float32) * 0.1, 16000)
        heard = model.family.hear(sound, at, at)
        made.append(denoise(model, scene, 25.0, heard, 0, no_references))
    assert not torch.allclose(made[0], made[1])


def test_the_schedule_follows_the_weights(tmp_path: Path) -> None:
    folder = ltx_video_folder(tmp_path / "named-distilled" / "x", hears=False)
    assert loaded(inspect(folder)).sigmas(7)[-1] == 0
    (folder / "scheduler" / "scheduler_config.json").write_text("{}", "utf-8")
    assert loaded(inspect(folder)).sigmas(7) == schedules.LTX_VIDEO_DISTILLED
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"sigmas": [1, 0.5, 0]}), "utf-8")
    assert loaded(inspect(folder)).sigmas(7) == (1.0, 0.5, 0.0)
    full = Weights(folder, "ltx-video", 8, False, distilled=False)
    save_file({"video": torch.randn(4, 16), "negative.video": torch.randn(4, 16)}, folder / "prompt.safetensors")
    (folder / "scheduler" / "scheduler_config.json").write_text("{}", "utf-8")
    model = loaded(full)
    assert len(model.sigmas(7)) == schedules.LTX_VIDEO_STEPS + 1
    assert model.family.guidance is not None  # type: ignore[attr-defined]


def test_a_lora_of_the_folder_is_laid_over(tmp_path: Path) -> None:
    folder = ltx_video_folder(tmp_path)
    plain = loaded(inspect(folder))
    (folder / "loras").mkdir()
    rank, width = 2, 48
    save_file({"transformer_blocks.0.attn1.to_q.lora_A.weight": torch.randn(rank, width),
               "transformer_blocks.0.attn1.to_q.lora_B.weight": torch.randn(width, rank)},
              folder / "loras" / "style.safetensors")  # fmt: skip
    with_lora = loaded(inspect(folder))
    scene = Scene(torch.randn(2, 8, 2, 2), torch.ones(2, 2, 2), torch.ones(2, 2, 2))
    one, other = (denoise(m, scene, 25.0, None, 0, no_references) for m in (plain, with_lora))
    assert not torch.allclose(one, other)


def test_what_is_no_folder_of_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelsError, match="cannot be read"):
        inspect(tmp_path)
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer" / "config.json").write_text(json.dumps({"_class_name": "WanTransformer3DModel"}))
    with pytest.raises(ModelsError, match="WanTransformer3DModel is no transformer of the LTX family"):
        inspect(tmp_path)
