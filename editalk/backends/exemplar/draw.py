"""A path's mouths, drawn with exemplars that are decoded a few seconds at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Footage, Image
from editalk.backends.exemplar.paste import Crop, lower_box, paste
from editalk.backends.exemplar.path import LipPath
from editalk.backends.exemplar.retrieve import Pool
from editalk.timebase import FrameRate

HELD_BYTES = 150 * 2**20  # exemplars in memory
CHUNK = 10.0  # seconds planned to be drawn together
SHARP = 0.6  # of the median: blurred exemplars are replaced


class LipRenderer:
    """Draws a path's mouths; frames in ascending order. Exemplars are decoded in order, a few seconds at a time."""

    def __init__(self, pool: Pool, rate: FrameRate, path: LipPath, footage: Footage) -> None:
        self.pool, self.rate, self.path, self.footage = pool, rate, path, footage
        self._held: dict[int, Crop] = {}
        self._rows = path.rows.copy()
        self._until = 0

    def draw(self, i: int, base: Image) -> tuple[Image, NDArray[np.uint8]] | None:
        """The base picture of output frame i with its new mouth, and the mask; None where it keeps its own."""
        if not self.path.drawn[i]:
            return None
        if i >= self._until:
            self._load(i)
        crop = self._held[int(self._rows[i])]
        if not crop.image.size:
            return None
        return paste(base, self.path.points[i], self.path.wanted[i], crop, min(1.0, float(self.path.weights[i])))

    def _load(self, first: int) -> None:
        """Decode the exemplars from frame `first` on, as many as fit."""
        longest = max(1, round(CHUNK * float(self.rate)))
        pool, wanted, size = self.pool, set[int](), 0
        i = first
        while i < min(len(self._rows), first + longest):
            row = int(self._rows[i])
            if row not in wanted and self.path.drawn[i]:
                area = 3 * lower_box(pool.points[row]).area
                if wanted and size + area > HELD_BYTES:
                    break
                wanted.add(row)
                size += area
            i += 1
        self._until = i
        self._held = {row: crop for row, crop in self._held.items() if row in wanted}
        for row in sorted(wanted - set(self._held)):
            self._held[row] = Crop.of(self.footage.image(int(pool.frames[row])), pool.points[row])
        self._replace_blurred(first)

    def _replace_blurred(self, first: int) -> None:
        sharp = {row: sharpness(crop) for row, crop in self._held.items()}
        limit = SHARP * float(np.median(list(sharp.values())))
        good = np.array([row for row, value in sharp.items() if value >= max(limit, 0.0)])
        if not len(good):
            return
        for i in range(first, self._until):
            row = int(self._rows[i])
            if sharp.get(row, limit) < limit:
                near = np.square(self.pool.at[good] - self.pool.at[row]).sum(1)
                self._rows[i] = good[near.argmin()]


def sharpness(crop: Crop) -> float:
    """Variance of the lower face's Laplacian; negative where the picture does not show it."""
    import cv2

    if not crop.image.size:
        return -1.0
    return float(cv2.Laplacian(crop.image[..., 0], cv2.CV_32F).var())
