"""Word boundaries beside pauses, corrected by the energy of the sound.

Between two words that follow each other without a pause the hidden Markov model's boundary is as good as any. Beside a
pause it is not: the closure of a plosive fits faint noise as well as silence does, so a leading pause may be swallowed
by the word after it, and the end of a word that fades away is cut. The vowels are safe, so a boundary is looked for
between the last vowel before it and the first vowel after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from editalk.asr.activity import STEP, Levels, index, stands_out
from editalk.asr.types import Phone

VOWELS = frozenset({"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"})
STOPS = frozenset({"B", "D", "G", "P", "T", "K", "CH", "JH"})

PAUSE = 0.06  # seconds between two words that are a pause; closures are shorter
LONGEST = 0.20  # seconds of consonants before the first vowel; more may have swallowed a pause
LONGEST_STOP = 0.11  # the same of a plosive alone, where a pause may be before it
QUIET = 11.0  # dB over the quietest of the sound that are a pause
STEEPEST = 6.0  # dB by which a swallowed pause is quieter than the consonant after it
CLOSURE = 0.045  # seconds of a plosive before its burst that belong to the word, after a pause
ONSET = 0.020  # seconds that other sounds begin before they are loud enough
EARLIER, LATER = 0.06, 0.08  # seconds that a start is looked for before and after the model's
TAIL_BACK, TAIL_ON = 0.06, 0.08  # seconds that an end is looked for before and after the model's
START_SHARE, END_SHARE = 0.25, 0.30  # of the way from noise to the word's peak, in dB
LEAST = 4.0  # dB over the noise that are sound


@dataclass(frozen=True)
class Span:
    """A word on its way: seconds, `end` exclusive; its phones tile it where they are known."""

    start: float
    end: float
    phones: tuple[Phone, ...]


def refine(spans: Sequence[Span], levels: Levels, seconds: float) -> list[Span]:
    """Boundaries beside pauses corrected; `spans` in order, within 0…`seconds`."""
    quietest = np.percentile(levels, 10, axis=0)
    made = [_without_swallowed(span, levels, quietest) for span in spans]
    ends = [0.0, *(span.end for span in made)]
    starts = [*(span.start for span in made), seconds]
    for i, span in enumerate(made):
        start, end = span.start, span.end
        if start - ends[i] >= PAUSE:
            start = _start(span, ends[i], levels)
        if starts[i + 1] - end >= PAUSE:
            end = _end(span, starts[i + 1], levels)
        made[i] = clipped(span, start, end)
    return [
        clipped(s, s.start, min(s.end, n.start))
        for s, n in zip(made, [*made[1:], Span(seconds, seconds, ())], strict=False)
    ]


def _without_swallowed(span: Span, levels: Levels, quietest: Levels) -> Span:
    """The word without a pause that the model gave to its first consonants."""
    safe = _first_safe(span)
    stop = span.phones[0] if span.phones and span.phones[0].name in STOPS else None
    if safe - span.start <= LONGEST and (stop is None or stop.end - stop.start <= LONGEST_STOP):
        return span
    first, last = index(span.start, levels), index(safe, levels)
    at = step_up(levels[first : last + 1])
    loud = (np.median(levels[first : first + (at or 1)], axis=0) > quietest + QUIET).any()
    if at is None or (loud and (stop is None or stop.end - stop.start <= LONGEST)):
        return span
    return clipped(span, (first + at) * STEP, span.end)


def step_up(levels: Levels) -> int | None:
    """Where levels [n, bands] rise for good: the split that explains most of their variance; None without a rise."""
    count = len(levels)
    if count < 8:
        return None
    total = levels.sum(axis=1)
    sums = np.cumsum(total)
    cuts = np.arange(3, count - 3)
    before, after = sums[cuts - 1] / cuts, (sums[-1] - sums[cuts - 1]) / (count - cuts)
    gain = (after - before) * np.sqrt(cuts * (count - cuts))
    best = int(np.argmax(gain))
    return int(cuts[best]) if (after - before)[best] >= STEEPEST * levels.shape[1] / 2 else None


def _start(span: Span, gap_from: float, levels: Levels) -> float:
    """The start of a word after a pause that began at `gap_from`."""
    low, high = max(gap_from, span.start - EARLIER), min(_first_safe(span), span.start + LATER)
    noise = _noise(levels, gap_from, span.start)
    first = index(low, levels)
    loud = stands_out(levels[first : index(high, levels) + 1], noise, _peak(span, levels), START_SHARE, LEAST)
    if not loud.any() or len(loud) < 2:
        return span.start
    quiet = np.flatnonzero(~_opened(loud))
    onset = (first + (int(quiet[-1]) + 1 if len(quiet) else 0)) * STEP
    before = CLOSURE if span.phones and span.phones[0].name in STOPS else ONSET
    return max(gap_from, min(onset, high) - before)


def _end(span: Span, gap_to: float, levels: Levels) -> float:
    """The end of a word before a pause that lasts until `gap_to`."""
    low, high = max(_last_safe(span), span.end - TAIL_BACK), min(gap_to, span.end + TAIL_ON)
    noise = _noise(levels, span.end, gap_to)
    first = index(low, levels)
    loud = stands_out(levels[first : index(high, levels) + 1], noise, _peak(span, levels), END_SHARE, LEAST)
    quiet = np.flatnonzero(~_opened(loud))
    return min(gap_to, (first + (int(quiet[0]) if len(quiet) else len(loud) - 1)) * STEP)


def _noise(levels: Levels, start: float, end: float) -> Levels:
    """The levels in the middle of a pause."""
    edge = min(0.1, (end - start) / 4)
    return levels[index(start + edge, levels) : index(end - edge, levels) + 1][:400]


def _peak(span: Span, levels: Levels) -> NDArray[np.float64]:
    return np.asarray(np.percentile(levels[index(span.start, levels) : index(span.end, levels) + 1], 90, axis=0))


def _opened(loud: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Gaps of one or two levels inside sound filled."""
    from scipy.ndimage import binary_closing

    return np.asarray(binary_closing(np.pad(loud, 3, mode="edge"), np.ones(3))[3:-3])


def _first_safe(span: Span) -> float:
    """A time inside the word that is surely the word's: in its first vowel."""
    vowel = next((p for p in span.phones if p.name in VOWELS), None)
    return min(vowel.start + 0.02, vowel.end) if vowel else span.end


def _last_safe(span: Span) -> float:
    """A time inside the word that is surely the word's: in its last vowel."""
    vowel = next((p for p in reversed(span.phones) if p.name in VOWELS), None)
    return max((vowel.start + vowel.end) / 2, vowel.end - 0.04) if vowel else span.start


def clipped(span: Span, start: float, end: float) -> Span:
    """The word with other boundaries, its phones moved inside them."""
    end = max(start, end)
    if not span.phones:
        return replace(span, start=start, end=end)
    cuts = [start, *(min(max(p.start, start), end) for p in span.phones[1:]), end]
    phones = tuple(Phone(p.name, a, b) for p, a, b in zip(span.phones, cuts[:-1], cuts[1:], strict=True))
    return Span(start, end, phones)
