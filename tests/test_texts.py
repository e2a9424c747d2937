"""Text files out: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from editalk.errors import OutputError
from editalk.texts import write_texts


def test_long_names_that_begin_alike_are_files_of_their_own(tmp_path: Path) -> None:
    texts = {tmp_path / f"{'long' * 12}.{suffix}": suffix for suffix in ("otio", "edl")}
    write_texts(texts)
    assert {p: p.read_text() for p in tmp_path.iterdir()} == texts


def test_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(OutputError):
        write_texts({tmp_path / "a.txt": "new", tmp_path / "none" / "b.txt": "new"})
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "mine")]
