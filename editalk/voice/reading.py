"""Voice files read one after the other as a run of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from editalk.asr import align
from editalk.audio import Samples, activity
from editalk.voice.acoustic import FRAMES, RATE
from editalk.voice.types import SpokenWord
from editalk.voice.wording import DOUBTFUL, Listening, Wording, fitted, phone_variants, rivalled

GAP = 0.3  # seconds of silence between files
WHOLE = 40.0  # seconds that are looked at in one piece
PIECE = 12.0  # seconds of the pieces that a longer sound is checked in
MOST_PIECES = 12

FIT_WEIGHT = 60.0
SHORT = 0.7  # seconds of speech too short to judge by the fit alone: other words are tried too
FASTEST = 21.0  # phones a second; nobody speaks faster, so some were not said
RUSHED = 40.0
RIVALRY, RIVALRY_OF_ONE, RIVALRY_LIMIT = 0.3, 0.45, 15.0
UNRIVALLED, UNRIVALLED_LIMIT = 0.05, 60.0
LIMIT, LIMIT_PER_SECOND, LEAST_LIMIT = -22.0, 26.0, -8.0


@dataclass(frozen=True)
class Reading:
    """How some files say some tokens. `excess`, `fit`: as in `Wording`, means over the `seconds` of speech looked at;
    `excesses`: each token's own, NaN where it was not looked at.
    """

    words: tuple[SpokenWord, ...]
    excesses: tuple[float, ...]
    excess: float
    fit: float
    seconds: float
    rivalled: float | None = None  # share of other words that fit better, looked at where there is little sound
    phones: int = 0

    @property
    def badness(self) -> float:
        """How ill the words fit; readings of the same files compare by it."""
        return self.excess - FIT_WEIGHT * self.fit

    @property
    def wrong(self) -> float:
        """Over 0 where these words were surely not said. The limit is from measurements: see tests/test_voice.py."""
        limit = max(LEAST_LIMIT, LIMIT + LIMIT_PER_SECOND / max(0.2, self.seconds))
        if self.rivalled is not None:
            if self.rivalled >= (RIVALRY if len(self.words) > 1 else RIVALRY_OF_ONE):
                limit = min(limit, RIVALRY_LIMIT)
            elif self.rivalled <= UNRIVALLED:
                limit = max(limit, UNRIVALLED_LIMIT)
        rushed = RUSHED if self.phones > FASTEST * max(1.0, self.seconds) else 0.0
        return self.badness + rushed - limit

    @property
    def doubtful(self) -> tuple[int, ...]:
        return tuple(w.token for w, e in zip(self.words, self.excesses, strict=True) if e > DOUBTFUL)


class Files:
    """Voice files one after the other, the first of which has number `first`; heard once, however often it is read."""

    def __init__(self, files: Sequence[Samples], first: int = 0) -> None:
        self.files, self.first = tuple(files), first
        self.sound, self.starts = _joined(files)

    @cached_property
    def heard(self) -> Listening:
        return Listening(self.sound)


def read_tokens(given: Files, tokens: Sequence[str], indices: Sequence[int]) -> Reading | None:
    """Files as one reading of tokens whose places in the script are `indices`; None where the sound is too short for
    them or silent.
    """
    sound = given.sound
    beaten: float | None = None
    if len(sound) <= WHOLE * RATE:
        heard = given.heard
        found = fitted(heard, tokens)
        if found is None:
            return None
        places = [(w.start, w.end) for w in found.words]
        parts = [(found, heard.speech_seconds)]
        excesses = [w.excess for w in found.words]
        if heard.speech_seconds < SHORT and len(tokens) <= 3:
            beaten = rivalled(heard, tokens)
    else:
        places = [(w.start, w.end) for w in align(tokens, sound).words]
        parts, excesses = _checked(sound, tokens, places)
        if not parts:
            return None
    seconds = heard.speech_seconds if len(sound) <= WHOLE * RATE else float(activity(sound, RATE).sum()) / FRAMES
    total = sum(s for _, s in parts)
    phones = sum(len(p) for t in tokens for p in phone_variants(t)[0])
    words = tuple(_placed(i, a, b, given) for i, (a, b) in zip(indices, places, strict=True))
    return Reading(
        words, tuple(excesses), sum(w.excess * s for w, s in parts) / max(total, 1e-9),
        sum(w.fit * s for w, s in parts) / max(total, 1e-9), seconds, beaten, phones,
    )  # fmt: skip


def together(readings: Sequence[Reading]) -> Reading:
    """Several readings as one, in order."""
    seconds = sum(r.seconds for r in readings)
    mean = [sum(getattr(r, name) * r.seconds for r in readings) / max(seconds, 1e-9) for name in ("excess", "fit")]
    return Reading(
        tuple(w for r in readings for w in r.words), tuple(e for r in readings for e in r.excesses), mean[0], mean[1],
        seconds, readings[0].rivalled if len(readings) == 1 else None, sum(r.phones for r in readings),
    )  # fmt: skip


def _joined(files: Sequence[Samples]) -> tuple[Samples, list[float]]:
    """One sound, and the second at which each file begins in it."""
    gap = np.zeros(round(GAP * RATE), np.float32)
    parts: list[Samples] = []
    starts, at = [], 0
    for k, file in enumerate(files):
        if k:
            parts.append(gap)
            at += len(gap)
        starts.append(at / RATE)
        parts.append(file)
        at += len(file)
    return (np.concatenate(parts) if parts else gap[:0]), starts


def _placed(token: int, start: float, end: float, given: Files) -> SpokenWord:
    file = max(k for k, s in enumerate(given.starts) if k == 0 or s <= (start + end) / 2)
    length = len(given.files[file]) / RATE
    a, b = (float(np.clip(t - given.starts[file], 0, length)) for t in (start, end))
    return SpokenWord(token, given.first + file, a, b)


def _checked(
    sound: Samples, tokens: Sequence[str], places: Sequence[tuple[float, float]]
) -> tuple[list[tuple[Wording, float]], list[float]]:
    """Pieces of a long sound against their own words: what was found, and each token's excess (NaN: not looked at)."""
    pieces = _pieces(places)
    step = max(1, -(-len(pieces) // MOST_PIECES))
    found: list[tuple[Wording, float]] = []
    excesses = [float("nan")] * len(tokens)
    for a, b in pieces[::step]:
        start = places[a - 1][1] if a else 0.0
        end = places[b][0] if b < len(places) else len(sound) / RATE
        start, end = max(start, places[a][0] - 0.3), min(end, places[b - 1][1] + 0.3)
        heard = Listening(sound[round(start * RATE) : round(end * RATE)])
        wording = fitted(heard, tokens[a:b])
        if wording is None:
            wording = Wording((), 1e3, 100.0, 0.0)
        else:
            excesses[a:b] = [w.excess for w in wording.words]
        found.append((wording, max(heard.speech_seconds, 0.1)))
    return found, excesses


def _pieces(places: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """Runs of tokens of about `PIECE` seconds, cut at the longest pause of their last third."""
    pieces, at = [], 0
    while at < len(places):
        end = at + 1
        while end < len(places) and places[end][1] - places[at][0] < PIECE:
            end += 1
        if end < len(places):
            choice = range(max(at + 1, at + (end - at) * 2 // 3), end + 1)
            end = max(choice, key=lambda k: places[k][0] - places[k - 1][1])
        pieces.append((at, end))
        at = end
    return pieces
