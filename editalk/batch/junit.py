"""A batch as JUnit's XML, which build servers show: a test case for each job."""

from __future__ import annotations

import importlib
import platform
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from editalk.batch import events
from editalk.errors import OutputError, QualityError
from editalk.mux import check_place
from editalk.texts import write_texts

junit: Any = importlib.import_module("junitparser")  # half of it without types
LAST = 20  # messages of a job that are kept
FIGURES = (
    "output", "backend", "frame_rate", "frames", "duration", "frames_identical", "frames_copied", "frames_rendered",
    "frames_to_render", "voice_covers",
)  # fmt: skip
"""Of the report of `apply --json`."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass
class _Row:
    """What is known of a job. `kind`: of its end, an event's name; empty while it has none."""

    kind: str = ""
    why: str = ""
    error: str = ""
    code: int = 0
    seconds: float = 0.0
    attempt: int = 0
    trace: str = ""
    figures: list[tuple[str, str]] = field(default_factory=list)
    said: deque[str] = field(default_factory=lambda: deque(maxlen=LAST))


class Report:
    """Hears a batch's events, and is written when it ends, however it ends. Raises OutputError where `path` cannot be
    written, or holds anything but such a report.
    """

    def __init__(self, path: Path, name: str) -> None:
        check_place(path, True, None)
        if path.exists() and not _is_report(path):
            raise OutputError(f"{path} exists already and is no JUnit report; name another file with --junit")
        self.path, self.name = path, name
        self._rows: dict[str, _Row] = {}
        self._ended: events.Ended | None = None
        self._workers = 0  # none while it has not begun
        self._began = datetime.now(UTC)

    def hear(self, event: events.Event) -> None:
        if isinstance(event, events.Began):
            self._workers = event.workers
        if isinstance(event, events.Ended):
            self._ended = event
        if not isinstance(event, events.JobEvent) or isinstance(event, events.Progress):
            return
        row = self._rows.setdefault(event.job, _Row())
        match event:
            case events.Started():
                row.attempt = event.attempt
            case events.Said():
                row.said.append(event.message)
            case events.Warned():
                row.said.append(f"warning: {event.warning}")
            case events.Retried():
                row.said.append(f"attempt {event.attempt}: {event.message} (exit code {event.code})")
            case events.Done():
                row.kind, row.seconds, row.figures = event.name, event.seconds, list(_figures(event.report))
            case events.Failed():
                row.kind, row.seconds, row.why, row.error = event.name, event.seconds, event.message, event.error
                row.code, row.trace, row.attempt = event.code, event.trace, event.attempt
                row.figures = list(_figures(event.report or {}))
            case events.Skipped():
                row.kind, row.why = event.name, f"done before: {event.why}"
            case events.NotStarted():
                row.kind, row.why = event.name, "not started"
            case events.Interrupted():
                row.kind, row.why, row.error, row.code = event.name, "interrupted", "Interrupted", 130

    def write(self) -> None:
        """Whole or not at all; nothing of a batch that never began. Raises OutputError."""
        if self._workers == 0:
            return
        suite = junit.TestSuite(_xml(self.name))
        suite.timestamp = self._began.isoformat(timespec="seconds")
        suite.hostname = _xml(platform.node())
        if self._ended is not None:
            suite.add_property("exit_code", str(self._ended.code))
            suite.add_property("retries", str(self._ended.retries))
            suite.add_property("seconds", str(self._ended.seconds))
        for job, row in self._rows.items():
            suite._add_testcase_no_update_stats(self._case(job, row))
        suite.update_statistics()
        report = junit.JUnitXml("editalk batch")
        report.append(suite)
        report.update_statistics()
        head = '<?xml version="1.0" encoding="UTF-8"?>\n'
        write_texts({self.path: f"{head}{report.tostring().decode('utf-8')}\n"})

    def _case(self, job: str, row: _Row) -> Any:
        case = junit.TestCase(_xml(job), _xml(self.name), row.seconds)
        figures = [("attempts", str(row.attempt))] * bool(row.attempt) + row.figures
        if row.code:
            figures.insert(0, ("exit_code", str(row.code)))
        if figures:
            held = junit.Properties()
            for name, value in figures:
                held.append(junit.Property(_xml(name), _xml(value)))
            case.append(held)
        if row.kind != events.Done.name:
            case.append(_result(row))
        said = [*row.said, *row.trace.splitlines()[-LAST:]]
        if said:
            case.system_err = _xml("\n".join(said))
        return case


def _result(row: _Row) -> Any:
    message = _xml(row.why or "it did not end")
    if row.kind in (events.Skipped.name, events.NotStarted.name):
        return junit.Skipped(message)
    kind = junit.Failure if row.code == QualityError.exit_code else junit.Error
    return kind(message, row.error or "Unended")


def _figures(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in FIGURES:
        if report.get(name) is not None:
            yield name, str(report[name])
    if "operations" in report:
        yield "operations", str(len(report["operations"]))
    for what in ("joins", "sound_joins"):
        if what in report:
            yield what, str(len(report[what]))
            yield f"{what}_that_show", str(sum(not join["ok"] for join in report[what]))
    yield "warnings", str(len(report.get("warnings", ())))
    for stage, seconds in report.get("seconds", {}).items():
        yield f"seconds_{stage}", str(seconds)


def _xml(text: str) -> str:
    """Without what XML cannot hold: control characters, bytes of a file's name that are no text."""
    return _NO_XML.sub("�", text)


def _is_report(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"<testsuite" in file.read(1000)
    except OSError:
        return False
