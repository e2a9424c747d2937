"""Writers: one format, one class."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import ClassVar, Protocol

from editalk.errors import UsageError
from editalk.transcript.captions import CaptionCue, CaptionFile, write_captions
from editalk.transcript.cues import cues
from editalk.transcript.types import Segment, Transcript, Word, ends_sentence

PARAGRAPH_PAUSE = 1.0  # seconds after a sentence that start a paragraph
LONG_PAUSE = 2.5  # seconds that start one anywhere


class Writer(Protocol):
    """A format: `name` chooses it, `suffix` ends its files."""

    name: ClassVar[str]
    suffix: ClassVar[str]

    def write(self, transcript: Transcript) -> str:
        """The whole file."""
        ...


class JsonWriter:
    """openai-whisper's layout, with `speaker` where it is known and where it came from under `editalk`."""

    name: ClassVar[str] = "json"
    suffix: ClassVar[str] = ".json"

    def write(self, transcript: Transcript) -> str:
        return to_json(transcript)


class TextWriter:
    """The text that people edit: a paragraph a turn, plain words.

    `speakers`: begin a paragraph with `NAME: ` where the speaker is known and not the one of the paragraph before.
    """

    name: ClassVar[str] = "txt"
    suffix: ClassVar[str] = ".txt"

    def __init__(self, speakers: bool = False) -> None:
        self.speakers = speakers

    def write(self, transcript: Transcript) -> str:
        made, last = [], None
        for words, speaker in paragraphs(transcript):
            label = f"{speaker}: " if self.speakers and speaker and speaker != last else ""
            made.append(label + " ".join(word.text for word in words))
            last = speaker
        return "\n\n".join(made) + ("\n" if made else "")


class SrtWriter:
    """SubRip."""

    name: ClassVar[str] = "srt"
    suffix: ClassVar[str] = ".srt"

    def write(self, transcript: Transcript) -> str:
        made = (
            CaptionCue(str(number), Fraction(cue.start), Fraction(cue.end), cue.lines)
            for number, cue in enumerate(cues(transcript), 1)
        )
        return write_captions(CaptionFile(self.name, tuple(made)))


class VttWriter:
    """WebVTT, with a voice tag where the speaker is known."""

    name: ClassVar[str] = "vtt"
    suffix: ClassVar[str] = ".vtt"

    def write(self, transcript: Transcript) -> str:
        made = []
        for cue in cues(transcript):
            voice = f"<v {_escaped(cue.speaker)}>" if cue.speaker else ""
            first, *others = (_escaped(line) for line in cue.lines)
            made.append(CaptionCue(None, Fraction(cue.start), Fraction(cue.end), (voice + first, *others)))
        return write_captions(CaptionFile(self.name, tuple(made), "WEBVTT"))


FORMATS: dict[str, Callable[[], Writer]] = {w.name: w for w in (TextWriter, JsonWriter, SrtWriter, VttWriter)}


def to_json(transcript: Transcript) -> str:
    """openai-whisper's layout; read back by `read_transcript` without loss."""
    from editalk import __version__

    data = {
        "text": "".join(_spaced(segment) for segment in transcript.segments),
        "segments": [_segment(i, segment) for i, segment in enumerate(transcript.segments)],
        "language": transcript.language,
        "editalk": {"version": __version__, "engine": transcript.engine, "source": transcript.source},
    }
    return json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def get_writer(name: str) -> Writer:
    """The writer of a format: txt, json, srt or vtt."""
    if name not in FORMATS:
        raise UsageError(f"there is no transcript format {name!r}; choose from {', '.join(FORMATS)}")
    return FORMATS[name]()


def paragraphs(transcript: Transcript) -> list[tuple[tuple[Word, ...], str | None]]:
    """Words by paragraph with their speaker: a new one with each speaker and after each pause that ends a thought."""
    unstopped = not any(ends_sentence(word.text) for word in transcript.words)
    made: list[tuple[list[Word], str | None]] = []
    for segment in transcript.segments:
        for word in segment.words:
            if made and made[-1][1] == segment.speaker and not _breaks(made[-1][0][-1], word, unstopped):
                made[-1][0].append(word)
            else:
                made.append(([word], segment.speaker))
    return [(tuple(words), speaker) for words, speaker in made]


def _breaks(before: Word, after: Word, unstopped: bool) -> bool:
    """`unstopped`: nothing in the transcript is punctuated, so that the pause alone has to say it."""
    pause = after.start - before.end
    return pause > LONG_PAUSE or (pause > PARAGRAPH_PAUSE and (unstopped or ends_sentence(before.text)))


def _spaced(segment: Segment) -> str:
    return "".join(f" {word.text}" for word in segment.words)


def _segment(number: int, segment: Segment) -> dict[str, object]:
    words = [_word(word) for word in segment.words]
    made: dict[str, object] = {
        "id": number,
        "start": segment.words[0].start if segment.words else 0.0,
        "end": segment.words[-1].end if segment.words else 0.0,
        "text": _spaced(segment),
        "words": words,
    }
    return made | ({"speaker": segment.speaker} if segment.speaker is not None else {})


def _word(word: Word) -> dict[str, object]:
    made: dict[str, object] = {"word": f" {word.text}", "start": word.start, "end": word.end}
    return made | ({"probability": word.probability} if word.probability is not None else {})


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
