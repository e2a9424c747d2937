"""When a dub's sentences and words are heard in the voice files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from editalk.asr import align
from editalk.audio import Samples
from editalk.diff import Tag, diff
from editalk.dub.sentences import Sentence, spoken_letters
from editalk.errors import VoiceError
from editalk.markup import EditedText
from editalk.transcript import Word
from editalk.voice.acoustic import FRAMES, RATE
from editalk.voice.elsewhere import spread
from editalk.voice.sentences import sentence_spans, speech_frames
from editalk.voice.types import SpokenWord

SLOWEST, FASTEST = 2.0, 30.0  # letters a second of speech that people say, in any script
ALIGNED = 0.4  # mean probability of words that are believed to be said
ODD = 2.0  # times the voice's usual pace at which a sentence was hardly found


@dataclass(frozen=True)
class Said:
    """A sentence of the dub: seconds [start, end) of voice file `file`, without the silence around it."""

    sentence: Sentence
    file: int
    start: float
    end: float
    words: tuple[SpokenWord, ...]

    @property
    def pace(self) -> float:
        """Letters a second."""
        return self.sentence.letters / max(self.end - self.start, 1 / FRAMES)


def shared(sentences: Sequence[Sentence], files: int) -> tuple[tuple[Sentence, ...], ...]:
    """The sentences that each of the voice files says: all of them, a paragraph or one each. Raises VoiceError."""
    paragraphs = [tuple(inside) for _, inside in groupby(sentences, key=lambda s: s.paragraph)]
    if files == 1:
        return (tuple(sentences),)
    for shares in ([(s,) for s in sentences], paragraphs):
        if len(shares) == files:
            return tuple(shares)
    raise VoiceError(
        f"{files} voice files for {len(sentences)} sentences in {len(paragraphs)} paragraphs: give one file that says "
        "all, or one for each sentence, line or paragraph in their order"
    )


def check_pace(files: Sequence[Samples], sentences: Sequence[Sentence], names: Sequence[str]) -> None:
    """Raises VoiceError where mono sounds at 16 kHz are far too short or far too long for what they shall say."""
    for file, share, name in zip(files, shared(sentences, len(files)), names, strict=True):
        letters, seconds = sum(s.letters for s in share), len(speech_frames(file)) / FRAMES
        if not SLOWEST * seconds <= letters <= FASTEST * seconds:
            few, many = letters / FASTEST, letters / SLOWEST
            raise VoiceError(
                f"{name}: {seconds:.1f} s of speech for {letters} letters in {len(share)} sentences, "
                f"{letters / max(seconds, 0.01):.1f} letters a second; people need between {few:.1f} and {many:.1f} s: "
                "another text's voice?"
            )


def by_pauses(files: Sequence[Samples], texts: Sequence[str], sentences: Sequence[Sentence]) -> tuple[Said, ...]:
    """Sentences where the pauses and their lengths say, words spread over the speech by their letters."""
    made: list[Said] = []
    for number, (file, share) in enumerate(zip(files, shared(sentences, len(files)), strict=True)):
        spoken = speech_frames(file)
        spans = sentence_spans(file, [s.letters for s in share])
        for sentence, (start, end) in zip(share, spans, strict=True):
            inside = spoken[(spoken >= round(start * FRAMES)) & (spoken < round(end * FRAMES))]
            inside = inside if len(inside) else np.array([round(start * FRAMES)])
            words = spread([inside], texts, range(sentence.first, sentence.end), number)
            made.append(Said(sentence, number, start, end, tuple(words)))
    return tuple(made)


def by_alignment(
    files: Sequence[Samples], texts: Sequence[str], sentences: Sequence[Sentence]
) -> tuple[Said, ...] | None:
    """Sentences and words where the forced aligner finds them, in English; None where the files hardly say them."""
    words: list[SpokenWord] = []
    for number, (file, share) in enumerate(zip(files, shared(sentences, len(files)), strict=True)):
        first, end = share[0].first, share[-1].end
        found = align(texts[first:end], file, RATE)
        if found.probability < ALIGNED:
            return None
        words += [SpokenWord(first + k, number, w.start, w.end) for k, w in enumerate(found.words)]
    return _grouped(words, sentences)


def by_transcript(
    heard: Sequence[Word], edited: EditedText, texts: Sequence[str], sentences: Sequence[Sentence], name: str
) -> tuple[Said, ...]:
    """Sentences and words of the one voice file where its own transcript has them; those between by their letters.

    Raises VoiceError where the transcript says something else.
    """
    times: dict[int, tuple[float, float]] = {}
    for edit in diff(heard, edited):
        if edit.tag is Tag.EQUAL:
            group = heard[edit.source_start : edit.source_end]
            tokens = range(edit.target_start, edit.target_end)
            times |= _by_letters(texts, tokens, group[0].start, group[-1].end)
    if 2 * len(times) < len(texts):
        raise VoiceError(f"{name}: only {len(times)} of the text's {len(texts)} words are in it: another voice's "
                         "transcript?")  # fmt: skip
    for known, run in groupby(range(len(texts)), key=lambda k: k in times):
        if not known:
            rest = list(run)
            start = times[rest[0] - 1][1] if rest[0] else heard[0].start
            end = min((t[0] for k, t in times.items() if k > rest[-1]), default=heard[-1].end)
            times |= _by_letters(texts, rest, start, max(start, end))
    words = [SpokenWord(k, 0, *times[k]) for k in range(len(texts))]
    return _grouped(words, sentences)


def doubtful(said: Sequence[Said]) -> tuple[Said, ...]:
    """Sentences that would be said at quite another pace than the rest: they were hardly found where they are."""
    usual = float(np.median([s.pace for s in said])) if said else 1.0
    return tuple(s for s in said if not usual / ODD <= s.pace <= usual * ODD)


def _grouped(words: Sequence[SpokenWord], sentences: Sequence[Sentence]) -> tuple[Said, ...]:
    """Words by sentence; none begins before the one before it has ended."""
    made: list[Said] = []
    for sentence in sentences:
        mine = words[sentence.first : sentence.end]
        before = made[-1].end if made and made[-1].file == mine[0].file else 0.0
        start = max(before, mine[0].start)
        end = max(start + 1 / FRAMES, max(w.end for w in mine))
        inside = [replace(w, start=max(start, w.start), end=max(start, w.end)) for w in mine]
        made.append(Said(sentence, mine[0].file, start, end, tuple(inside)))
    return tuple(made)


def _by_letters(
    texts: Sequence[str], tokens: Iterable[int], start: float, end: float
) -> dict[int, tuple[float, float]]:
    """Seconds [start, end) shared by tokens in proportion to their letters."""
    rows = list(tokens)
    edges = np.cumsum([0, *(spoken_letters([texts[k]]) for k in rows)])
    shares = start + (end - start) * edges / edges[-1]
    return {k: (float(a), float(b)) for k, a, b in zip(rows, shares, shares[1:], strict=False)}
