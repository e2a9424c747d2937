"""Sound as samples: slicing, joins, room tone, loudness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Audio:
    """`samples`: [n, channels] float32 in -1…1; `rate`: samples per second."""

    samples: Samples
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    @property
    def channels(self) -> int:
        return int(self.samples.shape[1])

    def mono(self) -> Samples:
        """[n], the mean of the channels."""
        return np.asarray(self.samples.mean(axis=1), np.float32)
