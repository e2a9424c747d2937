"""What is known of the speaker's consent: a statement, or the name and the hash of a document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from editalk.errors import UsageError
from editalk.inputs import digest

LONGEST = 4000  # characters of a statement that are taken over whole
_NAME = re.compile(r"\S*[/\\]\S*|\S+\.\w{1,5}")  # nobody consents in one word that looks like a file's name


@dataclass(frozen=True)
class FileRef:
    name: str
    sha256: str


@dataclass(frozen=True)
class Consent:
    """`text`: the statement; None where the document is no text or a long one. `document`: the file it was given as."""

    text: str | None
    document: FileRef | None = None


def as_text(text: str) -> str:
    """Without halves of characters, which neither a manifest nor UTF-8 can hold: bytes of names that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def read_consent(given: str) -> Consent:
    """Of `--consent`: the text itself, or the name of a file. Raises UsageError."""
    text = given.strip()
    if not text:
        raise UsageError("--consent is empty; say who agreed to what, and when, or name a document")
    path = Path(text)
    if not _is_file(path):
        if _NAME.fullmatch(text):
            raise UsageError(f"--consent {text}: there is no such file; a statement has more than one word")
        if len(text) > LONGEST:
            raise UsageError(f"--consent: {len(text)} characters are more than {LONGEST}; put them into a file")
        return Consent(as_text(text))
    try:
        data = path.read_bytes() if path.stat().st_size <= 4 * LONGEST else None
        document = FileRef(as_text(path.name), digest(path))
    except OSError as error:
        raise UsageError(f"--consent {path}: {error.strerror or error}") from error
    if data is not None and not data.strip():
        raise UsageError(f"--consent {path}: the file is empty")
    return Consent(_statement(data), document)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name
        return False


def _statement(data: bytes | None) -> str | None:
    try:
        text = (data or b"").decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None
    plain = all(c.isprintable() or c.isspace() for c in text)
    return text if text and plain and len(text) <= LONGEST else None
