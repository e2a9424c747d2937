"""A path's mouths, drawn with exemplars that are decoded a few seconds at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Footage, Image
from editalk.backends.exemplar.occlusion import BARE, LowerFace, Sight, uncovered
from editalk.backends.exemplar.paste import Crop, drawn_box, lower_box, paste
from editalk.backends.exemplar.path import LipPath
from editalk.backends.exemplar.retrieve import Pool
from editalk.backends.exemplar.shape import MOVING
from editalk.face.geometry import Box
from editalk.timebase import FrameRate

HELD_BYTES = 150 * 2**20  # exemplars in memory
CHUNK = 10.0  # seconds planned to be drawn together
SHARP = 0.6  # of the median: blurred exemplars are replaced
KNOWN = 40  # frames by which is known what this face looks like with nothing before it
LEAST = 8  # fewer do not tell
BESIDE = 8  # frames from an exemplar: as cheap to decode
FADE = 0.6  # of how hidden the mouth was in the frame before: lips come back gently


class LipRenderer:
    """Draws a path's mouths; frames in ascending order. Exemplars are decoded in order, a few seconds at a time."""

    def __init__(self, pool: Pool, rate: FrameRate, path: LipPath, footage: Footage) -> None:
        self.pool, self.rate, self.path, self.footage = pool, rate, path, footage
        self._held: dict[int, Crop] = {}
        self._rows = path.rows.copy()
        self._until = 0
        self._face: LowerFace | None = None
        self._hidden = 0.0

    def draw(self, i: int, base: Image) -> tuple[Image, NDArray[np.uint8]] | None:
        """The base picture of output frame i with its new mouth, and the mask; None where it keeps its own: without a
        face, or with something in front of it.
        """
        if not self.path.drawn[i]:
            return None
        if i >= self._until:
            self._load(i)
        crop, points = self._held[int(self._rows[i])], self.path.points[i]
        under = Crop.of(base, points)
        if not crop.image.size or not under.image.size:
            return None
        sight = self._face.look(under) if self._face is not None else BARE
        self._hidden = hidden(sight, self._hidden)
        share = 1 - self._hidden
        if share <= 0:
            return None
        own = points[list(MOVING), :2]
        wanted = own + share * (self.path.wanted[i] - own)
        image, mask = paste(base, points, wanted, crop, share * min(1.0, float(self.path.weights[i])))
        uncovered(base, image, mask, points, sight)
        return image, mask

    def box(self, i: int) -> Box | None:
        """What `draw` looks at and changes of the base picture of output frame i."""
        return drawn_box(self.path.points[i], self.path.wanted[i]) if self.path.drawn[i] else None

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
        beside = self._beside(wanted) if self._face is None else set[int]()
        seen = {row: self._crop(row) for row in sorted((wanted | beside) - set(self._held))}
        self._held |= {row: crop for row, crop in seen.items() if row in wanted}
        if self._face is None:
            self._face = known([*self._held.values(), *(seen[row] for row in sorted(beside))])
        self._replace(first)

    def _crop(self, row: int) -> Crop:
        points = self.pool.points[row]
        return Crop.of(self.footage.image(int(self.pool.frames[row]), lower_box(points).slices), points)

    def _beside(self, rows: set[int]) -> set[int]:
        """More rows of the pool, near those that are decoded anyway, to know the face by."""
        near = {r + k * BESIDE for k in (1, -1, 2, -2, 3, -3) for r in rows} - rows
        found = np.array(sorted(r for r in near if 0 <= r < len(self.pool.frames)), np.int64)
        count = min(max(0, KNOWN - len(rows)), len(found))
        return {int(r) for r in found[np.linspace(0, len(found) - 1, count).astype(int)]} if count else set()

    def _replace(self, first: int) -> None:
        """Blurred, covered or cut off exemplars by the nearest that are not."""
        sharp = {row: sharpness(crop) for row, crop in self._held.items()}
        limit = max(SHARP * float(np.median(list(sharp.values()))), 0.0)
        face = self._face
        good = {r for r, c in self._held.items() if sharp[r] >= limit and (face is None or face.look(c).bare)}
        good = {r for r in good if self._held[r].whole} or good
        if not good:
            return
        rows = np.array(sorted(good))
        for i in range(first, self._until):
            row = int(self._rows[i])
            if row in sharp and row not in good:
                near = np.square(self.pool.at[rows] - self.pool.at[row]).sum(1)
                self._rows[i] = rows[near.argmin()]


def hidden(sight: Sight, before: float) -> float:
    """How much of a new mouth is not drawn, 0 … 1; `before`: in the frame before."""
    return max(1 - sight.shown, FADE * before - 0.05)


def known(crops: list[Crop]) -> LowerFace | None:
    """What this lower face looks like with nothing in front of it; None where too few crops show it."""
    seen = [crop for crop in crops if crop.image.size]
    return LowerFace.of(seen[:: -(-len(seen) // KNOWN)]) if len(seen) >= LEAST else None


def sharpness(crop: Crop) -> float:
    """Variance of the lower face's Laplacian; negative where the picture does not show it."""
    import cv2

    if not crop.image.size:
        return -1.0
    return float(cv2.Laplacian(crop.image[..., 0], cv2.CV_32F).var())
