"""Results of stages under the user's cache folder, by the hash of what they came from, each with a digest beside it."""

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
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from editalk.errors import OutputError
from editalk.inputs import Inputs, digest

MAKING = ".making-"  # the head of the names of folders in which entries are made
_RUN = ".run-"  # the head of the names of files that say who uses the cache now
_ELSEWHERE = 2 * 86400  # seconds
_DIGEST = ".sha256"  # behind the name of an entry; `sha256sum -c` reads such files
_PLACE = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG, errno.ENOTDIR,
}  # what is wrong with the disk, not with what is written


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
    """Of an unfinished file: this process, and where it runs, for its name."""
    return f"{os.getpid()}-{_here()}-{_began(os.getpid())}-"


@lru_cache
def _here() -> str:
    """Where numbers of processes mean the same: this machine since its start, this container."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii"))
        parts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:12]


def _began(process: int) -> str:
    """When a process began, in the kernel's ticks: a later one may have got its number. "0": not known."""
    try:
        about = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
        return about.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "0"


def abandoned(folder: Path, head: str, tail: str = "") -> Iterator[Path]:
    """What killed runs left unfinished: files or folders named `head`, `owner()`, anything, `tail`.

    Of runs elsewhere, on a shared disk, nobody can tell here whether they still go on: theirs count after two days
    without a change.
    """
    try:
        held = list(folder.iterdir())
    except OSError:  # it can be written to but not listed
        return
    for path in held:
        if path.name.startswith(head) and path.name.endswith(tail):
            number, here, began, *rest = [*path.name.removeprefix(head).split("-", 3), "", "", ""]
            if not number.isdecimal() or not rest[0]:
                continue
            if here == _here():
                if not _runs(int(number)) or _began(int(number)) != began:
                    yield path
            elif time.time() - _touched(path) > _ELSEWHERE:
                yield path


def _touched(path: Path) -> float:
    """When a file, or anything in a folder, was last written; now, where that cannot be seen."""
    try:
        return max(float(p.stat().st_mtime) for p in (path, *(path.iterdir() if path.is_dir() else ())))
    except OSError:
        return time.time()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for this run's own use, gone afterwards; those that killed runs left go, too. Raises OutputError."""
    head = "editalk-"
    try:
        root = Path(tempfile.gettempdir())
        for left in abandoned(root, head):
            shutil.rmtree(left, ignore_errors=True)
        made = tempfile.TemporaryDirectory(prefix=head + owner(), ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(
            f"no folder for temporary files: {error.strerror or error}; make room, or let TMPDIR name another folder"
        ) from error
    with made as folder:
        yield Path(folder)


def unfinished(root: Path) -> Iterator[Path]:
    """What killed runs left of entries in a cache, whatever its stages."""
    try:
        stages = list(root.iterdir())
    except OSError:
        return
    for stage in stages:
        yield from abandoned(stage, MAKING)


def running_since(root: Path) -> float:
    """When the first of the other runs that use a cache now began, seconds since the epoch; infinity where none does.
    See `abandoned` for those of other machines.
    """
    dead = set(abandoned(root, _RUN))
    began = [math.inf]
    for path in root.glob(f"{_RUN}*"):
        try:
            at = path.stat().st_mtime
        except FileNotFoundError:  # just ended
            continue
        if not path.name.startswith(_RUN + owner()) and path not in dead:
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


def _forgotten(path: Path) -> None:
    with suppress(OSError):  # a disk that has become read-only; the next run that may removes it
        path.unlink()


def digest_file(entry: Path) -> Path:
    """Where the digest of a cache's entry lies."""
    return entry.with_name(entry.name + _DIGEST)


def _line(path: Path, name: str) -> bytes:
    return f"{digest(path)}  {name}\n".encode()


class Cache:
    """Files named by what they were made from. One that `held` finds is complete and as it was made: a digest lies
    beside it. Both may be made by several processes at once.
    """

    def __init__(self, root: Path | None = None, warn: Callable[[str], None] = lambda message: None) -> None:
        """Where the root cannot be written, a folder for this run alone stands in. `warn`: is told of what is damaged.
        """
        self.root, self._warn = root or default_root(), warn
        self._own: tempfile.TemporaryDirectory[str] | None = None
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for left in abandoned(self.root, _RUN):
                left.unlink(missing_ok=True)
            for left in unfinished(self.root):
                shutil.rmtree(left, ignore_errors=True)
            handle, name = tempfile.mkstemp(prefix=_RUN + owner(), dir=self.root)
            os.close(handle)
            weakref.finalize(self, _forgotten, Path(name))
        except OSError:
            self._own = tempfile.TemporaryDirectory(prefix="editalk-" + owner(), ignore_cleanup_errors=True)
            self.root = Path(self._own.name)

    @property
    def lasting(self) -> bool:
        """Whether another run will find what is put here."""
        return self._own is None

    def path(self, stage: str, name: str) -> Path:
        """Where the result `name` (see `key`, with a suffix) of a stage lies or will lie; to ask is to use it.

        Raises OutputError.
        """
        folder = self.root / stage
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        with suppress(OSError):  # the time of access is when it was last used, however the disk is mounted
            os.utime(folder / name, ns=(time.time_ns(), (folder / name).stat().st_mtime_ns))
        return folder / name

    def held(self, path: Path) -> bool:
        """Whether the entry is there and what was put there; read through, which costs less than decoding it.

        A damaged one is left in its place: another process may be about to replace it, too.
        """
        if not os.path.lexists(path):
            return False
        try:
            kept = digest_file(path).read_bytes()
            if path.is_file() and kept == _line(path, path.name):
                return True
        except FileNotFoundError:  # killed between the two, or of a time without digests
            return False
        except OSError as error:
            self._warn(f"{path}: cannot be read ({error.strerror}), so it is made anew")
            return False
        self._warn(f"{path}: damaged, so it is made anew")
        return False

    @contextmanager
    def making(self, target: Path, inputs: Inputs | None = None) -> Iterator[Path]:
        """A file to write to that becomes `target` when all went well, and goes when not. `inputs`: what it is made
        from, which must still be that. Nothing waits for the disk: what a power cut takes is noticed by its digest.

        Raises OutputError, SourceError.
        """
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(
                prefix=MAKING + owner(), dir=target.parent, ignore_cleanup_errors=True
            ) as folder:
                part, beside = Path(folder) / target.name, Path(folder) / digest_file(target).name
                yield part
                beside.write_bytes(_line(part, target.name))
                if inputs is not None:
                    inputs.check()
                for made, place in ((part, target), (beside, digest_file(target))):
                    if place.is_dir() and not place.is_symlink():
                        os.rename(place, Path(folder) / f"{made.name}.before")
                    os.replace(made, place)
        except OSError as error:
            if error.errno not in _PLACE and target.parent.is_dir():
                raise
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> OutputError:
        return OutputError(f"{self.root}: {error.strerror}; make room, or let EDITALK_CACHE name a folder elsewhere")
