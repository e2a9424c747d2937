"""Lists of jobs, read as they are needed, however long.

A list is read twice: `check` looks at every line before anything is done, `JobList.entries` gives one job after the
other.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from editalk.batch.formats import ID, ROWS, form_of
from editalk.batch.options import by_name, files, job_of
from editalk.batch.workers import Task
from editalk.errors import EditalkError, JobsError
from editalk.pipeline import job as applied
from editalk.pipeline.job import Job

MOST_NAMED = 5  # lines that a message names


@dataclass(frozen=True)
class Broken:
    """A line that is no job, or one that cannot be done as it stands."""

    number: int
    line: int
    id: str
    error: EditalkError


@dataclass(frozen=True)
class JobList:
    """A list on disk. `name`: in messages; `folder`: what paths in it are relative to, absolute; `defaults`: options by
    name that beat those of the list and hold where a line does not say otherwise.
    """

    path: Path
    name: str
    form: str
    folder: Path
    defaults: Mapping[str, Any]

    def entries(self) -> Iterator[Task | Broken]:
        """In their order. Raises JobsError where the list itself cannot be read."""
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                for number, (line, values, common) in enumerate(ROWS[self.form](file), 1):
                    yield self._entry(number, line, values, {**common, **self.defaults})
        except JobsError as error:
            raise JobsError(f"{self.name}: {error}") from error
        except UnicodeDecodeError as error:
            raise JobsError(f"{self.name}: not UTF-8 text; save it as UTF-8") from error
        except OSError as error:
            raise JobsError(f"{self.name}: {error.strerror or error}") from error

    def _entry(
        self, number: int, line: int, values: Mapping[str, Any] | JobsError, defaults: Mapping[str, Any]
    ) -> Task | Broken:
        name = str(line)
        try:
            if isinstance(values, JobsError):
                raise values
            own = dict(values)
            called = own.pop(ID, None)
            if called is not None:
                name = _name(called)
            job = job_of({**defaults, **by_name(own)}, self.folder)
            name = name if called is not None else f"{line}-{job.video.stem}"
            applied.check(job)
            _check_files(job)
        except EditalkError as error:
            return Broken(number, line, name, type(error)(f"{self.name}, line {line}: {error}"))
        return Task(number, line, name, job)


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise JobsError(f"“{ID}” must be a text of one line, not {value!r}")
    return value


def _check_files(job: Job) -> None:
    """Before the first job is begun, not in the last hour of the night."""
    for option, path in files(job):
        if not path.exists():
            raise JobsError(f"{option} {path}: no such file; check the name and the folder")


def read_list(given: Path | None, form: str | None, defaults: Mapping[str, Any], spool: Path, stdin: IO[bytes]
              ) -> JobList:  # fmt: skip
    """The list in a file, or (None) on standard input. What cannot be read twice, as a pipe, is copied to `spool`.

    Raises JobsError.
    """
    name, path = ("standard input", None) if given is None else (str(given), given)
    folder = Path.cwd() if given is None else Path(os.path.abspath(given)).parent
    try:
        if given is None:
            path = _copied(stdin, spool)
        elif not given.is_file() and given.exists() and not given.is_dir():
            with given.open("rb") as file:
                path, folder = _copied(file, spool), Path.cwd()
        assert path is not None
        with path.open("rb") as file:
            head = file.read(1 << 16).decode("utf-8", "replace")
    except OSError as error:
        raise JobsError(f"{name}: {error.strerror or error}; name a list of jobs") from error
    return JobList(path, name, form or form_of(given, head), folder, defaults)


def _copied(file: IO[bytes], spool: Path) -> Path:
    with spool.open("wb") as copy:
        shutil.copyfileobj(file, copy)
    return spool


@dataclass(frozen=True)
class Checked:
    """What a list holds. `broken`: of its lines; `backends`, `devices`: those that jobs ask for."""

    jobs: int
    broken: int
    backends: frozenset[str]
    devices: frozenset[str]


def check(jobs: JobList, tolerant: bool) -> Checked:
    """Reads all lines. Raises the error of the first ones that are no jobs, unless `tolerant`; JobsError in any case
    where two jobs would write the same file or have the same id, or where there is none.
    """
    wrong: list[EditalkError] = []
    targets: dict[int, int] = {}  # hash → line: a few bytes each, however many
    ids: dict[int, int] = {}
    count = broken = 0
    backends, devices = set(), set()
    for entry in jobs.entries():
        count += 1
        if isinstance(entry, Broken):
            broken += 1
            wrong += [entry.error][: MOST_NAMED - len(wrong)]
            continue
        for does, seen, value, way_out in (("write", targets, _place(entry.job), "another output"),
                                           ("be called", ids, entry.id, "another id")):  # fmt: skip
            before = seen.setdefault(hash(value), entry.line)
            if before != entry.line:
                raise JobsError(f"{jobs.name}: lines {before} and {entry.line} would both {does} {value}; give one of "
                                f"them {way_out}")  # fmt: skip
        backends.add("dit" if entry.job.weights is not None else entry.job.backend)
        devices.add(entry.job.device or "auto")
    if wrong and not tolerant:
        more = f"\n  and {broken - len(wrong)} more" if broken > len(wrong) else ""
        raise type(wrong[0])("\n  ".join(map(str, wrong)) + more)
    if not count:
        raise JobsError(f"{jobs.name}: no jobs in it")
    return Checked(count, broken, frozenset(backends), frozenset(devices))


def _place(job: Job) -> str:
    """The file that it writes, whatever links lead there."""
    return os.path.join(os.path.realpath(job.target.parent), job.target.name)
