"""Which part of a picture MuseTalk sees, and how much of what it draws is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.backends.crops import Crop
from editalk.backends.exemplar.paste import inner_outline
from editalk.backends.musetalk.network import SHOWN, SIDE
from editalk.face.geometry import LIPS_OUTER, Box, eye_distance, filled
from editalk.media import VideoInfo
from editalk.plan.types import Region

CONTOUR = (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454,
           356)  # fmt: skip  # the outline from temple to temple, over the chin
NOSE = (195, 4, 48, 64, 98, 2, 327, 294, 278)  # kept: speech does not move it, and the footage's is sharper
BRIDGE = 5  # the lower part of the nose's bridge: landmark 29 of 68
CHIN_MARGIN = 10  # pixels below the chin, the authors' extra_margin
LEAST = 24  # pixels across a face, fewer are not drawn
OUTLINE = (0.88, 1.05)  # of the face's, across and down: hair stays out, a jaw may open further than the footage's
SOFT = 0.06  # eye distances over which new pixels go over into old ones
EDGE = 6  # pixels of the 256 at a crop's edge in which they do, at least

Singles = NDArray[np.float32]
Bytes = NDArray[np.uint8]


def face_crop(points: Singles, video: VideoInfo) -> Crop | None:
    """The authors' crop for version 1.5 of a face [478, 3] in the coded picture: as wide as the face's outline, from
    10 pixels below the chin as far up beyond the nose's bridge as the chin lies below it, made square. None where the
    picture does not show the mouth or the face is tiny.

    Their landmarks (DWPose) are replaced by MediaPipe's at the same places.
    """
    turns, size = video.turns, (video.width, video.height)
    flat, size = _turned(points[:, :2], turns, size)
    outline, lips = flat[list(CONTOUR)].astype(int), flat[list(LIPS_OUTER)]
    (left, _), (right, chin) = outline.min(0), outline.max(0)
    top = max(0, 2 * int(flat[BRIDGE, 1]) - chin)
    left, right, bottom = max(0, left), min(size[0], right), min(size[1], chin + CHIN_MARGIN)
    if right - left < LEAST or bottom - top < LEAST:
        return None
    if (lips < (left, top)).any() or (lips > (right, bottom)).any():
        return None
    corners, _ = _turned(np.array([(left, top), (right, bottom)]), 4 - turns, size)
    (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
    return Crop(Box(int(x0), int(y0), int(x1), int(y1)), SIDE, SIDE, video)


def _turned(points: NDArray[Any], turns: int, size: tuple[int, int]) -> tuple[NDArray[Any], tuple[int, int]]:
    """Points [n, 2] of a picture [width, height] turned by quarters counter-clockwise, and its new size."""
    wide, high = size
    for _ in range(turns % 4):
        points = np.stack([points[:, 1], wide - points[:, 0]], 1)
        wide, high = high, wide
    return points, (wide, high)


def shown(points: Singles, crop: Crop, region: Region) -> Singles:
    """[256, 256] 0 … 1: how much of the drawn face counts. Of the mouth: lips, chin and the skin around them within
    the jaw; of anything larger: the lower half of the face without the nose, jaw included, as the authors show it.
    """
    inside = points.copy()
    inside[:, :2] = crop.points(points)
    eyes = float(eye_distance(inside[None])[0])
    if region == Region.MOUTH:
        mask = filled(inner_outline(np.asarray(inside, np.float64), eyes), (SIDE, SIDE))
    else:
        jaw = inside[list(CONTOUR), :2]
        middle = jaw.mean(0)
        mask = filled(middle + np.array(OUTLINE) * (jaw - middle), (SIDE, SIDE))
        mask[filled(inside[list(NOSE)], (SIDE, SIDE)) > 0] = 0
    mask[:SHOWN] = 0
    return _softened(mask, max(1.0, SOFT * eyes))


def _softened(mask: Bytes, sigma: float) -> Singles:
    """0 … 1, 0 at the edges, whatever the mask is there."""
    import cv2

    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), sigma)
    near = np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]) / EDGE
    ramp = near.clip(0, 1).astype(np.float32)
    return np.asarray(soft.clip(0, 1) * ramp * ramp[:, None], np.float32)
