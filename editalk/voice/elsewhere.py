"""Voices in languages that the acoustic model does not know: by length and pauses alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Samples
from editalk.errors import VoiceError
from editalk.voice.acoustic import FRAMES
from editalk.voice.ranges import runs_of
from editalk.voice.sentences import speech_frames
from editalk.voice.types import SpokenWord, Voice

LETTERS_PER_SECOND = 14.0
LEAST, MOST = 0.25, 4.0  # times the expected length that are still believed


def by_length(
    files: Sequence[Samples], script: Sequence[str], new_runs: Sequence[tuple[int, int]], covers: str | None,
    language: str,
) -> Voice:  # fmt: skip
    """What files may say, judged by how long they speak; words are placed in proportion to their letters.

    Raises VoiceError where they speak far too long or far too short for either.
    """
    spoken = [speech_frames(f) for f in files]
    seconds = sum(len(s) for s in spoken) / FRAMES
    wanted = {"script": list(range(len(script))), "new-words": [k for a, b in new_runs for k in range(a, b)]}
    choices = {
        name: abs(np.log(max(seconds, 0.01) * LETTERS_PER_SECOND / sum(_letters(script[k]) for k in tokens)))
        for name, tokens in wanted.items() if tokens and covers in (None, name)
    }  # fmt: skip
    if not choices or min(choices.values()) > np.log(MOST):
        raise VoiceError(f"the voice speaks for {seconds:.1f} s, which fits neither the script nor its new words")
    best = min(choices, key=lambda name: choices[name])
    tokens = wanted[best]
    if best == "new-words" and len(files) == len(new_runs):
        words = [w for k, (a, b) in enumerate(new_runs) for w in spread([spoken[k]], script, list(range(a, b)), k)]
    else:
        words = spread(spoken, script, tokens, 0)
    runs = runs_of(files, words, new_runs) if best == "new-words" else ()
    warning = (f"what the voice says cannot be checked in this language ({language}): it was taken to say the "
               f"{'whole script' if best == 'script' else 'new words'} because of its length")  # fmt: skip
    return Voice(best, tuple(words), runs, 0.0, (), (warning,))


def _letters(token: str) -> int:
    return max(1, sum(c.isalnum() for c in token))


def spread(
    spoken: Sequence[NDArray[np.int64]], script: Sequence[str], tokens: Sequence[int], first: int
) -> list[SpokenWord]:
    """Tokens over the frames of speech of some files, by their letters; a token does not cross from file to file."""
    frames = [(first + k, int(f)) for k, file in enumerate(spoken) for f in file]
    weights = np.cumsum([0, *(_letters(script[k]) for k in tokens)])
    edges = np.round(weights / weights[-1] * (len(frames) - 1)).astype(int)
    words = []
    for k, a, b in zip(tokens, edges[:-1], edges[1:], strict=True):
        file, start = frames[a]
        last = max(f for g, f in frames[a : b + 1] if g == file)
        words.append(SpokenWord(k, file, start / FRAMES, max(last, start + 1) / FRAMES))
    return words
