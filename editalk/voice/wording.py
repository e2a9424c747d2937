"""A wording against a sound: where its words are, and whether it is what is said."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Samples, activity, rms_db
from editalk.spoken import spoken_variants
from editalk.voice.acoustic import (
    FRAMES,
    RATE,
    SILENCE,
    Costs,
    Phones,
    Way,
    align_phones,
    loop,
    phone_model,
    pronunciations,
    score,
    word_cost,
)

LOUD_DB, UNHEARD = 20.0, 60.0  # speech that near to the loudest, and what it costs to take it for silence
QUIET_DB, UNSAID = 35.0, 30.0  # sound that far below it, and what it costs to take it for speech
MARGIN = 10  # frames kept around the speech
DECOYS = 3
DECOY_WORDS = (
    "apple window river mountain table orange simple letter music paper yellow doctor dog house stone fish moon chair "
    "page knife elephant banana together another umbrella remember potato beautiful ice egg day boy shoe"
).split()
RIVALS = (
    "the to of and a in that have it for not on with he as you do at this but his by from they we say her she or "
    "will my one all would there their what so up out if about who get which go me when make can like time no just "
    "know take people into year your good some could them see other than then now look only come over think also back "
    "after "
    "two how work first well way even new want because any these give day most find here thing tell many life child "
    "down may call world still try hand last need feel three become leave high really another much family own place "
    "water room mother area money story fact month lot right study book eye job word issue side kind four head house "
    "service friend father power hour game line end member law car city name president team minute idea body parent"
).split()
MOST_RIVALS = 40
LETTER_NAMES = {"z": (("Z", "EH", "D"),), "h": (("HH", "EY", "CH"),), "a": (("EY",),)}
DOUBTFUL = 45.0  # excess of a word that is worth another pronunciation, and a word to the user

MOST_VARIANTS = 4


class Listening:
    """A sound at 16 kHz as the acoustic model hears it; short enough to be looked at whole (a minute)."""

    def __init__(self, mono: Samples) -> None:
        active = activity(mono, RATE)
        heard = np.flatnonzero(active)
        first = max(0, int(heard[0]) - MARGIN) if len(heard) else 0
        end = min(len(active), int(heard[-1]) + 1 + MARGIN) if len(heard) else len(active)
        self.offset, self.active = first, active[first:end]  # frames
        self.mono = mono[first * RATE // FRAMES : end * RATE // FRAMES]

    @property
    def speech_seconds(self) -> float:
        return float(self.active.sum()) / FRAMES

    @cached_property
    def costs(self) -> Costs:
        """[n, senones]; loud speech is dear as silence, which else fits anything half well, and silence as speech."""
        costs = score(self.mono)
        level = rms_db(self.mono, RATE, 1 / FRAMES)
        if not len(level) or not len(costs):
            return costs
        level = np.pad(level, (0, max(0, len(costs) - len(level))), mode="edge")[: len(costs)]
        active = np.pad(self.active, (0, max(0, len(costs) - len(self.active))))[: len(costs)]
        loudest = np.percentile(level, 95)
        model = phone_model()
        silence = model.senones[model.alone[model.names.index(SILENCE)]]
        costs[np.ix_((level > loudest - LOUD_DB) & active, silence)] += UNHEARD
        quiet = (level < loudest - QUIET_DB) & ~active
        kept = costs[np.ix_(quiet, silence)]
        costs[quiet] += UNSAID
        costs[np.ix_(quiet, silence)] = kept
        return costs

    @cached_property
    def free(self) -> NDArray[np.float32]:
        """[n] what each frame costs at best, whatever is said."""
        return loop(self.costs).costs

    def speech(self, way: Way) -> NDArray[np.bool_]:
        """[n] the frames that a wording or the sound itself says are speech."""
        said = np.zeros(len(self.costs), np.bool_)
        said[: len(self.active)] = self.active[: len(said)]
        for start, end in way.words:
            said[start:end] = True
        return said

    @cached_property
    def decoy_cost(self) -> float:
        """What wordings that nobody said cost, mean over frames of speech."""
        chance = random.Random(7)
        phones = max(2, round(self.speech_seconds * 12))
        found = []
        for _ in range(DECOYS):
            words: list[Phones] = []
            while sum(map(len, words)) < phones - 1:
                fit = [w for w in DECOY_WORDS if len(pronunciations(w)[0]) <= phones - sum(map(len, words)) + 1]
                words.append(pronunciations(chance.choice(fit or ["ice", "egg", "day"]))[0])
            way = align_phones(self.costs, words)
            if way is not None:
                said = self.speech(way)
                found.append(float(way.costs[said].mean()))
        return float(np.mean(found)) if found else float("nan")


def rivalled(sound: Listening, tokens: Sequence[str]) -> float:
    """The share, 0…1, of other wordings of the same length that fit a sound better than a few tokens do."""
    own = min((c for c in (_cost(sound, w) for w in _wordings(tokens)) if c is not None), default=None)
    if own is None:
        return 1.0
    chance = random.Random(11)
    sizes = [len(word) for word in _wordings(tokens)[0]]
    fit = [[p for p in map(_first, RIVALS) if abs(len(p) - n) <= 1 and (p,) not in _wordings(tokens)] for n in sizes]
    found = []
    for _ in range(MOST_RIVALS):
        cost = _cost(sound, tuple(chance.choice(f) if f else ("AH",) for f in fit))
        if cost is not None:
            found.append(cost < own)
    return float(np.mean(found)) if found else 0.0


def _first(word: str) -> Phones:
    return pronunciations(word)[0]


def _wordings(tokens: Sequence[str]) -> list[tuple[Phones, ...]]:
    ways: list[tuple[Phones, ...]] = [()]
    for token in tokens:
        ways = [w + v for w in ways for v in phone_variants(token)][:24]
    return ways


def _cost(sound: Listening, words: tuple[Phones, ...]) -> float | None:
    way = align_phones(sound.costs, words)
    return None if way is None else float(way.costs.mean())


@dataclass(frozen=True)
class WordFit:
    """A token of the script in a sound, seconds of it. `excess`: how much worse than any phones at all its own fit."""

    start: float
    end: float
    excess: float


@dataclass(frozen=True)
class Wording:
    """How a sound says some tokens. `cost` and `excess`: means over the frames of speech, of the wording and over what
    the frames cost at best. `fit`: 0 (as bad as words that nobody said) … 1 (as good as any).
    """

    words: tuple[WordFit, ...]
    cost: float
    excess: float
    fit: float


def fitted(sound: Listening, tokens: Sequence[str]) -> Wording | None:
    """The best way in which a sound can say tokens; None where it is far too short for them."""
    variants = [phone_variants(t) for t in tokens]
    chosen = [v[0] for v in variants]
    way = _aligned(sound, chosen)
    if way is None:
        return None
    for k, choices in enumerate(variants):
        if len(choices) > 1:
            chosen[k] = _best(sound, way[1][k], choices)
    better = _aligned(sound, chosen)
    if better is not None and better[0].costs.mean() < way[0].costs.mean():
        way = better
    path, spans = way
    said = sound.speech(path)
    cost, free = float(path.costs[said].mean()), float(sound.free[said].mean())
    decoy = sound.decoy_cost
    fit = (decoy - cost) / max(1.0, decoy - free) if np.isfinite(decoy) else 1.0
    words = tuple(_word(sound, path, span) for span in spans)
    return Wording(words, cost, cost - free, fit)


def _aligned(sound: Listening, chosen: Sequence[tuple[Phones, ...]]) -> tuple[Way, list[tuple[int, int]]] | None:
    """The way and each token's frames; a token that is not spoken has none, at the end of the one before."""
    words = [w for c in chosen for w in c]
    if not words or not len(sound.costs):
        return None
    way = align_phones(sound.costs, words)
    if way is None:
        return None
    spans, at, last = [], 0, way.words[0][0]
    for c in chosen:
        span = (way.words[at][0], way.words[at + len(c) - 1][1]) if c else (last, last)
        at, last = at + len(c), span[1]
        spans.append(span)
    return way, spans


def _word(sound: Listening, way: Way, span: tuple[int, int]) -> WordFit:
    start, end = span
    excess = float((way.costs[start:end] - sound.free[start:end]).mean()) if end > start else 0.0
    return WordFit((start + sound.offset) / FRAMES, (end + sound.offset) / FRAMES, excess)


def _best(sound: Listening, span: tuple[int, int], choices: Sequence[tuple[Phones, ...]]) -> tuple[Phones, ...]:
    part = sound.costs[span[0] : span[1]]
    costs = [word_cost(part, tuple(p for w in choice for p in w)) for choice in choices]
    return choices[int(np.argmin(costs))]


def phone_variants(token: str) -> list[tuple[Phones, ...]]:
    """The ways to say a token, each some words in phones; one empty way where nothing is said."""
    found: list[tuple[Phones, ...]] = []
    for words in spoken_variants(token)[:MOST_VARIANTS]:
        ways: list[tuple[Phones, ...]] = [()]
        for word in words:
            said = (*pronunciations(word), *LETTER_NAMES.get(word, ()))
            ways = [(*w, p) for w in ways for p in said][:8]
        found += [w for w in ways if w not in found]
    return found[:12] or [()]


