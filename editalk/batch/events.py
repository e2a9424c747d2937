"""What happens in a batch: an event a line of `--json`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """`name`: what `row` calls it."""

    name: ClassVar[str]

    @property
    def row(self) -> dict[str, Any]:
        """JSON's types, by field."""
        return {"event": self.name} | {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True)
class Began(Event):
    """`jobs`: in the list."""

    name = "batch-started"
    jobs: int
    workers: int


@dataclass(frozen=True)
class JobEvent(Event):
    """`job`: its id; `line`: of the list, from 1."""

    job: str
    line: int


@dataclass(frozen=True)
class Started(JobEvent):
    """`attempt`: from 1."""

    name = "job-started"
    attempt: int
    video: str


@dataclass(frozen=True)
class Progress(JobEvent):
    """`total` None: unknown."""

    name = "job-progress"
    stage: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Said(JobEvent):
    name = "job-message"
    message: str


@dataclass(frozen=True)
class Warned(JobEvent):
    name = "job-warning"
    warning: str


@dataclass(frozen=True)
class Done(JobEvent):
    """`report`: the object of `apply --json`; `seconds`: of this attempt."""

    name = "job-done"
    attempt: int
    seconds: float
    report: dict[str, Any]


@dataclass(frozen=True)
class Failed(JobEvent):
    """`code`: what `apply` would have exited with; `error`: its name; `report`: where the output is written all the
    same (a check of --fail-on failed).
    """

    name = "job-failed"
    attempt: int
    seconds: float
    code: int
    error: str
    message: str
    report: dict[str, Any] | None = None
    trace: str = ""


@dataclass(frozen=True)
class Retried(JobEvent):
    """It failed and is tried again in `after` seconds."""

    name = "job-retried"
    attempt: int
    code: int
    error: str
    message: str
    after: float


@dataclass(frozen=True)
class Skipped(JobEvent):
    """It was done before. `why`: journal or archive."""

    name = "job-skipped"
    why: str
    output: str | None


@dataclass(frozen=True)
class NotStarted(JobEvent):
    """A job before it failed, or the batch was interrupted."""

    name = "job-not-started"


@dataclass(frozen=True)
class Interrupted(JobEvent):
    """It was stopped; nothing half-written stays."""

    name = "job-interrupted"


@dataclass(frozen=True)
class Ended(Event):
    """How many jobs came to which end; `code`: the worst job's exit code."""

    name = "batch-done"
    jobs: int
    done: int
    failed: int
    skipped: int
    interrupted: int
    not_started: int
    retries: int
    seconds: float
    code: int
