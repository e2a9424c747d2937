"""The stretch of a voice file that is put into the edit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Samples, rms_db
from editalk.voice.acoustic import RATE
from editalk.voice.types import SpokenWord, VoiceRun

BLOCK = 0.02  # seconds
RANGE_DB = 35.0  # what is that far below the loudest is no speech
BEYOND = 0.6  # seconds that breaths and tails may reach beyond the words
QUIET = 0.08  # seconds of the file's own quiet that are kept on either side


def runs_of(
    files: Sequence[Samples], words: Sequence[SpokenWord], new_runs: Sequence[tuple[int, int]]
) -> tuple[VoiceRun, ...]:
    """The stretch of a file for each run of new tokens; `words` are those of the runs, in order."""
    spans = []
    at = 0
    for first, end in new_runs:
        mine = words[at : at + end - first]
        at += end - first
        file = mine[0].file
        mine = [w for w in mine if w.file == file]
        spans.append((file, mine[0].start, mine[-1].end))
    levels = {file: rms_db(files[file], RATE, BLOCK) for file in {s[0] for s in spans}}
    made = []
    for k, ((first, end), (file, start, stop)) in enumerate(zip(new_runs, spans, strict=True)):
        low = _border(levels[file], spans[k - 1][2], start) if k and spans[k - 1][0] == file else 0.0
        more = k + 1 < len(spans) and spans[k + 1][0] == file
        high = _border(levels[file], stop, spans[k + 1][1]) if more else len(files[file]) / RATE
        a, b = _speech(levels[file], start, stop, low, high)
        made.append(VoiceRun(first, end, file, max(low, a - QUIET), min(high, b + QUIET), a, b))
    return tuple(made)


def _border(level: NDArray[np.float64], end: float, start: float) -> float:
    """The quietest moment between two runs, seconds."""
    a, b = int(end / BLOCK), max(int(end / BLOCK) + 1, int(np.ceil(start / BLOCK)))
    part = level[a:b]
    return (a + int(part.argmin()) + 0.5) * BLOCK if len(part) else (end + start) / 2


def _speech(level: NDArray[np.float64], start: float, stop: float, low: float, high: float) -> tuple[float, float]:
    """Where the speech around [start, stop) begins and ends by its energy, within [low, high], seconds."""
    a = int(np.ceil(max(low, start - BEYOND) / BLOCK))
    b = min(len(level), int(np.ceil(min(high, stop + BEYOND) / BLOCK)))
    part = level[a:b]
    if not len(part):
        return start, stop
    loud = np.flatnonzero(part > part.max() - RANGE_DB)
    return max(low, (a + int(loud[0])) * BLOCK), min(high, (a + int(loud[-1]) + 1) * BLOCK)
