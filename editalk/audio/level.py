"""How loud: levels, speech activity, the gain that fits an insert to its surroundings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from editalk.audio.samples import SILENCE_DB, Audio, Samples

Floats = NDArray[np.float64]

BLOCK = 0.01  # seconds, of `activity`
RUMBLE_HZ = 90.0
LEAST_RANGE_DB = 10.0  # a sound with less between its floor and its loud parts has no speech in it
FLOOR_REACH = 4.0  # seconds to either side that the floor is taken from
HANG = 0.06  # seconds that speech goes on after its energy has gone
LEAST_SPEECH = 0.03  # seconds; anything shorter is a click
SPEECH_RANGE_DB = 25.0
EDGE_RANGE_DB = 35.0
MOST_GAIN_DB = 20.0
KNEE = 0.85  # amplitude up to which `soft_limit` changes nothing
LIMITED_DB = 3.0  # that much of a peak is left to the limiter


def rms_db(mono: Samples, rate: int, hop: float = 0.005) -> Floats:
    """[⌈n / hop⌉] level of each `hop` seconds of mono sound [n], dB of full scale, -180 where digitally silent."""
    size = max(1, round(hop * rate))
    if not len(mono):
        return np.zeros(0)
    starts = np.arange(0, len(mono), size)
    power = np.add.reduceat(np.square(mono, dtype=np.float64), starts)
    count = np.minimum(size, len(mono) - starts)
    return np.asarray(20 * np.log10(np.sqrt(power / count) + 1e-9), np.float64)


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, end) of the stretches of [n] that are set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def activity(mono: Samples, rate: int) -> NDArray[np.bool_]:
    """[⌈n / 10 ms⌉] whether somebody speaks in each block of mono sound [n].

    The threshold lies between a floor that follows the sound within ±4 s and the loud parts; steady noise is no speech.
    """
    level = rms_db(_above_rumble(mono, rate), rate, BLOCK)
    if not len(level):
        return np.zeros(0, np.bool_)
    heard = level[level > -100]
    loud = float(np.percentile(heard, 95)) if len(heard) else SILENCE_DB
    floor = _floor(level, loud)
    threshold = floor + np.maximum(6.0, 0.35 * (loud - floor))
    above = (level > threshold) & (loud - floor >= LEAST_RANGE_DB)
    return _bridge(above, round(HANG / BLOCK), round(LEAST_SPEECH / BLOCK))


def speech_level(mono: Samples, rate: int) -> float:
    """Level of the speech in mono sound [n]: all 20 ms blocks within 25 dB of the loudest, dB of full scale."""
    level = rms_db(mono, rate, 0.02)
    if not len(level):
        return SILENCE_DB
    power = 10 ** (level[level > level.max() - SPEECH_RANGE_DB] / 10)
    return float(10 * np.log10(power.mean()))


def speech_bounds(mono: Samples, rate: int) -> tuple[int, int]:
    """First and last (exclusive) sample of the speech in mono sound [n]: 20 ms blocks within 35 dB of the loudest."""
    level = rms_db(mono, rate, 0.02)
    if not len(level):
        return 0, 0
    loud = np.flatnonzero(level > level.max() - EDGE_RANGE_DB)
    size = max(1, round(0.02 * rate))
    return int(loud[0]) * size, min(len(mono), (int(loud[-1]) + 1) * size)


def loudness_gain(insert: Audio, around: Sequence[Audio]) -> float:
    """The gain in dB, -20…20, that makes an insert's speech as loud as the speech around it.

    Less where the insert's peaks would go more than 3 dB over full scale (what is left over `soft_limit` takes); 0
    where either side is silent.
    """
    near = [a.mono() for a in around if len(a.samples)]
    if not near or not len(insert.samples):
        return 0.0
    wanted = speech_level(np.concatenate(near), around[0].rate)
    have = speech_level(insert.mono(), insert.rate)
    if min(wanted, have) < -80:
        return 0.0
    peak = 20 * np.log10(float(np.abs(insert.samples).max()) + 1e-9)
    return float(np.clip(min(wanted - have, max(0.0, LIMITED_DB - peak)), -MOST_GAIN_DB, MOST_GAIN_DB))


def soft_limit(samples: Samples) -> Samples:
    """The same sound with every sample within ±1: untouched up to ±0.85, bent smoothly beyond."""
    size = np.abs(samples)
    if not len(samples) or size.max() <= KNEE:
        return samples
    bent = KNEE + (1 - KNEE) * np.tanh((size - KNEE) / (1 - KNEE))
    return np.asarray(np.where(size > KNEE, np.sign(samples) * bent, samples), np.float32)


def _above_rumble(mono: Samples, rate: int) -> Samples:
    from scipy.signal import butter, sosfilt

    if len(mono) < 2 or rate < 4 * RUMBLE_HZ:
        return mono
    return np.asarray(sosfilt(butter(2, RUMBLE_HZ, "highpass", fs=rate, output="sos"), mono), np.float32)


def _floor(level: Floats, loud: float) -> Floats:
    """[n] the noise under each block: a low percentile of what is near; digital silence does not count as noise."""
    from scipy.ndimage import percentile_filter, uniform_filter1d

    audible = np.maximum(level, loud - 60)
    size = round(FLOOR_REACH / BLOCK)
    if len(level) <= size:
        return np.full(len(level), np.percentile(audible, 10))
    coarse = audible[: len(audible) // 5 * 5].reshape(-1, 5).mean(1)
    low = percentile_filter(coarse, 10, size=min(len(coarse), 2 * size // 5), mode="nearest")
    fine = np.repeat(uniform_filter1d(low, 9, mode="nearest"), 5)
    return np.concatenate([fine, np.full(len(level) - len(fine), fine[-1])])


def _bridge(above: NDArray[np.bool_], gap: int, least: int) -> NDArray[np.bool_]:
    """Blocks without bursts shorter than `least`, with pauses up to twice `gap` filled and `gap` added at each end."""
    from scipy.ndimage import binary_dilation, binary_opening

    kept = binary_opening(above, np.ones(least, bool))
    return np.asarray(binary_dilation(kept, np.ones(2 * gap // 2 + 1, bool)), np.bool_)
