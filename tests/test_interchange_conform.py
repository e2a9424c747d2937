"""`--timeline` as a user meets it, and the edit put together again from nothing but the timeline and what it names."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import av
import numpy as np
import opentimelineio as otio
import pytest
from conftest import ClipSpec, lag, number_in, write_clip

from editalk.cli import main

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
RATE = 48000
EDITED = "one two five six seven eight"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("EDITALK_CACHE", str(cache))


@pytest.fixture(scope="module")
def drop_frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds at 29.97 whose drop-frame timecode passes a minute."""
    spec = ClipSpec(rate=Fraction(30000, 1001), frames=120, suffix=".mov", audio="pcm_s16le", sample_rate=RATE,
                    metadata=(("timecode", "00:08:58;20"),))  # fmt: skip
    return write_clip(tmp_path_factory.mktemp("drop") / "clip.mov", spec)


@pytest.fixture
def talk(drop_frame: Path, tmp_path: Path) -> Path:
    """In a folder and under a name that have to be escaped, with its transcript."""
    folder = tmp_path / "Tänze & 100% \"Töne\""
    folder.mkdir()
    path = folder / "talk 1.mov"
    path.write_bytes(drop_frame.read_bytes())
    words = [{"word": f" {w}", "start": k * 0.5 + 0.05, "end": k * 0.5 + 0.45} for k, w in enumerate(WORDS)]
    segment = {"id": 0, "start": 0.0, "end": 4.0, "text": " ".join(WORDS), "words": words}
    data = {"text": " ".join(WORDS), "language": "en", "segments": [segment]}
    (folder / "talk 1.transcript.json").write_text(json.dumps(data))
    (folder / "edited.txt").write_text(EDITED)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def file_of(clip: Any) -> Path:
    return Path(unquote(urlsplit(clip.media_reference.target_url).path))


def pictures(path: Path) -> list[np.ndarray[Any, Any]]:
    with av.open(str(path)) as box:
        return [frame.to_ndarray(format="gray") for frame in box.decode(video=0)]


def sound(path: Path) -> np.ndarray[Any, Any]:
    with av.open(str(path)) as box:
        return np.concatenate([f.to_ndarray().reshape(-1, 2)[:, 0] for f in box.decode(audio=0)]).astype(float)


def conformed(timeline: Any) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """(content, picture) of every frame of a timeline, from the files that it names."""
    made = []
    for clip in timeline.video_tracks()[0]:
        room, used = clip.media_reference.available_range, clip.source_range
        held = pictures(file_of(clip))
        assert len(held) == room.duration.value
        first = int((used.start_time - room.start_time).value)
        frames = held[first : first + int(used.duration.value)]
        assert len(frames) == used.duration.value
        made += [(clip.metadata["editalk"]["content"], frame) for frame in frames]
    return made


def test_the_timeline_conforms_to_the_output(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "apply", str(talk), str(talk.with_name("edited.txt")), "--json",
                         "--timeline", "otio,fcpxml,edl,xml")  # fmt: skip
    assert code == 0, err
    made = json.loads(out)
    names = ["otio", "removed.otio", "fcpxml", "edl", "removed.edl", "xml"]
    assert made["timelines"] == [str(talk.with_name(f"talk 1.edited.{name}")) for name in names]
    timeline = otio.adapters.read_from_file(made["timelines"][0])
    assert otio.opentime.to_timecode(timeline.global_start_time) == "00:08:58;20"
    put_together, wanted = conformed(timeline), pictures(Path(made["output"]))
    assert len(put_together) == len(wanted) == made["frames"]
    for (content, frame), shown in zip(put_together, wanted, strict=True):
        if content == "kept":
            assert number_in(frame) == number_in(shown)
            assert np.mean((frame.astype(float) - shown) ** 2) < 10
        else:
            assert content == "generated"
            assert np.array_equal(frame, shown)
    assert {content for content, _ in put_together} == {"kept", "generated"}
    check_sound(timeline, Path(made["output"]))
    for name, rate in ((made["timelines"][3], 30000 / 1001), (made["timelines"][5], None)):
        read = otio.adapters.read_from_file(name, **({"rate": rate} if rate else {}))
        video = next(iter(read)).video_tracks()[0] if rate is None else read.video_tracks()[0]
        assert [(c.source_range.start_time.value, c.source_range.duration.value) for c in video] == [
            (c.source_range.start_time.value, c.source_range.duration.value) for c in timeline.video_tracks()[0]
        ]


