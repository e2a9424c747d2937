"""The pattern that marks a picture: band-limited noise from a public key, on a grid that scales with the picture."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

KEY = "editalk watermark 1"  # public: whoever has this file can find the mark, and forge it
SHORT = 512  # grid points along the short side of a picture, square as it is shown
TILE = 128  # grid points after which the pattern repeats, both ways
LONGEST, SHORTEST = 12.0, 4.2  # grid points: the periods that the pattern holds; longer ones show as blotches in HD
PEAK = 3.0  # root mean squares
SYMBOLS = 8  # of the payload, one byte each
STEP = 8  # grid points between two values of a symbol: 16 × 16 shifts of its tile
PRESENCE = 0.6  # of the pattern's power says only that it is there

BAND = (radius := np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None])) * LONGEST >= 1
BAND &= radius * SHORTEST <= 1
BAND[:, 0] = False  # its own mirror image: the phases would not be free
"""[TILE, TILE // 2 + 1]: the frequencies of a tile's real Fourier transform that it holds."""


@lru_cache
def spectrum(name: str) -> NDArray[np.complex64]:
    """[TILE, TILE // 2 + 1] the Fourier transform of a named tile of power 1: one magnitude all over `BAND`, phases
    from the key.
    """
    count = int(BAND.sum())
    drawn = np.frombuffer(hashlib.shake_256(f"{KEY}/{name}".encode()).digest(4 * count), "<u4")
    made = np.zeros(BAND.shape, np.complex64)
    made[BAND] = TILE * TILE / np.sqrt(2 * count) * np.exp(2j * np.pi / 2**32 * drawn)
    return made


def tile(symbols: bytes) -> Floats:
    """[TILE, TILE] of power 1 with a payload's `SYMBOLS` symbols; without any it says only that it is there."""
    import scipy.fft

    made = spectrum("presence").astype(np.complex128)
    if symbols:
        rows, columns = np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None]
        made *= np.sqrt(PRESENCE)
        for place, value in enumerate(symbols):
            shift = np.exp(-2j * np.pi * STEP * (value // 16 * rows + value % 16 * columns))
            made += np.sqrt((1 - PRESENCE) / len(symbols)) * shift * spectrum(f"symbol {place}")
    return np.asarray(scipy.fft.irfft2(made, (TILE, TILE)), np.float32)


def grid_size(width: int, height: int, aspect: float) -> tuple[float, float]:
    """Columns and rows of the grid that a picture of `width` × `height` pixels lies on; `aspect`: of a pixel."""
    wide = width * aspect
    points = SHORT / min(wide, height)
    return wide * points, height * points


def spread(symbols: bytes, width: int, height: int, aspect: float) -> Floats:
    """[height, width] the tile laid over a whole picture, some 1 root mean square, at most `PEAK`."""
    import cv2

    columns, rows = grid_size(width, height, aspect)
    x = ((np.arange(width, dtype=np.float32) + 0.5) * (columns / width) - 0.5) % TILE
    y = ((np.arange(height, dtype=np.float32) + 0.5) * (rows / height) - 0.5) % TILE
    around = cv2.copyMakeBorder(tile(symbols), 2, 2, 2, 2, cv2.BORDER_WRAP)
    across, down = np.tile(x + 2, (height, 1)), np.repeat(y[:, None] + 2, width, axis=1)
    laid = cv2.remap(around, across, down, cv2.INTER_CUBIC)
    return np.asarray(np.clip(laid, -PEAK, PEAK), np.float32)
