"""Which tokens are generated: the enclosing box of a region over the frames of each latent frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from editalk.face.geometry import JAW, LIPS_OUTER, OVAL
from editalk.plan.types import Region

_BELOW_NOSE = (2, 164)
_LOWER_FACE = (*LIPS_OUTER, *JAW, *_BELOW_NOSE)
HEAD_GROWTH = 0.35  # beyond the box of the face's oval, on every side, for hair and neck


def latent_of(frame: int, step: int) -> int:
    """The latent frame that holds a frame: 0 holds frame 0, k ≥ 1 holds frames step·(k−1)+1 … step·k (section 3.3)."""
    return -(-frame // step)


def frames_of(latent: int, step: int) -> range:
    """The frames that a latent frame holds."""
    return range(max(0, step * (latent - 1) + 1), step * latent + 1)


def region_boxes(points: NDArray[np.float32], region: Region) -> NDArray[np.float32]:
    """[n, 4] left, top, right, bottom of a region of the faces [n, 478, 2], NaN where there is none."""
    chosen = points[:, list(_LOWER_FACE if region is Region.MOUTH else OVAL)]
    low, high = chosen.min(1), chosen.max(1)
    if region is Region.HEAD:
        grown = HEAD_GROWTH * (high - low)
        low, high = low - grown, high + grown
    return np.asarray(np.concatenate([low, high], 1), np.float32)


def region_mask(
    points: NDArray[np.float32],
    wanted: NDArray[np.bool_],
    region: Region,
    step: int,
    cell: int,
    rows: int,
    columns: int,
) -> NDArray[np.float32]:
    """The binary mask M of every latent frame, [latents, rows // cell, columns // cell] of 0 and 1 (section 3.2).

    `points`: [frames, 478, 2] in pixels of the model's picture, NaN without a face; `wanted`: [frames], those whose
    region is to be generated. A latent frame's box encloses the boxes of those of its frames that are wanted; a token
    counts where its cell and the box share a pixel. FRAME: all of a latent frame with a wanted frame in it.
    """
    frames = len(points)
    mask = np.zeros((latent_of(frames - 1, step) + 1, rows // cell, columns // cell), np.float32)
    boxes = region_boxes(points, region)
    for k in range(len(mask)):
        chosen = [f for f in frames_of(k, step) if f < frames and wanted[f]]
        if region is Region.FRAME:
            mask[k] = bool(chosen)
            continue
        seen = boxes[[f for f in chosen if np.isfinite(boxes[f, 0])]]
        if len(seen):
            left, top = np.floor(np.maximum(seen[:, :2].min(0), 0) / cell).astype(int)
            right, bottom = np.ceil(seen[:, 2:].max(0) / cell).astype(int)
            mask[k, top : max(top, bottom), left : max(left, right)] = 1
    return mask
