"""Tolerant reading of transcripts in JSON: our own, openai-whisper's, WhisperX's and faster-whisper's."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from editalk.errors import TranscriptError
from editalk.reading import LARGEST_DATA, brief, brief_value, parse_json, read_text
from editalk.transcript.types import Segment, Transcript, Word

LATEST = 1e6  # seconds: a time beyond it is no time in a video
SLACK = 0.1  # seconds by which recognisers let a word begin before the one before it
ASK = "run the recogniser with word timestamps (Whisper: --word_timestamps True)"
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
NAMED_WORD = ("start", "end", "word", "probability")  # a faster-whisper Word dumped as the tuple that it is


@dataclass(frozen=True)
class _Raw:
    """A word as it stands in the file: it may lack its times. `place` is for messages."""

    text: str
    start: float | None
    end: float | None
    probability: float | None
    speaker: str | None
    place: str


def read_transcript(path: Path) -> Transcript:
    """Read a file; raises TranscriptError with file and place."""
    return parse_transcript(read_text(path, TranscriptError, LARGEST_DATA), str(path))


def parse_transcript(text: str, name: str = "transcript") -> Transcript:
    """Read the text of a JSON transcript; `name` is what messages call it."""
    data = parse_json(text, name, TranscriptError)
    try:
        return _transcript(data)
    except TranscriptError as error:
        raise TranscriptError(f"{name}: {error}") from error


def _transcript(data: Any) -> Transcript:
    top = data if isinstance(data, dict) else {"segments": data}
    own = top.get("editalk")
    segments: list[Segment] = []
    for raws in _runs(top):
        segments += _segments(raws, isinstance(own, dict))
    if not isinstance(own, dict):
        segments = _without_overlap(segments)
    _check_order(segments)
    if not segments and not isinstance(own, dict):
        raise TranscriptError("it holds no words")
    about = own if isinstance(own, dict) else {}
    return Transcript(
        tuple(segments), _text(top.get("language")) or "en", _text(about.get("source")), _text(about.get("engine"))
    )


def _runs(top: dict[str, Any]) -> list[list[_Raw]]:
    """The words by segment."""
    while isinstance(top.get("segments"), dict):  # WhisperX's aligned result, dumped whole
        top = top["segments"]
    segments = top.get("segments")
    if not isinstance(segments, list):
        if isinstance(top.get("word_segments"), list):
            return [_raws(top["word_segments"], "word_segments", None)]
        raise TranscriptError("it has no list of segments")
    made = [_segment(segment, f"segments[{i}]") for i, segment in enumerate(segments)]
    if all(raws is None for raws in made) and isinstance(top.get("word_segments"), list) and top["word_segments"]:
        return [_raws(top["word_segments"], "word_segments", None)]
    for i, raws in enumerate(made):
        if raws is None:
            raise TranscriptError(f"segments[{i}] has no words: {ASK}")
    return [raws for raws in made if raws]


def _segment(segment: Any, place: str) -> list[_Raw] | None:
    """The words of a segment; None where it says something but has no words."""
    if isinstance(segment, list):  # a faster-whisper Segment dumped as the tuple that it is
        words = next(
            (field for field in segment if isinstance(field, list) and field and isinstance(field[0], list)), None
        )
        return None if words is None else _raws(words, place + ".words", None)
    if not isinstance(segment, dict):
        raise TranscriptError(f"{place} is not an object")
    text, words, speaker = _text(segment.get("text")) or "", segment.get("words"), _text(segment.get("speaker"))
    if isinstance(words, list) and words:
        raws = _raws(words, place + ".words", speaker)
        return _bounded(raws, _number(segment, "start", place), _number(segment, "end", place))
    if not text.strip():
        return []
    if words is None:
        return None
    raws = [_Raw(word, None, None, None, speaker, place) for word in text.split()]  # WhisperX could not align it
    return _bounded(raws, _number(segment, "start", place), _number(segment, "end", place))


def _raws(words: Sequence[Any], place: str, speaker: str | None) -> list[_Raw]:
    made: list[_Raw] = []
    parts: list[list[str]] = []  # the texts that each of them is joined of
    spaced = any(_text_of(word).startswith(" ") for word in words)
    for i, word in enumerate(words):
        here = f"{place}[{i}]"
        fields = dict(zip(NAMED_WORD, word, strict=False)) if isinstance(word, list) else word
        if not isinstance(fields, dict):
            raise TranscriptError(f"{here} is not an object")
        text = _text_of(fields)
        if not text.strip():
            continue
        chance = next(
            (n for key in ("probability", "score", "confidence") if (n := _number(fields, key, here)) is not None), None
        )
        raw = _Raw(text.strip(), _number(fields, "start", here), _number(fields, "end", here), chance,
                   _text(fields.get("speaker")) or speaker, here)  # fmt: skip
        if made and spaced and not text.startswith(" "):  # " ice", "-cream" is one word
            parts[-1].append(raw.text)
            made[-1] = made[-1] if raw.end is None else replace(made[-1], end=raw.end)
        else:
            made.append(raw)
            parts.append([raw.text])
    return [raw if len(texts) == 1 else replace(raw, text="".join(texts))
            for raw, texts in zip(made, parts, strict=True)]  # fmt: skip


def _text_of(word: Any) -> str:
    if isinstance(word, list):
        return word[2] if len(word) > 2 and isinstance(word[2], str) else ""
    if not isinstance(word, dict):
        return ""
    return next((text for key in ("word", "text") if (text := _text(word.get(key))) is not None), "")


def _text(value: Any) -> str | None:
    """A string that can be written again: JSON may hold halves of characters, and control characters."""
    if not isinstance(value, str):
        return None
    return CONTROL.sub("\ufffd", value.encode("utf-8", "replace").decode())


def _number(fields: dict[str, Any], key: str, place: str) -> float | None:
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TranscriptError(f"{place}.{key} is not a number: {brief_value(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise TranscriptError(f"{place}.{key} is not a finite number")
    if abs(value) > LATEST:
        raise TranscriptError(f"{place}.{key} is beyond the end of any video: {brief_value(value)}")
    if key in ("start", "end") and value < 0:
        raise TranscriptError(f"{place}.{key} is negative: {value}")
    return float(value)


def _bounded(raws: list[_Raw], start: float | None, end: float | None) -> list[_Raw]:
    """The first and the last word begin and end with their segment where they have no times of their own."""
    if raws and raws[0].start is None and start is not None:
        raws[0] = replace(raws[0], start=start)
    if raws and raws[-1].end is None and end is not None:
        raws[-1] = replace(raws[-1], end=end)
    return raws


def _segments(raws: list[_Raw], own: bool) -> list[Segment]:
    """The words of a segment, a new one with each change of speaker."""
    made: list[tuple[list[Word], str | None]] = []
    for raw in _timed(raws):
        words = [Word(raw.text, raw.start or 0.0, raw.end or 0.0, raw.probability)]
        if not own and len(raw.text.split()) > 1:
            words = _split(words[0])
        if made and made[-1][1] == raw.speaker:
            made[-1][0].extend(words)
        else:
            made.append((words, raw.speaker))
    return [Segment(tuple(words), speaker) for words, speaker in made]


def _timed(raws: list[_Raw]) -> list[_Raw]:
    """Words without times get their share of the time between those that have them, by their length."""
    made = list(raws)
    i = 0
    while i < len(made):
        if made[i].start is not None and made[i].end is not None:
            i += 1
            continue
        end = next((j for j in range(i, len(made)) if made[j].end is not None), len(made) - 1)
        stop = end if end > i and made[end].start is not None else end + 1
        before = made[i].start if made[i].start is not None else (made[i - 1].end if i else None)
        after = made[stop].start if stop < len(made) and stop == end else made[end].end
        known = [moment for moment in (before, after) if moment is not None]
        if not known:
            raise TranscriptError(f"{made[i].place} and the words around it have no times: {ASK}")
        first, last = known[0], known[-1]
        made[i:stop] = _shared(made[i:stop], first, max(first, last))
        i = stop
    return made


def _shared(raws: Sequence[_Raw], start: float, end: float) -> list[_Raw]:
    total, made, at = sum(len(raw.text) for raw in raws), [], 0
    for raw in raws:
        low, at = at, at + len(raw.text)
        made.append(replace(raw, start=start + (end - start) * low / total, end=start + (end - start) * at / total))
    return made


def _split(word: Word) -> list[Word]:
    """A word with white space inside, as the words that it is."""
    raws = [_Raw(text, None, None, word.probability, None, "") for text in word.text.split()]
    return [Word(r.text, r.start or 0.0, r.end or 0.0, r.probability) for r in _shared(raws, word.start, word.end)]


def _without_overlap(segments: list[Segment]) -> list[Segment]:
    """Words that begin a little early begin with the one before; words end where the next begins at the latest."""
    words = [word for segment in segments for word in segment.words]
    for i in range(1, len(words)):
        before, word = words[i - 1], words[i]
        if before.start - SLACK <= word.start < before.start:
            words[i] = word = replace(word, start=before.start, end=max(before.start, word.end))
        if before.start <= word.start < before.end:
            words[i - 1] = replace(before, end=word.start)
    rest = iter(words)
    return [replace(segment, words=tuple(next(rest) for _ in segment.words)) for segment in segments]


def _check_order(segments: Sequence[Segment]) -> None:
    last: Word | None = None
    for s, segment in enumerate(segments):
        for w, word in enumerate(segment.words):
            place = f"word {w + 1} of segment {s + 1} ({brief(word.text)!r})"
            if word.end < word.start:
                raise TranscriptError(f"{place} ends at {word.end:g} s, before it starts at {word.start:g} s")
            if last is not None and word.start < last.start:
                raise TranscriptError(
                    f"times go backwards: {place} starts at {word.start:g} s, the word before it at {last.start:g} s"
                )
            last = word
