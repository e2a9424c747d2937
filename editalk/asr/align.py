"""Forced alignment of a known script: when each of its words is heard."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from editalk.asr.sound import RATE, pcm, prepared
from editalk.asr.types import AlignedWord, Alignment
from editalk.audio import Audio, Samples
from editalk.spoken import spoken

if TYPE_CHECKING:
    from pocketsphinx import Decoder


@lru_cache(maxsize=1)
def _decoder() -> Decoder:
    from pocketsphinx import Decoder

    return Decoder(lm=None, loglevel="FATAL")


def align(words: Sequence[str], audio: Audio | Samples, rate: int = RATE) -> Alignment:
    """Align displayed words with the sound that says them.

    `audio`: an `Audio`, or samples [n] or [n, channels] at `rate`. Never fails on words or sound: what cannot be found
    is placed by proportion with probability 0.
    """
    samples = prepared(audio, rate)
    seconds = len(samples) / RATE
    decoder = _decoder()
    said = [(i, s) for i, w in enumerate(words) for s in spoken(w) if decoder.lookup_word(s)]
    found: dict[int, tuple[float, float]] = {}
    if said and len(samples) > RATE // 10:
        decoder.set_align_text(" ".join(s for _, s in said))
        decoder.start_utt()
        decoder.process_raw(pcm(samples).tobytes(), full_utt=True)
        decoder.end_utt()
        heard = [s for s in decoder.seg() if s.word[0] not in "<["] if decoder.hyp() else []
        if len(heard) == len(said):
            for (i, _), s in zip(said, heard, strict=True):
                start, end = s.start_frame / 100, (s.end_frame + 1) / 100
                found[i] = (min(start, found[i][0]) if i in found else start, end)
    step = seconds / max(1, len(words))
    made, last = [], 0.0
    for i, word in enumerate(words):
        start, end = found.get(i, (i * step, (i + 1) * step))
        start = max(last, start)
        last = end = min(seconds, max(start, end))
        made.append(AlignedWord(word, start, end, 1.0 if i in found else 0.0))
    return Alignment(tuple(made), seconds)
