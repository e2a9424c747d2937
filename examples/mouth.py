"""Phones → what the mouth does in every frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from speech import Spoken

LEAD = 0.03  # seconds: lips move before their sound is heard
STEP = 200  # positions a second at which the shapes are worked out


@dataclass(frozen=True)
class Shape:
    """`opening` 0 (closed) … 1 (widest); `rounding` -1 (spread) … 1 (rounded); `tuck` 0…1: lower lip at the teeth."""

    opening: float
    rounding: float = 0.0
    tuck: float = 0.0


REST, CLOSED, LABIODENTAL = Shape(0.05), Shape(0.0), Shape(0.12, 0.0, 1.0)
VISEMES: dict[str, tuple[Shape, ...]] = {
    "_": (REST,),
    **dict.fromkeys(("p", "b", "m"), (CLOSED,)),
    **dict.fromkeys(("f", "v"), (LABIODENTAL,)),
    **dict.fromkeys(("s", "z", "t", "d", "n"), (Shape(0.24, -0.35),)),
    **dict.fromkeys(("S", "Z", "tS", "dZ"), (Shape(0.3, 0.55),)),
    **dict.fromkeys(("T", "D", "l", "j"), (Shape(0.3, -0.1),)),
    **dict.fromkeys(("k", "g", "N", "h"), (Shape(0.34),)),
    **dict.fromkeys(("w",), (Shape(0.12, 1.0),)),
    **dict.fromkeys(("r", "3", "U", "u"), (Shape(0.3, 0.75),)),
    **dict.fromkeys(("I", "i"), (Shape(0.42, -0.6),)),
    **dict.fromkeys(("@", "@L"), (Shape(0.38),)),
    **dict.fromkeys(("E", "e", "a@"), (Shape(0.68, -0.3),)),
    **dict.fromkeys(("a", "aa", "V", "A", "A@"), (Shape(0.92, -0.1),)),
    **dict.fromkeys(("0", "O", "O@", "o@"), (Shape(0.78, 0.45),)),
    "U@": (Shape(0.3, 0.8), Shape(0.4, 0.3)),
    "oU": (Shape(0.62, 0.55), Shape(0.25, 0.95)),
    "aU": (Shape(0.95, 0.0), Shape(0.3, 0.85)),
    "aI": (Shape(0.95, -0.1), Shape(0.42, -0.5)),
    "eI": (Shape(0.66, -0.35), Shape(0.4, -0.6)),
    "OI": (Shape(0.7, 0.7), Shape(0.4, -0.5)),
}


def shapes_of(symbol: str) -> tuple[Shape, ...]:
    """The shapes of a phone; of one that is not in the table those of the longest beginning that is."""
    for length in range(len(symbol), 0, -1):
        if symbol[:length] in VISEMES:
            return VISEMES[symbol[:length]]
    return (Shape(0.35),)


def movements(spoken: Spoken, frames: int, rate: float) -> NDArray[np.float64]:
    """[frames, 3]: opening, rounding, tuck in the middle of each frame."""
    from scipy.ndimage import gaussian_filter1d

    clock = (np.arange(round(frames / rate * STEP)) + 0.5) / STEP
    track = np.tile(_row(REST), (len(clock), 1))
    for phone in spoken.phones:
        shapes = shapes_of(phone.symbol)
        each = (phone.end - phone.start) / len(shapes)
        for i, shape in enumerate(shapes):
            start = phone.start + i * each - LEAD
            track[(clock >= start) & (clock < start + each)] = _row(shape)
    smooth = gaussian_filter1d(track, 0.032 * STEP, axis=0)
    smooth[:, 0] *= 0.62 + 0.38 * _loudness(spoken, clock)  # who speaks up opens wider
    _close(smooth, spoken, clock)
    middle = (np.arange(frames) + 0.5) / rate
    return np.stack([np.interp(middle, clock, column) for column in smooth.T], axis=1)


def _row(shape: Shape) -> tuple[float, float, float]:
    return shape.opening, shape.rounding, shape.tuck


def _loudness(spoken: Spoken, clock: NDArray[np.float64]) -> NDArray[np.float64]:
    """0…1 over 80 ms."""
    from scipy.ndimage import gaussian_filter1d

    hop = spoken.rate // STEP
    power = np.square(spoken.samples[: len(spoken.samples) // hop * hop]).reshape(-1, hop).mean(axis=1)
    level = np.sqrt(gaussian_filter1d(power, 0.04 * STEP))
    at = (np.arange(len(level)) + 0.5) * hop / spoken.rate - LEAD
    return np.clip(np.interp(clock, at, level / np.percentile(level, 97)), 0, 1)


def _close(track: NDArray[np.float64], spoken: Spoken, clock: NDArray[np.float64]) -> None:
    """Lips that must meet do meet, however short the phone: smoothing alone would keep them apart."""
    for phone in spoken.phones:
        if shapes_of(phone.symbol)[0] in (CLOSED, LABIODENTAL):
            middle, half = (phone.start + phone.end) / 2 - LEAD, max(0.03, (phone.end - phone.start) / 2)
            shut = np.exp(-0.5 * (np.maximum(np.abs(clock - middle) - half * 0.6, 0) / 0.022) ** 2)
            floor = shapes_of(phone.symbol)[0].opening
            track[:, 0] = track[:, 0] * (1 - shut) + floor * shut
