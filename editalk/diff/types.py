"""What became of the words."""

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

    Targets count in `spoken_tokens(edited)`: the tokens that are not marked deleted, lone punctuation joined to its
    neighbour. A tuple of edits is in the order of the edited script. The targets tile the spoken tokens without gap or
    overlap; the sources cover every source word exactly once. A DELETE stands where its words stood and has an empty
    target; an INSERT has an empty source.

    An EQUAL or a MOVE either pairs its words and tokens one by one or is a single group that is said the same ("twenty
    one" and "21"). Neighbours may continue each other: there is no join between two edits where the source words of
    the second follow those of the first. A MOVE may have a changed caption too.
    """

    tag: Tag
    source_start: int
    source_end: int
    target_start: int
    target_end: int
    caption: bool = False
