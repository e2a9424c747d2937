"""The mark into new pictures, where they are new."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Image, Rendered
from editalk.media import VideoInfo
from editalk.watermark.pattern import TILE, Floats, grid_size, spread
from editalk.watermark.payload import encoded

VERSION = 2  # counts up when pictures are marked otherwise
LEAST, MOST = 0.45, 2.0  # levels of 255, root mean square: in a flat area of full HD and in a busy one
MORE = 1.8  # times `LEAST`, at most, where fewer pixels carry the pattern
BUSY = 0.4  # levels for each level of fine detail around, mean of the absolute
DARK, BRIGHT, FADE = 16.0, 235.0, 24.0  # luma beyond which nothing is marked, and the way to the full mark
SMALL = 0.15  # of the picture: a new part below that holds no payload, and a stronger mark
STRONGER = 1.25
AROUND = TILE // 8  # grid points: side of the area whose detail decides how strong the mark is
FINE = 2.5  # grid points: sigma of what is not detail but shading


class Embedder:
    """Marks a stream's new pictures. `payload`: four bytes, see `payload_of`. Raises ImportError without the extra."""

    def __init__(self, payload: bytes, like: VideoInfo) -> None:
        size = like.width, like.height, float(like.sample_aspect)
        self._whole = spread(encoded(payload), *size)
        self._part = STRONGER * spread(b"", *size)
        self._around = max(3, round(AROUND * like.width / grid_size(*size)[0]) | 1)
        self._least = LEAST * min(max(1.0, (1080 / min(like.width, like.height)) ** 0.5), MORE)

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
            added = strength(luma, self._around, self._least) * (self._part if small else self._whole)[area]
            marked[area][..., 0] = np.clip(np.rint(luma + added), 0, 255)
        return marked


def strength(luma: Floats, around: int, least: float) -> Floats:
    """[h, w] root mean square of what may be added, levels of 255; `around`: side of the area looked at, pixels;
    `least`: in a flat area.

    What counts is the least detail nearby: an edge hides nothing in the flat area beside it.
    """
    import cv2

    mean = cv2.blur(luma, (around, around))
    shading = cv2.GaussianBlur(luma, (0, 0), FINE * around / AROUND)
    detail = cv2.blur(np.abs(luma - shading), (around, around))
    nearby = cv2.blur(cv2.erode(detail, np.ones((around, around), np.uint8)), (around, around))
    fade = np.clip(np.minimum(mean - DARK, BRIGHT - mean) / FADE, 0, 1)
    return np.asarray(np.clip(least + BUSY * nearby, least, MOST) * fade, np.float32)
