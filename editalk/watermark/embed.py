"""The mark into new pictures, where they are new."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Image, Rendered
from editalk.media import VideoInfo
from editalk.watermark.pattern import TILE, Floats, grid_size, spread
from editalk.watermark.payload import encoded

VERSION = 1  # counts up when pictures are marked otherwise
LEAST, MOST = 0.9, 2.0  # levels of 255, root mean square: in a flat area and in a busy one
BUSY = 0.28  # levels for each level by which the luma around varies
DARK, BRIGHT, FADE = 16.0, 235.0, 24.0  # luma beyond which nothing is marked, and the way to the full mark
SMALL = 0.15  # of the picture: a new part below that holds no payload, and a stronger mark
STRONGER = 1.4
AROUND = TILE // 8  # grid points: side of the area whose luma decides how strong the mark is


class Embedder:
    """Marks a stream's new pictures. `payload`: four bytes, see `payload_of`. Raises ImportError without the extra."""

    def __init__(self, payload: bytes, like: VideoInfo) -> None:
        size = like.width, like.height, float(like.sample_aspect)
        self._whole = spread(encoded(payload), *size)
        self._part = STRONGER * spread(b"", *size)
        self._around = max(3, round(AROUND * like.width / grid_size(*size)[0]) | 1)

    def __call__(self, made: Rendered) -> Rendered:
        """The same picture, marked where its mask is set; the given one stays as it is."""
        return replace(made, image=self.image(made.image, made.mask))

    def image(self, image: Image, mask: NDArray[np.uint8] | None = None) -> Image:
        """A copy with a luma changed by at most some 10 levels; outside the box around the mask nothing is."""
        import cv2

        h, w = image.shape[:2]
        x, y, wide, high = (0, 0, w, h) if mask is None else cv2.boundingRect(mask)
        small = mask is not None and cv2.countNonZero(mask) < SMALL * w * h
        area = slice(y, y + high), slice(x, x + wide)
        marked = image.copy()
        if wide:
            luma = image[area][..., 0].astype(np.float32)
            added = strength(luma, self._around) * (self._part if small else self._whole)[area]
            marked[area][..., 0] = np.clip(np.rint(luma + added), 0, 255)
        return marked


def strength(luma: Floats, around: int) -> Floats:
    """[h, w] root mean square of what may be added, levels of 255; `around`: side of the area looked at, pixels."""
    import cv2

    mean = cv2.blur(luma, (around, around))
    varies = np.sqrt(np.maximum(cv2.blur(luma * luma, (around, around)) - mean * mean, 0))
    fade = np.clip(np.minimum(mean - DARK, BRIGHT - mean) / FADE, 0, 1)
    return np.asarray(np.clip(LEAST + BUSY * varies, LEAST, MOST) * fade, np.float32)
