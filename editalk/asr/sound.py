"""Sound as the recognisers want it: mono, 16 kHz."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Audio, Samples

RATE = 16000  # samples per second of every recogniser here


def prepared(audio: Audio | Samples, rate: int = RATE) -> Samples:
    """[n] float32 at 16 kHz, finite, from an `Audio` or from samples [n] or [n, channels] at `rate`."""
    if isinstance(audio, Audio):
        samples, rate = audio.mono(), audio.rate
    else:
        samples = np.asarray(audio, np.float32)
        samples = samples.mean(axis=1) if samples.ndim == 2 else samples
    samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    if rate != RATE and len(samples):
        from scipy.signal import resample_poly

        divisor = gcd(rate, RATE)
        samples = resample_poly(samples, RATE // divisor, rate // divisor)
    return np.ascontiguousarray(samples, np.float32)


def pcm(samples: Samples) -> NDArray[np.int16]:
    """16-bit samples, as PocketSphinx reads them."""
    return np.asarray(np.clip(np.rint(samples * 32767), -32768, 32767), np.int16)
