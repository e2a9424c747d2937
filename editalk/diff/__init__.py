"""Tokens against words: what was kept, added, removed, replaced, moved."""

from editalk.diff.compare import diff
from editalk.diff.cost import estimate_seconds
from editalk.diff.describe import DiffSpan, Style, describe
from editalk.diff.script import attributes, pauses, spoken_tokens
from editalk.diff.types import Tag, WordEdit

__all__ = [
    "DiffSpan",
    "Style",
    "Tag",
    "WordEdit",
    "attributes",
    "describe",
    "diff",
    "estimate_seconds",
    "pauses",
    "spoken_tokens",
]
