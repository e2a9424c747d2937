"""What happens in a batch, as it happens: lines for programs, lines for people, bars on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editalk.batch import events
from editalk.console import Console, ProgressMode, print_row

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Ticker:
    """Shows events. `as_json`: each a line on standard output; else in words on standard error, where `verbose` also
    the traces of what was unforeseen.
    """

    def __init__(self, console: Console, as_json: bool, verbose: bool) -> None:
        self.console, self.as_json, self.verbose = console, as_json, verbose
        self._bars: Progress | None = None
        self._rows: dict[str, TaskID] = {}  # by job
        self._all: TaskID | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the batch runs: with bars where somebody looks."""
        if self.console.mode is not ProgressMode.AUTO or self.console.quiet or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console as Rich
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, console=Rich(stderr=True), transient=True) as self._bars:
            yield

    def show(self, event: events.Event) -> None:
        if self.as_json:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            print_row({"time": now} | event.row, sys.stdout)
        if self._bars is not None:
            self._move(self._bars, event)
        if isinstance(event, events.Progress):
            if self.console.mode is ProgressMode.JSON:
                print_row(event.row, sys.stderr)
            return
        if isinstance(event, events.Failed):
            self._line(f"editalk: {event.job}: {event.message} (exit code {event.code})")
            if event.trace and self.verbose:
                self._line(event.trace.rstrip())
        elif not self.console.quiet and (line := in_words(event)) is not None:
            self._line(line)

    def _line(self, text: str) -> None:
        if self.console.rows:
            print_row({"message": text}, sys.stderr)
        elif self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def _move(self, bars: Progress, event: events.Event) -> None:
        if isinstance(event, events.Began):
            self._all = bars.add_task("all jobs", total=event.jobs)
        elif isinstance(event, events.Started):
            self._rows[event.job] = bars.add_task(event.job, total=None)
        elif isinstance(event, events.Progress) and event.job in self._rows:
            bars.update(self._rows[event.job], description=f"{event.job}: {event.stage}", completed=event.done,
                        total=event.total)  # fmt: skip
        elif isinstance(event, events.JobEvent) and not isinstance(event, events.Said | events.Warned):
            if event.job in self._rows:
                bars.remove_task(self._rows.pop(event.job))
            if self._all is not None and not isinstance(event, events.Retried):
                bars.advance(self._all)


def in_words(event: events.Event) -> str | None:
    """A line for people; None where there is nothing to say."""
    match event:
        case events.Began():
            return f"{_counted(event.jobs, 'job')}, {_counted(event.workers, 'worker')}"
        case events.Started():
            return f"started  {event.job}: {event.video}" + (f", attempt {event.attempt}" if event.attempt > 1 else "")
        case events.Done():
            return f"done     {event.job}: {_made(event.report)}, {event.seconds:.1f} s"
        case events.Warned():
            return f"warning: {event.job}: {event.warning}"
        case events.Retried():
            return (f"warning: {event.job}: {event.message} (exit code {event.code}); once more in {event.after:.0f} s")
        case events.Skipped():
            where = {"journal": "done before, its output is there", "archive": "it is in the archive"}
            return f"skipped  {event.job}: {where[event.why]}"
        case events.Interrupted():
            return f"stopped  {event.job}"
        case events.Ended():
            return _total(event)
    return None


def _made(report: dict[str, Any]) -> str:
    if "output" in report:
        return Path(report["output"]).name
    return f"planned, {report.get('frames_to_render', 0)} frames to render"


def _total(event: events.Ended) -> str:
    kinds = ("done", event.done), ("failed", event.failed), ("skipped", event.skipped), \
        ("interrupted", event.interrupted), ("not started", event.not_started)  # fmt: skip
    parts = [f"{count} {what}" for what, count in kinds if count]
    more = f", {_counted(event.retries, 'retry', 'retries')}" if event.retries else ""
    return f"{_counted(event.jobs, 'job')}: {', '.join(parts)}{more}; {event.seconds:.1f} s"


def _counted(count: int, what: str, many: str = "") -> str:
    return f"{count} {what if count == 1 else many or what + 's'}"
