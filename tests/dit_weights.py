"""Tiny weights of random numbers in diffusers' layout: what the DiT backend loads, without its knowledge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

LAYERS, HEADS, HEAD = 2, 2, 24
CHANNELS, CAPTION = 8, 16
STEP, CELL = 8, 32
SIGMAS = [1.0, 0.9, 0.6, 0.3, 0.0]


def ltx_vae(timestep_conditioning: bool = False) -> Any:
    """An AutoencoderKLLTXVideo of steps of 8 frames and cells of 32 pixels."""
    from diffusers import AutoencoderKLLTXVideo

    torch.manual_seed(0)
    return AutoencoderKLLTXVideo(
        latent_channels=CHANNELS, block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1), decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, True, False), decoder_spatio_temporal_scaling=(True, True, True, False),
        timestep_conditioning=timestep_conditioning,
    ).eval()  # fmt: skip


def ltx_video_folder(folder: Path, hears: bool = True, seed: int = 0, linear: bool = True) -> Path:
    """A transformer of 0.1 M parameters, a linear VAE (or LTX's) with steps of 8 frames and cells of 32 pixels, ready
    prompt embeddings; `hears`: audio layers that do something.
    """
    from diffusers import LTXVideoTransformer3DModel

    from editalk.backends.dit.audio_adapter import AdapterConfig, AudioAdapter
    from editalk.backends.dit.linear_vae import LinearVae

    torch.manual_seed(seed)
    LTXVideoTransformer3DModel(
        in_channels=CHANNELS, out_channels=CHANNELS, num_attention_heads=HEADS, attention_head_dim=HEAD,
        cross_attention_dim=HEADS * HEAD, num_layers=LAYERS, caption_channels=CAPTION,
    ).save_pretrained(folder / "transformer")  # fmt: skip
    if not linear:
        ltx_vae().save_pretrained(folder / "vae")
    basis = torch.linalg.qr(torch.randn(STEP * 3 * CELL * CELL, CHANNELS))[0].T.contiguous()
    if linear:
        LinearVae(STEP, CELL, basis, torch.zeros(basis.shape[1]), torch.ones(CHANNELS)).save(folder / "vae")
    save_file({"video": torch.randn(4, CAPTION)}, folder / "prompt.safetensors")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"sigmas": SIGMAS}), "utf-8")
    if hears:
        adapter = AudioAdapter(AdapterConfig("log-mel-100-40", 100.0, 1, 40, LAYERS, HEADS * HEAD, HEADS, width=32))
        for layer in adapter.layers:
            torch.nn.init.normal_(layer.to_out.weight)
        adapter.save(folder / "audio_adapter")
    return folder


def ltx2_folder(folder: Path) -> Path:
    """LTX-2's transformer, video and audio VAE, ready prompt embeddings."""
    from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video, LTX2VideoTransformer3DModel

    torch.manual_seed(0)
    LTX2VideoTransformer3DModel(
        in_channels=CHANNELS, out_channels=CHANNELS, num_attention_heads=2, attention_head_dim=12,
        cross_attention_dim=24, audio_in_channels=8, audio_out_channels=8, audio_num_attention_heads=2,
        audio_attention_head_dim=8, audio_cross_attention_dim=16, num_layers=2, rope_type="split", gated_attn=True,
        cross_attn_mod=True, audio_gated_attn=True, audio_cross_attn_mod=True, use_prompt_embeddings=False,
    ).save_pretrained(folder / "transformer")  # fmt: skip
    AutoencoderKLLTX2Video(
        latent_channels=CHANNELS, block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1), decoder_layers_per_block=(1, 1, 1, 1), spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    ).save_pretrained(folder / "vae")  # fmt: skip
    AutoencoderKLLTX2Audio(
        base_channels=8, ch_mult=(1, 2, 4), num_res_blocks=1, latent_channels=2, mel_bins=16,
    ).save_pretrained(folder / "audio_vae")  # fmt: skip
    save_file({"video": torch.randn(4, 24), "audio": torch.randn(4, 16)}, folder / "prompt.safetensors")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"sigmas": SIGMAS}), "utf-8")
    return folder
