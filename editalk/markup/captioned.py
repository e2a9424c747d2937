"""Captions → the text of their cues for `parse`: every word keeps its line and column."""

from __future__ import annotations

import html
import re

from editalk.markup.markdown import GONE, LINE_END
from editalk.transcript import read_captions

SPEAKER = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]+([^<>]*)>")
SPAN_OF_SPEAKER = re.compile(r"<v(?:\.[^\s<>]*)?(?:[ \t][^<>]*)?>|</v>")
TAGS = {
    "srt": re.compile(r"</?[A-Za-z][^<>]*>|\{\\[^{}]*\}"),
    "vtt": re.compile(r"<[^<>]*>"),
}
ENTITY = re.compile(r"&(?:#\d+|#[xX][\da-fA-F]+|[A-Za-z]\w*);")


def plain_captions(text: str, form: str, speakers: frozenset[str] = frozenset()) -> str:
    """The text of the cues of a srt or vtt, each a paragraph of its own, lines parted by newlines.

    Numbers, time stamps, settings, tags, notes and styles are blank; `<v NAME>` is the label of a paragraph where it
    names one of `speakers`. Raises CaptionError.
    """
    lines = [""] * len(LINE_END.split(text))
    for cue in read_captions(text, form).cues:
        for k, line in enumerate(cue.lines):
            lines[cue.line + k] = _words(line, form, speakers if k == 0 else frozenset())
    return "\n".join(lines)


def _words(line: str, form: str, speakers: frozenset[str]) -> str:
    label = SPEAKER.match(line) if form == "vtt" else None
    name = html.unescape(label[1]).strip() if label else ""
    start = label.end() if label else 0
    shown = (f"{name}:" if name in speakers else "").ljust(start)
    rest = line[start:]
    if form == "vtt":
        rest = SPAN_OF_SPEAKER.sub(lambda tag: " " * len(tag[0]), rest)
    rest = TAGS[form].sub(lambda tag: GONE * len(tag[0]), rest)
    if form == "vtt":
        rest = ENTITY.sub(lambda entity: html.unescape(entity[0]).ljust(len(entity[0]), GONE), rest)
    return shown + rest
