"""What of a sound moves lips: features around the time of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Audio

Floats = NDArray[np.float64]

HOP = 100  # feature frames per second
BANDS = 20
CEPSTRA = 13
LEAD = 0.05  # seconds that the middle of what is heard lies after the picture
FLOOR = 1e-12  # power: digital silence
SPEECH = 25.0  # dB below the loudest that are still speech
SILENT = -50.0  # dB below which a source says nothing
HUSHED = 35.0  # dB below the source's speech at which another sound says nothing
ROOM = 45.0  # dB below the speech's level at which rooms are taken to be alike
SURE = 200  # feature frames of speech that tell half of what a voice sounds like


@lru_cache(maxsize=4)
def _filters(rate: int, size: int) -> Floats:
    """[bands, size/2 + 1]: triangles evenly spaced on the mel scale from 80 Hz to 7.6 kHz."""
    top = min(7600.0, 0.475 * rate)
    low, high = (2595 * np.log10(1 + f / 700) for f in (80.0, top))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bins = np.arange(size // 2 + 1) * rate / size
    up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.asarray(np.maximum(0, np.minimum(up, down)))


@dataclass(frozen=True)
class Voice:
    """What speech sounds like in a recording: mean and SD of the log-mel bands [bands], its level in dB."""

    mean: Floats
    spread: Floats
    level: float

    def distance(self, other: Voice) -> float:
        """How far the bands' means lie apart, in SDs: below 0.4 for one speaker and microphone, above for others."""
        return float(np.sqrt(np.mean(np.square((self.mean - other.mean) / other.spread))))


class Hearing:
    """The features of one sound. `start`: the second at which it begins on the clock of the frames' times; `like`: the
    voice to which another microphone's or another speaker's is fitted. Levels are dB relative to the sound's speech.
    """

    def __init__(self, sound: Audio, start: float, like: Voice | None = None) -> None:
        from scipy.fft import dct
        from scipy.ndimage import gaussian_filter1d

        wave = sound.mono().astype(np.float64)
        self.start = start
        power = _spectrum(wave, sound.rate)
        size = 2 * (power.shape[1] - 1)
        level = 10 * np.log10(gaussian_filter1d(power.sum(1), 1.5) + FLOOR)
        spoken = level > max(float(np.percentile(level, 99)) - SPEECH, like.level - HUSHED if like else SILENT)
        loud = float(level[spoken].mean()) if spoken.any() else (like.level if like else 0.0)
        bands = power @ _filters(sound.rate, size).T / 10 ** (loud / 10)
        mel = np.log(bands + 10 ** (-ROOM / 10))
        heard = mel[spoken] if spoken.any() else mel
        self.voice = Voice(heard.mean(0), heard.std(0) + 1e-3, loud)
        if like is not None and spoken.any():
            mel = _fitted(mel, self.voice, like, int(spoken.sum()))
        self.spoken, self.level = spoken, level - loud
        self.mel = gaussian_filter1d(mel, 1.0, axis=0)
        self.cepstra = gaussian_filter1d(dct(mel, norm="ortho", axis=1)[:, :CEPSTRA], 1.0, axis=0)
        self.swell = standard(np.sqrt(envelope(wave, sound.rate, len(mel))), spoken)

    def at(self, values: Floats, times: Floats, offsets: Floats) -> Floats:
        """Values [m, d] at times + offsets, linearly between: [n, len(offsets) · d]."""
        where = ((times[:, None] + offsets - self.start) * HOP - 0.5).clip(0, len(values) - 1)
        low = np.minimum(where.astype(int), max(0, len(values) - 2))
        share = (where - low)[..., None]
        high = np.minimum(low + 1, len(values) - 1)
        return np.asarray(((1 - share) * values[low] + share * values[high]).reshape(len(times), -1))

    def features(self, times: Floats) -> tuple[Floats, Floats]:
        """Two views for the regression: log-mel over ±0.16 s, cepstra over ±0.12 s, each [n, d]."""
        wide, narrow = np.arange(-4, 5) * 0.04 + LEAD, np.arange(-3, 4) * 0.04 + LEAD
        return self.at(self.mel, times, wide), self.at(self.cepstra, times, narrow)

    def opening(self, times: Floats, lead: float) -> Floats:
        """[n]: the envelope that opens the mouth, `lead` seconds after the picture, in SDs from its mean in speech."""
        return self.at(self.swell[:, None], times, np.array([lead]))[:, 0]

    def loudness(self, times: Floats, lead: float = 0.0) -> Floats:
        """[n]: level in dB over the speech's."""
        return self.at(self.level[:, None], times, np.array([lead]))[:, 0]


def _fitted(mel: Floats, own: Voice, like: Voice, heard: int) -> Floats:
    """Log-mel moved to another voice's mean and SD, as far as so much speech tells its own."""
    sure = heard / (heard + SURE)
    scale = (like.spread / own.spread).clip(0.6, 1.6) ** sure
    return np.asarray((mel - own.mean) * scale + own.mean + sure * (like.mean - own.mean))


def _spectrum(wave: Floats, rate: int) -> Floats:
    """Power over 25 ms every 10 ms: [m, bins]; row i is centred at (i + ½)/100 s."""
    hop, window = rate // HOP, rate // 40
    size = 1 << (window - 1).bit_length()
    count = max(1, -(-len(wave) // hop))
    edge = (window - hop) // 2
    padded = np.zeros(count * hop + window)
    padded[edge : edge + len(wave)] = wave
    rows = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][:count]
    hann = np.hanning(window)
    out = np.empty((count, size // 2 + 1))
    for i in range(0, count, 4096):
        out[i : i + 4096] = np.square(np.abs(np.fft.rfft(rows[i : i + 4096] * hann, size))) / np.square(hann).sum()
    return out


def standard(values: Floats, spoken: NDArray[np.bool_]) -> Floats:
    """[m] in SDs from their mean in speech, within limits; 0 where there is hardly any."""
    heard = values[spoken]
    if len(heard) < 10 or heard.std() < 1e-6:
        return np.zeros(len(values))
    return np.asarray(((values - heard.mean()) / heard.std()).clip(-2, 3))


def envelope(wave: Floats, rate: int, count: int) -> Floats:
    """[count]: amplitude of 1 to 3.5 kHz over 40 ms; of the bands tried this one follows the inner lips best."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import butter, sosfiltfilt

    hop = rate // HOP
    if len(wave) < 4 * hop:
        return np.zeros(count)
    band = sosfiltfilt(butter(3, [1000, min(3500, rate * 0.45)], "bandpass", fs=rate, output="sos"), wave)
    padded = np.zeros(count * hop)
    padded[: len(band)] = band[: count * hop]
    return np.asarray(np.sqrt(gaussian_filter1d(np.square(padded).reshape(-1, hop).mean(1), 4)))
