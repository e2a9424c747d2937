"""Takes → tokens to learn from, as the lip pass makes them: a mouth withheld, its sound, other mouths to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editalk.backends.dit.audio_features import AudioFeatures
from editalk.backends.dit.audio_windows import windows
from editalk.backends.dit.linear_vae import blocks
from editalk.backends.dit.masks import region_boxes, region_mask
from editalk.backends.dit.references import FACES
from editalk.backends.dit.times import coordinates, referring, sentinel
from editalk.backends.dit.tokens import Tokens, joined
from editalk.backends.dit.training.data import Take
from editalk.backends.dit.vae import VideoVae
from editalk.plan.types import Region

LATENTS = (5, 6, 10)  # latent frames of an example
RINGS = (1, 1, 1, 1, 1, 1, 1, 3)  # cells around what is generated that are seen
ALL = 0.7  # of the examples have all latent frames' mouths withheld; of the others a stretch
FIRST = 0.5  # of those show the first one nevertheless (first-frame conditioning)
LOOKING = 0.5  # of the examples have face references (EditYourself, table 1: identity conditioning)
SAMPLES = 60  # blocks away from the mouth that a film gives to the VAE's fit


@dataclass(frozen=True)
class Shown:
    """A take with its sound's features [L, B, C]."""

    take: Take
    features: Tensor
    feature_rate: float


@dataclass(frozen=True)
class Example:
    """`tokens`: clean ones, the references behind the others; `windows`: [frames, W, B, C] of the sound."""

    tokens: Tokens
    windows: Tensor


def shown(take: Take, features: AudioFeatures) -> Shown:
    return Shown(take, features.features(take.sound), features.rate)


def example(one: Shown, others: Sequence[Shown], vae: VideoVae, window: int, rng: np.random.Generator) -> Example:
    """A random stretch of a take as an example; `others`: where its references come from: other films, because those of
    the same seconds would show what is to be found out.
    """
    step, take = vae.step, one.take
    latents = min(int(rng.choice(LATENTS)), 1 + (len(take) - 1) // step)
    length = 1 + step * (latents - 1)
    start = int(rng.integers(0, len(take) - length + 1))
    wanted = _wanted(latents, step, rng)
    tokens = stretch(take, start, wanted, vae, int(rng.choice(RINGS)))
    if others and rng.random() < LOOKING:
        other = others[int(rng.integers(len(others)))].take
        tokens = joined([tokens, *shown_mouths(other, vae, rng)])
    return Example(tokens, heard(one, start, length, window))


def _wanted(latents: int, step: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """[frames]: whose mouths are withheld; whole latent frames."""
    chosen = np.ones(latents, bool)
    if rng.random() < ALL:
        chosen[0] = rng.random() >= FIRST
    else:
        count = int(rng.integers(2, latents))
        first = int(rng.integers(0, latents - count + 1))
        chosen[:] = False
        chosen[first : first + count] = True
    return np.repeat(chosen, step)[step - 1 :]


def stretch(take: Take, start: int, wanted: NDArray[np.bool_], vae: VideoVae, ring: int) -> Tokens:
    """Clean tokens of frames from `start` on, around the mouths withheld, with mask and face set."""
    stop = start + len(wanted)
    rows, columns = take.pictures.shape[1:3]
    mask = region_mask(take.points[start:stop], wanted, Region.MOUTH, vae.step, vae.cell, rows, columns)
    touched = np.argwhere(mask.any(0))
    if not len(touched):
        raise ValueError(f"{take.name}: no face in frames {start} to {stop}")
    top, left = np.maximum(touched.min(0) - ring, 0)
    bottom, right = np.minimum(touched.max(0) + 1 + ring, mask.shape[1:])
    area = slice(top * vae.cell, bottom * vae.cell), slice(left * vae.cell, right * vae.cell)
    latents = vae.encode(torch.from_numpy(take.floats(start, stop)[..., area[0], area[1]].copy()))
    f, h, w = mask.shape
    coords = coordinates(f, h, w, vae.step, vae.cell, take.rate).view(f, h, w, 3, 2)
    inside = torch.from_numpy(mask[:, top:bottom, left:right].copy())
    return Tokens(
        latents.permute(0, 2, 3, 1).flatten(0, 2), inside.flatten(),
        coords[:, top:bottom, left:right].reshape(-1, 3, 2),
        torch.arange(f).repeat_interleave(inside[0].numel()), inside.flatten(),
    )  # fmt: skip


def shown_mouths(take: Take, vae: VideoVae, rng: np.random.Generator, count: int = FACES) -> list[Tokens]:
    """Mouths of `count` random latent frames of a take, as reference tokens at sentinel times."""
    found = []
    for place in range(count):
        start = int(rng.integers(0, len(take) - vae.step))
        try:
            tokens = stretch(take, start, np.repeat([False, True], [1, vae.step]), vae, 0)
        except ValueError:
            continue  # no face there
        found.append(referring(tokens[tokens.mask > 0], sentinel(place, vae.step, take.rate)))
    return found


def heard(one: Shown, start: int, length: int, window: int) -> Tensor:
    """[length, W, B, C]: what each frame hears."""
    at = np.arange(start, start + length) / one.take.rate
    return windows(one.features, one.feature_rate, at, window)


def to_fit(takes: Sequence[Take], step: int, cell: int, rng: np.random.Generator) -> list[Tensor]:
    """Blocks for a VAE's fit: mouths, mouths that stand still (as first latent frames do), and some of elsewhere."""
    found = []
    for take in takes:
        length = len(take) // step * step
        start = int(rng.integers(0, len(take) - length + 1))
        boxes = region_boxes(take.points[start : start + length], Region.MOUTH)
        boxes = boxes[np.isfinite(boxes[:, 0])]
        if not len(boxes):
            continue
        left, top = np.maximum(boxes[:, :2].min(0) // cell, 0).astype(int)
        right, bottom = np.ceil(boxes[:, 2:].max(0) / cell).astype(int)
        pictures = torch.from_numpy(take.floats(start, start + length))
        moving = blocks(pictures, step, cell)
        still = blocks(pictures[:1].expand(step, -1, -1, -1), step, cell)
        everything = moving.flatten(0, 2)
        elsewhere = everything[torch.from_numpy(rng.integers(0, len(everything), SAMPLES))]
        found += [block[:, top:bottom, left:right].flatten(0, 2) for block in (moving, still)] + [elsewhere]
    return found
