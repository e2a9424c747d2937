"""Sound to a transcript: Whisper where its weights are there or can be had, PocketSphinx otherwise."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from editalk.asr import openai_whisper
from editalk.asr.activity import measured
from editalk.asr.align import align, quietest
from editalk.asr.sound import RATE, prepared
from editalk.asr.sphinx import FRAMES, LEAST_SECONDS, listen, recogniser
from editalk.audio import Audio, Samples
from editalk.errors import DeviceError
from editalk.transcript import Segment, Transcript, Word

Say = Callable[[str], None]

LOG = logging.getLogger("editalk")
CHUNK = 24.0  # seconds that PocketSphinx hears at a time
PAUSE = 0.7  # seconds between words that end a segment of PocketSphinx's
SURE = 0.3  # probability of an aligned word from which its times are taken over the recogniser's
NEAR = 0.4  # seconds that an aligned word may lie from the recogniser's
PRONOUN = ("i", "i'm", "i'll", "i've", "i'd")


def recognise(
    audio: Audio | Samples,
    model: str = "auto",
    language: str | None = "en",
    rate: int = RATE,
    say: Say = LOG.warning,
    download_root: Path | None = None,
) -> Transcript:
    """The words of a sound with their times; no segments where nothing is said.

    `model`: "auto" and "whisper" take Whisper and fall back on PocketSphinx, which is said through `say`; one of
    Whisper's names or a checkpoint file takes exactly that; or "pocketsphinx". `language`: None lets Whisper find out.
    Raises DeviceError where the model that was asked for, or one for the language, cannot be had.
    """
    samples = prepared(audio, rate)
    if model != "pocketsphinx":
        try:
            name = openai_whisper.choose(model, language, download_root)
            return retimed(openai_whisper.recognise(samples, name, language, download_root), samples)
        except openai_whisper.UnavailableError as error:
            if model not in ("auto", "whisper"):
                raise DeviceError(f"{error}; --model pocketsphinx needs no download") from error
            reason = str(error)
    else:
        reason = "PocketSphinx was chosen"
    if language not in (None, "en"):
        raise DeviceError(
            f"{reason}, and PocketSphinx knows English only, not {language!r}; {openai_whisper.HOW_TO_GET}"
        )
    if model != "pocketsphinx":
        say(f"{reason}: recognising with PocketSphinx, which makes many errors; {openai_whisper.HOW_TO_GET}")
    return retimed(_pocketsphinx(samples), samples)


def retimed(transcript: Transcript, samples: Samples) -> Transcript:
    """The words with the times of a forced alignment where it agrees that they are said there (English only)."""
    words = transcript.words
    if transcript.language != "en" or not words:
        return transcript
    made: list[Word] = []
    for word, found in zip(words, align([w.text for w in words], samples).words, strict=True):
        agreed = found.probability >= SURE and abs(found.start - word.start) < NEAR and abs(found.end - word.end) < NEAR
        start, end = (found.start, found.end) if agreed else (word.start, word.end)
        if made and start < made[-1].end:
            start = max(start, made[-1].start)
            made[-1] = replace(made[-1], end=min(made[-1].end, start))
        made.append(replace(word, start=start, end=max(start, end)))
    rest = iter(made)
    segments = tuple(replace(s, words=tuple(next(rest) for _ in s.words)) for s in transcript.segments)
    return replace(transcript, segments=segments)


def _pocketsphinx(samples: Samples) -> Transcript:
    words: list[Word] = []
    for start, end in _chunks(samples):
        words += _heard(samples[start:end], start / RATE)
    segments: list[list[Word]] = []
    for word in words:
        if segments and word.start - segments[-1][-1].end <= PAUSE:
            segments[-1].append(word)
        else:
            segments.append([word])
    return Transcript(tuple(Segment(tuple(s)) for s in segments), "en", engine="pocketsphinx")


def _chunks(samples: Samples) -> list[tuple[int, int]]:
    """Stretches of samples [first, end), cut where it is quietest."""
    levels = measured(samples)
    cuts, at, seconds = [0], 0.0, len(samples) / RATE
    while seconds - at > 1.4 * CHUNK:
        at = quietest(levels, at + 0.6 * CHUNK, at + CHUNK)
        cuts.append(round(at * RATE))
    return list(zip(cuts, [*cuts[1:], len(samples)], strict=True))


def _heard(samples: Samples, offset: float) -> list[Word]:
    """The words of samples [n] that lie `offset` seconds into the sound."""
    if len(samples) < LEAST_SECONDS * RATE or not np.any(samples):
        return []
    decoder = recogniser()
    try:
        listen(decoder, samples)
    except RuntimeError:  # nothing survived the beam
        return []
    if decoder.hyp() is None:
        return []
    made = []
    for found in decoder.seg():
        if found.word[0] in "<[(":  # silence and noise
            continue
        text = found.word.split("(", 1)[0]
        text = text.capitalize() if text in PRONOUN else text
        start, end = offset + found.start_frame / FRAMES, offset + (found.end_frame + 1) / FRAMES
        made.append(Word(text, start, end, min(1.0, max(0.0, found.prob))))
    return made
