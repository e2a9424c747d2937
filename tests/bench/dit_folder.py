"""A folder of weights of real size and random numbers, in diffusers' layout: what is drawn with them is noise, but it
takes the time and the memory of real ones, from loading to the finished file.

    python -m tests.bench.dit_folder ltx-video-0.9.7|ltx-2.3|tiny-ltx-video|tiny-ltx-2.3 FOLDER

With "distilled" in FOLDER's name the distilled schedule of 8 steps is taken. Text encoders are left out: the prompt's
embeddings are ready. The audio layers of ltx-video are of the paper's size, on a log-mel spectrogram.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from editalk.backends.dit.audio_adapter import AdapterConfig, AudioAdapter
from tests.bench.dit import SIZES, TINY, Size

TINY_VAE = {
    "latent_channels": 8, "block_out_channels": (8, 8, 8, 8), "decoder_block_out_channels": (8, 8, 8, 8),
    "layers_per_block": (1,) * 5, "decoder_layers_per_block": (1,) * 5,
}  # fmt: skip
TINY_2_VAE = TINY_VAE | {
    "decoder_block_out_channels": (8, 16, 32), "decoder_layers_per_block": (1,) * 4, "spatial_compression_ratio": 32,
    "temporal_compression_ratio": 8,
}  # fmt: skip
VAES: dict[str, dict[str, Any]] = {  # as diffusers' conversion scripts have them
    "ltx-video-0.9.7": {
        "block_out_channels": (128, 256, 512, 1024, 2048), "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
        "decoder_block_out_channels": (256, 512, 1024), "layers_per_block": (4, 6, 6, 2, 2),
        "decoder_layers_per_block": (5, 5, 5, 5), "spatio_temporal_scaling": (True,) * 4,
        "decoder_spatio_temporal_scaling": (True,) * 3, "decoder_inject_noise": (False,) * 4,
        "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        "upsample_residual": (True,) * 3, "upsample_factor": (2, 2, 2), "timestep_conditioning": True,
        "spatial_compression_ratio": 32, "temporal_compression_ratio": 8,
    },
    "ltx-2.3": {"decoder_causal": False, "spatial_compression_ratio": 32, "temporal_compression_ratio": 8},
    "tiny-ltx-video": TINY_VAE,
    "tiny-ltx-2.3": TINY_2_VAE,
}  # fmt: skip
SOUND_VAES: dict[str, dict[str, Any]] = {
    "ltx-2.3": {},
    "tiny-ltx-2.3": {"base_channels": 8, "num_res_blocks": 1, "latent_channels": 2, "mel_bins": 16},
}
WIDTHS = {"ltx-video-0.9.7": 768, "tiny-ltx-video": 32}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=list(VAES))
    parser.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    torch.manual_seed(0)
    given.folder.mkdir(parents=True)
    make = _ltx2 if given.name in SOUND_VAES else _ltx_video
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        make(given.folder, given.name, (SIZES | TINY)[given.name])
    return 0


def _ltx_video(folder: Path, name: str, size: Size) -> None:
    from diffusers import AutoencoderKLLTXVideo

    net = _transformer(folder, size)
    AutoencoderKLLTXVideo(**VAES[name]).bfloat16().save_pretrained(folder / "vae")
    save_file({"video": torch.randn(size.text, net.caption_channels).bfloat16()}, folder / "prompt.safetensors")
    heads, hidden = net.num_attention_heads, net.num_attention_heads * net.attention_head_dim
    adapter = AudioAdapter(AdapterConfig("log-mel-100-80", 100.0, 1, 80, net.num_layers, hidden, heads,
                                         width=WIDTHS[name])).bfloat16()  # fmt: skip
    for layer in adapter.layers:
        torch.nn.init.normal_(layer.to_out.weight, std=0.02)
    adapter.save(folder / "audio_adapter")


def _ltx2(folder: Path, name: str, size: Size) -> None:
    from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video

    net = _transformer(folder, size)
    AutoencoderKLLTX2Video(**VAES[name]).bfloat16().save_pretrained(folder / "vae")
    AutoencoderKLLTX2Audio(**SOUND_VAES[name]).save_pretrained(folder / "audio_vae")
    widths = {"video": net.cross_attention_dim, "audio": net.audio_cross_attention_dim}
    prompt = {stream: torch.randn(size.text, width).bfloat16() for stream, width in widths.items()}
    save_file(prompt, folder / "prompt.safetensors")


def _transformer(folder: Path, size: Size) -> Any:
    """Saved and freed; its configuration."""
    net = size.build(torch.get_default_device())
    net.save_pretrained(folder / "transformer", max_shard_size="5GB")
    return net.config


if __name__ == "__main__":
    sys.exit(main())
