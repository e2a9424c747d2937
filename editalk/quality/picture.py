"""What the pixels of two pictures tell: likeness (PSNR, SSIM) and sharpness of a region."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.face.geometry import JAW, LIPS, OVAL, Box, box, head_mask

Luma = NDArray[np.uint8]
Points = NDArray[np.floating[Any]]

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5  # Wang et al. 2004, section III.C
SSIM_C1, SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
BEST = 100.0  # dB that equal pictures get: a mean must stay finite
REGIONS = ("mouth", "face", "head", "frame")


def region_box(name: str, points: Points | None, shape: tuple[int, ...]) -> Box | None:
    """The box of a region of a face [478, ≥2] inside a picture [h, w]; None without a face to find it by.

    `mouth` is the lower face, from under the nose to the chin.
    """
    if name == "frame":
        return Box(0, 0, shape[1], shape[0])
    if points is None or not np.isfinite(points[0, 0]):
        return None
    if name == "head":
        rows, columns = (np.flatnonzero(head_mask(points, shape).any(axis)) for axis in (1, 0))
        return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if len(rows) else None
    found = box(points[[*JAW, 2]], 0.05) if name == "mouth" else box(points[list(OVAL)])
    found = found.within(shape)
    return found if found.area else None


def lip_box(points: Points, shape: tuple[int, ...]) -> Box:
    """The lips of a face [478, ≥2] with 15 % around them, inside a picture [h, w]."""
    return box(points[list(LIPS)], 0.15).within(shape)


def psnr(a: Luma, b: Luma) -> float:
    """Peak signal to noise ratio of two pictures [h, w] in dB, at most 100."""
    import cv2

    error = float(cv2.norm(a, b, cv2.NORM_L2SQR)) / max(1, a.size)
    return min(BEST, 10 * math.log10(255**2 / error)) if error > 0 else BEST


def ssim(a: Luma, b: Luma) -> float:
    """Structural similarity of two pictures [h, w] (Wang et al. 2004): Gaussian window of SD 1.5 over 11 × 11 pixels,
    mean over where it fits in; NaN where it fits nowhere.
    """
    import cv2

    if min(a.shape) < SSIM_WINDOW:
        return float("nan")
    edge = SSIM_WINDOW // 2

    def mean(x: NDArray[np.float32]) -> NDArray[np.float32]:
        blurred = np.asarray(cv2.GaussianBlur(x, (SSIM_WINDOW, SSIM_WINDOW), SSIM_SIGMA), np.float32)
        return blurred[edge:-edge, edge:-edge]

    x, y = (p.astype(np.float32) - 128 for p in (a, b))  # variances are differences: smaller numbers lose less
    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    mx, my = mx + 128, my + 128
    top = (2 * mx * my + SSIM_C1) * (2 * vxy + SSIM_C2)
    return float((top / ((mx * mx + my * my + SSIM_C1) * (vx + vy + SSIM_C2))).mean())


def laplacian_variance(luma: Luma) -> float:
    """Sharpness of a picture [h, w] (Pech-Pacheco et al. 2000); 0 for an empty one."""
    import cv2

    return float(cv2.Laplacian(np.ascontiguousarray(luma), cv2.CV_32F).var()) if luma.size else 0.0
