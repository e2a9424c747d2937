"""Do the lips follow the sound: their aperture against the loudness of what opens a mouth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Audio
from editalk.quality.landmarks import lagged

Floats = NDArray[np.float64]

HOP = 100  # values per second
BAND = (1000.0, 3500.0)  # Hz: of the bands tried on talking heads the one that the inner lips follow best
SMOOTH = 4  # values: SD of the smoothing


def envelope(sound: Audio) -> tuple[Floats, Floats]:
    """(seconds [m], amplitude [m]) of the band that goes with open lips, 100 values per second."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import butter, sosfiltfilt

    hop = sound.rate // HOP
    count = len(sound.samples) // hop
    if count < 10:
        return np.zeros(0), np.zeros(0)
    top = min(BAND[1], 0.45 * sound.rate)
    filters: Any = butter(3, [min(BAND[0], top / 2), top], "bandpass", fs=sound.rate, output="sos")
    wave = sosfiltfilt(filters, np.asarray(sound.mono(), np.float64))
    power = np.square(wave[: count * hop]).reshape(count, hop).mean(1)
    return (np.arange(count) + 0.5) / HOP, np.sqrt(gaussian_filter1d(power, SMOOTH).clip(0))


def follows(times: Floats, aperture: Floats, sound: Audio) -> tuple[float, float]:
    """(r, lag in ms) at the best lag of ±200 ms, positive where the lips come after the sound.

    `times`: [n] seconds from the sound's beginning.
    """
    clock, loud = envelope(sound)
    if not len(clock) or not np.isfinite(aperture).any():
        return float("nan"), float("nan")
    r, lag = lagged(times, aperture, clock, loud)
    return r, 1e3 * lag
