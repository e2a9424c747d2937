"""Files that work is made from, and whether they are still what they were when it began."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from editalk.errors import OutputError, SourceError


@dataclass(frozen=True)
class Input:
    """A file as it was. `written`: nanoseconds since the epoch. `sha256`: of its bytes, where somebody has read them
    anyway.
    """

    path: Path
    place: tuple[int, int, int]  # device, inode, and when anything about it last changed
    size: int
    written: int
    sha256: str | None = None

    @classmethod
    def of(cls, path: Path) -> Input:
        """Raises OSError."""
        about = path.stat()
        return cls(path, (about.st_dev, about.st_ino, about.st_ctime_ns), about.st_size, about.st_mtime_ns)

    def changed(self) -> bool:
        """Where size and time are the same, its bytes count: network disks number files anew, and times can be set."""
        try:
            now = Input.of(self.path)
            if (now.size, now.written) != (self.size, self.written):
                return True
            return now.place != self.place and self.sha256 is not None and digest(self.path) != self.sha256
        except OSError:
            return True


def digest(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Inputs:
    """All files that a piece of work is made from, each as it was before it was opened for the first time."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._held: dict[Path, Input] = {}
        for path in paths:
            self.add(path)

    def add(self, path: Path) -> None:
        """Before it is opened. One that is not there is not held: whoever opens it says so. Nor is a pipe, which is
        read once.
        """
        with suppress(OSError):
            if path.is_file():
                self._held.setdefault(path, Input.of(path))

    def read(self, path: Path, sha256: str) -> None:
        """Its bytes, read since it was added, have this hash. Raises SourceError."""
        if path in self._held:
            self._held[path] = replace(self._held[path], sha256=sha256)
        self.check()

    def check(self) -> None:
        """Raises SourceError where one is not what it was."""
        for held in self._held.values():
            if held.changed():
                what = "has changed" if held.path.exists() else "has gone"
                raise SourceError(f"{held.path} {what} while it was being used, so nothing was written; run again")

    @contextmanager
    def steady(self) -> Iterator[None]:
        """What goes wrong inside because a file has changed is said to be that."""
        try:
            yield
        except SourceError:
            raise
        except Exception as error:  # a decoder may say anything of a file that changes under it
            if isinstance(error, OutputError) and isinstance(error.__cause__, OSError):
                raise  # of a disk
            try:
                self.check()
            except SourceError as reason:
                raise reason from error
            raise
