"""What the command line prints: data on standard output; messages and progress on standard error."""

from __future__ import annotations

import json
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, NoReturn, TextIO

from editalk.reporting import Advance, Meter
from editalk.terminal import in_json, shown

_interruptions: list[BaseException] = []
_stages: deque[Meter] = deque(maxlen=100)


def interrupt(error: BaseException) -> NoReturn:
    """Raise it now, and again where the work goes on: an import turns it into another error, or loses it."""
    _interruptions.append(error)
    raise error


def interruption() -> BaseException | None:
    """What this command was interrupted by."""
    return _interruptions[0] if _interruptions else None


def stages() -> list[Meter]:
    """The last ones that this command went through."""
    return list(_stages)


def begin() -> None:
    """A new command begins: uninterrupted, no stage done."""
    _interruptions.clear()
    _stages.clear()


def _go_on() -> None:
    if _interruptions:
        raise _interruptions[0]


class ProgressMode(StrEnum):
    AUTO = "auto"
    JSON = "json"
    NONE = "none"


class Console:
    """Messages, and a line for each stage that is done, on standard error; JSON objects, one a line, for programs."""

    def __init__(self, quiet: bool = False, mode: ProgressMode = ProgressMode.AUTO, as_json: bool = False) -> None:
        self.quiet, self.mode = quiet, mode
        self.rows = as_json or mode is ProgressMode.JSON
        self.warnings: list[str] = []

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "frames") -> Iterator[Advance]:
        _go_on()
        meter = Meter(name, total, unit)
        _stages.append(meter)
        with self._shown(meter) as show:

            def advance(steps: int, cached: bool = False) -> None:
                _go_on()
                meter.add(steps, cached)
                show(steps)

            yield advance
        meter.finish()
        self._finished(meter)

    @contextmanager
    def _shown(self, meter: Meter) -> Iterator[Callable[[int], None]]:
        """Shows a stage that is under way; call what it gives with the steps done since."""
        if self.mode is ProgressMode.JSON:
            print_row(meter.row(), sys.stderr)
            yield lambda steps: print_row(meter.row(), sys.stderr)
        elif self.mode is ProgressMode.AUTO and sys.stderr.isatty() and not self.quiet and not self.rows:
            from rich.console import Console as Rich
            from rich.progress import Progress

            with Progress(console=Rich(stderr=True), transient=True) as bar:
                task = bar.add_task(meter.name, total=meter.total)
                yield lambda steps: bar.advance(task, steps)
        else:
            yield lambda steps: None

    def _finished(self, meter: Meter) -> None:
        if self.mode is ProgressMode.JSON or (self.mode is ProgressMode.AUTO and self.rows and not self.quiet):
            print_row(meter.row(), sys.stderr)
        elif self.mode is ProgressMode.AUTO and not self.quiet and meter.total != 0:  # there was something to do
            print(meter, file=sys.stderr)

    def say(self, message: str) -> None:
        self._say({"message": message}, message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        self._say({"warning": message}, f"warning: {message}")

    def _say(self, row: dict[str, Any], text: str) -> None:
        if self.rows and (self.mode is ProgressMode.JSON or not self.quiet):
            print_row(row, sys.stderr)
        elif not self.rows and not self.quiet:
            print(shown(text), file=sys.stderr)


def print_error(message: str, code: int, rows: bool, error: BaseException | None = None, report: str = "") -> None:
    """What a command, or one of its jobs, failed with, the last line of standard error: a JSON object where `rows`.

    `error`: whose traceback is shown as well. `report`: where more is written.
    """
    if rows:
        trace = {"traceback": "".join(traceback.format_exception(error))} if error is not None else {}
        print_row({"error": message, "exit_code": code} | trace | ({"report": report} if report else {}), sys.stderr)
        return
    if error is not None:
        traceback.print_exception(error)
    print(f"editalk: {shown(message)}", file=sys.stderr)


def print_row(row: dict[str, Any], file: TextIO) -> None:
    """A JSON object on a line of its own. Its end is not written by itself: where a signal came between the two, the
    next object would stand on the same line.
    """
    file.write(f"{json.dumps(row)}\n")
    file.flush()


def print_json(value: Any) -> None:
    text = in_json(json.dumps(value, indent=2, ensure_ascii=False))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # another encoding, or a file name that is no text
        text = json.dumps(value, indent=2)
    print(text)
