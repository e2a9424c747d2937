"""The tree of errors; the command line alone turns them into messages and exit codes.

EditalkError                     1   something went wrong
├── UsageError                   2   the command's words do not fit together
├── ReadError                    3   a text that a person or a program wrote cannot be read
│   ├── TranscriptError
│   ├── PlacedError                  has line and column
│   │   ├── MarkupError
│   │   └── CaptionError             a file of captions
│   ├── PlanError
│   ├── LedgerError                  what an edit left about itself
│   ├── ModelsError                  models.toml
│   └── JobsError                    the list of a batch
├── MismatchError                4   two inputs do not belong together
│   ├── VoiceError                   the voice is missing or says something else
│   └── SourceError                  plan or transcript were made from another file
├── DeviceError                  5   no device, memory or weights for what was asked
├── QualityError                 6   a check of `--fail-on` failed
├── TimeLimitError               1   it takes longer than `--time-limit` allows
├── SigningError                 1   a key or certificate cannot sign
└── MediaError                   1   a media file cannot be read or written
    └── OutputError                  the result cannot be written, or exists already
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class EditalkError(Exception):
    """Root of all errors that a user can do something about; the message says what."""

    exit_code: ClassVar[int] = 1


class UsageError(EditalkError):
    exit_code = 2


class ReadError(EditalkError):
    exit_code = 3


class TranscriptError(ReadError):
    pass


class PlacedError(ReadError):
    """Something in a text that cannot be read.

    `line` and `column` count from 1; `path` is set by whoever read the text from a file.
    """

    def __init__(self, message: str, line: int, column: int, path: str | None = None) -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.path = message, line, column, path

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}: {self.message}"
        return f"{self.path}: {place}" if self.path else place

    def inside(self, path: Path) -> PlacedError:
        """The same error, of a file."""
        return type(self)(self.message, self.line, self.column, str(path))


class MarkupError(PlacedError):
    """A mark in the edited text."""


class CaptionError(PlacedError):
    """A file of captions."""


class PlanError(ReadError):
    pass


class LedgerError(ReadError):
    pass


class ModelsError(ReadError):
    pass


class JobsError(ReadError):
    pass


class MismatchError(EditalkError):
    exit_code = 4


class VoiceError(MismatchError):
    pass


class SourceError(MismatchError):
    pass


class DeviceError(EditalkError):
    exit_code = 5


class QualityError(EditalkError):
    exit_code = 6


class TimeLimitError(EditalkError):
    pass


class SigningError(EditalkError):
    pass


class MediaError(EditalkError):
    pass


class OutputError(MediaError):
    pass
