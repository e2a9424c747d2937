"""Another rate, another length."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

from editalk.audio.samples import Audio, Samples

GRAIN = 0.03  # seconds: two to three periods of a low voice
SEARCH = 0.009  # seconds to either side


def resample(audio: Audio, rate: int) -> Audio:
    """The same sound at another sample rate; ⌈n · rate / audio.rate⌉ samples."""
    if rate == audio.rate:
        return audio
    if not len(audio.samples):
        return Audio(audio.samples, rate)
    from scipy.signal import resample_poly

    common = gcd(rate, audio.rate)
    samples = resample_poly(audio.samples.astype(np.float64), rate // common, audio.rate // common, axis=0)
    return Audio(np.asarray(samples, np.float32), rate)


def stretch(audio: Audio, samples: int) -> Audio:
    """The same speech in exactly `samples` samples without a change of pitch (WSOLA).

    Good for 0.5 to 2 times the length. It begins and ends with the sound's own samples, so that what lies before and
    behind it goes on without a break.
    """
    given = audio.samples
    if samples == len(given):
        return audio
    grain = min(round(GRAIN * audio.rate), len(given), samples) // 2 * 2
    if grain < 16:
        return Audio(_interpolated(given, samples), audio.rate)
    starts = _places(samples, grain)
    picked = _grains(given, starts, samples, grain, round(SEARCH * audio.rate))
    window = np.hanning(grain + 2)[1:-1].astype(np.float32)[:, None]
    out = np.zeros((samples, audio.channels), np.float32)
    weight = np.zeros((samples, 1), np.float32)
    half = grain // 2
    for k, (to, start) in enumerate(zip(starts, picked, strict=True)):
        shape = window.copy()
        if k == 0:
            shape[:half] = 1
        if k == len(starts) - 1:
            shape[half:] = 1
        out[to : to + grain] += shape * given[start : start + grain]
        weight[to : to + grain] += shape
    out /= weight
    if len(starts) > 1:  # where one grain alone sounds nothing is rounded
        out[: starts[1]] = given[: starts[1]]
        alone = samples - int(starts[-2]) - grain
        out[samples - alone :] = given[len(given) - alone :]
    return Audio(out, audio.rate)


def _places(samples: int, grain: int) -> NDArray[np.int64]:
    """Where grains begin in the result: the first at its start, the last at its end, half a grain apart or less."""
    count = max(1, -(-(samples - grain) // (grain // 2)) + 1)
    return np.asarray(np.round(np.linspace(0, samples - grain, count)), np.int64)


def _grains(given: Samples, starts: NDArray[np.int64], samples: int, grain: int, search: int) -> list[int]:
    """Where each grain is taken from: near its proportional place, where it best goes on from the grain before."""
    mono = given.mean(axis=1, dtype=np.float64)
    last = len(given) - grain
    picked = [0]
    for k in range(1, len(starts)):
        if k == len(starts) - 1:
            picked.append(last)
            break
        ideal = round(starts[k] / max(1, samples - grain) * last)
        goes_on = picked[-1] + int(starts[k] - starts[k - 1])
        low, high = max(0, ideal - search), min(last, ideal + search)
        picked.append(_most_alike(mono, goes_on, low, high, grain) if goes_on <= last else ideal)
    return picked


def _most_alike(mono: NDArray[np.float64], goes_on: int, low: int, high: int, grain: int) -> int:
    """The start in [low, high] of the grain most like the one at `goes_on`."""
    if low <= goes_on <= high and abs(goes_on - (low + high) // 2) <= 2:
        return goes_on
    wanted = mono[goes_on : goes_on + grain]
    field = mono[low : high + grain]
    dot = np.correlate(field, wanted, "valid")
    power = np.concatenate([[0.0], np.cumsum(field**2)])
    norm = np.sqrt(power[grain:] - power[:-grain] + 1e-9)
    return low + int((dot / norm).argmax())


def _interpolated(given: Samples, samples: int) -> Samples:
    if not len(given):
        return np.zeros((samples, given.shape[1]), np.float32)
    at = np.linspace(0, len(given) - 1, samples)
    return np.stack([np.interp(at, np.arange(len(given)), c) for c in given.T], axis=1).astype(np.float32)
