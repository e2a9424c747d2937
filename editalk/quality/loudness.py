"""Is new sound as loud as what is around it, and does it clip: BS.1770's weighting over the sound that is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Audio
from editalk.plan import EditPlan, Origin, SoundPiece
from editalk.quality.checks import Check, at_most

Floats = NDArray[np.float64]

STEP = 0.1  # seconds of a block; four of them are a gating block of BS.1770
AROUND = 3.0  # seconds on either side that an insert is matched to (design, section 5)
LIMIT, MOST = 3.0, 6.0  # LU: what is always allowed, and what short words are at most, see docs/quality-gate.md
PERCENTILE = 98.0  # of what the source's own stretches of that length differ from their surroundings
FEWEST = 3  # blocks of sound that tell a loudness
QUIETEST = -70.0  # LUFS, absolute gate
GATE = -10.0  # LU, relative gate
FULL = 0.9999  # amplitude of full scale
RUN = 3  # samples at full scale in a row that are clipped
TAKE = 0.9  # of the timeline that is new sound where there is nothing around it to compare with


class KWeighted:
    """Mean K-weighted power of every 100 ms of a sound that is given in chunks."""

    def __init__(self, rate: int, channels: int) -> None:
        from pyloudnorm.iirfilter import IIRfilter

        shelf = IIRfilter(4.0, 1 / np.sqrt(2), 1500.0, rate, "high_shelf")
        filters = shelf, IIRfilter(0.0, 0.5, 38.0, rate, "high_pass")
        self._sos = np.array([[*f.b, *f.a] for f in filters])
        self._state = np.zeros((len(self._sos), 2, channels))
        self._size = max(1, round(STEP * rate))
        self._rest = np.zeros(0)
        self._found: list[Floats] = []

    def hear(self, chunk: Audio) -> None:
        from scipy.signal import sosfilt

        if not len(chunk.samples):
            return
        weighted, self._state = sosfilt(self._sos, chunk.samples.astype(np.float64), axis=0, zi=self._state)
        power = np.concatenate([self._rest, np.square(weighted).sum(1)])  # surround channels count like the others here
        whole = len(power) // self._size * self._size
        self._found.append(power[:whole].reshape(-1, self._size).mean(1))
        self._rest = power[whole:]

    @property
    def powers(self) -> Floats:
        """[n] of the whole blocks so far."""
        return np.concatenate(self._found or [np.zeros(0)])


def lufs(powers: Floats | float) -> Floats:
    return np.asarray(-0.691 + 10 * np.log10(np.maximum(powers, 1e-12)))


def gated(powers: Floats) -> float:
    """Loudness of the blocks [n] that are no pause, LUFS (the two gates of BS.1770); NaN where too few are left."""
    loud = powers[lufs(powers) >= QUIETEST]
    if len(loud):
        loud = loud[lufs(loud) > lufs(float(loud.mean())) + GATE]
    return float(lufs(float(loud.mean()))) if len(loud) >= FEWEST else float("nan")


def integrated(powers: Floats) -> float:
    """Programme loudness of BS.1770-4 of consecutive blocks of 100 ms [n], LUFS."""
    return gated(np.convolve(powers, np.full(4, 0.25), "valid")) if len(powers) >= 4 else float("nan")


@dataclass(frozen=True)
class OwnSound:
    """What the source itself does: K-weighted `powers` [n] of its 100 ms, `clipped` runs at full scale a second."""

    powers: Floats
    clipped: float

    @cached_property
    def loudness(self) -> float:
        return integrated(self.powers)

    def differs(self, blocks: int) -> float:
        """By how much a stretch of so many blocks differs from the ±3 s around it, LU: the 98th percentile over the
        source's own speech.
        """
        near, spoken = round(AROUND / STEP), self.loudness + GATE
        found = []
        for start in range(0, len(self.powers) - blocks + 1, max(1, blocks // 2)):
            own = gated(self.powers[start : start + blocks])
            sides = self.powers[max(0, start - near) : start], self.powers[start + blocks : start + blocks + near]
            other = gated(np.concatenate(sides))
            if own > spoken and np.isfinite(other):
                found.append(abs(own - other))
        return float(np.percentile(found, PERCENTILE)) if found else 0.0


def clipped_runs(wave: NDArray[np.float32]) -> NDArray[np.int64]:
    """Where in [n, channels] three samples in a row lie at full scale: the first ones of each run."""
    full = np.abs(wave) >= FULL
    held = full[:-2] & full[1:-1] & full[2:] if len(full) >= RUN else np.zeros((0, wave.shape[1]), bool)
    begins = held & ~np.vstack([np.zeros((1, wave.shape[1]), bool), held[:-1]]) if len(held) else held
    return np.asarray(np.flatnonzero(begins.any(1)), np.int64)


def own_sound(chunks: Iterable[Audio], rate: int, channels: int) -> OwnSound:
    """Of the source's sound in chunks."""
    meter, runs, count = KWeighted(rate, channels), 0, 0
    for chunk in chunks:
        meter.hear(chunk)
        runs, count = runs + len(clipped_runs(chunk.samples)), count + len(chunk.samples)
    return OwnSound(meter.powers, runs * rate / max(1, count))


