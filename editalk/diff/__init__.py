"""Tokens against words: what was kept, added, removed, replaced, moved."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tag(StrEnum):
    EQUAL = "equal"  # kept; `caption` where only its display changed
    INSERT = "insert"
    DELETE = "delete"
    REPLACE = "replace"
    MOVE = "move"  # kept, but elsewhere: its source range is out of order


@dataclass(frozen=True)
class WordEdit:
    """Source words [source_start, source_end) against script tokens [target_start, target_end).

    A tuple of edits is in the order of the edited script. The targets tile the script's tokens (those that are not
    marked deleted) without gap or overlap; the sources cover every source word exactly once. A DELETE stands where
    its words stood and has an empty target; an INSERT has an empty source.
    """

    tag: Tag
    source_start: int
    source_end: int
    target_start: int
    target_end: int
    caption: bool = False
