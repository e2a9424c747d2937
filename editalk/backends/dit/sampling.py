"""The denoising loop: masked flow matching on edited latents, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from editalk.backends.dit.blocks import Block, partition
from editalk.backends.dit.family import Family
from editalk.backends.dit.tokens import Tokens, joined

References = Callable[[range], Sequence[Tokens]]
"""Latent frames of a block → reference tokens for it, their times relative to the window."""


def no_references(block: range) -> Sequence[Tokens]:
    return ()


def sample(
    family: Family, tokens: Tokens, sigmas: Sequence[float], heard: Any, generator: torch.Generator,
    references: References = no_references, clean: Tensor | None = None, reuse: bool = True,
) -> Tensor:  # fmt: skip
    """What the tokens' latents become, [n, c] float32; where the mask is 0 they stay bit for bit.

    `tokens.latent` is where denoising starts from (noise of level sigmas[0] is added), `clean` what unmasked tokens are
    (default: the same). `sigmas`: noise levels, falling, the last 0. `reuse`: whether middle steps may take results of
    the step before. Deterministic for a generator's state.
    """
    clean = tokens.latent if clean is None else clean
    mask = tokens.mask[:, None]
    noise = torch.randn(clean.shape, generator=generator).to(clean)
    x = torch.lerp(clean, torch.lerp(tokens.latent, noise, sigmas[0]), mask)
    frames = int(tokens.frame.max()) + 1
    for i, (sigma, below) in enumerate(pairwise(sigmas)):
        blocks = partition(frames, i, len(sigmas) - 1, reuse)
        v = _velocity(family, tokens.with_latent(x), sigma, heard, blocks, references)
        x0 = (x - v * sigma * mask) * mask + clean * (1 - mask)
        x = torch.where(mask > 0, x + (x - x0) / sigma * (below - sigma), clean)
    return x


def _velocity(
    family: Family, tokens: Tokens, sigma: float, heard: Any, blocks: Sequence[Block], references: References
) -> Tensor:
    """Velocities of all tokens; those of frames in two blocks are the mean of both."""
    total, times = torch.zeros_like(tokens.latent), torch.zeros_like(tokens.mask)
    for block in blocks:
        inside = ((tokens.frame >= block.frames.start) & (tokens.frame < block.frames.stop)).nonzero()[:, 0]
        part = tokens[inside]
        if not part.mask.any():
            continue  # nothing of it is generated
        v = family.velocity(joined([part, *references(block.frames)]), sigma, heard, block.cache)
        total[inside] += v[: len(inside)]
        times[inside] += 1
    return total / times.clamp(min=1)[:, None]
