"""Tiny weights of random numbers in diffusers' layout: what the DiT backend loads, without its knowledge."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

LAYERS, HEADS, HEAD = 2, 2, 24
CHANNELS, CAPTION = 8, 16
STEP, CELL = 8, 32
SIGMAS = [1.0, 0.9, 0.6, 0.3, 0.0]


def ltx_video_folder(folder: Path, hears: bool = True, seed: int = 0) -> Path:
    """A transformer of 0.1 M parameters, a linear VAE with steps of 8 frames and cells of 32 pixels, ready prompt
    embeddings; `hears`: audio layers that do something.
    """
    from diffusers import LTXVideoTransformer3DModel

    from editalk.backends.dit.audio_adapter import AdapterConfig, AudioAdapter
    from editalk.backends.dit.linear_vae import LinearVae

    torch.manual_seed(seed)
    LTXVideoTransformer3DModel(
        in_channels=CHANNELS, out_channels=CHANNELS, num_attention_heads=HEADS, attention_head_dim=HEAD,
        cross_attention_dim=HEADS * HEAD, num_layers=LAYERS, caption_channels=CAPTION,
    ).save_pretrained(folder / "transformer")  # fmt: skip
    basis = torch.linalg.qr(torch.randn(STEP * 3 * CELL * CELL, CHANNELS))[0].T.contiguous()
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
