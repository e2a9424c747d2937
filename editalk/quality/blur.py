"""How sharp a picture looks: the cumulative probability of blur detection, CPBD (Narvekar and Karam, "A No-Reference
Image Blur Metric Based on the Cumulative Probability of Blur Detection", IEEE Trans. Image Processing 20(9), 2011).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Reals = NDArray[np.float64]

BLOCK = 64  # pixels
EDGE_SHARE = 0.002  # of a block's pixels that are edges, where the block counts
BETA = 3.6  # section II: exponent of the probability of detection
CONTRAST, WIDTH_LOW, WIDTH_HIGH = 50, 5.0, 3.0  # just noticeable blur width in pixels up to this contrast, and above
NOTICED = 0.63  # probability of detection at the just noticeable blur
LONGEST = 100  # pixels that an edge is followed on either side
CANNY_SIGMA = 2**0.5
CANNY_FLAT, CANNY_WEAK = 70.0, 0.4  # percent of pixels that are no strong edges; the weak threshold over the strong


def cpbd(luma: Luma) -> float:
    """The share of a picture's [h, w] edges whose blur is not noticed: 0 (blurred) … 1 (sharp); NaN without edges.

    Edge widths are measured along rows, to the extremes of luma on both sides (Marziliano et al. 2002).
    """
    if min(luma.shape) < 3:
        return float("nan")
    rows, columns, widths = _edge_widths(luma.astype(np.float64))
    high, wide = (min(BLOCK, n) for n in luma.shape)  # a region smaller than a block is one
    blocks = _blocks(luma, high, wide)
    judged = np.count_nonzero(_blocks(_canny(luma), high, wide), axis=(1, 3)) > EDGE_SHARE * high * wide
    contrast = blocks.max((1, 3)).astype(np.int64) - blocks.min((1, 3))
    noticeable = np.where(contrast <= CONTRAST, WIDTH_LOW, WIDTH_HIGH)
    inside = (rows < high * len(judged)) & (columns < wide * judged.shape[1])
    at = rows[inside] // high, columns[inside] // wide
    detected = 1 - np.exp(-((widths[inside] / noticeable[at]) ** BETA))[judged[at]]
    return float((np.rint(100 * detected) <= 100 * NOTICED).mean()) if len(detected) else float("nan")


def _blocks(image: Luma, high: int, wide: int) -> Luma:
    """[h, w] → [rows of blocks, high, columns of blocks, wide], what is left over at the edges cut off."""
    down, across = image.shape[0] // high, image.shape[1] // wide
    return image[: down * high, : across * wide].reshape(down, high, across, wide)


def _edge_widths(image: Reals) -> tuple[NDArray[np.int64], NDArray[np.int64], Reals]:
    """Rows and columns of upright edges and their widths in pixels: [n] each."""
    down, across = np.gradient(image)
    angle = np.rint(np.degrees(np.arctan2(down, across)) / 45)
    flat = across == 0
    edges = _upright_edges(image)
    edges[[0, -1]] = False
    edges[:, [0, -1]] = False
    rising = edges & (np.abs(angle) == 0) & ~(flat & (down != 0))
    falling = edges & (np.abs(angle) == 4)
    found = []
    for way, chosen in ((image, rising), (-image, falling)):
        rows, columns = np.nonzero(chosen)
        left, right = _climb(-way[:, ::-1])[:, ::-1], _climb(way)
        width = left[rows, columns - 1] + right[rows, columns + 1] + 2
        found.append((rows, columns, width.astype(np.float64)))
    rows, columns, widths = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return rows, columns, widths


def _climb(image: Reals) -> NDArray[np.int64]:
    """[h, w]: over how many pixels to its right the luma rises without a break from each pixel, at most 100."""
    columns = np.ascontiguousarray(image.T)  # a column is a row in memory
    rises = columns[1:] > columns[:-1]
    out = np.zeros(columns.shape, np.int64)
    for k in range(len(rises) - 1, -1, -1):
        out[k] = np.where(rises[k], np.minimum(out[k + 1] + 1, LONGEST), 0)
    return out.T


def _upright_edges(image: Reals) -> NDArray[np.bool_]:
    """[h, w]: Sobel's edges across rows, thinned to maxima among neighbours."""
    import cv2

    strength = np.square(np.asarray(cv2.Sobel(image, cv2.CV_64F, 1, 0, scale=1 / 8, borderType=cv2.BORDER_REFLECT)))
    strength[strength <= 2 * np.sqrt(strength.mean())] = 0
    padded = np.pad(strength, 1)
    across = (strength > padded[1:-1, :-2]) & (strength > padded[1:-1, 2:])
    along = (strength > padded[:-2, 1:-1]) & (strength > padded[2:, 1:-1])
    return np.asarray(across | along)


def _canny(luma: Luma) -> NDArray[np.uint8]:
    """[h, w]: not 0 at edges; thresholds by the picture itself, as in the MATLAB function that the authors used."""
    import cv2

    smooth = cv2.GaussianBlur(luma, (0, 0), CANNY_SIGMA).astype(np.float32)
    across, down = (np.asarray(cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx)) for dx in (1, 0))
    strong = float(np.percentile(np.hypot(across, down), CANNY_FLAT))
    gradient = across.astype(np.int16), down.astype(np.int16)
    return np.asarray(cv2.Canny(*gradient, CANNY_WEAK * strong, strong, L2gradient=True), np.uint8)
