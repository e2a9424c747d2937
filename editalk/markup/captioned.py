"""Captions → the text of their cues for `parse`: every word keeps its line and column."""

from __future__ import annotations

import html
import re

from editalk.markup.markdown import GONE, LINE_END, Plain
from editalk.transcript import read_captions

SPEAKER = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]+([^<>]*)>")
SPAN_OF_SPEAKER = re.compile(r"<v(?:\.[^\s<>]*)?(?:[ \t][^<>]*)?>|</v>")
TAGS = {
    "srt": re.compile(r"</?[A-Za-z][^<>]*>|\{\\[^{}]*\}"),
    "vtt": re.compile(r"<[^<>]*>"),
}
ENTITY = re.compile(r"&(?:#\d+|#[xX][\da-fA-F]+|[A-Za-z]\w*);")


def plain_captions(text: str, form: str) -> Plain:
    """The text of the cues of a srt or vtt, each a paragraph of its own, labelled by `<v NAME>` where that begins it.

    Numbers, time stamps, settings, tags, notes and styles are blank. Raises CaptionError.
    """
    lines = [""] * len(LINE_END.split(text))
    names: set[str] = set()
    for cue in read_captions(text, form).cues:
        for k, line in enumerate(cue.lines):
            label = SPEAKER.match(line) if form == "vtt" and k == 0 else None
            name = html.unescape(label[1]).strip() if label else ""
            names |= {name} - {""}
            start = label.end() if label else 0
            lines[cue.line + k] = (f"{name}:" if name else "").ljust(start) + _words(line[start:], form)
    return Plain("\n".join(lines), frozenset(names))


def _words(text: str, form: str) -> str:
    """Without tags, entities resolved, at their places."""
    if form == "vtt":
        text = SPAN_OF_SPEAKER.sub(lambda tag: " " * len(tag[0]), text)
    text = TAGS[form].sub(lambda tag: GONE * len(tag[0]), text)
    if form == "vtt":
        text = ENTITY.sub(lambda entity: html.unescape(entity[0]).ljust(len(entity[0]), GONE), text)
    return text