class LoudnessWatch:
    """Listens to the timeline's sound go by in chunks, in order."""

    def __init__(self, plan: EditPlan, own: OwnSound) -> None:
        self._own, self._rate, self._pieces = own, plan.source.sample_rate, plan.sound
        self._meter = KWeighted(self._rate, plan.source.channels)
        self._inserts = inserts(plan.sound)
        self._clipped = [0] * len(self._inserts)
        self._at = 0

    def hear(self, chunk: Audio) -> None:
        self._meter.hear(chunk)
        for k, (start, end) in enumerate(self._inserts):
            low, high = (min(max(n - self._at, 0), len(chunk.samples)) for n in (start, end))
            if low < high:
                self._clipped[k] += len(clipped_runs(chunk.samples[low:high]))
        self._at += len(chunk.samples)

    def checks(self) -> tuple[Check, ...]:
        made = [c for k in range(len(self._inserts)) for c in self._insert(k)]
        new = sum(b - a for a, b in self._inserts)
        if new < TAKE * self._at or not np.isfinite(self._own.loudness):
            return tuple(made)
        heard = integrated(np.concatenate([self._blocks(*span) for span in self._inserts]))
        if np.isfinite(heard):
            made.append(_apart("the programme beside the source's, LU", 0.0, self._at / self._rate,
                               heard - self._own.loudness, LIMIT))  # fmt: skip
        return tuple(made)

    def _insert(self, k: int) -> list[Check]:
        start, end = self._inserts[k]
        seconds = start / self._rate, end / self._rate
        allowed = self._own.clipped * (seconds[1] - seconds[0])
        made = [at_most("loudness", "clipping", *seconds, float(self._clipped[k]), allowed, "runs")]
        own, around = self._blocks(start, end), self._around(start, end)
        figure = gated(own) - gated(around)
        if np.isfinite(figure):
            limit = min(MOST, max(LIMIT, self._own.differs(len(own))))
            made.append(_apart("new sound beside the three seconds around it", *seconds, figure, limit))
        return made

    def _blocks(self, start: int, end: int) -> Floats:
        """Of whole blocks within timeline samples [start, end)."""
        size = round(STEP * self._rate)
        return self._meter.powers[-(-start // size) : max(0, end // size)]

    def _around(self, start: int, end: int) -> Floats:
        """Of the source's own sound within three seconds."""
        reach = round(AROUND * self._rate)
        parts = [self._blocks(max(p.start, low), min(p.end, high))
                 for low, high in ((start - reach, start), (end, end + reach))
                 for p in self._pieces if p.origin is Origin.SOURCE and p.start < high and low < p.end]  # fmt: skip
        return np.concatenate(parts) if parts else np.zeros(0)


def _apart(what: str, start: float, end: float, figure: float, limit: float) -> Check:
    return Check("loudness", what, start, end, figure, limit, "LU", abs(figure) <= limit)


def inserts(pieces: Sequence[SoundPiece]) -> tuple[tuple[int, int], ...]:
    """Timeline samples [start, end) of new speech; neighbouring pieces are one."""
    made: list[tuple[int, int]] = []
    for piece in pieces:
        if piece.origin is Origin.VOICE and piece.samples:
            if made and made[-1][1] == piece.start:
                made[-1] = made[-1][0], piece.end
            else:
                made.append((piece.start, piece.end))
    return tuple(made)
