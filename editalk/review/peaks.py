"""The outline of a sound, small enough to travel in a page."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from editalk.media import SoundFile

RATE = 100  # values per second
MOST = 400_000  # values of a sound


def peaks(sound: SoundFile, seconds: float) -> dict[str, Any]:
    """`rate`: values per second; `values`: base64 of a byte for each, the largest sample's magnitude, 255: full scale.

    `seconds`: how much of the sound counts; silence where it has no more.
    """
    rate = min(RATE, MOST / max(seconds, 1e-9))
    count = max(1, round(seconds * rate))
    edges = [round(k * sound.rate / rate) for k in range(count + 1)]
    made = np.zeros(count, np.uint8)
    for first in range(0, count, RATE):
        last = min(count, first + RATE)
        block = np.abs(sound.read(edges[first], edges[last]).samples).max(axis=1)
        starts = np.array(edges[first:last]) - edges[first]
        made[first:last] = np.clip(np.ceil(np.maximum.reduceat(block, starts) * 255), 0, 255)
    return {"rate": rate, "values": base64.b64encode(made.tobytes()).decode()}
