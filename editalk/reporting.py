"""How a stage says what it is doing; the command line decides what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

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
