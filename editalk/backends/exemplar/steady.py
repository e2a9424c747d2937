"""New mouths move no faster from frame to frame than this face does in its own footage."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from editalk.analysis import face_box, face_step
from editalk.backends.base import Image

LIMIT = 99.0  # percentile of the footage's own face steps (design, section 9)
MARGIN = 0.95  # encoding adds a little
MOST = 0.4  # of the picture before; more would show twice what moved
STILL = 1.0  # of the limit: where the footage itself moves more than that, the picture before does not fit


def step_limit(natural: NDArray[np.float32]) -> float:
    """The largest step of a new mouth, from the footage's own steps [n]; no limit where none are known."""
    return MARGIN * float(np.percentile(natural, LIMIT)) if len(natural) else float("inf")


def steadied(
    before: tuple[Image, Image], now: tuple[Image, Image], mask: NDArray[np.uint8], points: NDArray[np.float32],
    limit: float,
) -> Image:  # fmt: skip
    """The picture `now`, where the mask is set mixed with so much of the one `before` that the step keeps to the limit.

    Both are (without, with) their new mouth. Where the footage moves or jumps by itself nothing is mixed.
    """
    import cv2

    box, (_, image) = face_box(points), now
    step = face_step(before[1][..., 0], image[..., 0], box)
    if step <= limit or face_step(before[0][..., 0], now[0][..., 0], box) > STILL * limit:
        return image
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return image
    area = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    soft = cv2.GaussianBlur(mask[area], (0, 0), max(1.0, (rows[-1] - rows[0]) / 12)).astype(np.float32) / 255
    soft *= mask[area] > 0
    share = min(MOST, 1 - limit / step)
    out = image.copy()
    for _ in range(4):
        kept = (share * soft)[..., None]
        out[area] = np.rint(image[area] * (1 - kept) + before[1][area] * kept)
        if share >= MOST or face_step(before[1][..., 0], out[..., 0], box) <= limit:
            break
        share = min(MOST, 1.5 * share)
    return out
