"""A loaded model, and a whole denoising with it: one pass, or a coarse one and a fine one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from editalk.backends.dit.family import Family
from editalk.backends.dit.sampling import References, sample
from editalk.backends.dit.times import coordinates
from editalk.backends.dit.tokens import Tokens
from editalk.backends.dit.vae import VideoVae

RING = 3  # cells around what is generated that are computed too, where tokens are dropped


@dataclass(frozen=True)
class Model:
    """`sigmas`: tokens of a window → noise levels of its only or its first pass; `second`: those after `upsample`,
    [f, c, h, w] → [f, c, 2h, 2w], where the weights have one. `sides`: pixels of a face crop, least and most. `faces`:
    latent frames of face references, as many as the weights were trained with.
    """

    family: Family
    vae: VideoVae
    sigmas: Callable[[int], tuple[float, ...]]
    device: torch.device
    sides: tuple[int, int]
    faces: int
    second: tuple[float, ...] = ()
    upsample: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Scene:
    """What is to be denoised: `clean` [f, c, h, w] latents, `mask` [f, h, w] in 0 … 1, `face` [f, h, w] of 0 and 1."""

    clean: Tensor
    mask: Tensor
    face: Tensor

    def tokens(self, vae: VideoVae, rate: float) -> Tokens:
        """A token for every cell, time slowest, columns fastest."""
        f, _, h, w = self.clean.shape
        return Tokens(
            self.clean.permute(0, 2, 3, 1).flatten(0, 2),
            self.mask.flatten(),
            coordinates(f, h, w, vae.step, vae.cell, rate),
            torch.arange(f).repeat_interleave(h * w),
            self.face.flatten(),
        )


def near(mask: Tensor, ring: int = RING) -> Tensor:
    """[f, h, w] bool: cells that are generated in any latent frame, and those up to `ring` cells beside them.

    Tokens elsewhere are far from what changes; they are left out and the others keep their coordinates.
    """
    touched = (mask > 0).any(0)[None, None].float()
    grown = torch.nn.functional.max_pool2d(touched, 2 * ring + 1, stride=1, padding=ring)[0, 0] > 0
    return grown.expand(mask.shape)


def denoise(
    model: Model, scene: Scene, rate: float, heard: Any, seed: int, references: References, sparse: bool = False,
    start: Tensor | None = None, sigmas: tuple[float, ...] | None = None,
) -> Tensor:  # fmt: skip
    """[f, c, h, w]: the scene's latents, those generated that its mask says, the others bit for bit.

    `start`: the latents that denoising begins from, with `sigmas` (second pass); default: noise, the model's schedule.
    """
    f, c, h, w = scene.clean.shape
    tokens = scene.tokens(model.vae, rate)
    chosen = near(scene.mask).flatten().nonzero()[:, 0] if sparse else torch.arange(len(tokens))
    clean = tokens.latent
    if start is not None:
        tokens = tokens.with_latent(start.permute(0, 2, 3, 1).flatten(0, 2))
    made = sample(
        model.family, tokens[chosen].to(model.device), sigmas or model.sigmas(len(chosen)), heard,
        torch.Generator().manual_seed(seed), references, clean[chosen].to(model.device),
    )  # fmt: skip
    latents = clean.clone()
    latents[chosen] = made.to(latents)
    return latents.view(f, h, w, c).permute(0, 3, 1, 2).contiguous()


def halved(scene: Scene, clean: Tensor) -> Scene:
    """The scene for a coarse pass with half the rows and columns; `clean`: [f, c, h/2, w/2] its latents."""
    mask, face = (torch.nn.functional.max_pool2d(m[:, None], 2)[:, 0] for m in (scene.mask, scene.face))
    return replace(scene, clean=clean, mask=mask, face=face)
