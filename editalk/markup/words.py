"""Characters with marks → tokens, and the spans over them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

from editalk.errors import MarkupError
from editalk.markup.types import Attribute, EditedText, Mark, Pause, Speaker, Token

# a dash or an ellipsis between two words without a space: the word after it is a token of its own
GLUE = re.compile(r"(?<=[^\s—–…-])(?:—|–|--+|…|(?<!\.)\.{3,})(?=[^\W\d_])")


class Character(NamedTuple):
    text: str
    position: int  # in the edited text
    mark: Mark
    event: bool


class Span(NamedTuple):
    """An attribute over characters [first, end)."""

    first: int
    end: int
    rerender: str | None
    retime: float | None
    position: int


@dataclass
class MarkedText:
    """The characters outside of marks' own signs, and what was set on them."""

    characters: list[Character]
    spans: list[Span]
    pauses: list[tuple[int, float, int]]  # before which character, seconds, position
    speakers: list[tuple[int, str]]  # position, name
    place: Callable[[int], tuple[int, int]]
    paragraph: Callable[[int], int]


@dataclass
class _Piece:
    """Characters `indices` of the text as a token."""

    indices: Sequence[int]
    mark: Mark
    glued: bool = False


def tokenise(marked: MarkedText) -> EditedText:
    pieces = [piece for cluster in _clusters(marked.characters) for piece in _pieces(marked.characters, cluster)]
    paragraphs: dict[int, int] = {}
    tokens = []
    for piece in pieces:
        paragraph = marked.paragraph(marked.characters[piece.indices[0]].position)
        paragraphs.setdefault(paragraph, len(paragraphs))
        tokens.append(_token(piece, marked, paragraphs[paragraph]))
    furthest = list(accumulate((min(piece.indices) for piece in pieces), max))
    pauses = [
        Pause(bisect_left(furthest, index), seconds, *marked.place(position))
        for index, seconds, position in marked.pauses
    ]
    labels = ((marked.paragraph(position), name) for position, name in marked.speakers)
    speakers = tuple(Speaker(paragraphs[raw], name) for raw, name in labels if raw in paragraphs)
    return EditedText(tuple(tokens), _attributes(marked, pieces), tuple(pauses), speakers)


def _token(piece: _Piece, marked: MarkedText, paragraph: int) -> Token:
    characters = [marked.characters[index] for index in piece.indices]
    line, column = marked.place(characters[0].position)
    return Token(
        text="".join(character.text for character in characters),
        line=line,
        column=column,
        paragraph=paragraph,
        mark=piece.mark,
        event=any(character.event for character in characters),
        glued=piece.glued,
    )


def _attributes(marked: MarkedText, pieces: Sequence[_Piece]) -> tuple[Attribute, ...]:
    """The spans over tokens, in order of their first token."""
    owners: dict[int, list[int]] = {}
    for number, piece in enumerate(pieces):
        for index in piece.indices:
            owners.setdefault(index, []).append(number)
    attributes = []
    for span in marked.spans:
        line, column = marked.place(span.position)
        inside = [number for index in range(span.first, span.end) for number in owners.get(index, ())]
        if all(pieces[number].mark is Mark.DELETED for number in inside):
            raise MarkupError("no words that stay between these brackets: write [words]{rerender=face}", line, column)
        attributes.append(Attribute(min(inside), max(inside) + 1, span.rerender, span.retime, line, column))
    return tuple(sorted(attributes, key=lambda attribute: (attribute.first, -attribute.end)))


def _clusters(characters: Sequence[Character]) -> Iterator[list[int]]:
    """Runs of characters between spaces that no mark adds or removes."""
    run: list[int] = []
    for index, character in enumerate(characters):
        if not (character.mark is Mark.PLAIN and _is_space(character)):
            run.append(index)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _pieces(characters: Sequence[Character], cluster: Sequence[int]) -> list[_Piece]:
    marks = {characters[index].mark for index in cluster}
    if len(marks) == 1:
        return _words(characters, cluster, marks.pop())
    old = _words(characters, [i for i in cluster if characters[i].mark is not Mark.INSERTED], Mark.DELETED)
    new = _words(characters, [i for i in cluster if characters[i].mark is not Mark.DELETED], Mark.INSERTED)
    return _merge(characters, old, new)


def _merge(characters: Sequence[Character], old: list[_Piece], new: list[_Piece]) -> list[_Piece]:
    """The words before and after a mark's effect in one sequence; words that the mark only touches stay plain."""
    merged: list[_Piece] = []
    rest = iter(old)
    by_plain = {key: piece for piece in old if (key := _plain_core(characters, piece))}
    gone: list[_Piece] = []
    coming: list[_Piece] = []
    for piece in new:
        before = by_plain.get(_plain_core(characters, piece))
        if before is not None and _core(characters, before) == _core(characters, piece):
            for passed in rest:
                if passed is before:
                    break
                gone.append(passed)
            merged += [*gone, *coming, _Piece(piece.indices, Mark.PLAIN, piece.glued)]
            gone, coming = [], []
        elif not _core(characters, piece) and all(characters[i].mark is Mark.PLAIN for i in piece.indices):
            # what a removed word leaves behind of its punctuation belongs to the word before it
            coming.append(_Piece(piece.indices, Mark.PLAIN, glued=True))
        else:
            coming.append(piece)
    merged += [*gone, *rest, *coming]
    return [piece for piece in merged if piece.mark is not Mark.DELETED or _is_removed(characters, piece)]


def _is_removed(characters: Sequence[Character], piece: _Piece) -> bool:
    """False for mere punctuation that stood beside a mark."""
    return bool(_core(characters, piece)) or any(characters[i].mark is Mark.DELETED for i in piece.indices)


def _plain_core(characters: Sequence[Character], piece: _Piece) -> tuple[int, ...]:
    return tuple(i for i in piece.indices if characters[i].mark is Mark.PLAIN and characters[i].text.isalnum())


def _core(characters: Sequence[Character], piece: _Piece) -> str:
    return "".join(characters[i].text for i in piece.indices if characters[i].text.isalnum()).casefold()


def _words(characters: Sequence[Character], indices: Sequence[int], mark: Mark) -> list[_Piece]:
    """Splits at spaces, and behind dashes that stand between two words."""
    pieces: list[_Piece] = []
    run: list[int] = []
    for index in [*indices, None]:
        if index is not None and not _is_space(characters[index]):
            run.append(index)
        elif run:
            cuts = [match.end() for match in GLUE.finditer("".join(characters[i].text for i in run))]
            bounds = [0, *cuts, len(run)]
            pieces += [_Piece(run[a:b], mark, a > 0) for a, b in pairwise(bounds)]
            run = []
    return pieces


def _is_space(character: Character) -> bool:
    return character.text.isspace() or character.text == "\u200b"
