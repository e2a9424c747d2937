"""The file that an unforeseen error leaves: enough to mend it, nothing of what was edited."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import _own_cache, edited, run, talk  # noqa: F401

from editalk import crash
from editalk.reporting import Meter

SECRET = "xylophone quokka"  # words that no code has


def held(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "reports").glob("*.txt"))


def test_a_fault_leaves_a_report(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,  # noqa: F811
) -> None:  # fmt: skip
    def broken(*_: object, **__: object) -> None:
        words = SECRET.split()
        try:
            {}[words[0]]
        except KeyError as error:
            raise RuntimeError(f"cannot place {words} of {talk}: shape 3 of 4") from error

    monkeypatch.setattr("editalk.pipeline.plan_edit", broken)
    text = edited(tmp_path, f"one two {SECRET}")
    (tmp_path / "quokka.wav").write_bytes(b"")
    asked = ("apply", str(talk), text, "--seed", "3", "--backend", "exemplar", "--language", "en", "--captions=none")
    code, out, err = run(capsys, *asked[:2], edited(tmp_path, "one two five"), *asked[3:])
    assert (code, out) == (1, "")
    (path,) = held(tmp_path)
    assert err.splitlines()[-1] == f"editalk: {path} holds no media and no words; send it to {crash.MENDER}"
    assert "unexpected RuntimeError" in err
    assert "Traceback" not in err
    written = path.read_text("utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for word in (*SECRET.split(), talk.name, str(tmp_path), tmp_path.name):
        assert word not in written
    assert "editalk apply <file 1>.mp4 <file 2>.txt --seed 3 --backend exemplar --language en --captions=<…>" in written
    assert "Decoding the sound: " in written
    assert "builtins.RuntimeError: cannot place " in written
    assert "shape 3 of 4" in written
    assert written.index("builtins.KeyError: ") < written.index("which led to") < written.index("RuntimeError")
    assert "editalk/cli/run.py, line" in written
    assert "\n    torch 2" in written
    run(capsys, *asked[:2], edited(tmp_path, "one two five"), "--json")
    last = held(tmp_path)[-1]
    code, _, err = run(capsys, *asked[:2], edited(tmp_path, "one two five"), "--json", "-q")
    row = json.loads(err)
    assert (code, row["exit_code"], last != Path(row["report"])) == (1, 1, True)
    assert Path(row["report"]) in held(tmp_path)
    assert run(capsys, "cache", "clear")[0] == 0
    assert len(held(tmp_path)) == 3


def test_what_was_foreseen_leaves_none(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,  # noqa: F811
) -> None:  # fmt: skip
    for error, code in ((OSError(errno.ENOSPC, "No space left on device"), 1), (MemoryError(), 5)):

        def broken(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("editalk.pipeline.plan_edit", broken)
        assert run(capsys, "apply", str(talk), edited(tmp_path, "one two five"))[0] == code
    assert held(tmp_path) == []


def fault(error: BaseException) -> str:
    try:
        raise error
    except BaseException as raised:
        return crash.report(raised, ["apply"])


def test_messages_of_libraries_stay_readable() -> None:
    assert "builtins.IndexError: list index out of range" in fault(IndexError("list index out of range"))
    made = fault(ValueError("operands could not be broadcast together with shapes (3,4) (5,)"))
    assert "operands could not be broadcast together with shapes (3,4) (5,)" in made
    assert "[Errno 2] No such file or directory" in fault(FileNotFoundError(2, "gone", "/home/quokka/talk.mp4"))
    assert "quokka" not in fault(FileNotFoundError(2, "gone", "/home/quokka/talk.mp4"))
    assert "555" not in fault(ValueError("could not convert string to float: '555 1234'"))


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(categories=("Lu", "Ll", "Lo", "Zs")), min_size=4), st.sampled_from([ValueError, KeyError]))
def test_no_words_of_a_message(text: str, kind: type[Exception]) -> None:
    """Of what stands in no code."""
    made = crash._message(kind(f"bad {text}"), set())
    assert {w for w in text.split() if w.lower() not in crash._TERMS} & set(made.replace("'", " ").split()) == set()


@given(st.lists(st.text(min_size=1, max_size=12), max_size=6))
@settings(deadline=None)
def test_command_lines(names: list[str]) -> None:
    """Whatever they hold, of values only suffixes, numbers and choices out of the help are kept."""
    paths = [f"/films/{name}.mp4" for name in names]
    made = crash.anonymous(["apply", *paths])
    assert len(made) == len(paths) + 1
    assert all(word.startswith("<file ") and word.endswith(">.mp4") for word in made[1:])


def test_a_command_line() -> None:
    words = ["models", "pull", "talk.mp4", "--filler", "you know", "--model", "small", "--model", "Quokka", "-o", "x/y",
             "talk.mp4", "--seed=7", "-y", "quokka"]  # fmt: skip
    assert crash.anonymous(words) == [
        "models", "pull", "<file 1>.mp4", "--filler", "<…>", "--model", "small", "--model", "<…>", "-o", "<file 4>",
        "<file 1>.mp4", "--seed=7", "-y", "<…>",
    ]  # fmt: skip


def test_few_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path))
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "mine.txt").write_text("")
    for k in range(crash.KEPT + 5):
        (tmp_path / "reports" / f"editalk-report-20200101-0000{k:02}-abc.txt").write_text("")
    path = crash.write_report(ValueError(), ["apply"], [Meter("Planning")])
    assert path is not None
    names = sorted(os.listdir(tmp_path / "reports"))
    assert len(names) == crash.KEPT + 1
    assert {"mine.txt", path.name} < set(names)
    assert "Planning: 0.0 s, not finished" in path.read_text("utf-8")


def test_where_the_cache_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    path = crash.write_report(ValueError(), [])
    assert path is not None
    assert path.parent == tmp_path / "tmp"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "cache"))
    assert crash.write_report(ValueError(), []) is None


def test_an_endless_recursion_is_short() -> None:
    def deeper() -> None:
        deeper()

    try:
        deeper()
    except RecursionError as error:
        made = crash.report(error, [])
    assert made.count("in deeper") < crash.FRAMES + 2
    assert "maximum recursion depth exceeded" in made
