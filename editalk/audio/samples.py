"""`Audio` and readers of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Reals = NDArray[np.floating[Any]]

SILENCE_DB = -180.0  # the level of digital silence


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


class SoundReader(Protocol):
    """Random access to a sound file by sample."""

    @property
    def rate(self) -> int: ...

    @property
    def channels(self) -> int: ...

    @property
    def samples(self) -> int: ...

    def read(self, start: int, stop: int) -> Audio:
        """Samples [start, stop); callers stay within [0, samples]."""
        ...


@dataclass(frozen=True)
class StoredSound:
    """A `SoundReader` of what is in memory already."""

    audio: Audio

    @property
    def rate(self) -> int:
        return self.audio.rate

    @property
    def channels(self) -> int:
        return self.audio.channels

    @property
    def samples(self) -> int:
        return len(self.audio.samples)

    def read(self, start: int, stop: int) -> Audio:
        return Audio(self.audio.samples[max(0, start) : max(0, stop)], self.audio.rate)


def fit_channels(samples: Samples, channels: int) -> Samples:
    """[n, channels]: the same sound on so many channels; their mean on each where the numbers differ."""
    if samples.shape[1] == channels:
        return samples
    return np.repeat(samples.mean(axis=1, keepdims=True, dtype=np.float32), channels, axis=1)


def decibels(samples: Reals) -> float:
    """RMS level over everything in an array, dB of full scale; -180 for digital silence and for nothing at all."""
    if not samples.size:
        return SILENCE_DB
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=np.float64))) + 1e-9))
