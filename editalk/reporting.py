"""How a stage says what it is doing; the command line decides what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from editalk.errors import TimeLimitError


class Advance(Protocol):
    def __call__(self, steps: int, cached: bool = False) -> None:
        """So many steps were done since. `cached`: they were found in the cache."""
        ...


class Reporter(Protocol):
    def stage(self, name: str, total: int | None = None, unit: str = "frames") -> AbstractContextManager[Advance]:
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


class Meter:
    """A stage under way or done: how far it came, and in how many seconds. `total` None: its steps are not counted."""

    def __init__(self, name: str, total: int | None = None, unit: str = "frames") -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done = self.cached = 0
        self.finished = False
        self._began, self._took = time.perf_counter(), 0.0

    def add(self, steps: int, cached: bool = False) -> None:
        self.done += steps
        self.cached += steps if cached else 0

    def finish(self) -> None:
        self._took, self.finished = self.seconds, True

    @property
    def seconds(self) -> float:
        """So far, or that it took."""
        return self._took if self.finished else time.perf_counter() - self._began

    def row(self) -> dict[str, Any]:
        """As JSON values."""
        about = {"stage": self.name, "done": self.done, "total": self.total}
        if not self.finished:
            return about
        return about | {"unit": self.unit if self.total is not None else None, "cached": self.cached,
                        "seconds": round(self.seconds, 3), "finished": True}  # fmt: skip

    def __str__(self) -> str:
        """“Rendering: 45 frames, 20 of them from the cache, 3.1 s”."""
        counted = [_amount(self.done, self.unit)] if self.total is not None else []
        if self.cached and self.cached < self.done:
            counted.append(f"{self.cached} of them from the cache")
        elif self.cached:
            counted = [" ".join([*counted, "from the cache"])]
        return f"{self.name}: {', '.join([*counted, f'{self.seconds:.1f} s'])}"


def _amount(count: int, unit: str) -> str:
    if unit == "bytes":
        return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"
    return f"{count} {unit.removesuffix('s') if count == 1 else unit}"


class Silent:
    """Says nothing; keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "frames") -> Iterator[Advance]:
        yield lambda steps, cached=False: None

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
    def stage(self, name: str, total: int | None = None, unit: str = "frames") -> Iterator[Advance]:
        self._check(name)
        with self._reporter.stage(name, total, unit) as advance:

            def moved(steps: int, cached: bool = False) -> None:
                self._check(name)
                advance(steps, cached)

            yield moved

    def say(self, message: str) -> None:
        self._reporter.say(message)

    def warn(self, message: str) -> None:
        self._reporter.warn(message)

    def _check(self, name: str) -> None:
        if time.monotonic() > self._end:
            raise TimeLimitError(f"the time limit of {self._seconds:g} s was reached at “{name}”; nothing was written, "
                                 "what was rendered is kept: run again, or raise --time-limit")  # fmt: skip
