"""The video VAEs of both LTX families through diffusers, and the latent upsampler between two passes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from editalk.backends.dit.vae import floats

DECODE_LEVEL = 0.05  # noise level that decoders with timestep conditioning are told (LTX-Video 0.9.1 and later)
DECODE_NOISE = 0.025  # share of noise that they are given


class LtxVae:
    """See `VideoVae`. `network`: AutoencoderKLLTXVideo or AutoencoderKLLTX2Video;
    its own geometry and statistics count.

    Encoding takes the distribution's mode. Decoders with timestep conditioning get the same noise every time.
    """

    def __init__(self, network: Any, device: torch.device | str) -> None:
        self.network, self.device = network.eval(), torch.device(device)
        self.network.enable_tiling()  # in space, beyond 512 pixels; time is tiled outside
        self.step = int(network.temporal_compression_ratio)
        self.cell = int(network.spatial_compression_ratio)
        self.channels = int(network.config.latent_channels)

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        video = floats(pictures.to(self.device)).to(self.network.dtype).transpose(0, 1)[None]
        latents = self.network.encode(video).latent_dist.mode().float()
        return self.normalised(latents)[0].transpose(0, 1).cpu()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        given = latents.to(self.device).transpose(0, 1)[None]
        timestep = None
        if self.network.config.timestep_conditioning:
            noise = torch.randn(given.shape, generator=torch.Generator().manual_seed(0)).to(given)
            given = torch.lerp(given, noise, DECODE_NOISE)
            timestep = torch.tensor([DECODE_LEVEL], device=self.device, dtype=self.network.dtype)
        plain = self.plain(given).to(self.network.dtype)
        video = self.network.decode(plain, timestep, return_dict=False)[0]
        return torch.as_tensor(video[0].transpose(0, 1))

    def normalised(self, latents: Tensor) -> Tensor:
        """[1, c, f, h, w] as the VAE makes them → as the transformer takes them."""
        mean, std = self._statistics(latents)
        return (latents - mean) * float(self.network.config.scaling_factor) / std

    def plain(self, latents: Tensor) -> Tensor:
        """The inverse of `normalised`."""
        mean, std = self._statistics(latents)
        return latents * std / float(self.network.config.scaling_factor) + mean

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (s.view(1, -1, 1, 1, 1).to(like) for s in (self.network.latents_mean, self.network.latents_std))
        return mean, std


class LatentUpsampler:
    """Twice the rows and columns of latents (EditYourself, section 3.1: the second pass). `network`:
    LTXLatentUpsamplerModel or LTX2LatentUpsamplerModel.
    """

    def __init__(self, network: Any, vae: LtxVae) -> None:
        self.network, self.vae = network.eval(), vae

    @torch.no_grad()
    def __call__(self, latents: Tensor) -> Tensor:
        """[f, c, h, w] → [f, c, 2 h, 2 w], both normalised."""
        video = latents.to(self.vae.device).transpose(0, 1)[None]
        larger = self.network(self.vae.plain(video).to(self.network.dtype)).float()
        return self.vae.normalised(larger)[0].transpose(0, 1).cpu()
