"""Markdown → the same text with blanks for what is presentation: every word keeps its line and column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

LINE_END = re.compile(r"\r\n|\r|\n")
GONE = "\u2060"  # no character of a word, and none between two

HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t].*)?")
RULE = re.compile(r" {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*")
BLOCK = re.compile(r"[ \t]*(?:>[ \t]?)*(?:[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]+\[[ xX]\])?(?=[ \t]|$))?[ \t]*")
LABEL = re.compile(r"(\*\*|__)([^*_\s][^*_\n]{0,60}?)(?::\1|\1:)(?=\s|$)")
ESCAPE = re.compile(r"\\(?=[!-/:-@\\^_`|])|\\(?=\n)")  # those of brackets, braces and tildes are the marks' own
RUN = re.compile(r"\n[ \t]*(?=\n)|(?<!\u2060)(\*{1,3}|_{1,3})")


class Plain(NamedTuple):
    """What `parse` takes: lines parted by newlines, and the names that label its paragraphs."""

    text: str
    speakers: frozenset[str]


def plain_markdown(text: str) -> Plain:
    """Without emphasis, bullets, quotes, rules and escapes; the other marks stay, strike-through among them.

    Headings are titles and not spoken, nor are `**Name:**` labels at the start of a block.
    """
    lines: list[str] = []
    names: set[str] = set()
    for line in LINE_END.split(text.removeprefix("\ufeff")):
        if HEADING.fullmatch(line) or RULE.fullmatch(line):
            lines.append("")
        else:
            lines.append(_block(line, names, begins=not lines or not lines[-1].strip()))
    escaped = ESCAPE.sub(GONE, "\n".join(lines))
    return Plain(_without_emphasis(escaped), frozenset(names))


def _block(line: str, names: set[str], begins: bool) -> str:
    """A line without what makes it a list's or a quote's; its label stays, as a plain one, where a paragraph begins."""
    match = BLOCK.match(line)
    start = match.end() if match else 0
    label = LABEL.match(line, start) if begins or line[:start].strip() else None
    if label is None:
        return " " * start + line[start:]
    shown = f"{label[2]}:" if begins else ""
    names |= {label[2]} if begins else set()
    return " " * start + shown.ljust(label.end() - start) + line[label.end() :]


@dataclass(frozen=True)
class _Opener:
    signs: str
    start: int


def _without_emphasis(text: str) -> str:
    """Pairs of signs around words go; a sign without a partner is text."""
    made = list(text)
    open_: list[_Opener] = []
    for match in RUN.finditer(text):
        signs = match[1]
        if signs is None:  # a paragraph ends
            open_.clear()
            continue
        before, behind = text[match.start() - 1 : match.start()] or " ", text[match.end() : match.end() + 1] or " "
        inner = signs[0] == "_"
        closes = not before.isspace() and not (inner and behind.isalnum())
        opens = not behind.isspace() and not (inner and before.isalnum())
        partner = next((k for k in range(len(open_) - 1, -1, -1) if open_[k].signs == signs), -1) if closes else -1
        if partner >= 0:
            for start in (open_[partner].start, match.start()):
                made[start : start + len(signs)] = GONE * len(signs)
            del open_[partner:]
        elif opens:
            open_.append(_Opener(signs, match.start()))
    return "".join(made)
