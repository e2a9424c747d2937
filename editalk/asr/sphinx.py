"""PocketSphinx: its decoders, its dictionary and the words it lacks, phones of a known wording.

A frame of PocketSphinx is 10 ms. Its English model lies inside its wheel, nothing is downloaded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from editalk.asr.pronounce import pronounce
from editalk.asr.sound import RATE, pcm
from editalk.asr.types import Phone
from editalk.audio import Samples

if TYPE_CHECKING:
    from pocketsphinx import Decoder

FRAMES = 100  # per second
LOG_BASE = math.log(1.0001) * 1024  # a unit of an alignment's score, as a natural logarithm
UNKNOWN_FIT = -3.0  # where the second pass fails: between right and wrong words
LEAST_SECONDS = 0.08  # PocketSphinx needs some frames for its deltas

Choices = tuple[tuple[str, ...], ...]  # the ways to say one word of the script
BEAMS: tuple[dict[str, float], ...] = (
    {},
    {"beam": 1e-80, "wbeam": 1e-60, "pbeam": 1e-80},
    {"beam": 1e-200, "wbeam": 1e-150, "pbeam": 1e-200},
)


@dataclass(frozen=True)
class Heard:
    """A word of the grammar as PocketSphinx heard it, seconds, `end` exclusive.

    `fit`: the mean over its frames of log p(sound | its phones) / p(sound | best phone of the script), at most 0.
    """

    word: str
    start: float
    end: float
    fit: float
    phones: tuple[Phone, ...]


@lru_cache(maxsize=4)
def aligner(beam: int = 0) -> Decoder:
    """The decoder for grammars; `beam` widens the search (0, 1, 2).

    Without the search for a better path afterwards: it makes words of one frame, which have no phones.
    """
    from pocketsphinx import Decoder

    return _kept(Decoder(lm=None, loglevel="FATAL", bestpath=False, **BEAMS[beam]))


@lru_cache(maxsize=1)
def recogniser() -> Decoder:
    """The decoder with the language model."""
    from pocketsphinx import Decoder

    return _kept(Decoder(loglevel="FATAL"))


_held: list[Decoder] = []
_taught: set[str] = set()


def _kept(decoder: Decoder) -> Decoder:
    _held.append(decoder)
    return decoder


def forget() -> None:
    """Begin anew with decoders that are loaded: they adapt to what they hear, and the next job must not hear otherwise
    because of the one before.
    """
    for decoder in _held:
        decoder.reinit_feat()


def listen(decoder: Decoder, samples: Samples) -> None:
    """Run a decoder over samples [n] at 16 kHz."""
    decoder.start_utt()
    decoder.process_raw(pcm(samples).tobytes(), full_utt=True)
    decoder.end_utt()


def teach(decoder: Decoder, words: Iterable[str]) -> None:
    """Give the words that its dictionary lacks a pronunciation from their spelling, whichever came before."""

    def known(word: str) -> str | None:
        return None if word in _taught else decoder.lookup_word(word)

    for word in words:
        if decoder.lookup_word(word) is None:
            for number, phones in enumerate(pronounce(word, known), 1):
                decoder.add_word(word if number == 1 else f"{word}({number})", " ".join(phones), False)
            _taught.add(word)


def hear(script: Sequence[Choices], samples: Samples, beam: int = 0, partial: bool = False) -> list[list[Heard]] | None:
    """What was heard for each word of a script in samples [n] at 16 kHz; None where the search found no way through.

    `partial`: the sound may end before the script does; words that it does not reach are left out at the end.
    """
    if len(samples) < LEAST_SECONDS * RATE or not script:
        return None
    decoder = aligner(beam)
    teach(decoder, {word for choices in script for choice in choices for word in choice})
    if not _search(decoder, script, samples, partial):
        return None
    words = [
        Heard(_base(s.word), s.start_frame / FRAMES, (s.end_frame + 1) / FRAMES, UNKNOWN_FIT, ())
        for s in decoder.seg()
        if not _noise(s.word)
    ]
    said = [word.word for word in words]
    shares = match(said, script, partial)
    if shares is None:
        return None
    if partial:  # an arc without a word has no phones: the second pass wants a grammar that just says what was found
        return hear(script[: len(shares)], samples, beam)
    heard = _phones(decoder, samples)
    if len(heard) != len(said):
        heard = words
    return [heard[first:end] for first, end in shares]


def _search(decoder: Decoder, script: Sequence[Choices], samples: Samples, partial: bool) -> bool:
    arcs, final = grammar(script, partial)
    decoder.add_fsg("script", decoder.create_fsg("script", 0, final, arcs))
    decoder.activate_search("script")
    try:
        listen(decoder, samples)
    except RuntimeError:  # no frames, or nothing survived the beam
        return False
    return decoder.hyp() is not None and any(not _noise(s.word) for s in decoder.seg())


Arc = tuple[int, int, float] | tuple[int, int, float, str]


def grammar(script: Sequence[Choices], partial: bool) -> tuple[list[Arc], int]:
    """The arcs of a grammar that says the script once, and its last state; 0 is the first.

    State i stands before word i; further states lie inside the words that are said in several.
    """
    count = len(script)
    arcs: list[Arc] = []
    free = count + 1
    for i, choices in enumerate(script):
        for choice in choices:
            at = i
            for number, word in enumerate(choice, 1):
                to = i + 1 if number == len(choice) else free
                free += to == free
                arcs.append((at, to, 1.0 / len(choices) if number == 1 else 1.0, word))
                at = to
    if not partial:
        return arcs, count
    arcs += [(state, free, 1.0) for state in range(1, count + 1)]
    return arcs, free


def match(said: Sequence[str], script: Sequence[Choices], partial: bool = False) -> list[tuple[int, int]] | None:
    """Which of the said words [first, end) belong to each word of the script."""
    ways: list[dict[int, tuple[int, int]]] = [{0: (0, 0)}]  # per word of the script: end → (first, end)
    for choices in script:
        here: dict[int, tuple[int, int]] = {}
        for first in ways[-1]:
            for choice in choices:
                end = first + len(choice)
                if tuple(said[first:end]) == choice:
                    here.setdefault(end, (first, end))
        if not here:
            break
        ways.append(here)
        if partial and len(said) in here and min(here) == len(said):
            break
    if len(said) not in ways[-1] or (len(ways) <= len(script) and not partial):
        return None
    shares, end = [], len(said)
    for here in reversed(ways[1:]):
        shares.append(here[end])
        end = here[end][0]
    return shares[::-1]


def _base(word: str) -> str:
    return word.split("(", 1)[0]


def _noise(word: str) -> bool:
    return word[0] in "<[("  # silence, fillers, an arc without a word


def _phones(decoder: Decoder, samples: Samples) -> list[Heard]:
    """The words just found with their phones and fit: a second pass; empty where it does not get through."""
    try:
        decoder.set_alignment()
        listen(decoder, samples)
        return _heard(decoder)
    except RuntimeError:  # the beam lost the end
        return []
    finally:
        decoder.activate_search("script")


def _heard(decoder: Decoder) -> list[Heard]:
    """The words of the alignment that was just made, copied: the next call of the decoder frees it."""
    found = []
    for word in decoder.get_alignment() or ():
        if _noise(word.name):
            continue
        phones = tuple(Phone(p.name, p.start / FRAMES, (p.start + p.duration) / FRAMES) for p in word)
        start, end, fit = word.start / FRAMES, (word.start + word.duration) / FRAMES, word.score / max(1, word.duration)
        found.append(Heard(_base(word.name), start, end, min(0.0, fit * LOG_BASE), phones))
    return found
