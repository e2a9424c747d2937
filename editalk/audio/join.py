"""Joins: equal-power crossfades and the place where two sides fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from editalk.audio.samples import Audio, Samples

Floats = NDArray[np.float64]

NEAR = 0.004  # seconds to either side of a join that are compared
SHORT_FADE, LONG_FADE = 0.008, 0.025  # seconds: where something sounds, and in quiet
QUIET_DB = -12.0  # a join that far below the loudest near it is in quiet


def crossfade(a: Samples, b: Samples, fade_samples: int) -> Samples:
    """[len(a) + len(b) - fade, channels]: the end of `a` fades into the start of `b`; equal power where unrelated."""
    fade = min(fade_samples, len(a), len(b))
    if fade <= 0:
        return np.concatenate([a, b])
    out, into = a[len(a) - fade :], b[:fade]
    down, up = fade_weights(out, into)
    return np.concatenate([a[: len(a) - fade], out * down + into * up, b[fade:]])


def fade_weights(out: Samples, into: Samples) -> tuple[Samples, Samples]:
    """([n, 1], [n, 1]) weights of two overlapping sounds [n, channels] that keep the power even.

    Unrelated sounds get sine and cosine; the more alike they are, the nearer the weights' sum is to one.
    """
    n = len(out)
    angle = (np.arange(n) + 0.5) / n * (np.pi / 2)
    power = float(np.sqrt(np.square(out, dtype=np.float64).sum() * np.square(into, dtype=np.float64).sum()))
    alike = float((out.astype(np.float64) * into).sum()) / power if power > 1e-12 else 0.0
    scale = 1 / np.sqrt(1 + np.clip(alike, 0, 1) * np.sin(2 * angle))
    down, up = np.cos(angle) * scale, np.sin(angle) * scale
    return np.asarray(down[:, None], np.float32), np.asarray(up[:, None], np.float32)


def join_offset(read: Callable[[int, int], Audio], a: int, b: int, reach: int) -> tuple[int, int]:
    """(d, fade): cut out at source sample a + d and in at b + d, |d| ≤ reach, with a crossfade of `fade` samples.

    Moving both sides alike keeps sound and picture together. The d is where both sides are quiet, alike and near zero;
    the fade is long in quiet and short where something sounds. `read(start, stop)` gives source samples; what it does
    not have counts as silence.
    """
    rate = read(0, 0).rate
    near = max(1, round(NEAR * rate))
    left, right = (_around(read, at, reach + near) for at in (a, b))
    window = np.ones(2 * near)
    energy = _sliding(left**2 + right**2, window)
    apart = _sliding((left - right) ** 2, window)
    step = np.abs(left[near - 1 : -near - 1] - right[near:-near])  # the last sample kept to the first that follows it
    floor = 1e-9 + 1e-4 * float(energy.max())
    away = np.arange(-reach, reach + 1) / max(1, reach)
    level = 10 * np.log10((energy + floor) / floor)
    size = np.sqrt((energy + floor) / (2 * len(window)))
    cost = level + 4 * apart / (energy + floor) + 2 * np.minimum(step[: len(level)] / size, 4) + 1.5 * away**2
    best = int(cost.argmin())
    loudest = 10 * np.log10((float(energy.max()) + floor) / floor)
    quiet = level[best] < loudest + QUIET_DB or loudest < 3
    return best - reach, round((LONG_FADE if quiet else SHORT_FADE) * rate)


def _around(read: Callable[[int, int], Audio], at: int, reach: int) -> Floats:
    """[2 · reach + 1] mono samples around a place, zeros where there are none."""
    start = max(0, at - reach)
    got = read(start, max(start, at + reach + 1)).mono()
    out = np.zeros(2 * reach + 1)
    out[start - (at - reach) :][: len(got)] = got
    return out


def _sliding(values: Floats, window: Floats) -> Floats:
    """Sums of values over the 2 · near samples around each candidate."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    n = len(window)
    return np.asarray(np.maximum(total[n:] - total[:-n], 0)[: len(values) - n], np.float64)
