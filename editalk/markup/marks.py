"""Text → characters with their marks, spans and pauses."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from editalk.errors import MarkupError
from editalk.markup.attributes import read_attributes, read_duration
from editalk.markup.types import EditedText, Mark
from editalk.markup.words import Character, MarkedText, Span, tokenise
from editalk.reading import brief

OPENERS = {"{++": "++}", "{--": "--}", "{~~": "~~}", "{==": "==}", "~~": "~~"}
CLOSERS = ("++}", "--}", "~~}", "==}", "<<}")
NESTING = ("{++", "{--", "{~~", "{==")
ADDING_OR_REMOVING = ("{++", "{--", "{~~", "~~")
MARKS = {"{++": Mark.INSERTED, "{--": Mark.DELETED, "{~~": Mark.DELETED, "~~": Mark.DELETED}
ESCAPABLE = "[]{}~"
DEEPEST = 50  # marks inside each other
EVENT_CHARACTERS = 80
PAUSE_CHARACTERS = 200
LONGEST_PAUSE = 60.0  # seconds

LINE_END = re.compile(r"\r\n|\r|\n")
BLANK_LINE = re.compile(r"(?:\r\n?+|\n)[^\S\r\n]*(?=\r|\n)")
PAUSE = re.compile(r"\s*pause(?=[\s\d=:])[\s=:]*([+\-.\d].*?|\S*)\s*", re.IGNORECASE | re.DOTALL)
PAUSE_BEGINS = re.compile(r"\s*pause(?=[\s\d=:])[\s=:]*[+\-.\d]", re.IGNORECASE)
HALF_MARK = re.compile(r"\{([+-])(?!\1)[^{}\n]*(?<!\1)\1\}")
SPECIAL = re.compile(r"\\(?=[\[\]{}~])|[\[\]{}~]")
INVISIBLE = "\ufeff\u2060\u00ad\u200e\u200f" + "".join(
    c for c in map(chr, [*range(0x20), *range(0x7F, 0xA0)]) if not c.isspace()
)
NEXT = re.compile(rf"[\\\[\]{{}}~\r\n{INVISIBLE}]|(?:\+\+|--|==|<<)\}}|~>")


def parse(text: str, speakers: frozenset[str] = frozenset()) -> EditedText:
    """The tokens and marks of an edited text.

    `speakers`: names that, at the start of a paragraph and with a colon behind, label it and are not spoken.
    Raises MarkupError, with line and column, for a mark that cannot be read.
    """
    return tokenise(_Scanner(text.removeprefix("\ufeff"), speakers).scan())


def escape(text: str) -> str:
    """`text` so that `parse` reads all of it as plain text: backslashes before what might be read as a mark."""
    return re.sub(r"([{}~]|\\(?=[\[\]{}~])|\[(?=\s*pause[\s\d=:])|\](?=\{))", r"\\\1", text, flags=re.IGNORECASE)


@dataclass
class _Open:
    """A mark that is not closed yet."""

    kind: str  # an opener, or "["
    position: int
    first: int  # index of its first character in the output
    second_half: bool = False


class _Scanner:
    def __init__(self, text: str, speakers: frozenset[str]) -> None:
        self.text = text
        self.lines = [0, *(match.end() for match in LINE_END.finditer(text))]
        self.breaks = [match.end() for match in BLANK_LINE.finditer(text)]
        names = sorted(filter(None, speakers), key=len, reverse=True)
        self.label = re.compile(rf"({'|'.join(map(re.escape, names))}):(?=\s|$)") if names else None
        self.brackets = _matching_brackets(text)
        self.open: list[_Open] = []
        self.at_start = True  # of a paragraph: no word of it was seen
        self.event_end = -1  # the bracket that ends the present event
        self.out = MarkedText([], [], [], [], self.place, self.paragraph)

    def place(self, position: int) -> tuple[int, int]:
        """Line and column, both from 1, of a position in the text."""
        line = bisect_right(self.lines, position)
        return line, position - self.lines[line - 1] + 1

    def paragraph(self, position: int) -> int:
        return bisect_right(self.breaks, position)

    def error(self, position: int, message: str) -> MarkupError:
        return MarkupError(message, *self.place(position))

    def scan(self) -> MarkedText:
        position = 0
        while position < len(self.text):
            position = self._plain(position)
            if position < len(self.text):
                position = self._label(position) or self._mark(position) or self._character(position)
        if self.open:
            raise self._unclosed(self.open[-1])
        return self.out

    def _plain(self, position: int) -> int:
        """Takes what certainly holds no mark, up to where one may be or a paragraph may end."""
        if self.at_start and self.label:
            return position
        match = NEXT.search(self.text, position)
        end = match.start() if match else len(self.text)
        mark = self._current_mark()
        event_end = min(max(self.event_end + 1, position), end)
        characters = self.out.characters
        characters += [Character(self.text[k], k, mark, True) for k in range(position, event_end)]
        characters += [Character(self.text[k], k, mark, False) for k in range(event_end, end)]
        if end > position and not self.text[position:end].isspace():
            self.at_start = False
        return end

    def _character(self, position: int, character: str | None = None) -> int:
        character = character or self.text[position]
        mark = self._current_mark()
        self.out.characters.append(Character(character, position, mark, position <= self.event_end))
        if self.paragraph(position + 1) != self.paragraph(position):
            self.at_start = True
        elif not character.isspace():
            self.at_start = False
        return position + 1

    def _label(self, position: int) -> int | None:
        """Skips a speaker's name at the start of a paragraph."""
        match = self.label.match(self.text, position) if self.label and self.at_start else None
        if match is None:
            return None
        self.at_start = False
        self.out.speakers.append((position, match[1]))
        return match.end()

    def _current_mark(self) -> Mark:
        for mark in self.open:
            if mark.kind in MARKS:
                return Mark.INSERTED if mark.second_half else MARKS[mark.kind]
        return Mark.PLAIN

    def _mark(self, position: int) -> int | None:
        """Reads the mark at `position`, if there is one; returns where the text goes on."""
        text = self.text
        if text[position] == "\\" and text[position + 1 : position + 2] in ESCAPABLE and position + 1 < len(text):
            return self._character(position + 1)
        if text[position] in INVISIBLE:
            return position + 1
        if text.startswith("{>>", position):
            return self._comment(position)
        if text.startswith(CLOSERS, position):
            return self._close(position, text[position : position + 3])
        if text.startswith("~>", position) and self.open and self.open[-1].kind == "{~~":
            return self._second_half(position)
        return self._open_mark(position) or self._bracket(position)

    def _comment(self, position: int) -> int:
        end = self.text.find("<<}", position + 3)
        if end < 0:
            raise self.error(
                position, "this comment is not closed: write {>>comment<<}, or \\{ for the character itself"
            )
        return end + 3

    def _second_half(self, position: int) -> int:
        mark = self.open[-1]
        if mark.second_half:
            raise self.error(position, "a second ~> in one mark: write {~~old words~>new words~~}")
        mark.second_half = True
        return position + 2

    def _open_mark(self, position: int) -> int | None:
        opener = self.text[position : position + 3] if self.text.startswith(NESTING, position) else None
        if opener is None and self.text[position] == "~":
            return self._tildes(position)
        if opener is None:
            half = HALF_MARK.match(self.text, position)
            if half:
                raise self.error(position, f"write {{{half[1] * 2}words{half[1] * 2}}}, with two signs on either side")
            return None
        self._nest(position, opener)
        return position + 3

    def _tildes(self, position: int) -> int | None:
        """`~~` opens or closes a strike; other runs of tildes are plain text."""
        end = position
        while self.text.startswith("~", end):
            end += 1
        inside = any(mark.kind == "~~" for mark in self.open)
        if end - position != 2 and not (inside and end - position > 2):
            for place in range(position, end):
                self._character(place)
            return end
        if inside:
            return self._close(position, "~~")
        self._nest(position, "~~")
        return position + 2

    def _nest(self, position: int, opener: str) -> None:
        for outer in self.open:
            if outer.kind == opener == "{==" or outer.kind in ADDING_OR_REMOVING and opener in ADDING_OR_REMOVING:
                line, column = self.place(outer.position)
                raise self.error(
                    position,
                    f"{opener} inside the mark that line {line}, column {column} opens: close that one first"
                    f" with {OPENERS[outer.kind]}",
                )
        self.open.append(_Open(opener, position, len(self.out.characters)))

    def _close(self, position: int, closer: str) -> int:
        if not self.open or OPENERS.get(self.open[-1].kind) != closer:
            raise self._wrong_close(position, closer)
        mark = self.open.pop()
        if mark.kind == "{~~" and not mark.second_half:
            raise self.error(mark.position, "this mark has no new half: write {~~old words~>new words~~}, or {--old--}")
        return position + len(closer)

    def _wrong_close(self, position: int, closer: str) -> MarkupError:
        openers = {"++}": "{++", "--}": "{--", "~~}": "{~~", "==}": "{==", "<<}": "{>>", "~~": "~~"}
        if not any(OPENERS.get(mark.kind) == closer for mark in self.open):
            plain = f"\\{closer}" if closer.startswith("~") else f"{closer[:-1]}\\}}"
            return self.error(
                position, f"{closer} closes nothing: write {openers[closer]} before it, or {plain} as text"
            )
        line, column = self.place(self.open[-1].position)
        return self.error(
            position, f"{closer} stands before the end of the mark that line {line}, column {column} opens"
        )

    def _unclosed(self, mark: _Open) -> MarkupError:
        if mark.kind == "[":
            return self.error(mark.position, "this bracket is not closed: write [words]{rerender=face}, or \\[")
        closer = OPENERS[mark.kind]
        whole = f"{mark.kind}words{'~>new words' if mark.kind == '{~~' else ''}{closer}"
        return self.error(mark.position, f"{mark.kind} is not closed: write {whole}, or \\{mark.kind} as plain text")

    def _bracket(self, position: int) -> int | None:
        end = self.brackets.get(position)
        if end is None:
            return None
        if self.text[position] == "]":
            span = self.open[-1] if self.open else None
            mine = span is not None and span.kind == "[" and span.position == end
            return self._attributes(position) if mine else self._crossed(position)
        if _has_attributes(self.text, end):
            if len(self.open) >= DEEPEST:
                raise self.error(position, f"more than {DEEPEST} marks inside each other")
            self.open.append(_Open("[", position, len(self.out.characters)))
            return position + 1
        if end - position <= PAUSE_CHARACTERS:
            if pause := PAUSE.fullmatch(self.text, position + 1, end):
                return self._pause(position, end, pause[1])
        elif PAUSE_BEGINS.match(self.text, position + 1, end):
            return self._pause(position, end, self.text[position + 1 : end].strip()[len("pause") :].strip())
        if end - position <= EVENT_CHARACTERS:
            self.event_end = max(self.event_end, end)
        return None

    def _crossed(self, position: int) -> int | None:
        """A `]` that ends a span with attributes while a mark inside the span is open."""
        start = next(
            (mark for mark in self.open if mark.kind == "[" and self.brackets.get(mark.position) == position), None
        )
        if start is None:
            return None
        raise self._unclosed(self.open[-1])

    def _pause(self, position: int, end: int, amount: str) -> int:
        if self._current_mark() is Mark.DELETED:
            raise self.error(position, "a pause among words that are removed: put it outside of the mark")
        seconds = read_duration(amount)
        if seconds is None or not 0 < seconds <= LONGEST_PAUSE:
            shown = f'"{brief(amount)}"' if amount else "nothing"
            raise self.error(
                position,
                f"{shown} is no length of a pause: write [pause 0.5s] or [pause 500ms], at most {LONGEST_PAUSE:g} s",
            )
        self._character(position, " ")
        self.out.pauses.append((len(self.out.characters), seconds, position))
        return end + 1

    def _attributes(self, position: int) -> int:
        mark = self.open.pop()
        end = self.text.find("}", position)
        if end < 0 or LINE_END.search(self.text, position, end):
            raise self.error(position + 1, "this { is not closed: write [words]{rerender=face}, or \\{ as plain text")
        rerender, retime = read_attributes(self.text, position + 2, end, self.error)
        for span in reversed(self.out.spans):
            if span.first < mark.first:  # it and all before it were closed before this one began
                break
            if span.rerender and rerender or span.retime and retime:
                line, column = self.place(span.position)
                what = "rerender" if span.rerender and rerender else "retime"
                raise self.error(mark.position, f"{what} twice for the words at line {line}, column {column}: keep one")
        self.out.spans.append(Span(mark.first, len(self.out.characters), rerender, retime, mark.position))
        return end + 1


def _has_attributes(text: str, bracket: int) -> bool:
    """Whether the `]` at `bracket` has `{attributes}` behind it, and not a mark of its own."""
    return text.startswith("{", bracket + 1) and not text.startswith(("{++", "{--", "{~~", "{>>", "{=="), bracket + 1)


def _brackets(text: str) -> Iterator[tuple[str, int]]:
    position = 0
    while match := SPECIAL.search(text, position):
        position = match.end()
        if match[0] == "\\":
            position += 1
        elif text.startswith("{>>", match.start()):
            end = text.find("<<}", position)
            position = len(text) if end < 0 else end + 3
        elif match[0] in "[]":
            yield match[0], match.start()


def _matching_brackets(text: str) -> dict[int, int]:
    """Where each bracket's partner stands; brackets without one are left out."""
    partners: dict[int, int] = {}
    waiting: list[int] = []
    for bracket, position in _brackets(text):
        if bracket == "[":
            waiting.append(position)
        elif waiting:
            start = waiting.pop()
            partners[start], partners[position] = position, start
    return partners
