"""The command line as a user meets it: files in, files out, exit codes; on clips without a face, edited as well."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import number_in

from editalk.cli import main

Clip = Callable[[str], Path]
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))


def talking(source: Path, folder: Path, seconds: float) -> Path:
    """A clip with a transcript beside it: eight words that share its time evenly."""
    path = folder / "talk.mp4"
    path.write_bytes(source.read_bytes())
    step = seconds / len(WORDS)
    words = [{"word": f" {w}", "start": (k + 0.1) * step, "end": (k + 0.9) * step} for k, w in enumerate(WORDS)]
    segment = {"id": 0, "start": 0.0, "end": seconds, "text": " ".join(WORDS), "words": words}
    data = {"text": " ".join(WORDS), "language": "en", "segments": [segment]}
    (folder / "talk.transcript.json").write_text(json.dumps(data))
    return path


@pytest.fixture
def talk(clip: Clip, tmp_path: Path) -> Path:
    return talking(clip("25"), tmp_path, 2.0)


def edited(folder: Path, text: str) -> str:
    (folder / "edited.txt").write_text(text)
    return str(folder / "edited.txt")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    made: dict[str, Any] = json.loads(out)
    return made


def numbers(path: Path) -> list[int]:
    """The source frame numbers that the pictures of a file carry."""
    with av.open(str(path)) as box:
        return [number_in(frame.to_ndarray(format="gray")) for frame in box.decode(video=0)]


def test_a_removal(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = report(capsys, "apply", str(talk), edited(tmp_path, "one two five six seven eight"))
    out = Path(made["output"])
    assert out == tmp_path / "talk.edited.mp4"
    shown = numbers(out)
    assert len(shown) == made["frames"] == pytest.approx(50 - 12, abs=4)
    assert made["frames_identical"] + made["frames_rendered"] == made["frames"]
    assert shown[:5] == [0, 1, 2, 3, 4]
    assert shown[-5:] == [45, 46, 47, 48, 49]
    assert [o["kind"] for o in made["operations"]] == ["removal"]
    assert made["operations"][0]["text"] == "three four"
    assert made["duration"] == pytest.approx(made["frames"] / 25)
    assert {"render", "mux", "plan"} <= set(made["seconds"])


def test_an_unedited_text_gives_the_source(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = report(capsys, "apply", str(talk), edited(tmp_path, " ".join(WORDS)))
    assert made["operations"] == []
    assert made["frames_identical"] == made["frames"] == 50
    assert numbers(Path(made["output"])) == list(range(50))


def test_an_addition_without_a_face_still_is_made(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tone = 0.3 * np.sin(np.arange(int(0.6 * 16000)) * 0.08)
    with wave.open(str(tmp_path / "v.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((tone * 32767).astype("<i2").tobytes())
    made = report(capsys, "apply", str(talk), edited(tmp_path, "one two three four hello five six seven eight"),
                  "--voice", str(tmp_path / "v.wav"), "--voice-covers", "new-words", "--language", "xx")  # fmt: skip
    assert made["frames"] == pytest.approx(50 + 15, abs=5)
    assert any("face" in w for w in made["warnings"])
    assert len(numbers(Path(made["output"]))) == made["frames"]


def test_a_second_run_renders_nothing_anew(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = edited(tmp_path, "one two five six seven eight")
    report(capsys, "apply", str(talk), text)
    held = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache" / "window").iterdir()}
    assert len(held) == 1
    report(capsys, "apply", str(talk), text, "-y")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "cache" / "window").iterdir()} == held


def test_one_more_edit_renders_one_more_window(
    clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = talking(clip("long"), tmp_path, 8.0)
    report(capsys, "apply", str(talk), edited(tmp_path, "one two three four five six eight"))
    before = set((tmp_path / "cache" / "window").iterdir())
    report(capsys, "apply", str(talk), edited(tmp_path, "one three four five six eight"), "-y")
    assert len(before) == 1
    assert len(set((tmp_path / "cache" / "window").iterdir()) - before) == 1


def test_a_plan_is_applied_as_it_is(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, plan = edited(tmp_path, "one two five six seven eight"), tmp_path / "plan.json"
    assert run(capsys, "plan", str(talk), text, "-o", str(plan))[0] == 0
    first = report(capsys, "apply", str(talk), "--plan", str(plan))
    second = report(capsys, "apply", str(talk), text, "-y")
    assert first["frames"] == second["frames"]
    assert first["operations"] == second["operations"]
    other = tmp_path / "other.mp4"
    other.write_bytes(talk.read_bytes() + b"\0")
    code, _, err = run(capsys, "apply", str(other), "--plan", str(plan))
    assert code == 4
    assert "another" in err


def test_a_dry_run_writes_nothing(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = report(capsys, "apply", str(talk), edited(tmp_path, "one two five six seven eight"), "--dry-run")
    assert made["operations"][0]["kind"] == "removal"
    assert not (tmp_path / "talk.edited.mp4").exists()


def test_diff_shows_words(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "diff", str(talk), edited(tmp_path, "one two five nine six seven eight"), "--json")
    assert code == 0
    kinds = {row["kind"]: row for row in json.loads(out)["changes"]}
    assert kinds["delete"]["old"] == "three four"
    assert kinds["insert"]["new"] == "nine"


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if "cache" not in p.parts}


BAD_INPUT: dict[str, tuple[int, str, Callable[[Path, Path], list[str]]]] = {
    "not there": (1, "nobody.mp4", lambda t, d: ["apply", str(d / "nobody.mp4"), edited(d, "x")]),
    "not a video": (1, "edited.txt", lambda t, d: ["apply", edited(d, "x"), edited(d, "x")]),
    "empty text": (3, "no words", lambda t, d: ["apply", str(t), edited(d, "")]),
    "unreadable mark": (3, "line 2, column 5", lambda t, d: ["apply", str(t), edited(d, "one two\nfour{++five")]),
    "no voice": (4, "hello", lambda t, d: ["apply", str(t), edited(d, "one hello " + " ".join(WORDS[1:]))]),
    "no such folder": (1, "nowhere", lambda t, d: ["apply", str(t), edited(d, "one"), "-o", str(d / "nowhere/o.mp4")]),
    "unknown suffix": (1, ".xyz", lambda t, d: ["apply", str(t), edited(d, "one"), "-o", str(d / "o.xyz")]),
    "no words at all": (2, "EDITED", lambda t, d: ["apply", str(t)]),
    "unknown flag": (2, "--frobnicate", lambda t, d: ["apply", str(t), "--frobnicate"]),
    "unknown backend": (2, "warp", lambda t, d: ["apply", str(t), edited(d, "one"), "--backend", "warp"]),
    "unknown region": (2, "mouth", lambda t, d: ["apply", str(t), edited(d, "one"), "--region", "head"]),
    "bad transcript": (3, "edited.txt", lambda t, d: ["apply", str(t), *[edited(d, "one"), "--transcript"] * 2][:-1]),
    "bad plan": (3, "edited.txt", lambda t, d: ["apply", str(t), "--plan", edited(d, "one")]),
    "voice is no sound": (1, "edited.txt", lambda t, d: ["apply", str(t), *[edited(d, "one ten"), "--voice"] * 2][:-1]),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input(name: str, talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, message, arguments = BAD_INPUT[name]
    words = arguments(talk, tmp_path)
    before = files(tmp_path)
    got, out, err = run(capsys, *words)
    assert got == code, err
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert files(tmp_path) == before


def test_existing_files_are_refused(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "talk.edited.mp4").write_bytes(b"mine")
    code, _, err = run(capsys, "apply", str(talk), edited(tmp_path, "one two"))
    assert code == 1
    assert "-y" in err
    assert (tmp_path / "talk.edited.mp4").read_bytes() == b"mine"


def test_another_files_transcript_is_refused(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "talk.transcript.json"
    data = json.loads(path.read_text())
    data["segments"][0]["words"][-1].update(start=98.0, end=99.2)
    path.write_text(json.dumps(data))
    code, _, err = run(capsys, "apply", str(talk), edited(tmp_path, "one two"))
    assert code == 4
    assert "talk.transcript.json" in err


def test_video_without_sound(clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "transcribe", str(clip("silent")), "-o", str(tmp_path))
    assert code == 1
    assert "silent.mp4" in err


def test_an_interruption_leaves_nothing(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from editalk.mux import Writer

    def interrupted(self: Writer, frame: object) -> None:
        raise KeyboardInterrupt

    text = edited(tmp_path, "one two five six seven eight")
    before = files(tmp_path)
    monkeypatch.setattr(Writer, "video", interrupted)
    code, _, _ = run(capsys, "apply", str(talk), text)
    assert code == 130
    assert files(tmp_path) == before
