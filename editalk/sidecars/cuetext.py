"""The text of a cue as styled words, taken apart and put together again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape, unescape

from editalk.transcript.captions import ALMOST
from editalk.transcript.cues import LINE, LINES, wrapped

_TAG = r"<[^<>]*>|\{[^{}]*\}"
_PART = re.compile(rf"({_TAG})|([^\s<{{]+|[<{{])|(\s+)")
_NAME = re.compile(r"<\s*/?\s*([a-zA-Z]*)")


@dataclass(frozen=True)
class StyledWord:
    """`text` without tags; `tags`: those open around it, outermost first; `line`: of the cue, from 0."""

    text: str
    tags: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class CueText:
    """`lead`: tags for the whole cue, such as a place on the screen. `longest`: characters of its longest line.
    `escaped`: &, < and > are written as WebVTT's entities.
    """

    words: tuple[StyledWord, ...]
    lead: str = ""
    longest: int = 0
    escaped: bool = False


def taken_apart(lines: Sequence[str], escaped: bool = False) -> CueText:
    """Words with the tags around them; time stamps within the text are left out."""
    words: list[StyledWord] = []
    open_tags: list[str] = []
    lead, longest = "", 0
    for number, line in enumerate(lines):
        text, length = "", 0
        around: tuple[str, ...] = ()
        for tag, part, space in _PART.findall(line):
            if tag.startswith("{"):
                lead += tag if not words and not text else ""
            elif tag and not tag[1:2].isdigit():
                _follow(open_tags, tag)
            elif part:
                around = around if text else tuple(open_tags)
                # a space that was written as an entity parts no words
                text += re.sub(r"[ \r\n]", "\u00a0", unescape(part)) if escaped else part
            elif space and text:
                words.append(StyledWord(text, around, number))
                length, text = length + len(text) + 1, ""
        if text:
            words.append(StyledWord(text, around, number))
        longest = max(longest, length + len(text))
    return CueText(tuple(words), lead, longest, escaped)


def _follow(open_tags: list[str], tag: str) -> None:
    if not tag.startswith("</"):
        open_tags.append(tag)
        return
    for k in range(len(open_tags) - 1, -1, -1):
        if _name(open_tags[k]) == _name(tag) or _name(tag) == "":
            del open_tags[k:]
            return


def _name(tag: str) -> str:
    match = _NAME.match(tag)
    return match[1].lower() if match else ""


def put_together(words: Sequence[StyledWord], like: CueText) -> tuple[str, ...]:
    """The lines of a cue of other words: broken where it was where that fits, else in two of like length."""
    lines = _as_before(words, like) or _anew(words)
    made = (like.lead + _styled(lines, like.escaped)).split("\n") if lines else []
    # an arrow of words that now share a line would be read as time stamps
    return tuple(re.sub("-+>", "→", line) if ALMOST.match(line) else line for line in made)


def fits(words: Sequence[StyledWord], like: CueText) -> bool:
    """Whether the words have room in one cue: two lines of 42 characters, or what it had before."""
    return _as_before(words, like) is not None or len(wrapped([w.text for w in words])) <= LINES


def _as_before(words: Sequence[StyledWord], like: CueText) -> list[list[StyledWord]] | None:
    if any(b.line < a.line for a, b in zip(words, words[1:], strict=False)):
        return None
    lines = [[w for w in words if w.line == k] for k in sorted({w.line for w in words})]
    longest = max((len(" ".join(w.text for w in line)) for line in lines), default=0)
    room = max(LINE, like.longest)
    alone = len(lines) > 1 and min(len(" ".join(w.text for w in line)) for line in lines) * 4 < longest
    return None if longest > room or alone else lines


def _anew(words: Sequence[StyledWord]) -> list[list[StyledWord]]:
    lines: list[list[StyledWord]] = []
    left = list(words)
    for line in wrapped([w.text for w in words]):
        taken: list[StyledWord] = []
        room = len(line.replace(" ", ""))
        while left and room > 0:
            room -= len(left[0].text)
            taken.append(left.pop(0))
        if taken:
            lines.append(taken)
    return lines


def _styled(lines: Sequence[Sequence[StyledWord]], escaped: bool) -> str:
    """Tags are opened and closed where words differ in them, and not at line ends; a voice stays open."""
    made = ""
    current: tuple[str, ...] = ()
    for number, line in enumerate(lines):
        for k, word in enumerate(line):
            same = 0
            while same < min(len(current), len(word.tags)) and current[same] == word.tags[same]:
                same += 1
            made += _closed(current[same:]) + (" " if k else "\n" if number else "") + "".join(word.tags[same:])
            made += escape(word.text, quote=False) if escaped else word.text
            current = word.tags
    return made + _closed(tuple(t for t in current if _name(t) != "v"))


def _closed(tags: Sequence[str]) -> str:
    return "".join(f"</{_name(tag)}>" for tag in reversed(tags) if _name(tag))
