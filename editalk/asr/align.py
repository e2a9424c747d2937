"""Forced alignment of a known script: when each of its words is heard."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from editalk.asr.activity import STEP, Levels, index, measured
from editalk.asr.refine import Span, clipped, refine
from editalk.asr.sound import RATE, prepared
from editalk.asr.sphinx import BEAMS, LEAST_SECONDS, Choices, Heard, hear
from editalk.asr.types import AlignedWord, Alignment, Phone
from editalk.audio import Audio, Samples
from editalk.spoken import spoken_variants

CHUNK = 24.0  # seconds aligned at a time
FASTEST = 6.0  # words a second that nobody speaks for long
SILENT = 9.0  # dB that the loudest of a silent chunk is over its quietest
AUDIBLE = 6.0  # dB over the quietest of the sound that the loud part of a word is at least
HALF_FIT, FIT_SCALE = -3.2, 0.8  # of right and wrong words; measured on sentences against their own and other scripts
KEPT_PAUSE = 0.12  # seconds between words where a chunk is trusted to have found its place

Found = list[tuple[Heard, ...] | None]


def understands(language: str) -> bool:
    """Whether the acoustic model and the dictionary are of a language, "en" or "en-GB"."""
    return language.lower().split("-")[0] in ("en", "english")


def align(words: Sequence[str], audio: Audio | Samples, rate: int = RATE) -> Alignment:
    """Align displayed words with the sound that says them.

    `audio`: an `Audio`, or samples [n] or [n, channels] at `rate`. Never fails on words or sound: what cannot be found
    is placed by proportion with probability 0.
    """
    samples = prepared(audio, rate)
    seconds = len(samples) / RATE
    variants = [tuple(choice for choice in spoken_variants(word) if choice) for word in words]
    spoken = [i for i, choices in enumerate(variants) if choices]
    levels = measured(samples)
    found = _found([variants[i] for i in spoken], samples, levels)
    heard = {i: share for i, share in zip(spoken, found, strict=True) if share}
    spans = dict(zip(heard, refine([_span(share) for share in heard.values()], levels, seconds), strict=True))
    placed = _placed(len(words), spans, set(spoken), seconds)
    chances = [0.0 if choices else 1.0 for choices in variants]  # what is not spoken cannot be missed
    for i, share in heard.items():
        chances[i] = _probability(share) if _audible(spans[i], levels) else 0.0
    made = (
        AlignedWord(w, min(seconds, round(s.start, 6)), min(seconds, round(s.end, 6)), p, s.phones)
        for w, s, p in zip(words, placed, chances, strict=True)
    )
    return Alignment(tuple(made), seconds)


def _found(script: Sequence[Choices], samples: Samples, levels: Levels) -> Found:
    """What was heard for each word; None for a word that was not found."""
    found: Found = []
    start, seconds = 0.0, len(samples) / RATE
    while len(found) < len(script) and seconds - start >= LEAST_SECONDS:
        rest = script[len(found) :]
        whole = seconds - start <= 1.4 * CHUNK
        end = seconds if whole else quietest(levels, start + 0.7 * CHUNK, start + CHUNK)
        if not whole and _silent(levels, start, end):
            start = end
            continue
        part = rest if whole else rest[: round((end - start) * FASTEST) + 4]
        heard = _hear(part, samples[round(start * RATE) : round(end * RATE)], start, not whole)
        if whole or heard is None or len(heard) == len(rest):
            found += heard or _missing(rest, start, end, seconds)
            start = end
            continue
        keep, start = _trusted(heard, end)
        found += heard[:keep]
    return found + [None] * (len(script) - len(found))


def _hear(script: Sequence[Choices], samples: Samples, offset: float, partial: bool) -> Found | None:
    for beam in range(len(BEAMS)):
        heard = hear(script, samples, beam, partial)
        if heard is not None:
            return [tuple(_shifted(word, offset) for word in share) for share in heard]
    return None


def _shifted(word: Heard, by: float) -> Heard:
    phones = tuple(Phone(p.name, p.start + by, p.end + by) for p in word.phones)
    return Heard(word.word, word.start + by, word.end + by, word.fit, phones)


def _missing(rest: Sequence[Choices], start: float, end: float, seconds: float) -> Found:
    """The words that a chunk without a way through holds by its share of the time."""
    return [None] * math.ceil(len(rest) * (end - start) / (seconds - start))


def _trusted(heard: Found, end: float) -> tuple[int, float]:
    """How many words of a chunk to keep, and where the next chunk begins: at the longest pause of its second half.

    The last words of a chunk may have been stretched over what follows it.
    """
    words = [(share[0].start, share[-1].end) for share in heard if share]
    half = len(words) // 2
    pauses = [(words[i + 1][0] - words[i][1], i + 1) for i in range(half, len(words) - 1)]
    longest, keep = max(pauses, default=(0.0, 0))
    if longest >= KEPT_PAUSE:
        return keep, (words[keep - 1][1] + words[keep][0]) / 2
    keep = max(1, len(words) - 2)
    return (keep, words[keep][0]) if keep < len(words) else (len(words), end)


def quietest(levels: Levels, low: float, high: float) -> float:
    """The middle of the quietest 150 ms between two times."""
    first, size = index(low, levels), round(0.15 / STEP)
    total = levels[first : index(high, levels) + 1].sum(axis=1)
    if len(total) <= size:
        return high
    means = np.convolve(total, np.ones(size) / size, "valid")
    return (first + int(np.argmin(means)) + size / 2) * STEP


def _silent(levels: Levels, start: float, end: float) -> bool:
    part = levels[index(start, levels) : index(end, levels) + 1]
    return bool((np.percentile(part, 98, axis=0) - np.percentile(levels, 5, axis=0)).max() < SILENT)


def _audible(span: Span, levels: Levels) -> bool:
    part = levels[index(span.start, levels) : index(span.end, levels) + 1]
    return bool((np.percentile(part, 90, axis=0) - np.percentile(levels, 2, axis=0)).max() >= AUDIBLE)


def _span(share: Sequence[Heard]) -> Span:
    phones = tuple(p for word in share for p in word.phones) if all(word.phones for word in share) else ()
    return Span(share[0].start, share[-1].end, phones)


def _probability(share: Sequence[Heard]) -> float:
    frames = sum(word.end - word.start for word in share)
    fit = sum(word.fit * (word.end - word.start) for word in share) / frames if frames else -math.inf
    return 1 / (1 + math.exp(min(50.0, (HALF_FIT - fit) / FIT_SCALE)))


def _placed(count: int, spans: dict[int, Span], spoken: set[int], seconds: float) -> list[Span]:
    """Every word somewhere, none before the one before it: what was not found shares the time between what was.

    Words without a spoken form get no time.
    """
    placed: list[Span] = []
    before, i = 0.0, 0
    while i < count:
        if i in spans:
            span = spans[i]
            start = min(max(span.start, before), seconds)
            placed.append(clipped(span, start, min(max(span.end, start), seconds)))
            i += 1
        else:
            end = next((j for j in range(i, count) if j in spans), count)
            after = max(before, min(seconds, spans[end].start) if end < count else seconds)
            share = (after - before) / max(1, sum(j in spoken for j in range(i, end)))
            for j in range(i, end):
                start = placed[-1].end if placed and j > i else before
                placed.append(Span(start, min(after, start + share) if j in spoken else start, ()))
            i = end
        before = placed[-1].end
    return placed
