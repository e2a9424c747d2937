"""What was done: the journal of a batch, for `--resume`; the archive of many, for `--archive`.

Both are lines that are only ever added, each with one call of the system, so that a kill leaves at most a torn last
one and several batches may share an archive.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from editalk.batch.options import files, values_of
from editalk.batch.work import Outcome
from editalk.batch.workers import Task
from editalk.cache import key
from editalk.inputs import digest
from editalk.mux.target import explain
from editalk.pipeline.captions import beside as captions_beside
from editalk.pipeline.job import Job
from editalk.pipeline.source import beside as transcript_beside

FREE = frozenset({"overwrite", "dry-run"})  # options that change nothing of what is made
Stamp = tuple[int, int]
"""Size and time of change, nanoseconds, of a file."""


def stamp(path: Path) -> Stamp | None:
    """None where there is no such file."""
    try:
        held = path.stat()
    except OSError:
        return None
    return held.st_size, held.st_mtime_ns


def read_by(job: Job) -> Iterator[tuple[str, Path]]:
    """(option, path) of every file that a job reads, those that it finds beside its video, too."""
    yield from files(job)
    if job.transcript is None and transcript_beside(job.video).exists():
        yield "transcript", transcript_beside(job.video)
    if job.captions is None:
        for path in captions_beside(job.video, job.edited):
            yield "captions", path


def own_key(job: Job) -> str:
    """Of a job on this machine: its options, and its files by place, size and time."""
    options = {name: value for name, value in values_of(job).items() if name not in FREE}
    return key("job", options, str(job.target), [(what, str(path), stamp(path)) for what, path in read_by(job)])


def content_key(job: Job) -> str:
    """Of a job wherever its files lie: its options, what is in its files, and the name of its output."""
    paths = {what for what, _ in files(job)} | {"output"}
    options = {name: value for name, value in values_of(job).items() if name not in FREE | paths}
    read = [(what, path.suffix.lower(), _digest(path, stamp(path))) for what, path in read_by(job)]
    return key("content", options, job.target.name, read)


@lru_cache(maxsize=1024)
def _digest(path: Path, at: Stamp | None) -> str | None:
    return None if at is None else digest(path)


class _Lines:
    """A text that lines are added to. Raises OutputError where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._out = path.open("ab", buffering=0)
            self._in = path.open("rb")
            if self._out.tell():
                self._in.seek(-1, os.SEEK_END)
                if self._in.read(1) != b"\n":
                    self._out.write(b"\n")  # a torn line stays alone
            self._at = 0  # what was read so far, bytes
        except OSError as error:
            raise explain(path, error) from error

    def add(self, line: str) -> None:
        try:
            self._out.write(line.encode("utf-8", "backslashreplace") + b"\n")
        except OSError as error:
            raise explain(self.path, error) from error

    def fresh(self) -> Iterator[str]:
        """The whole lines that were added since, by others, too."""
        self._in.seek(self._at)
        for line in self._in:
            if not line.endswith(b"\n"):
                return
            self._at += len(line)
            yield line.decode("utf-8", "replace").rstrip("\n")

    def close(self) -> None:
        self._out.close()
        self._in.close()


class Journal:
    """A line for every job that begins and ends: {"state", "job", "key", "output"} and of an output that is there its
    "stamp". `resume`: whether what it says of earlier runs counts.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        self._lines = _Lines(path)
        self._keys: dict[int, str] = {}  # of the jobs under way, by number
        self._done: dict[str, Stamp] = {}  # by key
        self._own: dict[str, Stamp | None] = {}  # by output: as it was left; None: a run that left it was killed
        for line in self._lines.fresh() if resume else ():
            self._recall(line)

    def _recall(self, line: str) -> None:
        try:
            row = json.loads(line)
            state, name, output = row["state"], str(row["key"]), str(row["output"])
            at = tuple(map(int, row["stamp"])) if row.get("stamp") else None
        except (ValueError, KeyError, TypeError):  # torn, or not ours
            return
        if state == "started" and row.get("fresh"):
            self._own[output] = None
        elif state in ("done", "failed") and at is not None and len(at) == 2:
            self._own[output] = at
            if state == "done":
                self._done[name] = at
        elif state == "failed":
            self._own.pop(output, None)

    def holds(self, task: Task) -> bool:
        """Whether it was done, of the same files, and its output is still there as it was left."""
        if not self._done:
            return False
        at = self._done.get(own_key(task.job))
        return at is not None and at == stamp(task.job.target)

    def owns(self, task: Task) -> bool:
        """Whether the output that lies there is an earlier attempt's at this job, and nobody else's since."""
        left, now = self._own.get(str(task.job.target), (0, 0)), stamp(task.job.target)
        return now is not None and (left is None or left == now)

    def started(self, task: Task) -> None:
        self._keys[task.number] = own_key(task.job)
        self._add("started", task, {"attempt": task.attempt, "fresh": task.fresh})

    def ended(self, task: Task, outcome: Outcome) -> None:
        more: dict[str, Any] = {} if outcome.code == 0 else {"code": outcome.code, "message": outcome.message}
        at = stamp(task.job.target) if outcome.code == 0 or outcome.report or task.fresh else None
        self._add("failed" if outcome.code else "done", task, more | {"stamp": at})
        self._keys.pop(task.number, None)

    def _add(self, state: str, task: Task, more: dict[str, Any]) -> None:
        row = {"state": state, "job": task.id, "key": self._keys.get(task.number, ""), "output": str(task.job.target)}
        self._lines.add(json.dumps(row | more))

    def close(self) -> None:
        self._lines.close()


class Archive:
    """A line for every job that was done, in whatever batch: its content's key and where its output went."""

    def __init__(self, path: Path) -> None:
        self._lines = _Lines(path)
        self._held: set[str] = set()
        self._keys: dict[int, str] = {}  # of the jobs under way, by number

    def holds(self, task: Task) -> bool:
        """Whether what this job would make was made before, here or elsewhere."""
        self._held.update(line.split(" ", 1)[0] for line in self._lines.fresh())
        self._keys[task.number] = content_key(task.job)
        return self._keys[task.number] in self._held

    def ended(self, task: Task, outcome: Outcome) -> None:
        name = self._keys.pop(task.number, None)
        if outcome.code == 0 and name is not None:
            self._lines.add(f"{name} {json.dumps(str(task.job.target))}")

    def close(self) -> None:
        self._lines.close()
