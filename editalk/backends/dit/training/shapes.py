"""What the audio projection is taught before the transformer listens to it: how wide open the mouth is.

Where the transformer is not pretrained, the sound's share of its loss is small beside that of learning to denoise at
all, and nothing is heard for long. So the projection learns the lips' landmarks first, through a linear layer that is
thrown away afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editalk.backends.dit.audio_adapter import GROUP, AudioAdapter
from editalk.backends.dit.training.data import Take
from editalk.backends.dit.training.examples import Shown, heard
from editalk.face import aperture, eye_distance, pearson
from editalk.reporting import Reporter

MEASURES = 3
STEPS, BATCH = 700, 8
RATE, DECAY = 2e-3, 0.02
LOUDER = 0.15  # SD by which an example is louder or softer, in the features' unit (1: 20 dB)
CORNERS, NOSE, CHIN = (61, 291), 2, 152


def lip_shapes(take: Take) -> NDArray[np.float64]:
    """[n, MEASURES]: aperture, width and the way from nose to chin, in distances of the eyes; NaN without a face."""
    points = take.points.astype(np.float64)
    unit = eye_distance(points)
    wide, high = (np.linalg.norm(points[:, a] - points[:, b], axis=1) / unit for a, b in (CORNERS, (NOSE, CHIN)))
    return np.stack([aperture(points), wide, high], 1)


class Shapes:
    """The films' lip shapes in SDs from their mean."""

    def __init__(self, films: Sequence[Sequence[Shown]]) -> None:
        found = np.concatenate([lip_shapes(views[0].take) for views in films])
        self.mean, self.spread = np.nanmean(found, 0), np.nanstd(found, 0) + 1e-9

    def __call__(self, one: Shown, start: int, length: int) -> Tensor:
        """[length, MEASURES] float32, NaN without a face."""
        found = (lip_shapes(one.take)[start : start + length] - self.mean) / self.spread
        return torch.from_numpy(found.astype(np.float32))


def teach(
    adapter: AudioAdapter, learn: Sequence[Sequence[Shown]], held: Sequence[Shown], seed: int, reporter: Reporter
) -> float:
    """Train the projection alone. Returns the aperture's mean correlation on what is held out."""
    shapes, config = Shapes(learn), adapter.config
    net = adapter.projection.train()
    head = torch.nn.Linear(config.embeddings * config.width, GROUP * MEASURES)
    torch.nn.init.zeros_(head.weight)
    parameters = [*net.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    rng = np.random.default_rng([seed, 2])
    with reporter.stage("Learning to hear", STEPS, "steps") as advance:
        for _ in range(STEPS):
            chosen = [learn[int(i)][0] for i in rng.integers(0, len(learn), BATCH)]
            optimiser.zero_grad()
            _loss(adapter, head, shapes, chosen, rng).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            advance(1)
    return _score(adapter, head, held)


def _length(films: Sequence[Shown]) -> int:
    return 1 + (min(len(one.take) for one in films) - 1) // GROUP * GROUP


def _loss(
    adapter: AudioAdapter, head: torch.nn.Linear, shapes: Shapes, films: Sequence[Shown], rng: np.random.Generator
) -> Tensor:
    length = _length(films)
    starts = [int(rng.integers(0, len(one.take) - length + 1)) for one in films]
    level = torch.from_numpy(rng.normal(0, LOUDER, len(films)).astype(np.float32))[:, None, None, None, None]
    sound = torch.stack([heard(one, s, length, adapter.config.window) for one, s in zip(films, starts, strict=True)])
    wanted = torch.stack([shapes(one, s, length) for one, s in zip(films, starts, strict=True)])
    off = (_told(adapter, head, sound + level) - wanted).square()
    return off[torch.isfinite(off)].mean()


def _told(adapter: AudioAdapter, head: torch.nn.Linear, sound: Tensor) -> Tensor:
    """[b, frames, W, B, C] → [b, frames, MEASURES]."""
    found = head(adapter.embed(sound).flatten(2))  # [b, F, 8 · MEASURES]
    return torch.as_tensor(found.view(len(sound), -1, MEASURES)[:, GROUP - 1 :])


@torch.no_grad()
def _score(adapter: AudioAdapter, head: torch.nn.Linear, held: Sequence[Shown]) -> float:
    scores = []
    for one in held:
        length = _length([one])
        told = _told(adapter, head, heard(one, 0, length, adapter.config.window)[None])[0, :, 0]
        scores.append(pearson(told.numpy(), lip_shapes(one.take)[:length, 0]))
    return float(np.mean(scores)) if scores else float("nan")
