"""Caption files found beside a video, checked before the work, written beside the edit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_sidecars import TALK, TIMES, VTT, plan_for

from editalk.diff import Tag
from editalk.errors import CaptionError, OutputError, UsageError
from editalk.pipeline.captions import CaptionTexts
from editalk.plan import EditPlan
from editalk.reporting import Silent
from editalk.texts import write_texts

SRT = "1\n00:00:00,950 --> 00:00:04,900\ngood morning and welcome to this short talk\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("talk.mp4", ""), ("talk.srt", SRT), ("talk.en-GB.vtt", VTT), ("talk.edited.srt", SRT),
                       ("talker.srt", SRT), ("talk.txt", "")):  # fmt: skip
        (tmp_path / name).write_text(text)
    return tmp_path


def found(folder: Path, fresh: str = "", given: list[Path] | None = None, overwrite: bool = True) -> CaptionTexts:
    return CaptionTexts.found(folder / "talk.mp4", folder / "talk.txt", folder / "talk.edited.mp4", given, fresh,
                              overwrite)  # fmt: skip


def written(texts: CaptionTexts, plan: EditPlan) -> list[dict[str, Any]]:
    made, rows = texts.made(plan, TIMES, Silent())
    write_texts(made)
    return rows


def test_those_named_like_the_video_come_along(folder: Path) -> None:
    texts = found(folder)
    plan = plan_for((Tag.EQUAL, 8, 13, ""), (Tag.MOVE, 0, 8, ""))
    rows = written(texts, plan)
    assert [Path(r["output"]).name for r in rows] == ["talk.edited.en-GB.vtt", "talk.edited.srt"]
    assert [r["untouched"] for r in rows] == [3, 1]
    assert "good morning and welcome" in (folder / "talk.edited.srt").read_text()
    assert (folder / "talk.edited.en-GB.vtt").read_text().startswith("WEBVTT - a talk\n")


def test_the_edited_text_is_no_caption_file(folder: Path) -> None:
    texts = CaptionTexts.found(folder / "talk.mp4", folder / "talk.srt", folder / "o.mp4", None, "", False)
    assert [c.path.name for c in texts.captions] == ["talk.en-GB.vtt"]


def test_new_captions_of_the_script(folder: Path) -> None:
    texts = found(folder, "srt,vtt", [Path("none")])
    rows = written(texts, plan_for((Tag.EQUAL, 0, 4, "")))
    assert [Path(r["output"]).name for r in rows] == ["talk.edited.srt", "talk.edited.vtt"]
    assert "good morning and welcome" in (folder / "talk.edited.vtt").read_text()


def test_what_cannot_be_written_is_said_before_the_work(folder: Path) -> None:
    with pytest.raises(OutputError, match=r"talk\.edited\.srt exists already"):
        found(folder, overwrite=False)
    with pytest.raises(UsageError, match="written twice"):
        found(folder, "srt")
    with pytest.raises(UsageError, match="--captions-out ass: not one of srt, vtt"):
        found(folder, "ass", [])
    with pytest.raises(UsageError, match=r"captions are read from srt, vtt"):
        found(folder, given=[folder / "talk.txt"])
    with pytest.raises(OutputError, match="the source itself"):
        CaptionTexts.found(folder / "talk.mp4", None, folder / "talk.mkv", None, "", True)
    (folder / "talk.srt").write_text("1\n00:00:xx --> 00:00:01,000\nhello\n")
    with pytest.raises(CaptionError, match=r"talk\.srt: line 2"):
        found(folder)


def test_a_translation_is_named(folder: Path) -> None:
    (folder / "talk.de.srt").write_text("1\n00:00:00,950 --> 00:00:04,900\nGuten Morgen, liebe Leute\n")
    reporter = Silent()
    plan = plan_for((Tag.EQUAL, 0, 1, ""), (Tag.REPLACE, 1, 2, "day"), (Tag.EQUAL, 2, 8, ""))
    made, _ = found(folder, given=[folder / "talk.de.srt"]).made(plan, TIMES, reporter)
    assert set(made) == {folder / "talk.edited.de.srt"}
    assert "00:00:00.950 “Guten Morgen, liebe Leute”" in reporter.warnings[0]
    assert [w.text for w in TIMES] == TALK
