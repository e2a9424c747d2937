"""Words with times; readers and writers, one format, one class."""

from __future__ import annotations

from editalk.transcript.captions import CaptionCue, CaptionFile, read_captions, write_captions
from editalk.transcript.cues import Cue, cues
from editalk.transcript.reading import parse_transcript, read_transcript
from editalk.transcript.types import Segment, Transcript, Word
from editalk.transcript.writing import (
    FORMATS,
    JsonWriter,
    SrtWriter,
    TextWriter,
    VttWriter,
    Writer,
    get_writer,
    paragraphs,
    to_json,
)

__all__ = [
    "FORMATS", "CaptionCue", "CaptionFile", "Cue", "JsonWriter", "Segment", "SrtWriter", "TextWriter", "Transcript",
    "VttWriter", "Word", "Writer", "cues", "get_writer", "paragraphs", "parse_transcript", "read_captions",
    "read_transcript", "to_json", "write_captions",
]  # fmt: skip
