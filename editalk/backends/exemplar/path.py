"""Predicted shapes → what is drawn on every frame: whose mouth, and where its landmarks go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.backends.exemplar.retrieve import Pool, places, retrieve
from editalk.backends.exemplar.shape import MOVING, MouthSpace, aperture
from editalk.face.geometry import JAW

Floats = NDArray[np.float64]

SMOOTH = 0.6  # frames: sigma over the time of where landmarks go
BLEND = 0.85  # the prediction's share against the exemplar's own shape; all of it in the opening
STIFF = 1e-3  # eye distances of the opening's SD: a mouth that moves less shows no way of opening
FARTHEST = 1.5  # of the opening that a landmark moves with it
RAMP = 3  # frames over which the base's own mouth gives way
_CALM = {0: 0.0, 1: 0.25, 2: 0.5, 3: 0.75}  # by the place from either end of the jaw, which hardly moves there
_FREE = np.array([_CALM.get(min(JAW.index(i), JAW[::-1].index(i)), 1.0) if i in JAW else 1.0 for i in MOVING])


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
    rows = retrieve(pool, places(space, shapes), pose.turn())
    target = (1 - BLEND) * pool.shapes[rows] + BLEND * shapes
    if len(target):
        target = gaussian_filter1d(target, SMOOTH, axis=0, mode="nearest")
        target = opened(target, aperture(shapes), np.concatenate([pool.shapes, shapes]))
    own = space.shapes(points)
    target = own + weights[:, None, None] * _FREE[:, None] * (target - own)
    return LipPath(pose.forward(target)[..., :2], np.asarray(points, np.float32), rows, weights, shapes)


def opened(shapes: Floats, apertures: Floats, seen: Floats) -> Floats:
    """Shapes [n, k, 3] as far open as `apertures` [n] say, moved the way this mouth opens in `seen` [m, k, 3].

    Mixing and smoothing would leave a closure of two frames ajar.
    """
    gape = aperture(seen)
    off = gape - gape.mean()
    if gape.std() < STIFF:
        return shapes
    way = (off @ seen.reshape(len(seen), -1) / float(off @ off)).reshape(seen.shape[1:])
    way *= min(1.0, FARTHEST / float(np.linalg.norm(way, axis=1).max()))
    for _ in range(2):
        shapes = shapes + (apertures - aperture(shapes))[:, None, None] * way
    return shapes


def ramps(runs: list[tuple[int, int]], count: int, ramp: int = RAMP) -> Floats:
    """[count]: 1 inside the runs [start, end), rising and falling over `ramp` frames at their ends, 0 outside."""
    out = np.zeros(count)
    for start, end in runs:
        i = np.arange(max(0, start), min(count, end))
        near = np.minimum(i - start + 1, end - i) / (ramp + 1)
        x = near.clip(0, 1)
        out[i] = np.maximum(out[i], x * x * (3 - 2 * x))
    return out
