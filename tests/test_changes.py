"""What `diff` shows: every change with its seconds and frames, on a terminal, in a pipe and as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from editalk.cli import main
from editalk.cli.painting import painted
from editalk.pipeline import estimate, source
from editalk.pipeline.changes import Comparison, compared
from editalk.pipeline.source import Listening

Clip = Callable[[str], Path]
WORDS = "This is the first part of it. And that was the other one, friends. So we end here.".split()
MOVED = """This is the part [of it.]{retime=1s}

Ann: So we end here.

And that {++really++} was the [pause 0.8s] only one, friends!
"""


@pytest.fixture
def talk(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clip of 8 s with a transcript beside it: a word every 0.4 s."""
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "talk.mp4"
    path.write_bytes(clip("long").read_bytes())
    words = [{"word": f" {w}", "start": 0.4 * k + 0.2, "end": 0.4 * k + 0.5} for k, w in enumerate(WORDS)]
    data = {"text": " ".join(WORDS), "language": "en", "segments": [{"speaker": "Ann", "words": words}]}
    path.with_name("talk.transcript.json").write_text(json.dumps(data))
    return path


def edited(talk: Path, text: str, name: str = "e.txt") -> str:
    talk.with_name(name).write_text(text)
    return str(talk.with_name(name))


def made_of(talk: Path, text: str) -> Comparison:
    from editalk.cache import Cache
    from editalk.console import Console as Messages
    from editalk.console import ProgressMode

    return compared(talk, Path(edited(talk, text)), None, Listening(), Cache(), Messages(mode=ProgressMode.NONE))


def test_every_change_has_its_seconds_and_frames(talk: Path) -> None:
    made = made_of(talk, MOVED)
    kinds = {change.kind: change for change in made.changes}
    assert set(kinds) == {"move", "insert", "pause", "replace", "delete", "retime", "caption"}
    assert (kinds["insert"].new, kinds["delete"].old, kinds["replace"].old) == ("really", "first", "other")
    assert kinds["delete"].source == (pytest.approx(1.4), pytest.approx(1.7))
    assert kinds["pause"].timeline[1] - kinds["pause"].timeline[0] == pytest.approx(0.8, abs=0.05)
    assert kinds["retime"].timeline[1] - kinds["retime"].timeline[0] == pytest.approx(0.9, abs=0.15)
    assert kinds["insert"].new_seconds == pytest.approx(0.6, abs=0.3)
    assert kinds["caption"].frames == 0
    assert [c.timeline for c in made.changes] == sorted(c.timeline for c in made.changes)
    assert sum(change.frames for change in made.changes) == made.frames_to_render
    assert 0 < made.frames_to_render <= made.plan.frames


def test_nothing_is_decoded_where_there_is_a_transcript(talk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "opened", None)
    assert made_of(talk, " ".join(WORDS)).changes == ()
    assert made_of(talk, " ".join(WORDS)).frames_to_render == 0


def test_a_text_of_other_words_alone(talk: Path) -> None:
    made = made_of(talk, "Something quite else")
    assert [change.kind for change in made.changes] == ["replace"]
    assert made.frames_to_render == made.changes[0].frames > 0


def test_text_reads_without_colour(talk: Path) -> None:
    assert painted(made_of(talk, MOVED)).plain == (
        "This is the [-first-] part of it.\n\n"
        "Ann: {1→ So we end here.}\n\n"
        "And that {+really+} was the [-other-] [pause 0.8s] {+only+} one, {=friends!=} [So we end here. →1]"
    )


def test_colour_and_no_colour(talk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = painted(made_of(talk, MOVED))
    for no_colour in (True, False):
        out = io.StringIO()
        Console(file=out, force_terminal=True, color_system="standard", no_color=no_colour).print(text)
        assert ("\x1b[32m" in out.getvalue()) is not no_colour


def test_json_has_the_same(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(talk), edited(talk, MOVED), "--json"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert data["frames_to_render"] == sum(row["frames_to_render"] for row in data["changes"])
    assert data["source_frames"] == 200
    assert [span["text"] for span in data["text"] if span["speaker"] == "Ann"] == ["So we end here."]
    assert {span["style"] for span in data["text"]} >= {"kept", "added", "removed", "moved_from", "moved_to"}
    for span in data["text"]:
        if span["style"] == "added":
            assert data["changes"][span["change"]]["new"] == span["text"]
    assert set(data["render_seconds"]) == {"exemplar", "dit"}
    assert all(seconds > 0 for seconds in data["render_seconds"].values())


def test_a_pipe_gets_marks_and_no_colour(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(talk), edited(talk, MOVED)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    lines = out.splitlines()
    assert any(line.split()[1:2] == ["removed"] and line.rstrip().endswith("first") for line in lines)
    assert "frames to render" in out
    assert "about" in lines[-1]
    assert "exemplar" in lines[-1]


def test_estimates_grow_with_the_picture_but_for_crops(talk: Path) -> None:
    from dataclasses import replace

    made = made_of(talk, MOVED)
    video = made.info.video
    small = estimate.render_seconds(made.plan.windows, replace(video, width=960, height=540))
    large = estimate.render_seconds(made.plan.windows, replace(video, width=1920, height=1080))
    assert large["exemplar"] > small["exemplar"]
    assert large["dit"] > small["dit"]


@pytest.mark.parametrize("form", ["md", "srt", "vtt"])
def test_other_forms_are_taken_by_their_suffix(form: str, talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from editalk.transcript import get_writer, read_transcript

    text = get_writer(form).write(read_transcript(talk.with_name("talk.transcript.json")))
    assert main(["diff", str(talk), edited(talk, text, f"e.{form}"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"] == []
    gone = edited(talk, text.replace("friends.", "{--friends.--}"), f"e.{form}")
    assert main(["diff", str(talk), gone, "--json"]) == 0
    (removal,) = json.loads(capsys.readouterr().out)["changes"]
    assert (removal["kind"], removal["old"]) == ("delete", "friends.")