def check_sound(timeline: Any, output: Path) -> None:
    heard = sound(output)
    (track,) = timeline.audio_tracks()
    for clip in track:
        room, used = clip.media_reference.available_range, clip.source_range
        first, length = int((used.start_time - room.start_time).value), int(used.duration.value)
        place = int(clip.range_in_parent().start_time.value)
        edge = RATE // 50  # crossfades are the output's alone
        own = sound(file_of(clip))[first + edge : first + length - edge]
        assert lag(own, heard[place + edge : place + length - edge]) == 0
        assert np.abs(own - heard[place + edge : place + length - edge]).max() <= 2


def test_what_was_taken_out_lies_in_the_second_timeline(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "plan", str(talk), str(talk.with_name("edited.txt")), "--timeline", "otio")
    assert code == 0, err
    plan = json.loads(out)
    timeline = otio.adapters.read_from_file(str(talk.with_name("talk 1.edited.removed.otio")))
    (clip,) = timeline.video_tracks()[0]
    assert clip.name == "three four"
    assert file_of(clip) == talk
    first, second = plan["timeline"]
    gone = second["source"] - first["source_frames"]
    assert clip.source_range.duration.value == gone
    assert number_in(conformed(timeline)[0][1]) == first["source_frames"]


def test_plan_writes_beside_the_plan(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["plan", str(talk), str(talk.with_name("edited.txt")), "-o", str(tmp_path / "cut.json"),
             "--timeline", "edl"]  # fmt: skip
    code, _, err = run(capsys, *asked)
    assert code == 0, err
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == {"cut.json", "cut.edl", "cut.removed.edl"}
    code, _, err = run(capsys, *asked)
    assert (code, "exists already" in err) == (1, True)
    (tmp_path / "cut.json").unlink()
    code, _, err = run(capsys, *asked)
    assert (code, "cut.edl exists already" in err) == (1, True)
    assert run(capsys, *asked, "-y")[0] == 0


def test_existing_timelines_are_refused_before_the_work(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    talk.with_name("talk 1.edited.removed.edl").write_text("mine")
    code, _, err = run(capsys, "apply", str(talk), str(talk.with_name("edited.txt")), "--timeline", "edl")
    assert (code, "exists already" in err) == (1, True)
    assert not talk.with_name("talk 1.edited.mov").exists()
    assert talk.with_name("talk 1.edited.removed.edl").read_text() == "mine"


def test_dry_run_writes_none(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(talk.parent.iterdir())
    code, _, err = run(capsys, "apply", str(talk), str(talk.with_name("edited.txt")), "--timeline", "otio", "--dry-run")
    assert code == 0, err
    assert set(talk.parent.iterdir()) == before


@pytest.mark.parametrize(("formats", "said"), [("aaf", "aaf"), (",", "names none")])
def test_formats_that_there_are_not(
    formats: str, said: str, talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("apply", "plan"):
        code, _, err = run(capsys, command, str(talk), str(talk.with_name("edited.txt")), "--timeline", formats)
        assert (code, said in err) == (2, True)


def test_a_plan_is_not_overwritten_by_its_own_timeline(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "plan", str(talk), str(talk.with_name("edited.txt")), "-o", str(tmp_path / "cut.otio"),
                       "--timeline", "otio")  # fmt: skip
    assert (code, "written twice" in err) == (2, True)


def test_a_rate_without_timecode(
    clip: Callable[[str], Path], talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = talk.with_name("odd.mp4")
    odd.write_bytes(clip("even_drop").read_bytes())
    asked = ("plan", str(odd), str(talk.with_name("edited.txt")), "--transcript",
             str(talk.with_name("talk 1.transcript.json")))  # fmt: skip
    code, _, err = run(capsys, *asked, "--timeline", "otio,edl")
    assert (code, "22.5125 frames a second" in err) == (1, True)
