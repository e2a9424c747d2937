"""Every kind of file through the command line; what the table of docs/media.md says of it is what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from media_kinds import KINDS
from media_table import DOCS, HEAD, README, SYNC, chosen, drift, edit, held, row

LOSSLESS = ("odd420", "gray", "yuv411")  # FFV1: the source's own pictures come out exactly
LEAST = 42.0  # dB: visually lossless


def documented() -> list[str]:
    return held(DOCS).splitlines(keepends=True)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))


def test_the_table_has_a_row_for_every_kind() -> None:
    lines = documented()
    assert "".join(lines[:2]) == HEAD
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == [kind.title for kind in KINDS.values()]


def test_the_readme_has_rows_of_it() -> None:
    assert held(README) == chosen(held(DOCS))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if kind.slow else name for name, kind in KINDS.items()]
)
def test_what_is_kept(name: str, tmp_path: Path) -> None:
    """If a row has changed for the better: `python tests/media_table.py KIND`."""
    made = edit(name, tmp_path)
    frame = float(1 / made.kind.rate)
    assert made.result.start == pytest.approx(0, abs=frame / 2)
    assert made.result.frames == made.report["frames"]
    assert made.worst >= (140 if name in LOSSLESS else LEAST)
    assert drift(made) <= (frame / 2 if made.kind.drops else SYNC)
    assert row(made) in documented()
