"""Word boundaries corrected by the energy of the sound.

A hidden Markov model puts a pause where its silence fits best, which need not be where it is quiet: the closure of a
plosive fits faint noise as well, so a leading pause is often swallowed by the word after it. The vowels are safe. So
each boundary is looked for between the last vowel before it and the first vowel after it: a quiet stretch there that
is longer than any closure is a pause and ends the words beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from editalk.asr.activity import STEP, Activity
from editalk.asr.types import Phone

VOWELS = frozenset({"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"})
STOPS = frozenset({"B", "D", "G", "P", "T", "K", "CH", "JH"})
FAINT = frozenset({"F", "TH", "HH", "V", "DH"})

PAUSE = 0.10  # seconds of quiet between two words that are a pause
STOP_PAUSE = 0.16  # the same where a closure lies between them
BURST = 0.03  # sound shorter than this, away from the word, is a click
CLOSURE = 0.045  # seconds of a plosive before its burst that belong to the word, after a pause
ONSET = {"stop": CLOSURE, "faint": 0.025, "other": 0.008}  # seconds a word begins before it is loud enough
TAIL = 0.015  # seconds a word lasts after it is no longer loud enough
REACH = 0.08  # seconds of quiet inside a word's edge (a closure) that sound beyond it still belongs to the word


@dataclass(frozen=True)
class Span:
    """A word on its way: seconds, `end` exclusive; its phones tile it where they are known."""

    start: float
    end: float
    phones: tuple[Phone, ...]


def refine(spans: Sequence[Span], activity: Activity, seconds: float) -> list[Span]:
    """Boundaries of neighbouring words corrected; `spans` in order, within 0…`seconds`."""
    made = list(spans)
    for i in range(len(made) + 1):
        left = made[i - 1] if i else None
        right = made[i] if i < len(made) else None
        end, start = _boundary(left, right, activity, seconds)
        if left is not None:
            made[i - 1] = _clipped(left, left.start, end)
        if right is not None:
            made[i] = _clipped(right, start, right.end)
    return made


def _boundary(left: Span | None, right: Span | None, sound: Activity, seconds: float) -> tuple[float, float]:
    """When the left word ends and the right one starts."""
    low = _last_safe(left) if left else 0.0
    high = _first_safe(right) if right else seconds
    end, start = left.end if left else 0.0, right.start if right else seconds
    gap = _pause(low, high, sound, left, right)
    if gap is None:
        return (end, start) if left is None or right is None else (end, max(end, start))
    quiet_from, quiet_to = gap
    if left:
        end = min(quiet_from + TAIL, quiet_to)
    if right:
        start = max(quiet_to - ONSET[_kind(right)], quiet_from if left else 0.0, end if left else 0.0)
    return end, start


def _pause(
    low: float, high: float, sound: Activity, left: Span | None, right: Span | None
) -> tuple[float, float] | None:
    """The quiet stretch in [low, high] that is the pause, seconds; None where there is none."""
    first, last = sound.index(low), sound.index(high)
    active = _without_clicks(sound.active[first : last + 1])
    runs = _quiet_runs(active)
    need = STOP_PAUSE if (left and _stop(left.phones, -1)) or (right and _stop(right.phones, 0)) else PAUSE
    if left is None:
        runs = runs[-1:] if runs and (len(runs) == 1 or True) else []
    best = [r for r in runs if (r[1] - r[0]) * STEP >= (0.02 if left is None or right is None else need)]
    if not best:
        return None
    if left is None:
        chosen = best[-1]
    elif right is None:
        chosen = best[0]
    else:
        chosen = max(best, key=lambda r: r[1] - r[0])
    return (first + chosen[0]) * STEP, (first + chosen[1]) * STEP


def _quiet_runs(active: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[1], active.astype(np.int8), [1]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _without_clicks(active: np.ndarray) -> np.ndarray:
    """Short sounds inside quiet taken for quiet."""
    made = active.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    for a, b in zip(edges[::2], edges[1::2], strict=True):
        if a > 0 and b < len(active) and (b - a) * STEP < BURST:
            made[a:b] = False
    return made


def _kind(span: Span) -> str:
    name = span.phones[0].name if span.phones else ""
    return "stop" if name in STOPS else "faint" if name in FAINT else "other"


def _stop(phones: tuple[Phone, ...], at: int) -> bool:
    return bool(phones) and phones[at].name in STOPS


def _first_safe(span: Span) -> float:
    """A time inside the word that is surely the word's: the middle of its first vowel."""
    vowel = next((p for p in span.phones if p.name in VOWELS), None)
    return min(vowel.start + 0.02, vowel.end) if vowel else span.end


def _last_safe(span: Span) -> float:
    vowel = next((p for p in reversed(span.phones) if p.name in VOWELS), None)
    return max(vowel.end - 0.02, vowel.start) if vowel else span.start


def _clipped(span: Span, start: float, end: float) -> Span:
    """The word with other boundaries, its phones moved inside them."""
    end = max(start, end)
    if not span.phones:
        return replace(span, start=start, end=end)
    cuts = [start, *(min(max(p.start, start), end) for p in span.phones[1:]), end]
    phones = tuple(Phone(p.name, a, b) for p, a, b in zip(span.phones, cuts[:-1], cuts[1:], strict=True))
    return Span(start, end, phones)
