"""Words and tokens as items that can be compared by what is said."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from editalk.diff.cost import ends_sentence, estimate_seconds
from editalk.diff.script import Script
from editalk.markup import Mark, Token
from editalk.spoken import spoken, spoken_variants
from editalk.transcript import Word

EVENT = re.compile(r"\[[^\[\]]{0,80}\]")


class Item(NamedTuple):
    """What is said at once: source words [first, end), or the spoken token `first` (None: it is marked deleted).

    `said`: the ways in which it may be said, without spaces, the likeliest first. `key` is that one, or for a token
    that must not match something that no other item has.
    """

    text: str
    key: str
    said: tuple[str, ...]
    first: int | None
    end: int
    mark: Mark = Mark.PLAIN
    event: bool = False
    token: Token | None = None

    @property
    def deleted(self) -> bool:
        return self.mark is Mark.DELETED

    @property
    def seconds(self) -> float:
        return 0.0 if self.deleted or self.event else max(estimate_seconds(self.text), 0.1)

    @property
    def ends_sentence(self) -> bool:
        return ends_sentence(self.text)


def source_items(words: Sequence[Word]) -> list[Item]:
    """The words as items; those that are mere punctuation belong to the item before them."""
    events = _events(words)
    heads = [i for i, word in enumerate(words) if events[i] or (word.text.strip("#") and spoken(word.text))]
    items = []
    for number, head in enumerate(heads):
        end = heads[number + 1] if number + 1 < len(heads) else len(words)
        first = head if number else 0
        text = " ".join(word.text.strip() for word in words[first:end])
        items.append(_item(text, words[head].text, first, end, Mark.PLAIN, events[head]))
    return items


def script_items(script: Script) -> list[Item]:
    return [
        _item(token.text, word, index, 0 if index is None else index + 1, token.mark, token.event, token)
        for token, index, word in script.entries
    ]


def _item(
    text: str, word: str, first: int | None, end: int, mark: Mark, event: bool, token: Token | None = None
) -> Item:
    if event:
        said: tuple[str, ...] = ("[" + (_letters(word) or word.strip("[] ")),)
    else:
        said = _said(word)
    key = f" {first}" if mark is Mark.INSERTED else said[0]
    return Item(text, key, said, first, end, mark, event, token)


@lru_cache(maxsize=65536)
def _said(word: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys("".join(variant) for variant in spoken_variants(word)))


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum()).casefold()


def _events(words: Sequence[Word]) -> list[bool]:
    """Which words stand in brackets, as [laughs] does."""
    marks = [False] * len(words)
    if not any("[" in word.text for word in words):
        return marks
    starts = []
    length = 0
    for word in words:
        starts.append(length)
        length += len(word.text) + 1
    for match in EVENT.finditer(" ".join(word.text for word in words)):
        first, end = bisect_right(starts, match.start()) - 1, bisect_left(starts, match.end())
        marks[first:end] = [True] * (end - first)
    return marks


def same_display(sources: Sequence[Item], targets: Sequence[Item]) -> bool:
    """Whether a viewer of the captions sees the same."""
    if len(sources) == len(targets) == 1 and sources[0].text == targets[0].text:
        return True
    shown = "".join(("" if _glued(item) else " ") + item.text for item in targets)
    before = " ".join(item.text for item in sources)
    return before == shown.strip() or unicodedata.normalize("NFC", before) == unicodedata.normalize(
        "NFC", shown.strip()
    )


def _glued(item: Item) -> bool:
    return item.token is not None and item.token.glued
