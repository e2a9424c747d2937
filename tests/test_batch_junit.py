"""The report of a batch for build servers."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml

from editalk.batch import events
from editalk.batch.junit import LAST, Report
from editalk.errors import OutputError

JOINED = {"output": "o.mp4", "frames": 50, "joins": [{"ok": True}, {"ok": False}], "seconds": {"render": 1.25}}


def heard(path: Path, *seen: events.Event) -> ET.Element:
    report = Report(path, "jobs.csv")
    for event in (events.Began(9, 2), *seen):
        report.hear(event)
    report.write()
    (suite,) = ET.parse(path).getroot()
    return suite


def test_each_end_of_a_job(tmp_path: Path) -> None:
    suite = heard(
        tmp_path / "r.xml",
        events.Started("a", 1, 1, "a.mp4"), events.Warned("a", 1, "odd"), events.Progress("a", 1, "Planning", 0, None),
        events.Done("a", 1, 1, 2.5, JOINED),
        events.Started("b", 2, 1, "b.mp4"), events.Retried("b", 2, 1, 5, "WorkerLost", "its worker died", 1.0),
        events.Started("b", 2, 2, "b.mp4"), events.Failed("b", 2, 2, 1.5, 6, "QualityError", "a join", JOINED),
        events.Failed("c", 3, 1, 0.5, 4, "VoiceError", "other words", None, "line\n" * 90 + "last"),
        events.Skipped("d", 4, "journal", "d.mp4"), events.NotStarted("e", 5), events.Started("f", 6, 1, "f.mp4"),
        events.Interrupted("f", 6), events.Started("g", 7, 1, "g.mp4"),
        events.Ended(9, 1, 2, 1, 1, 1, 1, 4.0, 130),
    )  # fmt: skip
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {"tests": "7", "failures": "1", "errors": "3", "skipped": "2", "time": "4.5"}
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    ends = {name: [part.tag for part in case if part.tag not in ("properties", "system-err")]
            for name, case in cases.items()}  # fmt: skip
    assert ends == {"a": [], "b": ["failure"], "c": ["error"], "d": ["skipped"], "e": ["skipped"], "f": ["error"],
                    "g": ["error"]}  # fmt: skip
    figures = {p.get("name"): p.get("value") for p in cases["a"].iter("property")}
    assert figures | {"attempts": "1", "output": "o.mp4", "frames": "50", "joins": "2", "joins_that_show": "1",
                      "warnings": "0", "seconds_render": "1.25"} == figures  # fmt: skip
    assert cases["a"].findtext("system-err") == "warning: odd"
    assert {p.get("name"): p.get("value") for p in cases["b"].iter("property")}["exit_code"] == "6"
    assert "its worker died" in str(cases["b"].findtext("system-err"))
    error = cases["c"].find("error")
    assert error is not None
    assert (error.get("type"), error.get("message")) == ("VoiceError", "other words")
    lines = str(cases["c"].findtext("system-err")).splitlines()
    assert (len(lines), lines[-1]) == (LAST, "last")
    assert JUnitXml.fromfile(str(tmp_path / "r.xml")).tests == 7


@settings(deadline=None, max_examples=50)
@given(st.text(), st.text(), st.text())
def test_any_text_is_well_formed(tmp_path_factory: pytest.TempPathFactory, job: str, message: str, said: str) -> None:
    path = tmp_path_factory.mktemp("r") / "r.xml"
    suite = heard(path, events.Said(job, 1, said), events.Failed(job, 1, 1, 0.0, 1, "X", message, {"output": said}))
    assert len(list(suite.iter("testcase"))) == 1


def test_names_that_are_no_text(tmp_path: Path) -> None:
    heard(tmp_path / "r.xml", events.Failed("a\x00\ud800\udcff\x1b[0m", 1, 1, 0.0, 1, "X", "caf\udce9 & <b>"))
    assert "caf� &amp; &lt;b&gt;" in (tmp_path / "r.xml").read_text("utf-8")


def test_what_lies_there(tmp_path: Path) -> None:
    """Its own earlier report is replaced, nothing else; nothing is left of a batch that did not begin."""
    path = tmp_path / "r.xml"
    Report(path, "jobs").write()
    assert not path.exists()
    heard(path, events.NotStarted("a", 1))
    heard(path, events.NotStarted("b", 1))
    assert 'name="b"' in path.read_text("utf-8")
    path.write_text("my thesis")
    with pytest.raises(OutputError, match="is no JUnit report"):
        Report(path, "jobs")
    with pytest.raises(OutputError):
        Report(tmp_path / "none" / "r.xml", "jobs")
    assert path.read_text("utf-8") == "my thesis"
    assert [p.name for p in tmp_path.iterdir()] == ["r.xml"]
