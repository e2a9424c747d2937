"""MuseTalk's networks with few and random weights: the same everywhere, so that golden numbers hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

WIDTH, LAYERS = 16, 2
UNET = {
    "act_fn": "silu", "attention_head_dim": 2, "block_out_channels": [8, 16, 16, 16], "center_input_sample": False,
    "cross_attention_dim": WIDTH, "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 8,
    "out_channels": 4, "layers_per_block": 1, "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 4,
    "sample_size": 64, "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}  # fmt: skip
VAE = {
    "act_fn": "silu", "block_out_channels": [4, 4, 8, 8], "in_channels": 3, "out_channels": 3, "latent_channels": 4,
    "layers_per_block": 1, "norm_num_groups": 2, "sample_size": 256, "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}  # fmt: skip
WHISPER = {
    "model_type": "whisper", "d_model": WIDTH, "encoder_layers": LAYERS, "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32, "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32, "vocab_size": 60,
    "num_mel_bins": 80, "max_source_positions": 1500, "max_target_positions": 8, "pad_token_id": 1, "bos_token_id": 1,
    "eos_token_id": 1, "decoder_start_token_id": 1, "suppress_tokens": None, "begin_suppress_tokens": None,
}  # fmt: skip
EXTRACTOR = {
    "feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 80, "sampling_rate": 16000, "hop_length": 160,
    "chunk_length": 30, "n_fft": 400, "padding_value": 0.0, "return_attention_mask": False,
}  # fmt: skip


def filled(module: Any, seed: int) -> dict[str, torch.Tensor]:
    """The state of a module with weights that depend on nothing but the seed and their names' order."""
    rng, state = np.random.RandomState(seed), {}
    for name, value in sorted(module.state_dict().items()):
        noise = rng.standard_normal(tuple(value.shape)).astype(np.float32)
        if value.ndim > 1:
            noise /= np.sqrt(value[0].numel())
        else:
            noise = 0.1 * noise + float("norm" in name and name.endswith("weight"))
        state[name] = torch.from_numpy(noise)
    return state


def written(folder: Path, unet: dict[str, Any] = UNET, vae: dict[str, Any] = VAE) -> Path:
    """A folder as MuseTalk's weights are laid out."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import save_file
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    parts: list[tuple[str, Any, dict[str, Any], str]] = [
        ("unet", UNet2DConditionModel.from_config(unet), unet, "diffusion_pytorch_model"),
        ("vae", AutoencoderKL.from_config(vae), vae, "diffusion_pytorch_model"),
        ("whisper-tiny", WhisperEncoder(WhisperConfig(**WHISPER)), WHISPER, "model"),
    ]
    for seed, (name, module, config, file) in enumerate(parts):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text(json.dumps(config), "utf-8")
        part = "model.encoder." if name == "whisper-tiny" else ""
        state = {part + key: value for key, value in filled(module, seed).items()}
        save_file(state, folder / name / f"{file}.safetensors", {"format": "pt"})
    (folder / "whisper-tiny/preprocessor_config.json").write_text(json.dumps(EXTRACTOR), "utf-8")
    return folder


def noise_face(seed: int) -> np.ndarray[Any, Any]:
    """[256, 256, 3] uint8, smooth."""
    small = np.random.RandomState(seed).uniform(0, 255, (8, 8, 3))
    rows = np.linspace(0, 7, 256)
    low = np.minimum(rows.astype(int), 6)
    share = (rows - low)[:, None, None]
    tall = small[low] * (1 - share) + small[low + 1] * share
    wide = tall[:, low] * (1 - share[None, :, 0]) + tall[:, low + 1] * share[None, :, 0]
    return np.asarray(np.rint(wide), np.uint8)


def noise_voice(seconds: float, seed: int = 7) -> np.ndarray[Any, Any]:
    """[n] float32 at 16 kHz: hum and noise in syllables."""
    rng = np.random.RandomState(seed)
    t = np.arange(round(seconds * 16000)) / 16000
    loud = 0.5 + 0.5 * np.sin(2 * np.pi * 3.1 * t)
    hum = np.sin(2 * np.pi * (140 + 40 * np.sin(t)) * t)
    return np.asarray(0.3 * loud * (hum + 0.2 * rng.standard_normal(len(t))), np.float32)
