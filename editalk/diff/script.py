"""The words of the edited script: what is spoken of it, and the spans over that."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

from editalk.markup import Attribute, EditedText, Mark, Pause, Token
from editalk.spoken import spoken

OPENING = frozenset("([{“‘«„‹¿¡#*-–—•")


@dataclass(frozen=True)
class Script:
    """`tokens`: the spoken tokens. `entries`: these and the deleted ones in order, each with
    its index among the spoken ones (None: deleted) and its word without the punctuation that was joined to it.

    `owners`: for each token of the edited text the spoken token that shows it, None for deleted ones. `starts`: for
    each spoken token the token of the edited text that is its word.
    """

    tokens: tuple[Token, ...]
    entries: tuple[tuple[Token, int | None, str], ...]
    owners: tuple[int | None, ...]
    starts: tuple[int, ...]


def read_script(edited: EditedText) -> Script:
    tokens: list[Token] = []
    entries: list[int | Token] = []  # a deleted token, or the index of a spoken one
    owners: list[int | None] = []
    waiting: list[Token] = []  # punctuation that belongs to the next word
    starts: list[int] = []
    for index, token in enumerate(edited.tokens):
        if token.mark is Mark.DELETED:
            if _is_word(token):
                entries.append(token)
            owners.append(None)
        elif _is_word(token):
            owners.append(len(tokens))
            entries.append(len(tokens))
            tokens.append(_prefix(waiting, token))
            starts.append(index)
            waiting = []
        elif _belongs_before(tokens, token, waiting):
            owners.append(len(tokens) - 1)
            tokens[-1] = replace(tokens[-1], text=_join(tokens[-1].text, token))
        else:
            owners.append(len(tokens))
            waiting.append(token)
    if waiting and tokens:
        for token in waiting:
            tokens[-1] = replace(tokens[-1], text=_join(tokens[-1].text, token))
    owners = [None if owner is None or not tokens else min(owner, len(tokens) - 1) for owner in owners]
    pairs = tuple(
        (tokens[entry], entry, edited.tokens[starts[entry]].text)
        if isinstance(entry, int)
        else (entry, None, entry.text)
        for entry in entries
    )
    return Script(tuple(tokens), pairs, tuple(owners), tuple(starts))


def _is_word(token: Token) -> bool:
    """Whether the token is said, or may stand for something heard; signs of headings are not."""
    return token.event or bool(token.text.strip("#") and spoken(token.text))


def _belongs_before(tokens: list[Token], token: Token, waiting: list[Token]) -> bool:
    if not tokens or waiting or tokens[-1].paragraph != token.paragraph:
        return False
    return token.glued or not set(token.text) <= OPENING or set(token.text) <= set("-–—")


def _join(text: str, token: Token) -> str:
    if token.glued and text.endswith(token.text):
        return text
    return text + ("" if token.glued else " ") + token.text


def _prefix(waiting: list[Token], token: Token) -> Token:
    if not waiting:
        return token
    return replace(token, text=" ".join([*(before.text for before in waiting), token.text]))


def spoken_tokens(edited: EditedText) -> tuple[Token, ...]:
    """The tokens that the edited video has, which `WordEdit` targets, `attributes` and `pauses` count in.

    Tokens marked deleted are left out. Punctuation that stands alone (a dash between spaces, a heading's `#`) is not
    a word: it is joined to the text of its neighbour. An event (`Token.event`) is a token; if it is not one of the
    transcript's it is shown and never spoken.
    """
    return read_script(edited).tokens


def attributes(edited: EditedText) -> tuple[Attribute, ...]:
    """The attributes, over [first, end) of `spoken_tokens(edited)`."""
    owners = read_script(edited).owners
    found = []
    for attribute in edited.attributes:
        inside = [owner for owner in owners[attribute.first : attribute.end] if owner is not None]
        if inside:
            found.append(replace(attribute, first=min(inside), end=max(inside) + 1))
    return tuple(found)


def pauses(edited: EditedText) -> tuple[Pause, ...]:
    """The pauses, before tokens of `spoken_tokens(edited)`."""
    starts = read_script(edited).starts
    return tuple(replace(pause, before=bisect_left(starts, pause.before)) for pause in edited.pauses)
