"""Where in the picture a model works: a rectangle of the source, upright, at a scale of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Area, Image
from editalk.face.geometry import Box, square
from editalk.media import VideoInfo, from_rgb, rgb

PIXELS = 1920 * 1088  # of a whole picture at most: what the models were made for
FACE_MARGIN = 0.6  # a face crop's side beyond the longer side of the box of all its faces, as a share of it

Picture = NDArray[np.float32]
"""[rows, columns, 3] red, green, blue in −1 … 1, upright: what a model sees."""


@dataclass(frozen=True)
class Crop:
    """`box`: the rectangle in pixels of the coded picture, inside it; `rows`, `columns`: its size for the model, in
    pixels of the model's picture, upright; `video`: colour and orientation.
    """

    box: Box
    rows: int
    columns: int
    video: VideoInfo

    @property
    def area(self) -> Area:
        return self.box.slices

    def cells(self, cell: int) -> int:
        """Tokens of a latent frame."""
        return self.rows // cell * (self.columns // cell)

    def cut(self, image: Image) -> Picture:
        """What the model sees of a source image."""
        part = np.rot90(rgb(image[self.area], self.video), self.video.turns)
        return _resized(part, self.rows, self.columns) / 127.5 - 1

    def back(self, picture: Picture) -> Image:
        """A model's picture as the rectangle `box` of an image, Y, U, V."""
        return from_rgb(127.5 * (self._laid(picture) + 1), self.video)

    def back_mask(self, mask: NDArray[np.float32]) -> NDArray[np.float32]:
        """[rows, columns] in 0 … 1 → [height, width] of `box`."""
        return np.asarray(np.clip(self._laid(mask), 0, 1), np.float32)

    def _laid(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        turned = np.rot90(picture, -self.video.turns)
        return _resized(turned, self.box.bottom - self.box.top, self.box.right - self.box.left)

    def points(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """[…, ≥2] points of the coded picture (x, y) → [..., 2] x, y in pixels of the model's picture."""
        x = (points[..., 0] - self.box.left) / (self.box.right - self.box.left)
        y = (points[..., 1] - self.box.top) / (self.box.bottom - self.box.top)
        for _ in range(self.video.turns):
            x, y = y, 1 - x
        return np.asarray(np.stack([x * self.columns, y * self.rows], -1), np.float32)


def laid(
    image: Image, crop: Crop, picture: Picture, alpha: NDArray[np.float32]
) -> tuple[Image, NDArray[np.uint8]]:
    """A copy of an image with a model's picture in its crop as far as `alpha` [rows, columns] says, and a mask [height,
    width]: 255 where it differs from the image, 0 where it is the image's own.
    """
    weight = crop.back_mask(alpha)
    changed = weight > 1 / 255
    old, new = image[crop.area].astype(np.float32), crop.back(picture).astype(np.float32)
    out, mask = image.copy(), np.zeros(image.shape[:2], np.uint8)
    mixed = np.rint(old + weight[..., None] * (new - old)).clip(0, 255).astype(np.uint8)
    np.copyto(out[crop.area], mixed, where=changed[..., None])
    mask[crop.area][changed] = 255
    return out, mask


def whole_picture(video: VideoInfo, cell: int, most: int = PIXELS) -> Crop:
    """All of the picture, at its own size or with `most` pixels, both sides multiples of `cell`, its shape kept as well
    as these allow.
    """
    pixels = min(most, video.width * video.height)
    return _fitted(Box(0, 0, video.width, video.height), video, cell, pixels)


def around_faces(
    points: NDArray[np.float32], video: VideoInfo, cell: int, side: int, most: int | None = None
) -> Crop:
    """A square around all faces [n, 478, 3] (NaN: none in that frame), cut where the picture ends. For the model it is
    `side` pixels wide, a larger one as wide as it is up to `most` (None: `side`), so that large faces stay sharp.

    Raises ValueError where no frame has a face.
    """
    seen = points[np.isfinite(points[:, 0, 0])]
    if not len(seen):
        raise ValueError("no face")
    around = square(seen.reshape(-1, 3), FACE_MARGIN).within((video.height, video.width))
    wide = max(around.right - around.left, around.bottom - around.top)
    return _fitted(around, video, cell, min(max(side, wide), most or side) ** 2)


def _resized(picture: NDArray[Any], rows: int, columns: int) -> NDArray[np.float32]:
    """[h, w] or [h, w, 3] → [rows, columns, …]: means where it shrinks, cubic where it grows."""
    import cv2

    way = cv2.INTER_AREA if rows * columns < picture.shape[0] * picture.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), (columns, rows), interpolation=way), np.float32)


def _fitted(box: Box, video: VideoInfo, cell: int, pixels: int) -> Crop:
    wide, high = box.right - box.left, box.bottom - box.top
    if video.turns % 2:
        wide, high = high, wide
    scale = math.sqrt(pixels / (wide * high))
    rows, columns = (max(1, round(n * scale / cell)) * cell for n in (high, wide))
    return Crop(box, rows, columns, video)
