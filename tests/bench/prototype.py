"""The throw-away prototype's predictor of mouth shapes, the row to beat: kernel ridge regression on the speaker's own
footage alone, on cepstra and on log-mel bands around each frame, averaged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from editalk.audio import Audio

Floats = NDArray[np.float64]

HOP = 100  # feature frames per second
BANDS, CEPSTRA = 20, 13
CENTRE = 0.04  # seconds after the picture
NARROW, WIDE = (np.arange(-k, k + 1e-6, 0.04) + CENTRE for k in (0.12, 0.16))
RIDGE, GAMMA, GAIN = 1.0, 1.5, 1.6


def log_mel(sound: Audio) -> Floats:
    """[n, bands] every 10 ms of mono sound: 25 ms windows, triangles from 80 Hz to 7.6 kHz."""
    wave, rate = np.asarray(sound.mono(), np.float64), sound.rate
    hop, size = rate // HOP, 512
    padded = np.pad(wave, (size // 2, size))
    rows = np.lib.stride_tricks.sliding_window_view(padded, size)[: len(wave) + 1 : hop]
    power = np.square(np.abs(np.fft.rfft(rows * np.hanning(size))))
    low, high = (2595 * np.log10(1 + f / 700) for f in (80.0, 7600.0))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(size, 1 / rate)
    up = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    down = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.log(power @ np.maximum(0, np.minimum(up, down)).T + 1e-9)


class Prototype:
    """`shapes`: [n, k, 3] at `times` seconds on the clock of `sound`."""

    def __init__(self, shapes: Floats, times: Floats, sound: Audio) -> None:
        self.mean = shapes.mean(0)
        targets = (shapes - self.mean).reshape(len(shapes), -1)
        self.fits = [_Kernel(x, targets) for x in features(sound, 0.0, times)]

    def __call__(self, sound: Audio, start: float, times: Floats) -> Floats:
        views = features(sound, start, times)
        moves = np.mean([fit(x) for fit, x in zip(self.fits, views, strict=True)], axis=0)
        return np.asarray(self.mean + GAIN * moves.reshape(len(times), *self.mean.shape))


def features(sound: Audio, start: float, times: Floats) -> tuple[Floats, Floats]:
    mel = log_mel(sound)
    cepstra = dct(mel, norm="ortho", axis=1)[:, :CEPSTRA]
    clock = start + np.arange(len(mel)) / HOP

    def around(rows: Floats, offsets: Floats) -> Floats:
        at = (times[:, None] + offsets).ravel()
        found = np.stack([np.interp(at, clock, column) for column in rows.T], 1)
        return found.reshape(len(times), -1)

    return around(cepstra, NARROW), around(mel, WIDE)


class _Kernel:
    def __init__(self, rows: Floats, targets: Floats) -> None:
        self.mean, self.scale = rows.mean(0), rows.std(0) + 1e-6
        self.rows = (rows - self.mean) / self.scale
        far = _squares(self.rows, self.rows)
        self.gamma = GAMMA / max(float(np.median(far)), 1e-9)
        self.weights = np.linalg.solve(np.exp(-self.gamma * far) + RIDGE * np.eye(len(far)), targets)

    def __call__(self, rows: Floats) -> Floats:
        return np.asarray(np.exp(-self.gamma * _squares((rows - self.mean) / self.scale, self.rows)) @ self.weights)


def _squares(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.maximum(0, np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T))
