"""What an edit changes, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from editalk.diff import Tag, WordEdit, estimate_seconds
from editalk.plan import Script
from editalk.transcript import Word

if TYPE_CHECKING:
    from rich.text import Text

_STYLES = {Tag.DELETE: "red strike", Tag.INSERT: "green", Tag.MOVE: "cyan", Tag.EQUAL: ""}


def changes(words: Sequence[Word], script: Script) -> list[dict[str, Any]]:
    """One row for every edit that is more than keeping: kind, words, source seconds, a guess of new seconds."""
    rows = []
    for edit in script.edits:
        if edit.tag is Tag.EQUAL and not edit.caption:
            continue
        old, new = _old(words, edit), _new(script, edit)
        row: dict[str, Any] = {"kind": "caption" if edit.tag is Tag.EQUAL else edit.tag.value, "old": old, "new": new}
        if edit.source_end > edit.source_start:
            row["source"] = [words[edit.source_start].start, words[edit.source_end - 1].end]
        if edit.tag in (Tag.INSERT, Tag.REPLACE):
            row["new_seconds"] = round(estimate_seconds(new), 2)
        rows.append(row)
    return rows


def painted(words: Sequence[Word], script: Script) -> Text:
    """The edited script in colour, with what was removed, and a line of sums."""
    from rich.text import Text

    text = Text()
    for edit in script.edits:
        old, new = _old(words, edit), _new(script, edit)
        if edit.tag is Tag.REPLACE:
            text.append(f"[-{old}-]", _STYLES[Tag.DELETE]).append(f"{{+{new}+}} ", _STYLES[Tag.INSERT])
        elif edit.tag is Tag.DELETE:
            text.append(f"[-{old}-] ", _STYLES[Tag.DELETE])
        elif edit.tag is Tag.INSERT:
            text.append(f"{{+{new}+}} ", _STYLES[Tag.INSERT])
        elif edit.tag is Tag.MOVE:
            text.append(f"{{→ {new} →}} ", _STYLES[Tag.MOVE])
        else:
            text.append(f"{new} ", "yellow" if edit.caption else "")
    rows = changes(words, script)
    gone = sum(r["source"][1] - r["source"][0] for r in rows if r["kind"] in ("delete", "replace"))
    added = sum(r.get("new_seconds", 0.0) for r in rows)
    text.append(f"\n\n{len(rows)} changes: {gone:.1f} s of footage out, about {added:.1f} s of new speech", "bold")
    return text


def _old(words: Sequence[Word], edit: WordEdit) -> str:
    return " ".join(w.text for w in words[edit.source_start : edit.source_end])


def _new(script: Script, edit: WordEdit) -> str:
    return " ".join(script.tokens[edit.target_start : edit.target_end])
