"""Text for a terminal: what a file's name or a file's words may not do to it."""

from __future__ import annotations

import re

# Control characters, half surrogates, and what turns the direction of the text around it. A line break is a message's
# own where the next line is indented; no name can so begin a line of its own.
_ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\n(?!  )")


def shown(text: str) -> str:
    """The text with backslashed codes in place of characters that act instead of being seen."""
    return _ACTING.sub(lambda found: _code(found.group()), text)


def in_json(text: str) -> str:
    """JSON with the same values and no such characters: `json.dumps` writes out only those below a space."""
    return re.sub("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", lambda c: f"\\u{ord(c.group()):04x}", text)


def _code(character: str) -> str:
    if 0xDC80 <= ord(character) <= 0xDCFF:  # a byte of a name that is no UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
