"""Text files in: read whole up to a size, decoded, parsed; whatever is in them, an error names file and place.

Who wrote a file is not known here: it may be cut off, of another program, or made to harm.
"""

from __future__ import annotations

import json
import reprlib
import tomllib
from pathlib import Path
from typing import Any

from editalk.errors import EditalkError

LARGEST_TEXT = 2 << 20  # bytes of what people write: edited texts, scripts, captions; a book has 1 MB
LARGEST_DATA = 64 << 20  # bytes of transcripts and plans: two days of speech
LARGEST_SETTINGS = 1 << 20  # bytes of settings and of models.toml
MOST_DOTS = 2000  # in a line of TOML: the parser's time for a dotted key grows with their square
BRIEF = 60  # characters of a file that a message repeats

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path, error: type[EditalkError], most: int = LARGEST_TEXT) -> str:
    """The text of a file of at most so many bytes; `error` is raised where it has none."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)  # not more, whatever its size is said to be: it may be a pipe
    except OSError as wrong:
        raise error(f"{path}: {wrong.strerror or wrong}; name a text file") from wrong
    except ValueError as wrong:  # a path with NUL
        raise error(f"{str(path)!r} is no file's name") from wrong
    if len(data) > most:
        raise error(f"{path}: larger than {most >> 20} MiB, which no such text is; name another file")
    return decoded(data, str(path), error)


def decoded(data: bytes, name: str, error: type[EditalkError]) -> str:
    """The text of a file's bytes, UTF-8 with or without a byte order mark; `name` is the file's."""
    if data.startswith(_UTF_16):
        raise error(f"{name}: UTF-16 text; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        raise error(f"{name}: not UTF-8 text at line {line} (byte {wrong.start}); save it as UTF-8") from wrong
    at = text.find("\0")
    if at >= 0:
        line = text.count("\n", 0, at) + 1
        raise error(f"{name}: not UTF-8 text, it has NUL characters (line {line}); save it as UTF-8")
    return text


def parse_json(text: str, name: str, error: type[EditalkError]) -> Any:
    """The value of a JSON text. Its numbers may be NaN, infinite or of thousands of digits, its strings may hold halves
    of characters.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as wrong:
        raise error(f"{name}: not JSON: line {wrong.lineno}, column {wrong.colno}: {wrong.msg}") from wrong
    except RecursionError as wrong:
        raise error(f"{name}: not JSON that can be read: nested too deeply") from wrong
    except ValueError as wrong:
        raise error(f"{name}: not JSON that can be read: a number with thousands of digits") from wrong


def parse_toml(text: str, name: str, error: type[EditalkError]) -> dict[str, Any]:
    """The tables of a TOML text. Its numbers may be NaN, infinite or of thousands of digits."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MOST_DOTS:
            raise error(f"{name}: line {number} has more than {MOST_DOTS} dots")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise error(f"{name}: {wrong}") from wrong
    except RecursionError as wrong:
        raise error(f"{name}: nested too deeply") from wrong
    except ValueError as wrong:
        raise error(f"{name}: a number with thousands of digits") from wrong


def brief(text: str, most: int = BRIEF) -> str:
    """A text as a message repeats it: its beginning, in one line, what cannot be printed escaped."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


class _Brief(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = BRIEF
        self.maxlist = self.maxdict = self.maxlevel = 2


def brief_value(value: Any) -> str:
    """A value of JSON or TOML as a message repeats it."""
    return _Brief().repr(value)
