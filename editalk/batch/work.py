"""One job done by a worker: whatever comes of it, as data."""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from editalk.asr.sphinx import forget
from editalk.cache import Cache
from editalk.cores import share
from editalk.crash import MENDER, in_words, is_foreseen, write_report
from editalk.errors import DeviceError, EditalkError
from editalk.pipeline.job import Job, failed, run_job
from editalk.reporting import Advance, Meter

PASSING = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE,
    errno.ESTALE, errno.ETIMEDOUT, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNRESET,
})  # fmt: skip
"""Of the system: a full or failing disk, a share that is away, too little memory, too many open files."""
EVERY = 1.0  # seconds between two lines of progress


@dataclass(frozen=True)
class Outcome:
    """`code`: what `apply` would have exited with; `report`: the object of its `--json`, None where nothing was made;
    `error`, `message`: the failure's name and words; `passing`: whether another try may go well; `trace`: of what was
    unforeseen.
    """

    code: int
    seconds: float
    report: dict[str, Any] | None = None
    error: str = ""
    message: str = ""
    passing: bool = False
    trace: str = ""

    @property
    def row(self) -> dict[str, Any]:
        """JSON's types; `Outcome(**row)` is it again."""
        return asdict(self)


Send = Callable[[dict[str, Any]], None]
"""Takes what is told on the way: {"stage", "done", "total"}, {"message"} or {"warning"}."""


class Telling:
    """A `KeepingReporter` that sends what it is told; progress as a stage begins and at most once in `EVERY` seconds.
    `go_on` raises what the worker is to be stopped by, if something.
    """

    def __init__(self, send: Send, go_on: Callable[[], None] = lambda: None) -> None:
        self.send, self.go_on = send, go_on
        self.warnings: list[str] = []  # of the job that is under way, as are the stages
        self.stages: list[Meter] = []

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "frames") -> Iterator[Advance]:
        meter, said = Meter(name, total, unit), time.monotonic()
        self.stages.append(meter)

        def advance(steps: int, cached: bool = False) -> None:
            nonlocal said
            self.go_on()
            meter.add(steps, cached)
            if time.monotonic() - said >= EVERY:
                said = time.monotonic()
                self.send(meter.row())

        self.go_on()
        self.send(meter.row())
        yield advance
        meter.finish()

    def say(self, message: str) -> None:
        self.send({"message": message})

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        self.send({"warning": message})


def keep_to_share() -> None:
    """OpenCV has a number of threads of its own: no more than the worker's share."""
    import cv2

    cv2.setNumThreads(share())


def attempt(job: Job, cache: Cache, reporter: Telling) -> Outcome:
    """Does the job. Raises nothing but what stops the worker itself (KeyboardInterrupt, SystemExit)."""
    begin = time.monotonic()
    reporter.stages, reporter.warnings = [], []
    forget()
    return replace(_attempted(job, cache, reporter), seconds=round(time.monotonic() - begin, 3))


def _attempted(job: Job, cache: Cache, reporter: Telling) -> Outcome:
    try:
        made = run_job(job, cache, reporter)
        assert made is not None  # a worker is one process
        error = failed(job.fail_on, made)
    except EditalkError as wrong:
        return _of(wrong, wrong.exit_code, str(wrong), passing(wrong))
    except MemoryError as wrong:
        return _of(wrong, DeviceError.exit_code, "not enough memory", True)
    except Exception as wrong:  # the next job must not suffer from it
        path = None if is_foreseen(wrong) else write_report(wrong, ["batch"], reporter.stages)
        about = f"; {path} holds no media and no words: send it to {MENDER}" if path is not None else ""
        return replace(_of(wrong, 1, in_words(wrong) + about, True), trace=traceback.format_exc())
    if error is None:
        return Outcome(0, 0.0, made)
    return replace(_of(error, error.exit_code, str(error), False), report=made)


def _of(error: BaseException, code: int, message: str, may_pass: bool) -> Outcome:
    return Outcome(code, 0.0, None, type(error).__name__, message, may_pass)


def passing(error: BaseException) -> bool:
    """Whether what went wrong may be gone later: memory and devices, and what the system said of disks and shares.

    Words that do not fit together, texts and media that cannot be read and inputs that do not belong together stay so.
    """
    if isinstance(error, DeviceError | MemoryError):
        return True
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in PASSING:
            return True
        seen = seen.__cause__
    return False


def lost(why: str, seconds: float, trace: str = "") -> Outcome:
    """Of a task whose worker is gone: it “was killed (signal 9)”, “exited (code 1)” …; `trace`: its last words."""
    return Outcome(DeviceError.exit_code, round(seconds, 3), None, "WorkerLost", f"its worker {why}", True, trace)
