"""What a voice says: the whole edited script or only its new words, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.audio import speech_bounds
from editalk.errors import VoiceError

RATE = 16000


@dataclass(frozen=True)
class SpokenWord:
    """Script token `token` is heard in voice file `file` from `start` to `end`, seconds of that file."""

    token: int
    file: int
    start: float
    end: float


@dataclass(frozen=True)
class VoiceRun:
    """New tokens [token, token_end): seconds [start, end) of voice file `file` say them, with a little of the file's
    own quiet on either side; the speech itself is [speech_start, speech_end).
    """

    token: int
    token_end: int
    file: int
    start: float
    end: float
    speech_start: float
    speech_end: float


@dataclass(frozen=True)
class Voice:
    """`covers`: "script" or "new-words". `words`: what is heard where, in order. `runs`: for new words, one each."""

    covers: str
    words: tuple[SpokenWord, ...]
    runs: tuple[VoiceRun, ...]
    doubtful: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def hear(
    files: Sequence[NDArray[np.float32]],
    script: Sequence[str],
    new_runs: Sequence[tuple[int, int]],
    covers: str | None = None,
    names: Sequence[str] | None = None,
    language: str = "en",
) -> Voice:
    """STUB. One file for each run, or one for the whole script."""
    if covers == "script" or (covers is None and len(files) != len(new_runs)):
        from editalk.asr import align

        a = align(script, files[0])
        words = tuple(SpokenWord(i, 0, w.start, w.end) for i, w in enumerate(a.words))
        return Voice("script", words, ())
    if len(files) != len(new_runs):
        raise VoiceError("one voice file for each run of new words is needed")
    runs, words_ = [], []
    for k, ((a0, a1), f) in enumerate(zip(new_runs, files, strict=True)):
        s, e = (x / RATE for x in speech_bounds(f, RATE))
        runs.append(VoiceRun(a0, a1, k, max(0, s - 0.08), min(len(f) / RATE, e + 0.08), s, e))
        words_ += [SpokenWord(i, k, s + (e - s) * (i - a0) / (a1 - a0), s + (e - s) * (i + 1 - a0) / (a1 - a0))
                   for i in range(a0, a1)]  # fmt: skip
    return Voice("new-words", tuple(words_), tuple(runs))
