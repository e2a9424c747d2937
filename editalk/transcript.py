"""Words with times; readers and writers, one format, one class."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from editalk.errors import TranscriptError


@dataclass(frozen=True)
class Word:
    """A word as displayed (with its punctuation) and when it is heard, seconds of the source, `end` exclusive."""

    text: str
    start: float
    end: float
    probability: float | None = None


@dataclass(frozen=True)
class Segment:
    """A turn or sentence: neighbouring words of one speaker."""

    words: tuple[Word, ...]
    speaker: str | None = None


@dataclass(frozen=True)
class Transcript:
    """What is said in a source.

    `source` is the sha256 of the media it was made from (None: made elsewhere), `engine` what made it.
    """

    segments: tuple[Segment, ...]
    language: str = "en"
    source: str | None = None
    engine: str | None = None

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)


# CONTRACT with pipeline and cli (the lead wrote these stubs; the owner of this module replaces them, names stay):


def read_transcript(path: Path) -> Transcript:
    """Read Whisper's, WhisperX's, faster-whisper's or our own JSON. Raises TranscriptError."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TranscriptError(f"{path}: {error}") from error
    segments = tuple(
        Segment(tuple(Word(w["word"].strip(), w["start"], w["end"], w.get("probability")) for w in s["words"]))
        for s in data["segments"]
    )
    return Transcript(segments, data.get("language", "en"), data.get("editalk", {}).get("source"))


def to_json(transcript: Transcript) -> str:
    return json.dumps({
        "text": "", "language": transcript.language, "editalk": {"source": transcript.source, "engine": transcript.engine},
        "segments": [{"words": [{"word": " " + w.text, "start": w.start, "end": w.end, "probability": w.probability}
                                for w in s.words]} for s in transcript.segments]})  # fmt: skip


class _Json:
    suffix = ".json"

    def write(self, transcript: Transcript) -> str:
        return to_json(transcript)


class _Text:
    suffix = ".txt"

    def write(self, transcript: Transcript) -> str:
        return "\n\n".join(" ".join(w.text for w in s.words) for s in transcript.segments) + "\n"


def get_writer(name: str) -> _Json | _Text:
    """A writer has `suffix` and `write(transcript) -> str`."""
    return {"json": _Json, "txt": _Text}[name]()
