"""Results of stages under the user's cache folder, by the hash of what they came from."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from editalk.errors import OutputError

_RUN = ".run-"  # the head of the names of files that say who uses the cache now


def default_root() -> Path:
    """`EDITALK_CACHE`, else the user's cache folder."""
    if chosen := os.environ.get("EDITALK_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "editalk"


def key(*parts: object) -> str:
    """A name for what was made from these parts (JSON values)."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def owner() -> str:
    """Of an unfinished file: this process on this machine, for its name."""
    return f"{os.getpid()}-{_machine()}-"


def _machine() -> str:
    return hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:6]


def abandoned(folder: Path, head: str, tail: str = "") -> Iterator[Path]:
    """What killed runs on this machine left unfinished: files or folders named `head`, `owner()`, anything, `tail`."""
    try:
        held = list(folder.iterdir())
    except OSError:  # it can be written to but not listed
        return
    for path in held:
        if path.name.startswith(head) and path.name.endswith(tail):
            number, _, rest = path.name.removeprefix(head).partition("-")
            if number.isdecimal() and rest.startswith(f"{_machine()}-") and not _runs(int(number)):
                yield path


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for this run's own use, gone afterwards; those that killed runs left go, too."""
    head = "editalk-"
    for left in abandoned(Path(tempfile.gettempdir()), head):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=head + owner()) as folder:
        yield Path(folder)


def running_since(root: Path) -> float:
    """When the first of the other runs that use a cache now began, seconds since the epoch; infinity where none does.

    Those of other machines count for two days: nobody can tell here whether they still run.
    """
    dead = set(abandoned(root, _RUN))
    began = [math.inf]
    for path in root.glob(f"{_RUN}*"):
        try:
            at = path.stat().st_mtime
        except FileNotFoundError:  # just ended
            continue
        own = path.name.startswith(_RUN + owner())
        if not own and path not in dead and (f"-{_machine()}-" in path.name or time.time() - at < 2 * 86400):
            began.append(at)
    return min(began)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


class Cache:
    """Files named by what they were made from: a file that is there is complete."""

    def __init__(self, root: Path | None = None) -> None:
        """Where the root cannot be written, a folder for this run alone stands in."""
        self.root = root or default_root()
        self._own: tempfile.TemporaryDirectory[str] | None = None
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for left in abandoned(self.root, _RUN):
                left.unlink(missing_ok=True)
            self._run = tempfile.NamedTemporaryFile(prefix=_RUN + owner(), dir=self.root)  # noqa: SIM115
        except OSError:
            self._own = tempfile.TemporaryDirectory(prefix="editalk-" + owner())
            self.root = Path(self._own.name)

    @property
    def lasting(self) -> bool:
        """Whether another run will find what is put here."""
        return self._own is None

    def path(self, stage: str, name: str) -> Path:
        """Where the result `name` (see `key`, with a suffix) of a stage lies or will lie; to ask is to use it."""
        folder = self.root / stage
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # the time of access is when it was last used, however the disk is mounted
            os.utime(folder / name, ns=(time.time_ns(), (folder / name).stat().st_mtime_ns))
        return folder / name

    @contextmanager
    def making(self, target: Path) -> Iterator[Path]:
        """A file to write to that becomes `target` when all went well, and goes when not. Raises OutputError."""
        for left in abandoned(target.parent, ".making-"):
            shutil.rmtree(left, ignore_errors=True)
        try:
            with tempfile.TemporaryDirectory(prefix=f".making-{owner()}", dir=target.parent) as folder:
                part = Path(folder) / target.name
                yield part
                os.replace(part, target)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
                raise
            raise OutputError(
                f"{self.root}: {error.strerror}; make room, or let EDITALK_CACHE name a folder elsewhere"
            ) from error
