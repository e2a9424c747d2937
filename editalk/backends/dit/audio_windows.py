"""What a video frame hears: a window of audio features around its time, at the features' own rate (EditYourself,
section 3.2, equation 3).

With r features per second, feature j is centred on j / r seconds of the sound. The copy of the paper at hand lost its
formulas; from its words: for video frame i, shown at t_i seconds, with windows of W features, the fractional indices
are

    f(i, j) = r · t_i + j − (W − 1) / 2,   j = 0 … W − 1

and the windows A~(i, j) = (1 − λ) · A(⌊f⌋) + λ · A(⌊f⌋ + 1) with λ = f − ⌊f⌋. So a window is as long in seconds at any
frame rate, and its grid is shifted to the frame rather than rounded to the sound's.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def windows(features: Tensor, rate: float, at: NDArray[np.float64], width: int) -> Tensor:
    """[n, width, B, C]: for each of the times `at` ([n] seconds) the features around it.

    `features`: [L, B, C], L ≥ 1; `rate`: features per second. Beyond the sound's ends the first and the last feature go
    on: zeros would be a sound of their own (in log-mel a loud one), which no network hears in the middle of a sound.
    """
    centre = torch.as_tensor(np.asarray(at, np.float64), device=features.device) * rate
    offset = torch.arange(width, dtype=torch.float64, device=features.device) - (width - 1) / 2
    place = (centre[:, None] + offset).clamp(0, len(features) - 1)
    low = place.floor()
    share = (place - low).to(features.dtype)[..., None, None]
    left = low.long()
    right = (left + 1).clamp(max=len(features) - 1)
    return torch.lerp(features[left], features[right], share)
