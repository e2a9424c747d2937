"""Where the sentences of a recording are, in any language: by its pauses and by how long they should be.

No word is recognised. A sentence of l letters lasts about c·l seconds of speech, the variance growing with l, and ends
in a pause, the longer the likelier; the cuts that are most probable together are found by dynamic programming.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Samples, activity, rms_db
from editalk.errors import VoiceError
from editalk.voice.acoustic import FRAMES, RATE

Floats = NDArray[np.float64]

CLOSE = 4.0  # letters that every sentence is longer than it is written: people slow down before a pause
SPREAD = 0.07  # seconds: SD of a sentence's length, times the root of its letters
BOND = 2.5  # a pause twice as long counts as much as so many times log 2
USUAL_PAUSE = 0.3  # seconds between sentences
NO_PAUSE = 0.02  # seconds that a quiet moment within speech counts for
MOMENT = 0.25  # seconds of speech in which there is one such moment
WANDER, WANDER_SHARE = 8.0, 0.05  # seconds, and share of the whole, by which a cut may lie off its share of the time
LONGEST, LONGER = 4.0, 3.0  # a sentence lasts at most so many seconds more than so many times as long as it should
BLOCK = 1 / FRAMES


@dataclass(frozen=True)
class _Cuts:
    """Places at which sentences may part, ascending: between frames `left` and `right` (10 ms, end exclusive), [n];
    `spoken`: frames of speech before each; `worth`: what the pause there says for it.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    spoken: Floats
    worth: Floats


def speech_frames(mono: Samples) -> NDArray[np.int64]:
    """The 10 ms frames of mono sound at 16 kHz in which somebody speaks; all of them where that cannot be told."""
    heard = np.flatnonzero(activity(mono, RATE))
    return heard if len(heard) else np.arange(max(1, len(mono) * FRAMES // RATE))


def sentence_spans(mono: Samples, letters: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """[start, end) seconds of each of the sentences that mono sound at 16 kHz says one after the other.

    `letters`: how long each is, in letters. The silence around a sentence is not part of it. Raises VoiceError where
    there is not enough speech to part.
    """
    spoken = speech_frames(mono)
    cuts = _cuts(mono, spoken, len(letters))
    wanted = np.asarray(letters, np.float64) + CLOSE
    pace = cuts.spoken[-1] / FRAMES / wanted.sum()  # seconds a letter
    ends = pace * np.cumsum(wanted)
    reach = WANDER + WANDER_SHARE * float(ends[-1])
    inner = np.arange(1, len(cuts.left) - 1)
    seconds = cuts.spoken / FRAMES
    rows, total = np.array([0]), np.zeros(1)
    trail: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for k, length in enumerate(wanted):
        last = k == len(wanted) - 1
        nexts = np.array([len(cuts.left) - 1]) if last else inner[np.abs(seconds[inner] - ends[k]) <= reach]
        nexts = nexts[nexts > rows[0]]
        if not len(nexts):
            raise VoiceError(f"{len(wanted)} sentences cannot be found in {seconds[-1]:.1f} s of speech")
        high = np.searchsorted(rows, nexts)
        low = np.minimum(np.searchsorted(seconds[rows], seconds[nexts] - LONGEST - LONGER * pace * length), high - 1)
        befores = low[:, None] + np.arange((high - low).max())  # [nexts, rows that a sentence may begin with]
        inside = np.minimum(befores, len(rows) - 1)
        lasting = seconds[nexts][:, None] - seconds[rows[inside]]
        cost = total[inside] + np.square((lasting - pace * length) / SPREAD) / (2 * length)
        best = np.where(befores < high[:, None], cost, np.inf).argmin(1)
        each = np.arange(len(nexts))
        trail.append((nexts, rows[inside[each, best]]))
        rows, total = nexts, cost[each, best] - cuts.worth[nexts]
    at, path = len(cuts.left) - 1, [len(cuts.left) - 1]
    for nexts, befores in trail[::-1]:
        at = int(befores[np.flatnonzero(nexts == at)[0]])
        path.append(at)
    path = path[::-1]
    return tuple((cuts.right[a] * BLOCK, cuts.left[b] * BLOCK) for a, b in zip(path, path[1:], strict=False))


def _cuts(mono: Samples, spoken: NDArray[np.int64], count: int) -> _Cuts:
    """The beginning of the speech, every pause and the quietest moments between pauses, the end of the speech."""
    gaps = np.flatnonzero(np.diff(spoken) > 1)
    left, right = spoken[gaps] + 1, spoken[gaps + 1]
    pause = (right - left) * BLOCK
    moments = _moments(mono, spoken, max(1, min(round(MOMENT * FRAMES), len(spoken) // (2 * count))))
    left, right = np.concatenate([left, moments]), np.concatenate([right, moments])
    pause = np.concatenate([pause, np.full(len(moments), NO_PAUSE)])
    order = np.lexsort((-pause, left))
    left, right, pause = left[order], right[order], pause[order]
    first, end = int(spoken[0]), int(spoken[-1]) + 1
    left, right = np.r_[first, left, end], np.r_[first, right, end]
    worth = np.r_[0.0, BOND * np.log(np.maximum(pause, NO_PAUSE) / USUAL_PAUSE), 0.0]
    return _Cuts(left, right, np.searchsorted(spoken, left).astype(np.float64), worth)


def _moments(mono: Samples, spoken: NDArray[np.int64], every: int) -> NDArray[np.int64]:
    """The quietest frame of every `every` frames of speech, the first and the last frame aside."""
    level = rms_db(mono, RATE, BLOCK)
    inner = spoken[(spoken > spoken[0]) & (spoken < min(len(level), int(spoken[-1])))]
    parts = [inner[k : k + every] for k in range(0, len(inner), every)]
    return np.array([part[level[part].argmin()] for part in parts], np.int64)
