"""What the command line prints: data on standard output; messages and progress on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, NoReturn

from editalk.reporting import Advance
from editalk.terminal import in_json, shown

_interruptions: list[BaseException] = []


def interrupt(error: BaseException) -> NoReturn:
    """Raise it now, and again where the work goes on: an import turns it into another error, or loses it."""
    _interruptions.append(error)
    raise error


def interruption() -> BaseException | None:
    """What this command was interrupted by."""
    return _interruptions[0] if _interruptions else None


def uninterrupted() -> None:
    """A new command begins."""
    _interruptions.clear()


def _go_on() -> None:
    if _interruptions:
        raise _interruptions[0]


class ProgressMode(StrEnum):
    AUTO = "auto"
    JSON = "json"
    NONE = "none"


class Console:
    """Messages and progress on standard error."""

    def __init__(self, quiet: bool = False, mode: ProgressMode = ProgressMode.AUTO) -> None:
        self.quiet, self.mode = quiet, mode
        self.warnings: list[str] = []

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Advance]:
        _go_on()
        if self.mode is ProgressMode.JSON:
            yield from self._json_stage(name, total)
        elif self.mode is ProgressMode.AUTO and sys.stderr.isatty() and not self.quiet:
            from rich.console import Console as Rich
            from rich.progress import Progress

            with Progress(console=Rich(stderr=True), transient=True) as bar:
                task = bar.add_task(name, total=total)

                def moved(steps: int) -> None:
                    _go_on()
                    bar.advance(task, steps)

                yield moved
        else:
            yield lambda steps: _go_on()

    def _json_stage(self, name: str, total: int | None) -> Iterator[Advance]:
        done = 0

        def advance(steps: int) -> None:
            nonlocal done
            _go_on()
            done += steps
            self._line({"stage": name, "done": done, "total": total})

        self._line({"stage": name, "done": 0, "total": total})
        yield advance
        self._line({"stage": name, "done": done, "total": total, "finished": True})

    def _line(self, row: dict[str, Any]) -> None:
        print(json.dumps(row), file=sys.stderr, flush=True)

    def say(self, message: str) -> None:
        if self.mode is ProgressMode.JSON:
            self._line({"message": message})
        elif not self.quiet:
            print(shown(message), file=sys.stderr)

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        if self.mode is ProgressMode.JSON:
            self._line({"warning": message})
        elif not self.quiet:
            print(f"warning: {shown(message)}", file=sys.stderr)


def print_json(value: Any) -> None:
    text = in_json(json.dumps(value, indent=2, ensure_ascii=False))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # another encoding, or a file name that is no text
        text = json.dumps(value, indent=2)
    print(text)
