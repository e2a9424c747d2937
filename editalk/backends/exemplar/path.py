"""Predicted shapes → what is drawn on every frame: whose mouth, and where its landmarks go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.backends.exemplar.retrieve import Pool, retrieve
from editalk.backends.exemplar.shape import MouthSpace

Floats = NDArray[np.float64]

SMOOTH = 0.6  # frames: sigma over the time of where landmarks go
BLEND = 0.5  # the prediction's share against the exemplar's own shape
RAMP = 3  # frames over which the base's own mouth gives way


@dataclass(frozen=True)
class LipPath:
    """What is drawn on n output frames: `wanted` [n, k, 2] pixels (NaN: no face, the picture stays), `rows` [n] of the
    pool, `weights` [n] 0…1 from the base's own mouth to the new one; `shapes` [n, k, 3] as predicted.
    """

    wanted: Floats
    points: NDArray[np.float32]
    rows: NDArray[np.int64]
    weights: Floats
    shapes: Floats

    @property
    def drawn(self) -> NDArray[np.bool_]:
        """[n]: whether the frame gets a new mouth."""
        return np.asarray(np.isfinite(self.wanted[:, 0, 0]) & (self.weights > 0))


def plan_path(
    space: MouthSpace, pool: Pool, shapes: Floats, points: NDArray[np.float32], weights: Floats
) -> LipPath:
    """The cheapest exemplars for shapes [n, k, 3] on base faces [n, 478, 3] (NaN without one).

    `weights`: [n] see `ramps`.
    """
    from scipy.ndimage import gaussian_filter1d

    pose = space.pose(points)
    rows = retrieve(pool, space.coordinates(shapes), pose.turn())
    target = (1 - BLEND) * pool.shapes[rows] + BLEND * shapes
    if len(target):
        target = gaussian_filter1d(target, SMOOTH, axis=0, mode="nearest")
    own = space.shapes(points)
    target = own + weights[:, None, None] * (target - own)
    return LipPath(pose.forward(target)[..., :2], np.asarray(points, np.float32), rows, weights, shapes)


def ramps(runs: list[tuple[int, int]], count: int, ramp: int = RAMP) -> Floats:
    """[count]: 1 inside the runs [start, end), rising and falling over `ramp` frames at their ends, 0 outside."""
    out = np.zeros(count)
    for start, end in runs:
        i = np.arange(max(0, start), min(count, end))
        near = np.minimum(i - start + 1, end - i) / (ramp + 1)
        x = near.clip(0, 1)
        out[i] = np.maximum(out[i], x * x * (3 - 2 * x))
    return out
