"""Transcripts of several videos and of folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from editalk.cli import main
from editalk.pipeline import transcripts
from editalk.transcript import Segment, Transcript, Word

Clip = Callable[[str], Path]
MADE = Transcript((Segment((Word("Hello.", 0.1, 0.5),), "Ann"),), engine="made up")


@pytest.fixture
def shelf(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two videos, one of them below, one that is none, and a note; recognising is quick."""
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(transcripts, "transcribe", lambda *_: MADE)
    folder = tmp_path / "a shelf"
    (folder / "below").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    data = clip("mono").read_bytes()
    for name in ("b.mp4", "below/it's.MP4", ".hidden/c.mp4", ".d.mp4"):
        (folder / name).write_bytes(data)
    (folder / "a.mov").write_bytes(b"no video at all")
    (folder / "note.txt").write_text("a note")
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["transcribe", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def made(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.suffix in (".json", ".txt", ".md", ".srt")}


def test_one_that_fails_stops_no_other(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, str(shelf), "--json", "-f", "json,md")
    assert code == 1
    assert made(shelf) == {"note.txt", "b.transcript.json", "b.md"}
    first, second = json.loads(out)["files"]
    assert (first["video"], first["exit_code"]) == (str(shelf / "a.mov"), 1)
    assert "a.mov" in first["error"]
    assert second == {"video": str(shelf / "b.mp4"), "output": [str(shelf / "b.transcript.json"), str(shelf / "b.md")],
                      "engine": "made up", "language": "en", "words": 1}  # fmt: skip
    assert {"error": first["error"], "exit_code": 1} in [json.loads(line) for line in err.splitlines()]
    assert (shelf / "b.md").read_text() == "**Ann:** Hello.\n"


def test_folders_below_and_what_is_there_already(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shelf / "a.mov").unlink()
    (shelf / "b.txt").write_text("edited already")
    code, _, err = run(capsys, str(shelf), "--recursive")
    assert code == 0, err
    assert made(shelf) == {"note.txt", "b.txt", "b.transcript.json", "below/it's.transcript.json", "below/it's.txt"}
    assert (shelf / "b.txt").read_text() == "edited already"
    code, out, err = run(capsys, str(shelf), str(shelf / "b.mp4"), "--json")
    assert (code, json.loads(out)["files"]) == (0, [{"video": str(shelf / "b.mp4"), "skipped": True}])
    assert "b.mp4: skipped" in err
    assert run(capsys, str(shelf), "-y", "-q")[0] == 0
    assert (shelf / "b.txt").read_text() == "Hello.\n"


def test_a_single_file_is_refused_as_ever(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shelf / "b.txt").write_text("edited already")
    code, _, err = run(capsys, str(shelf / "b.mp4"))
    assert code == 1
    assert "b.txt exists already" in err
    code, out, _ = run(capsys, str(shelf / "b.mp4"), "-f", "srt", "--json")
    assert code == 0
    assert json.loads(out)["output"] == [str(shelf / "b.srt")]


def test_names_that_meet_and_usage(shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shelf / "below" / "b.mp4").write_bytes((shelf / "b.mp4").read_bytes())
    code, _, err = run(capsys, str(shelf / "b.mp4"), str(shelf / "below"), "-o", str(tmp_path / "out"))
    assert code == 1
    assert f"{shelf / 'below' / 'b.mp4'}: its transcript would have the name of that of {shelf / 'b.mp4'}" in err
    assert made(tmp_path / "out") == {"b.transcript.json", "b.txt", "it's.transcript.json", "it's.txt"}
    assert run(capsys, str(shelf), "--script", str(shelf / "note.txt"))[0] == 2
    code, _, err = run(capsys, str(tmp_path / "out"))
    assert code == 1
    assert "no videos in this folder" in err
