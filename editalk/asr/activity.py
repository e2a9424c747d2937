"""How loud a sound is over time, by bands, and where it stands out of the noise under it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from editalk.asr.sound import RATE
from editalk.audio import Samples

STEP = 0.005  # seconds between levels
WINDOW = 256  # samples that a level is measured over, 16 ms
BANDS = (80, 900, 3000, 7600)  # Hz: voicing and first formant, higher formants, frication; hum and rumble lie below
BLOCK = 20000  # levels measured at a time, to bound the memory

Levels = NDArray[np.float64]


def measured(samples: Samples) -> Levels:
    """Levels [n, bands] in dB of samples [n] at 16 kHz, one each `STEP` seconds, the first at time 0."""
    step = round(STEP * RATE)
    padded = np.pad(np.asarray(samples, np.float64), (WINDOW // 2, WINDOW // 2 + step))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: len(samples) + 1 : step]
    edges = [round(hertz * WINDOW / RATE) for hertz in BANDS]
    window = np.hanning(WINDOW)
    parts = []
    for first in range(0, len(frames), BLOCK):
        power = np.abs(np.fft.rfft(frames[first : first + BLOCK] * window)) ** 2 / WINDOW**2
        parts.append(np.stack([power[:, a:b].sum(axis=1) for a, b in zip(edges[:-1], edges[1:], strict=True)], axis=1))
    return np.asarray(10 * np.log10(np.concatenate(parts) + 1e-13))


def index(seconds: float, levels: Levels) -> int:
    """The level nearest to a time, within the sound."""
    return min(max(0, round(seconds / STEP)), len(levels) - 1)


def stands_out(
    levels: Levels, noise: Levels, peak: NDArray[np.float64], share: float, least: float
) -> NDArray[np.bool_]:
    """[n] which levels [n, bands] are sound, judged by `noise` [m, bands] and a word's `peak` [bands].

    A band stands out where it rises `share` of the way from the noise to the peak, and at least `least` dB and the
    noise's own spread.
    """
    middle = np.median(noise, axis=0)
    spread = np.median(np.abs(noise - middle), axis=0)
    above = np.maximum(least + 2 * spread, share * (peak - middle))
    return np.asarray((levels > middle + above).any(axis=1))
