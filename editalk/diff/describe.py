"""Edits as spans of text in reading order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from editalk.diff.cost import estimate_seconds
from editalk.diff.types import Tag, WordEdit
from editalk.markup import Token
from editalk.transcript import Word


class Style(StrEnum):
    KEPT = "kept"
    CAPTION = "caption"  # kept; shown as the script writes it
    REMOVED = "removed"
    ADDED = "added"
    MOVED_FROM = "moved_from"  # where a passage stood
    MOVED_TO = "moved_to"


@dataclass(frozen=True)
class DiffSpan:
    """Words of one fate. `edit`: index of its edit. `token`: its first one in the script, None for what left its place.

    `seconds`: of the source for words that are there, estimated for those to be made. `paragraph`: the span begins a
    paragraph of the script.
    """

    style: Style
    text: str
    seconds: float
    edit: int
    paragraph: bool = False
    token: int | None = None


def describe(
    edits: Sequence[WordEdit], words: Sequence[Word], tokens: Sequence[Token], places: Collection[int] = ()
) -> tuple[DiffSpan, ...]:
    """The word diff in reading order; `tokens` are `spoken_tokens(edited)`, a span begins at each of `places`, too.

    A replacement is a removed and an added span; a moved passage shows at its old place and at its new one.
    """
    moved = {edit.source_start: index for index, edit in enumerate(edits) if edit.tag is Tag.MOVE}
    spans = _from(0, moved, edits, words)
    for index, edit in enumerate(edits):
        spans += _of(index, edit, words, tokens, places)
        if edit.tag is not Tag.MOVE:
            spans += _from(edit.source_end, moved, edits, words)
    return tuple(spans)


def _from(place: int, moved: dict[int, int], edits: Sequence[WordEdit], words: Sequence[Word]) -> list[DiffSpan]:
    """What was moved away from before word `place`, with the passages that followed it."""
    spans = []
    while place in moved:
        index = moved.pop(place)
        edit = edits[index]
        spans.append(_source(Style.MOVED_FROM, index, edit, words))
        place = edit.source_end
    return spans


def _of(
    index: int, edit: WordEdit, words: Sequence[Word], tokens: Sequence[Token], places: Collection[int]
) -> Iterator[DiffSpan]:
    if edit.tag in (Tag.DELETE, Tag.REPLACE):
        yield _source(Style.REMOVED, index, edit, words)
    if edit.tag in (Tag.INSERT, Tag.REPLACE):
        style = Style.ADDED
    elif edit.tag is Tag.MOVE:
        style = Style.MOVED_TO
    elif edit.tag is Tag.EQUAL:
        style = Style.CAPTION if edit.caption else Style.KEPT
    else:
        return
    for first, end in _parts(edit.target_start, edit.target_end, tokens, places):
        text = "".join(("" if t.glued and k else " ") + t.text for k, t in enumerate(tokens[first:end])).strip()
        new = edit.tag in (Tag.INSERT, Tag.REPLACE)
        share = (end - first) / (edit.target_end - edit.target_start)
        seconds = estimate_seconds(text) if new else _seconds(edit, words) * share
        begins = first > 0 and tokens[first].paragraph != tokens[first - 1].paragraph
        yield DiffSpan(style, text, seconds, index, begins, first)


def _parts(first: int, end: int, tokens: Sequence[Token], places: Collection[int]) -> Iterator[tuple[int, int]]:
    """Tokens [first, end) parted at paragraphs and at `places`."""
    start = first
    for index in range(first + 1, end + 1):
        if index == end or index in places or tokens[index].paragraph != tokens[index - 1].paragraph:
            yield start, index
            start = index


def _source(style: Style, index: int, edit: WordEdit, words: Sequence[Word]) -> DiffSpan:
    text = " ".join(word.text.strip() for word in words[edit.source_start : edit.source_end])
    return DiffSpan(style, text, _seconds(edit, words), index)


def _seconds(edit: WordEdit, words: Sequence[Word]) -> float:
    return (
        words[edit.source_end - 1].end - words[edit.source_start].start if edit.source_end > edit.source_start else 0.0
    )
