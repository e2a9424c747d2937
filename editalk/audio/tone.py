"""Room tone: the sound of the take when nobody speaks, in any length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.audio.level import rms_db, runs
from editalk.audio.samples import SILENCE_DB, Audio, Samples, decibels
from editalk.timebase import TimeRange

Read = Callable[[int, int], Audio]

BLOCK = 0.01  # seconds
GRAIN = 0.2  # seconds
LEAST_GRAIN = 0.06  # seconds; shorter stretches only lend their spectrum
MARGIN = 0.06  # seconds kept from words: their tails and breaths
ENOUGH = 6.0  # seconds of room tone
MOST_GAPS = 60
STEADY_DB = 5.0  # what is louder than that over the floor is no room tone
MUTE_DB = -95.0  # what is below is digital silence, no room tone
SPECTRUM = 1024  # samples
PROBES = 40  # seconds looked at where a take has no gap


@dataclass(frozen=True)
class RoomTone:
    """`stretches`: [n, channels] pieces of the take without speech, each as long as a grain or longer; where there are
    none, noise of the spectrum `shape` [bins, channels] (RMS amplitude of a sample) is made. `level`: dB of full scale.
    """

    rate: int
    channels: int
    stretches: tuple[Samples, ...]
    shape: NDArray[np.float64]
    level: float

    def make(self, samples: int, seed: int = 0, start: int = 0) -> Audio:
        """Samples [start, start + samples) of an endless room tone: [samples, channels].

        The same seed gives the same tone; neighbouring stretches of one seed fit together.
        """
        if self.level <= MUTE_DB or samples <= 0:
            return Audio(np.zeros((max(0, samples), self.channels), np.float32), self.rate)
        grain = self._grain
        hop = grain // 2
        first = start // hop - 1
        out = np.zeros(((samples // hop + 4) * hop, self.channels), np.float32)
        window = np.sin((np.arange(grain) + 0.5) / grain * np.pi).astype(np.float32)[:, None]
        for k in range(len(out) // hop - 1):
            out[k * hop : k * hop + grain] += window * self._take(first + k, seed, grain)
        skip = start - first * hop
        return Audio(out[skip : skip + samples], self.rate)

    @property
    def _grain(self) -> int:
        longest = max((len(s) for s in self.stretches), default=SPECTRUM)
        return min(round(GRAIN * self.rate), longest) // 2 * 2

    def _take(self, index: int, seed: int, grain: int) -> Samples:
        random = np.random.default_rng([seed, abs(index), int(index < 0)])
        fit = [s for s in self.stretches if len(s) >= grain]
        if not fit:
            return _noise(self.shape, grain, random)
        room = np.array([len(s) - grain + 1 for s in fit])
        # even grains from the first half of what there is, odd ones from the second: neighbours are never the same
        half = int(room.sum()) // 2
        low, high = ((0, half) if index % 2 else (half, int(room.sum()))) if half > grain else (0, int(room.sum()))
        at = int(random.integers(low, high))
        ends = np.cumsum(room)
        chosen = int(np.searchsorted(ends, at, "right"))
        offset = at - int(ends[chosen] - room[chosen])
        return fit[chosen][offset : offset + grain]


def find_room_tone(read: Read, samples: int, rate: int, speech: Sequence[TimeRange]) -> RoomTone:
    """The room tone of a take of `samples` samples, from the steady parts of the pauses between `speech`.

    `read(start, stop)` gives samples; a few seconds are held at a time. Where there is no pause, the quietest moments
    lend their spectrum and level.
    """
    channels = read(0, 0).channels
    gaps = sorted(_gaps(samples, rate, speech), key=lambda g: g[0] - g[1])[:MOST_GAPS]
    parts = [read(a, min(b, a + round(ENOUGH * rate))).samples for a, b in gaps]
    floor = _floor(parts, rate)
    steady = [s for part in parts for s in _steady(part, rate, floor)] if floor is not None else []
    if not steady:
        steady = _quietest(read, samples, rate)
    shape = _shape(steady, channels)
    level = _level(steady)
    long = [s for s in steady if len(s) >= LEAST_GRAIN * rate]
    longest = max((len(s) for s in long), default=0)
    grain = min(round(GRAIN * rate), longest)
    usable = [s for s in long if len(s) >= grain]
    if sum(len(s) for s in usable) < 2.5 * grain:  # so little of it would be heard to repeat
        usable = []
    return RoomTone(rate, channels, tuple(usable), shape, level)


def _gaps(samples: int, rate: int, speech: Sequence[TimeRange]) -> list[tuple[int, int]]:
    """Sample ranges without speech, away from words."""
    found, at = [], 0
    for span in sorted(speech):
        found.append((at, round((span.start - MARGIN) * rate)))
        at = max(at, round((span.end + MARGIN) * rate))
    found.append((at, samples))
    return [(a, b) for a, b in found if b - a >= 2 * BLOCK * rate]


def _floor(parts: Sequence[Samples], rate: int) -> float | None:
    """The level of the pauses, dB: that of their quieter half, digital silence aside where something else is there."""
    levels = np.concatenate([rms_db(np.asarray(p.mean(axis=1)), rate, BLOCK) for p in parts] or [np.zeros(0)])
    if not len(levels):
        return None
    heard = levels[levels > MUTE_DB]
    return float(np.percentile(heard, 35)) if len(heard) > 0.2 * len(levels) else SILENCE_DB


def _steady(part: Samples, rate: int, floor: float) -> list[Samples]:
    """The stretches of a pause that stay near the floor."""
    level = rms_db(np.asarray(part.mean(axis=1)), rate, BLOCK)
    good = level < max(floor, MUTE_DB) + STEADY_DB
    if floor > MUTE_DB:
        good &= level > MUTE_DB
    size = round(BLOCK * rate)
    return [part[a * size : b * size] for a, b in runs(good) if b - a >= 2]


def _quietest(read: Read, samples: int, rate: int) -> list[Samples]:
    """20 ms moments of a take that are its quietest without being digital silence."""
    length = round(0.02 * rate)
    moments: list[tuple[float, Samples]] = []
    count = min(PROBES, max(1, samples // rate))
    for at in np.linspace(0, max(0, samples - rate), count).astype(int):
        part = read(int(at), int(min(samples, at + rate))).samples
        cut = [part[i : i + length] for i in range(0, len(part) - length + 1, length)]
        moments += [(decibels(c), c) for c in cut]
        moments = sorted((m for m in moments if m[0] > MUTE_DB), key=lambda m: m[0])[: max(4, count)]
    return [c for _, c in moments]


def _level(parts: Sequence[Samples]) -> float:
    return decibels(np.concatenate([p.ravel() for p in parts])) if parts else SILENCE_DB


def _shape(parts: Sequence[Samples], channels: int) -> NDArray[np.float64]:
    """[bins, channels] RMS amplitude spectrum such that `_noise` has the parts' own power."""
    power = np.zeros((SPECTRUM // 2 + 1, channels))
    count = 0
    window = np.hanning(SPECTRUM)[:, None]
    for part in parts:
        for at in range(0, max(1, len(part) - SPECTRUM // 2), SPECTRUM // 2):
            piece = part[at : at + SPECTRUM]
            shape = window if len(piece) == SPECTRUM else np.hanning(len(piece) + 2)[1:-1, None]
            centred = (piece - piece.mean(axis=0)) * shape
            power += np.abs(np.fft.rfft(centred, SPECTRUM, axis=0)) ** 2 / float(np.square(shape).sum())
            count += 1
    return np.asarray(np.sqrt(power / max(1, count)))


def _noise(shape: NDArray[np.float64], samples: int, random: np.random.Generator) -> Samples:
    """[samples, channels] noise of a spectrum; channels share their phase, as one room's sound does."""
    bins = samples // 2 + 1
    at = np.linspace(0, len(shape) - 1, bins)
    amplitude = np.stack([np.interp(at, np.arange(len(shape)), c) for c in shape.T], axis=1)
    phase = random.standard_normal((bins, 1)) + 1j * random.standard_normal((bins, 1))
    spectrum = amplitude * phase * np.sqrt(samples / 2)
    return np.asarray(np.fft.irfft(spectrum, samples, axis=0), np.float32)
