"""Where a sound is louder than the noise under it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.asr.sound import RATE
from editalk.audio import Samples

STEP = 0.005  # seconds between levels
WINDOW = 0.010  # seconds a level is measured over
EMPHASIS = 0.97  # speech is high-passed so that hum and rumble do not count
QUIETEST = -85.0  # dB: a floor below this is digital silence
FLOOR_SPAN = 6.0  # seconds around a moment in which the noise floor is looked for


@dataclass(frozen=True)
class Activity:
    """Levels of a sound, one each `STEP` seconds.

    `levels`: [n] dB of the emphasised sound; `floor`: [n] dB of the noise around; `active`: [n] bool, louder than that.
    """

    levels: NDArray[np.float64]
    floor: NDArray[np.float64]
    active: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.levels)

    def index(self, seconds: float) -> int:
        """The level nearest to a time, within the sound."""
        return min(max(0, round(seconds / STEP)), len(self) - 1)


def activity(samples: Samples, above: float = 12.0) -> Activity:
    """Measure samples [n] at 16 kHz; active is what stands `above` dB over the floor (less where speech is faint)."""
    levels = _levels(samples)
    floor = _floor(levels)
    loud = float(np.percentile(levels, 95)) if len(levels) else QUIETEST
    margin = np.clip(0.35 * (loud - floor), 5.0, above)
    return Activity(levels, floor, levels > floor + margin)


def _levels(samples: Samples) -> NDArray[np.float64]:
    step, half = round(STEP * RATE), round(WINDOW * RATE / 2)
    emphasised = np.append(samples[:1], samples[1:] - EMPHASIS * samples[:-1]).astype(np.float64)
    power = np.concatenate([[0.0], np.cumsum(emphasised**2)])
    centres = np.arange(len(samples) // step + 1) * step
    low, high = np.maximum(centres - half, 0), np.minimum(centres + half, len(samples))
    return np.asarray(10 * np.log10((power[high] - power[low]) / np.maximum(1, high - low) + 1e-12))


def _floor(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The 10th percentile of the levels in blocks, smoothed over neighbours."""
    size = round(FLOOR_SPAN / STEP)
    if len(levels) <= 2 * size:
        low = np.percentile(levels, 10) if len(levels) else QUIETEST
        return np.full(len(levels), max(QUIETEST, float(low)))
    centres = np.arange(0, len(levels), size // 2)
    lows = [np.percentile(levels[max(0, c - size // 2) : c + size // 2 + 1], 10) for c in centres]
    return np.maximum(QUIETEST, np.interp(np.arange(len(levels)), centres, lows))
