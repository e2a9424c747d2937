"""What a voice says, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SpokenWord:
    """Script token `token` is heard in voice file `file` from `start` to `end`, seconds of that file."""

    token: int
    file: int
    start: float
    end: float


@dataclass(frozen=True)
class VoiceRun:
    """New tokens [token, token_end) are said by seconds [start, end) of voice file `file`: the speech itself,
    [speech_start, speech_end), and up to 80 ms of the file's own quiet on either side.
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
    """`covers`: "script" or "new-words". `words`: what is heard where, in the order of the script. `runs`: one for each
    run of new words, empty where the voice covers the script. `fit`: 0 (any words would do as well) … 1 (just these).
    `doubtful`: tokens that the voice may not say. `warnings`: sentences for the user.
    """

    covers: str
    words: tuple[SpokenWord, ...]
    runs: tuple[VoiceRun, ...] = ()
    fit: float = 1.0
    doubtful: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
