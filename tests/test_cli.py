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


def test_what_fails_on_a_join_that_shows(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                         monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    text = edited(tmp_path, "one two five six seven eight")
    asked = ("apply", str(talk), text, "--json", "-y", "--fail-on", "join")
    for limit, wanted in ((1e9, 0), (1e-9, 6)):
        monkeypatch.setattr("editalk.quality.joins.LEAST", limit)
        monkeypatch.setattr("editalk.quality.joins.LEAST_AROUND", limit)
        monkeypatch.setattr("editalk.quality.joins.LIMIT", 0.0)
        code, out, err = run(capsys, *asked)
        (join,) = json.loads(out)["joins"]
        assert (code, join["ok"]) == (wanted, not wanted), err
        assert (join["score"] > 1) == bool(join["reasons"]) == bool(wanted)
        assert (tmp_path / "talk.edited.mp4").exists()
    assert f"at {join['at']:.2f} s" in err
    assert "is written" in err


def test_what_no_check_is_for(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "apply", str(talk), edited(tmp_path, "one two"), "--fail-on", "lips")
    assert code == 2
    assert "--fail-on" in err


def test_a_dry_run_checks_nothing(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A settings file or a list of jobs may ask for checks and a page always."""
    words = edited(tmp_path, "one two six")
    made = report(capsys, "apply", str(talk), words, "--fail-on", "all", "--review", "--dry-run")
    assert "output" not in made
    assert not [p for p in tmp_path.iterdir() if "edited" in p.name and p.name != "edited.txt"]


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
    held = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache" / "window").glob("*.mkv")}
    assert len(held) == 1
    report(capsys, "apply", str(talk), text, "-y")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "cache" / "window").glob("*.mkv")} == held


def test_one_more_edit_renders_one_more_window(
    clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = talking(clip("long"), tmp_path, 8.0)
    report(capsys, "apply", str(talk), edited(tmp_path, "one two three four five six eight"))
    before = set((tmp_path / "cache" / "window").glob("*.mkv"))
    report(capsys, "apply", str(talk), edited(tmp_path, "one three four five six eight"), "-y")
    assert len(before) == 1
    assert len(set((tmp_path / "cache" / "window").glob("*.mkv")) - before) == 1


def test_a_corrected_transcript_renders_lips_anew(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same sound, but known to say other words: their phones shape the lips."""
    voice = spoken(tmp_path, 0.3 * np.sin(np.arange(9600) * 0.08))
    asked = ("--voice", voice, "--voice-covers", "new-words", "--language", "xx", "-y")
    report(capsys, "apply", str(talk), edited(tmp_path, "one two three four hello five six seven eight"), *asked)
    before = set((tmp_path / "cache" / "window").glob("*.mkv"))
    words = tmp_path / "talk.transcript.json"
    words.write_text(words.read_text().replace("four", "fore"))
    report(capsys, "apply", str(talk), edited(tmp_path, "one two three fore hello five six seven eight"), *asked)
    assert len(set((tmp_path / "cache" / "window").glob("*.mkv")) - before) == 1


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
    "no such device": (5, "CPU", lambda t, d: ["apply", str(t), edited(d, "one"), "--device", "cuda"]),
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


def spoken(folder: Path, samples: Any, name: str = "v.wav") -> str:
    with wave.open(str(folder / name), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((np.asarray(samples) * 32767).astype("<i2").tobytes())
    return str(folder / name)


def held(folder: Path, name: str, data: bytes | str) -> str:
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return str(folder / name)


def ten(talk: Path, folder: Path, *more: str) -> list[str]:
    """One new word."""
    return ["apply", str(talk), edited(folder, " ".join([*WORDS, "ten"])), *more]


def cut_down(talk: Path, folder: Path, share: float) -> str:
    data = talk.read_bytes()
    return held(folder, "cut.mp4", data[: int(len(data) * share)])


def transcribed(talk: Path, folder: Path, text: str) -> list[str]:
    return ["apply", str(talk), edited(folder, "one two"), "--transcript", held(folder, "t.json", text)]


def empty(folder: Path) -> str:
    """A folder with nothing in it."""
    (folder / "empty").mkdir()
    return str(folder / "empty")


UNWORDED = '{"segments": [{"start": 0, "end": 1, "text": "one two"}]}'
HUGE = '{"segments": [{"words": [{"word": "one", "start": 1' + 5000 * "0" + ', "end": 2}]}]}'
WORSE_INPUT: dict[str, tuple[int, str, Callable[[Path, Path], list[str]]]] = {
    "a folder": (1, "is a folder", lambda t, d: ["apply", str(d), edited(d, "one")]),
    "the folder here": (1, "is a folder", lambda t, d: ["apply", ".", edited(d, "one")]),
    "transcribe a folder": (1, "no videos in this folder", lambda t, d: ["transcribe", empty(d)]),
    "empty video": (1, "0 bytes", lambda t, d: ["apply", held(d, "e.mp4", ""), edited(d, "one")]),
    "without its index": (1, "truncated", lambda t, d: ["apply", cut_down(t, d, 0.6), edited(d, "one")]),
    "only its head": (1, "cut.mp4", lambda t, d: ["apply", cut_down(t, d, 0.001), edited(d, "one")]),
    "sound only": (1, "no picture", lambda t, d: ["apply", spoken(d, np.zeros(8000)), edited(d, "one")]),
    "text is a folder": (3, "directory", lambda t, d: ["apply", str(t), str(d)]),
    "text not there": (3, "nix.txt", lambda t, d: ["apply", str(t), str(d / "nix.txt")]),
    "text in Latin-1": (3, "UTF-8", lambda t, d: ["apply", str(t), held(d, "l.txt", b"one tw\xf6")]),
    "text in UTF-16": (3, "UTF-8", lambda t, d: ["apply", str(t), held(d, "u.txt", "one two".encode("utf-16-le"))]),
    "no words left": (3, "no words", lambda t, d: ["apply", str(t), edited(d, "... !")]),
    "transcript is cut": (3, "line 1", lambda t, d: transcribed(t, d, '{"segments": [')),
    "transcript without words": (3, "segments[0]", lambda t, d: transcribed(t, d, UNWORDED)),
    "huge number": (3, "t.json", lambda t, d: transcribed(t, d, HUGE)),
    "voice not there": (1, "nix.wav", lambda t, d: ten(t, d, "--voice", str(d / "nix.wav"))),
    "voice is empty": (1, "0 bytes", lambda t, d: ten(t, d, "--voice", held(d, "v.wav", ""))),
    "voice is silent": (4, "nobody", lambda t, d: ten(t, d, "--voice", spoken(d, np.zeros(16000)))),
    "voice is short": (4, "0.05 s", lambda t, d: ten(t, d, "--voice", spoken(d, 0.1 * np.ones(800)))),
    "voice is cut": (1, "damaged", lambda t, d: ten(t, d, "--voice", damaged(t, d))),
    "below a file": (1, "no folder", lambda t, d: ["apply", str(t), edited(d, "one"), "-o", str(t / "o.mp4")]),
    "onto itself": (1, "source itself", lambda t, d: ["apply", str(t), edited(d, "one"), "-o", str(t), "-y"]),
    "plan onto the source": (1, "source itself", lambda t, d: ["plan", str(t), edited(d, "one"), "-o", str(t), "-y"]),
    "transcribe below a file": (1, "is a file", lambda t, d: ["transcribe", str(t), "-o", str(t / "here")]),
    "face 0": (2, "--face", lambda t, d: ["apply", str(t), edited(d, "one"), "--face", "0"]),
}


def damaged(talk: Path, folder: Path) -> str:
    """A hole in the middle of its sound."""
    with av.open(str(talk)) as box:
        places = [(p.pos, p.size) for p in box.demux(audio=0) if p.pos is not None and p.size]
    data = bytearray(talk.read_bytes())
    for at, size in places[len(places) // 3 : len(places) // 2]:
        data[at : at + size] = bytes(size)
    return held(folder, "damaged.mp4", bytes(data))


@pytest.mark.parametrize("name", WORSE_INPUT)
def test_worse_input(name: str, talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `test_bad_input`, and all of it in one line."""
    code, message, arguments = WORSE_INPUT[name]
    words = arguments(talk, tmp_path)
    before = files(tmp_path)
    got, out, err = run(capsys, *words)
    assert (got, out) == (code, ""), err
    assert message in err
    assert "unexpected" not in err
    assert [line for line in err.splitlines() if line.startswith("editalk: ")] == err.splitlines()[-1:]
    assert files(tmp_path) == before


def test_a_disk_without_space(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the cache, of the folder of temporary files, of texts; the old output stays."""
    import errno
    import os

    text = edited(tmp_path, "one two five six seven eight")
    (tmp_path / "talk.edited.mp4").write_bytes(b"mine")
    before = files(tmp_path)
    really, where = os.replace, ""

    def full(source: Any, target: Any) -> None:
        if Path(target).match(where):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        really(source, target)

    def linkless(source: Any, target: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr(os, "link", linkless)
    for place, hint in (("window/*.mkv", "EDITALK_CACHE"), ("*.f32", "TMPDIR"), ("*.edited.mp4", "talk.edited.mp4")):
        where = place
        code, _, err = run(capsys, "apply", str(talk), text, "-y", "-q")
        assert code == 1
        assert hint in err
        assert "space" in err.lower()
        assert files(tmp_path) == before
    where = "*.json"
    code, _, err = run(capsys, "plan", str(talk), text, "-o", str(tmp_path / "p.json"))
    assert (code, "space" in err) == (1, True)
    assert files(tmp_path) == before
    assert (tmp_path / "talk.edited.mp4").read_bytes() == b"mine"


def test_a_cache_that_cannot_be_written(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITALK_CACHE", held(tmp_path, "file", "") + "/cache")
    made = report(capsys, "apply", str(talk), edited(tmp_path, "one two five six seven eight"))
    assert any("EDITALK_CACHE" in warning for warning in made["warnings"])


def test_what_killed_runs_left_goes(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from editalk.cache import owner

    mine, others = owner(), "4194305-" + owner().partition("-")[2]  # no process has this number
    (tmp_path / "cache" / "window" / f".making-{others}x").mkdir(parents=True)
    held(tmp_path, f".talk.edited.{others}x.part.mp4", "dead")
    held(tmp_path, f".talk.edited.{mine}x.part.mp4", "alive")
    report(capsys, "apply", str(talk), edited(tmp_path, "one two five six seven eight"))
    assert [p.name for p in tmp_path.glob(".*part*")] == [f".talk.edited.{mine}x.part.mp4"]
    assert not list((tmp_path / "cache" / "window").glob(".making*"))


def test_progress_as_json(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = edited(tmp_path, "one two five six seven eight")
    code, out, err = run(capsys, "apply", str(talk), text, "--json", "--progress", "json")
    assert code == 0
    assert json.loads(out)["frames"] > 0
    rows = [json.loads(line) for line in err.splitlines()]
    assert {"Rendering", "Writing"} <= {row.get("stage") for row in rows}
    assert run(capsys, "apply", str(talk), text, "-y", "-q") == (0, "", "")


def test_a_face_that_is_not_there(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = report(capsys, "apply", str(talk), edited(tmp_path, "one two five six seven eight"), "--face", "9")
    assert any("--face 9: no faces found" in warning for warning in made["warnings"])


@pytest.mark.parametrize(
    "name", ["-x.mp4", "it's \"a\" talk.mp4", "Gespräch 話.MP4", "50%d [a]*.mp4", "file:x.mp4", "plain"]
)
def test_names(name: str, talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = talk.rename(tmp_path / name)
    (tmp_path / "talk.transcript.json").rename(tmp_path / f"{path.stem}.transcript.json")
    made = report(capsys, "apply", str(path), edited(tmp_path, "one two five six seven eight"))
    assert Path(made["output"]).parent == tmp_path
    assert len(numbers(Path(made["output"]))) == made["frames"]


def test_a_plan_whose_voice_is_away(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    voice = spoken(tmp_path, 0.3 * np.sin(np.arange(9600) * 0.08))
    text, plan = edited(tmp_path, " ".join([*WORDS, "ten"])), str(tmp_path / "p.json")
    covers = ["--voice", voice, "--voice-covers", "new-words", "--language", "xx"]
    assert run(capsys, "plan", str(talk), text, *covers, "-o", plan)[0] == 0
    moved = Path(voice).rename(tmp_path / "moved.wav")
    code, _, err = run(capsys, "apply", str(talk), "--plan", plan)
    assert code == 4
    assert "--voice" in err
    assert run(capsys, "apply", str(talk), "--plan", plan, "--voice", str(moved), "--dry-run")[0] == 0


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    from editalk import __version__

    assert run(capsys, "--version") == (0, f"editalk {__version__}\n", "")
    for words in ([], *([c] for c in ("transcribe", "diff", "plan", "apply", "doctor", "models"))):
        code, out, _ = run(capsys, *words, "-h")
        assert code == 0
        assert "Usage: editalk" in out


@pytest.mark.parametrize(("signal_", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_signals(signal_: str, code: int, talk: Path, tmp_path: Path) -> None:
    """A process of its own, stopped while it works."""
    import os
    import signal
    import subprocess
    import sys
    from functools import partial

    before = files(tmp_path) | {"edited.txt", "tmp"}
    (tmp_path / "tmp").mkdir()
    words = [sys.executable, "-m", "editalk", "apply", str(talk), edited(tmp_path, "one two five six seven eight")]
    attended = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # tests in the background have it ignored
    with subprocess.Popen(
        [*words, "--progress", "json"], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")}, preexec_fn=attended,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if "Looking" in line or "Planning" in line:
                process.send_signal(getattr(signal, signal_))
                break
        err = process.stderr.read()
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert files(tmp_path) == before


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
def test_a_signal_within_an_import(
    stop: BaseException, code: int, lost: bool, talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """There it becomes another error, or is lost in a library's `except`."""
    from editalk.console import interrupt

    def broken(path: Path) -> None:
        try:
            interrupt(stop)
        except BaseException as error:
            if not lost:
                raise ImportError("initialization failed") from error

    monkeypatch.setattr("editalk.media.container.check_file", broken)
    got, _, err = run(capsys, "apply", str(talk), edited(tmp_path, "one two"))
    assert got == code
    assert "initialization" not in err
    assert not (tmp_path / "talk.edited.mp4").exists()
    assert run(capsys, "config", "path")[0] == 0


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
