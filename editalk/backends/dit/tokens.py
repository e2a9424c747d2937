"""Latent tokens: what a diffusion transformer sees of a window, one token for every cell of every latent frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

REFERENCE = -1  # `frame` of tokens that show another time or place and are only looked at


@dataclass(frozen=True)
class Tokens:
    """Tokens in any order, some of them perhaps left out: each knows where it stands.

    latent: [n, c] float32, as noisy as `mask` says.
    mask: [n] float32, 0 … 1: the share of the noise level that a token has; 0 clean, 1 generated, between: re-noised.
    coords: [n, 3, 2] float32: start and end of what a token shows: seconds on the edited timeline of the window, rows
        and columns in pixels of the model's picture (EditYourself, section 3.3: times of the edited sequence).
    frame: [n] int64, the latent frame of the edited sequence, REFERENCE for reference tokens.
    face: [n] float32, 0 or 1: where sound may act (section 3.2, equation 6).
    """

    latent: Tensor
    mask: Tensor
    coords: Tensor
    frame: Tensor
    face: Tensor

    def __len__(self) -> int:
        return len(self.latent)

    def __getitem__(self, chosen: Tensor) -> Tokens:
        """The tokens at these places ([m] int64 or [n] bool)."""
        return Tokens(*(value[chosen] for value in vars(self).values()))

    def with_latent(self, latent: Tensor) -> Tokens:
        return replace(self, latent=latent)

    def shifted(self, seconds: float) -> Tokens:
        """The same tokens that much later."""
        coords = self.coords.clone()
        coords[:, 0] += seconds
        return replace(self, coords=coords)

    def to(self, device: torch.device | str) -> Tokens:
        return Tokens(*(value.to(device) for value in vars(self).values()))


def joined(parts: list[Tokens]) -> Tokens:
    """All tokens of the parts, one part behind the other."""
    return Tokens(*(torch.cat(values) for values in zip(*(vars(p).values() for p in parts), strict=True)))
