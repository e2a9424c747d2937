"""Who does the jobs: what the processes of one machine and of a cluster have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from editalk.batch.work import Outcome
from editalk.pipeline.job import Job


@dataclass(frozen=True)
class Task:
    """A job of the list. `number`: in the list, `line`: in its file, from 1; `attempt`: from 1. `fresh`: nothing lay at
    its target before its first attempt, so that what lies there now is its own.
    """

    number: int
    line: int
    id: str
    job: Job
    attempt: int = 1
    fresh: bool = False


@dataclass(frozen=True)
class Told:
    """What a worker says on the way: see `work.Send`."""

    task: Task
    what: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """A task's end, whatever it is; also where its worker is no more."""

    task: Task
    outcome: Outcome


class Workers(Protocol):
    """Processes with a cache and models of their own that stay loaded; each does one task at a time.

    `size`: how many tasks can be with them at once. Which worker takes which task makes no difference to what comes of
    it. A worker that dies is replaced, and its task ends with `work.lost`.
    """

    size: int

    def start(self, task: Task) -> None:
        """Takes a task; called at most `size` times more than there were `Ended`. Raises EditalkError where no worker
        can be had at all: that ends the batch.
        """
        ...

    def wait(self, timeout: float | None) -> Sequence[Told | Ended]:
        """What happened since; waits until something does, at most so many seconds (None: for ever)."""
        ...

    def close(self, now: bool = False) -> None:
        """No more tasks; may be called again. `now`: those under way are stopped as Ctrl-C stops `apply`, so that
        nothing half-written stays, and whoever does not obey in time is killed. No process is left when it returns.
        """
        ...
