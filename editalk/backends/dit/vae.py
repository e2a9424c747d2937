"""Pictures ↔ latents, a tile of time after the other: at most one tile is in memory as pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from editalk.backends.crops import Picture

TILE = 16  # latent frames behind the first of a tile
OVERLAP = 2  # latent frames that two tiles share: 16 frames at 8 to a latent, as EditYourself has it


class VideoVae(Protocol):
    """A causal video VAE: 1 + step·k frames ↔ 1 + k latent frames; latents are normalised as the transformer's are.

    `step`: frames per latent frame; `cell`: pixels per latent cell, rows and columns alike.
    """

    step: int
    cell: int
    channels: int

    def encode(self, pictures: Tensor) -> Tensor:
        """[1 + step·k, 3, rows, columns], float32 in −1 … 1 or uint8, → [1 + k, channels, h, w], h = rows // cell."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """[1 + k, channels, h, w] → [1 + step·k, 3, h·cell, w·cell]."""
        ...


def encoded(vae: VideoVae, pictures: Iterable[Picture]) -> Tensor:
    """The latents of 1 + step·k pictures, [1 + k, c, h, w] float32 on the CPU.

    A tile's first latent holds one frame only, so the next tile begins OVERLAP + 1 latents before the last one's end
    and gives up its first; in what they share the newer one gains weight evenly.
    """
    left = map(_bytes, pictures)
    made: list[Tensor] = []
    held: list[Tensor] = []
    while True:
        held += list(islice(left, vae.step * TILE + 1 - len(held)))
        if made and len(held) <= 1 + vae.step * OVERLAP:
            break
        tile = torch.stack(held)
        found = vae.encode(tile[: 1 + (len(held) - 1) // vae.step * vae.step]).float().cpu()
        if made:
            found = found[1:]
            share = _rise(OVERLAP)
            made[-OVERLAP:] = [(1 - s) * a + s * b for s, a, b in zip(share, made[-OVERLAP:], found, strict=False)]
            found = found[OVERLAP:]
        made += list(found)
        if len(held) < vae.step * TILE + 1:
            break
        held = held[-1 - vae.step * OVERLAP :]
    return torch.stack(made)


def decoded(vae: VideoVae, latents: Tensor) -> Iterator[Picture]:
    """The 1 + step·k pictures of 1 + k latents, [n, c, h, w], in order; tiles as in `encoded`."""
    start, over = 0, vae.step * OVERLAP
    tail: Tensor | None = None  # the frames that the next tile shares
    while True:
        end = min(len(latents), start + TILE + 1)
        found = vae.decode(latents[start:end])
        if tail is not None:
            found = found[1:]
            share = _rise(over)[:, None, None, None].to(found)
            found[:over] = (1 - share) * tail + share * found[:over]
        last = end == len(latents)
        yield from _pictures(found if last else found[:-over])
        if last:
            return
        tail, start = found[-over:], end - OVERLAP - 1


def _rise(n: int) -> Tensor:
    return torch.arange(1, n + 1) / (n + 1)


def _bytes(picture: Picture) -> Tensor:
    """[3, rows, columns] uint8: a quarter of the memory, and what the picture was made from."""
    return torch.from_numpy(np.rint(127.5 * (picture + 1)).clip(0, 255).astype(np.uint8)).permute(2, 0, 1).contiguous()


def floats(pictures: Tensor) -> Tensor:
    """Pictures in −1 … 1, whichever way they come."""
    return pictures.float() / 127.5 - 1 if pictures.dtype == torch.uint8 else pictures


def _pictures(frames: Tensor) -> Iterator[Picture]:
    for frame in frames:
        yield np.ascontiguousarray(frame.permute(1, 2, 0).float().cpu().numpy())
