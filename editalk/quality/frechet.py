"""The distance of two sets of features as if both were Gaussian: as in FID (Heusel et al. 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def frechet_distance(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> float:
    """|μa − μb|² + tr(Ca + Cb − 2 (Ca Cb)^½) of [n, d] and [m, d], covariances over n − 1; NaN below two rows.

    tr (Ca Cb)^½ is the sum of the singular values of the product of the centred features: exact for singular
    covariances, which fewer rows than dimensions give.
    """
    if len(a) < 2 or len(b) < 2:
        return float("nan")
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    mx, my = x.mean(0), y.mean(0)
    x, y = (x - mx) / np.sqrt(len(x) - 1), (y - my) / np.sqrt(len(y) - 1)
    if min(len(x), len(y)) > x.shape[1]:  # triangles of d × d have the same covariances
        x, y = (np.asarray(np.linalg.qr(z, "r")) for z in (x, y))
    shared = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return max(0.0, float(np.square(mx - my).sum() + np.square(x).sum() + np.square(y).sum() - 2 * shared))
