"""Where latent frames stand in the transformer's time: those of the edited sequence, and those that are only looked at.

The copy of the paper at hand has lost its formulas; what stands here restates its words (section 3.3 and 3.4).
"""

from __future__ import annotations

import torch
from torch import Tensor

from editalk.backends.dit.masks import frames_of
from editalk.backends.dit.tokens import REFERENCE, Tokens

SENTINEL = 32  # latent frames before a block at which the first face reference stands; the others precede it
REACH = 8  # latent frames off a block beyond which a full-frame reference is not placed


def span_of(latent: int, step: int, rate: float) -> tuple[float, float]:
    """Start and end, seconds, of a latent frame of the edited sequence: the times of the frames it decodes to."""
    held = frames_of(latent, step)
    return held.start / rate, held.stop / rate


def coordinates(frames: int, rows: int, columns: int, step: int, cell: int, rate: float) -> Tensor:
    """[frames · rows · columns, 3, 2] float32 for a grid of latents, time slowest, columns fastest.

    Seconds, then pixels of the model's picture from the upper left corner.
    """
    spans = torch.tensor([span_of(k, step, rate) for k in range(frames)], dtype=torch.float32)
    high, wide = (torch.stack([n * cell, (n + 1) * cell], -1).float() for n in map(torch.arange, (rows, columns)))
    grid = torch.empty(frames, rows, columns, 3, 2)
    grid[..., 0, :] = spans[:, None, None]
    grid[..., 1, :] = high[None, :, None]
    grid[..., 2, :] = wide[None, None, :]
    return grid.flatten(0, 2)


def sentinel(place: int, step: int, rate: float) -> tuple[float, float]:
    """Start and end, seconds relative to a block's start, of the face reference number `place`.

    Each has a time of its own, so that their mouths are not averaged, and one far from any time that is generated
    (section 3.4, identity conditioning).
    """
    start = -(SENTINEL + place) * step / rate
    return start, start + step / rate


def forward_backward(block: range, reference: int, step: int, rate: float) -> tuple[float, float]:
    """Start and end, seconds, at which the full-frame reference of latent frame `reference` is shown to a block.

    A reference d latent frames off the block's boundary stands at most REACH off it: near enough to be in phase with
    what is generated, and never in its place (section 3.4, equation 7).
    """
    if reference < block.start:
        place = block.start - min(block.start - reference, REACH)
    elif reference >= block.stop:
        place = block.stop - 1 + min(reference - block.stop + 1, REACH)
    else:
        raise ValueError(f"latent frame {reference} lies in the block {block}")
    start, end = span_of(abs(place), step, rate)
    return (start, end) if place >= 0 else (-step * -place / rate, -step * (-place - 1) / rate)


def referring(tokens: Tokens, span: tuple[float, float]) -> Tokens:
    """Clean tokens of one latent frame as reference tokens that stand at another time."""
    coords = tokens.coords.clone()
    coords[:, 0, 0], coords[:, 0, 1] = span
    still = torch.zeros_like(tokens.mask)
    return Tokens(tokens.latent, still, coords, torch.full_like(tokens.frame, REFERENCE), still)
