"""What a run leaves on standard error: a line a stage, for people and for programs."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_cli import _own_cache, edited, report, run, talk  # noqa: F401

from editalk.console import Console, ProgressMode, begin, print_error, stages
from editalk.reporting import Meter

TEXT = "one two five six seven eight"


def rows(err: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in err.splitlines()]


def test_a_stage_in_words() -> None:
    meter = Meter("Rendering", 45)
    assert str(meter) == "Rendering: 0 frames, 0.0 s"
    meter.add(1)
    assert str(meter) == "Rendering: 1 frame, 0.0 s"
    meter.add(44, cached=True)
    assert str(meter) == "Rendering: 45 frames, 44 of them from the cache, 0.0 s"
    held = Meter("Recognising speech")
    held.add(1, cached=True)
    assert str(held) == "Recognising speech: from the cache, 0.0 s"
    big = Meter("Downloading x", 2_500_000, "bytes")
    big.add(2_500_000)
    assert str(big) == "Downloading x: 2.5 MB, 0.0 s"


def test_lines_for_people(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],  # noqa: F811
) -> None:  # fmt: skip
    asked = ("apply", str(talk), edited(tmp_path, TEXT), "-y")
    _, out, err = run(capsys, *asked)
    names = [line.partition(":")[0] for line in err.splitlines()]
    assert out == ""
    assert [n for n in names if n in ("Decoding the sound", "Planning", "Rendering", "Writing")] == [
        "Decoding the sound", "Planning", "Rendering", "Writing",
    ]  # fmt: skip
    assert len(names) <= 12
    again = run(capsys, *asked)[2]
    assert "frames from the cache, " in next(line for line in again.splitlines() if line.startswith("Rendering"))
    assert "Rendering" not in run(capsys, *asked, "--progress", "none")[2]
    assert run(capsys, *asked, "-q") == (0, "", "")


def test_lines_for_programs(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],  # noqa: F811
) -> None:  # fmt: skip
    asked = ("apply", str(talk), edited(tmp_path, TEXT), "--json", "-y")
    code, out, err = run(capsys, *asked)
    assert (code, json.loads(out)["frames"] > 0) == (0, True)
    said = rows(err)
    done = {row["stage"]: row for row in said if "stage" in row}
    assert all(row["finished"] and row["seconds"] >= 0 for row in done.values())
    assert done["Writing"]["done"] == done["Writing"]["total"] == json.loads(out)["frames"]
    assert done["Writing"]["unit"] == "frames"
    assert any("backend exemplar" in row.get("message", "") for row in said)
    code, out, err = run(capsys, *asked, "-q")
    assert (code, err) == (0, "")
    code, out, err = run(capsys, *asked, "--progress", "json")
    under_way = [row["done"] for row in rows(err) if row.get("stage") == "Writing" and "finished" not in row]
    assert under_way == list(range(done["Writing"]["total"] + 1))


@pytest.mark.parametrize(
    ("words", "code"), [(["--fail-on", "smell"], 2), (["--no-such-option"], 2), (["--transcript", "none.json"], 3)]
)
def test_errors_for_programs(
    words: list[str], code: int, talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],  # noqa: F811
) -> None:  # fmt: skip
    got, out, err = run(capsys, "apply", str(talk), edited(tmp_path, TEXT), "--json", "-q", *words)
    (row,) = rows(err)
    assert (got, out, row["exit_code"]) == (code, "", code)
    assert row["error"]
    assert "traceback" not in row
    assert "Traceback" in rows(run(capsys, "apply", "none.mp4", "none.txt", "--json", "-v")[2])[-1]["traceback"]


def test_an_interrupted_run_for_programs(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,  # noqa: F811
) -> None:  # fmt: skip
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("editalk.pipeline.plan_edit", stopped)
    code, _, err = run(capsys, "apply", str(talk), edited(tmp_path, TEXT), "--json")
    assert (code, rows(err)[-1]) == (130, {"error": "interrupted", "exit_code": 130})


def test_a_stage_that_fails_leaves_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    begin()
    console = Console(mode=ProgressMode.AUTO)
    with suppress(ValueError), console.stage("Planning", 3) as advance:
        advance(1)
        raise ValueError
    with console.stage("Nothing to do", 0):
        pass
    assert capsys.readouterr().err == ""
    assert [(s.name, s.done, s.finished) for s in stages()] == [("Planning", 1, False), ("Nothing to do", 0, True)]


def test_a_line_for_programs_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What interrupts a run may come between any two calls, and not part a line from its end."""
    calls: list[str] = []
    monkeypatch.setattr("sys.stderr", SimpleNamespace(write=calls.append, flush=lambda: None))
    console = Console(mode=ProgressMode.JSON)
    with console.stage("Writing", 1) as advance:
        advance(1)
    console.warn("two\nlines")
    print_error("wrong", 1, rows=True)
    assert len(calls) == 5
    assert [line.count("\n") for line in calls] == [1] * 5
    assert all(json.loads(line) for line in calls)


def test_warnings_and_messages(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json, wanted in ((False, "a\nwarning: b\n"), (True, '{"message": "a"}\n{"warning": "b"}\n')):
        console = Console(as_json=as_json)
        console.say("a")
        console.warn("b")
        assert capsys.readouterr().err == wanted
        assert console.warnings == ["b"]


def test_the_report_of_a_run_has_its_seconds(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],  # noqa: F811
) -> None:  # fmt: skip
    made = report(capsys, "apply", str(talk), edited(tmp_path, TEXT))
    assert {"decode", "plan", "render", "mux"} <= set(made["seconds"])
