"""How a stage says what it is doing; the command line decides what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from editalk.errors import TimeLimitError

Advance = Callable[[int], None]


class Reporter(Protocol):
    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """A stage of work of `total` steps (None: unknown); call what it gives with the steps done since."""
        ...

    def say(self, message: str) -> None:
        """Something worth knowing."""
        ...

    def warn(self, message: str) -> None:
        """Something that is probably not what was wanted."""
        ...


class KeepingReporter(Reporter, Protocol):
    """`warnings`: those so far."""

    warnings: list[str]


class Silent:
    """Says nothing; keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Advance]:
        yield lambda steps: None

    def say(self, message: str) -> None:
        pass

    def warn(self, message: str) -> None:
        self.warnings.append(message)


class Limited:
    """Another reporter's work within so many seconds from now on: the next stage, or step of one, raises
    TimeLimitError. What does not report (one call of a decoder, a network, a recogniser) is not stopped in its midst.
    """

    def __init__(self, reporter: KeepingReporter, seconds: float) -> None:
        self.warnings = reporter.warnings
        self._reporter, self._seconds, self._end = reporter, seconds, time.monotonic() + seconds

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Advance]:
        self._check(name)
        with self._reporter.stage(name, total) as advance:

            def moved(steps: int) -> None:
                self._check(name)
                advance(steps)

            yield moved

    def say(self, message: str) -> None:
        self._reporter.say(message)

    def warn(self, message: str) -> None:
        self._reporter.warn(message)

    def _check(self, name: str) -> None:
        if time.monotonic() > self._end:
            raise TimeLimitError(f"the time limit of {self._seconds:g} s was reached at “{name}”; nothing was written, "
                                 "what was rendered is kept: run again, or raise --time-limit")  # fmt: skip
