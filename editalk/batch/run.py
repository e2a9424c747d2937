"""A batch from its first job to its last: who is next, what is tried again, when to stop."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace

from editalk.batch import events
from editalk.batch.events import Event
from editalk.batch.jobs import Broken
from editalk.batch.journal import Archive, Journal
from editalk.batch.work import Outcome
from editalk.batch.workers import Ended, Task, Told, Workers

PAUSE, LONGEST = 1.0, 60.0  # seconds before the second attempt, twice as many before each further one, at most


@dataclass(frozen=True)
class Policy:
    """`retries`: further attempts of a job whose failure may pass; `go_on`: whether others start after a failure."""

    retries: int = 0
    go_on: bool = False


@dataclass
class _Count:
    done: int = 0
    failed: int = 0
    skipped: int = 0
    interrupted: int = 0
    not_started: int = 0
    retries: int = 0
    code: int = 0


def run(
    entries: Iterable[Task | Broken], jobs: int, workers: Workers, policy: Policy = Policy(),
    journal: Journal | None = None, archive: Archive | None = None,
) -> Generator[Event, None, None]:  # fmt: skip
    """Does the jobs and tells what happens; the last event is `Ended`. `entries` are read as workers get free.

    Workers are closed when it ends, however it ends. On KeyboardInterrupt and SystemExit (a polite kill) the jobs under
    way are stopped and the end is told before it is raised on.
    """
    batch = _Batch(iter(entries), workers, policy, journal, archive)
    begin = time.monotonic()
    try:
        yield events.Began(jobs, workers.size)
        try:
            yield from batch.work()
        except (KeyboardInterrupt, SystemExit) as stop:
            workers.close(now=True)
            yield from batch.interrupted()
            batch.count.code = 130 if isinstance(stop, KeyboardInterrupt) else int(stop.code or 0)
            yield batch.ended(jobs, begin)
            raise
        workers.close()
        yield batch.ended(jobs, begin)
    finally:
        workers.close(now=True)


@dataclass
class _Batch:
    entries: Iterator[Task | Broken]
    workers: Workers
    policy: Policy
    journal: Journal | None
    archive: Archive | None
    count: _Count = field(default_factory=_Count)
    running: dict[int, Task] = field(default_factory=dict)  # by number
    again: list[tuple[float, Task, Outcome]] = field(default_factory=list)  # when; the last attempt and its end
    stopped: bool = False

    def work(self) -> Iterator[Event]:
        while True:
            while len(self.running) < self.workers.size and not self.stopped:
                task = self._due() or next(self.entries, None)
                if task is None:
                    break
                yield from self._begin(task)
            if self.stopped:
                for _, task, outcome in self.again:
                    yield from self._failed(task, outcome)
                self.again.clear()
            if not self.running and not self.again:
                break
            for heard in self.workers.wait(self._patience()):
                yield from self._heard(heard)
        yield from self._not_started()

    def _due(self) -> Task | None:
        self.again.sort(key=lambda row: row[0])
        if self.again and self.again[0][0] <= time.monotonic():
            task = self.again.pop(0)[1]
            return replace(task, attempt=task.attempt + 1)
        return None

    def _patience(self) -> float | None:
        """Seconds until the next attempt is due; None where none is, or nobody is free for it."""
        if not self.again or len(self.running) >= self.workers.size:
            return None
        return max(0.0, min(when for when, _, _ in self.again) - time.monotonic())

    def _begin(self, entry: Task | Broken) -> Iterator[Event]:
        if isinstance(entry, Broken):
            self._fail(entry.error.exit_code)
            yield events.Failed(entry.id, entry.line, 1, 0.0, entry.error.exit_code, type(entry.error).__name__,
                                str(entry.error))  # fmt: skip
            return
        why = self._held(entry)
        if why is not None:
            self.count.skipped += 1
            yield events.Skipped(entry.id, entry.line, why, str(entry.job.target))
            return
        task = self._claimed(entry)
        if self.journal is not None and not task.job.dry_run:
            self.journal.started(task)
        self.running[task.number] = task
        self.workers.start(task)
        yield events.Started(task.id, task.line, task.attempt, str(task.job.video))

    def _held(self, task: Task) -> str | None:
        """Where it says that the task was done before."""
        if task.attempt > 1 or task.job.dry_run:
            return None
        if self.journal is not None and self.journal.holds(task):
            return "journal"
        if self.archive is not None and self.archive.holds(task):
            return "archive"
        return None

    def _claimed(self, task: Task) -> Task:
        """What an earlier attempt at the job left is no reason to refuse another one."""
        there = task.job.target.exists()
        if task.attempt == 1:
            task = replace(task, fresh=not there)
        if there and (task.fresh or (self.journal is not None and self.journal.owns(task))):
            task = replace(task, job=replace(task.job, overwrite=True))
        return task

    def _heard(self, heard: Told | Ended) -> Iterator[Event]:
        task = heard.task
        if isinstance(heard, Told):
            yield _told(task, heard)
            return
        outcome = heard.outcome
        del self.running[task.number]
        if outcome.code == 0:
            yield from self._done(task, outcome)
        elif outcome.passing and task.attempt <= self.policy.retries and not self.stopped:
            after = min(LONGEST, PAUSE * 2.0 ** (task.attempt - 1))
            self.again.append((time.monotonic() + after, task, outcome))
            self.count.retries += 1
            yield events.Retried(task.id, task.line, task.attempt, outcome.code, outcome.error, outcome.message, after)
        else:
            yield from self._failed(task, outcome)

    def _done(self, task: Task, outcome: Outcome) -> Iterator[Event]:
        self._remember(task, outcome)
        self.count.done += 1
        yield events.Done(task.id, task.line, task.attempt, outcome.seconds, outcome.report or {})

    def _failed(self, task: Task, outcome: Outcome) -> Iterator[Event]:
        self._remember(task, outcome)
        self._fail(outcome.code)
        yield events.Failed(task.id, task.line, task.attempt, outcome.seconds, outcome.code, outcome.error,
                            outcome.message, outcome.report, outcome.trace)  # fmt: skip

    def _remember(self, task: Task, outcome: Outcome) -> None:
        for book in (self.journal, self.archive):
            if book is not None and not task.job.dry_run:
                book.ended(task, outcome)

    def _fail(self, code: int) -> None:
        self.count.failed += 1
        self.count.code = max(self.count.code, code)
        self.stopped = self.stopped or not self.policy.go_on

    def _not_started(self) -> Iterator[Event]:
        for entry in self.entries:
            self.count.not_started += 1
            yield events.NotStarted(entry.id, entry.line)

    def interrupted(self) -> Iterator[Event]:
        """Of the jobs that were under way, and of those that had not begun."""
        for task in [*self.running.values(), *(task for _, task, _ in self.again)]:
            self.count.interrupted += 1
            yield events.Interrupted(task.id, task.line)
        yield from self._not_started()

    def ended(self, jobs: int, begin: float) -> events.Ended:
        count = self.count
        return events.Ended(jobs, count.done, count.failed, count.skipped, count.interrupted, count.not_started,
                            count.retries, round(time.monotonic() - begin, 3), count.code)  # fmt: skip


def _told(task: Task, heard: Told) -> Event:
    what = heard.what
    if "stage" in what:
        return events.Progress(task.id, task.line, what["stage"], what["done"], what["total"])
    if "warning" in what:
        return events.Warned(task.id, task.line, what["warning"])
    return events.Said(task.id, task.line, what["message"])
