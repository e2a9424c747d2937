"""Upkeep of the cache: how much lies there, and what goes first when it shall be less.

Only what the cache itself made is counted and removed: files straight below a stage's folder whose names are hashes,
each with its digest.
Links are never followed. What a running editalk has used since its start stays.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from editalk.cache import MAKING, default_root, digest_file, running_since, unfinished
from editalk.errors import OutputError, UsageError

_ENTRY = re.compile(r"[0-9a-f]{32}\.[a-z0-9]+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True)
class Entry:
    """`used`: seconds since the epoch, when a run last asked for it; `size`: bytes on the disk."""

    path: Path
    stage: str
    size: int
    used: float


@dataclass(frozen=True)
class Stage:
    """`oldest`, `newest`: when entries were last used, seconds since the epoch."""

    name: str
    entries: int
    size: int
    oldest: float
    newest: float


@dataclass(frozen=True)
class Usage:
    """`left`: folders that killed runs left unfinished."""

    root: Path
    stages: tuple[Stage, ...]
    left: tuple[Path, ...] = ()

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(stage.size for stage in self.stages)


@dataclass(frozen=True)
class Cleared:
    """`busy`: entries that would have gone but are in use; `kept`: bytes that are left."""

    entries: int
    size: int
    busy: int
    kept: int


def bytes_of(text: str) -> int:
    """“5GB”, “500 M”, “2GiB”: with an i powers of 1024, else of 1000. Raises UsageError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise UsageError(f"“{text}” is no size; write e.g. 20GB or 500MB")
    return int(Fraction(found[1]) * (1024 if found[3] else 1000) ** " kmgt".index(found[2].lower() or " "))


def seconds_of(text: str) -> float:
    """“30d”, “12h”, “2w”. Raises UsageError."""
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"“{text}” is no age; write e.g. 30d, 12h or 2w")
    return float(found[1]) * _SECONDS[found[2].lower()]


def usage(root: Path | None = None) -> Usage:
    """What lies in the cache (None: the default one). Raises OutputError where it cannot be read."""
    root = root or default_root()
    rows: dict[str, list[Entry]] = {}
    for entry in _entries(root):
        rows.setdefault(entry.stage, []).append(entry)
    stages = (Stage(name, len(held), sum(e.size for e in held), min(e.used for e in held), max(e.used for e in held))
              for name, held in sorted(rows.items()))  # fmt: skip
    return Usage(root, tuple(stages), tuple(unfinished(root)))


def clear(root: Path | None = None, stage: str | None = None, older: float = 0, limit: int | None = None,
          really: bool = True) -> Cleared:
    """Entries of a stage (None: all) that nobody used for `older` seconds go; with `limit` only those used least
    recently, until that many bytes are left. `really` False: nothing goes. Raises OutputError, UsageError.
    """
    root = root or default_root()
    held = sorted(_entries(root), key=lambda entry: entry.used)
    _check(root, held, stage)
    now, since, kept = time.time(), running_since(root), sum(entry.size for entry in held)
    entries = size = busy = 0
    for entry in held:
        if stage not in (None, entry.stage) or now - entry.used < older or (limit is not None and kept <= limit):
            continue
        about = _about(entry.path)
        if about is None:
            kept -= entry.size
        elif _used(about) >= min(since, now):  # perhaps only since it was listed
            busy += 1
        elif not really or _gone(entry.path):
            entries, size, kept = entries + 1, size + entry.size, kept - entry.size
    if really:
        _remove_left(root)
    return Cleared(entries, size, busy, kept)


def _check(root: Path, held: list[Entry], stage: str | None) -> None:
    stages = {entry.stage for entry in held}
    if stage is not None and stage not in stages:
        known = f"there are: {', '.join(sorted(stages))}" if stages else "there is nothing"
        raise UsageError(f"{root} holds nothing of a stage “{stage}”; {known}")
    if held or not root.is_dir():
        return
    foreign = [p for p in root.iterdir()
               if not (p.is_dir() and (p.name in ("models", "reports") or _empty(p)) or p.name[0] == ".")]  # fmt: skip
    if foreign:
        raise OutputError(f"{root} is no cache of editalk: it holds {foreign[0].name}; nothing was removed")


def _empty(stage: Path) -> bool:
    return all(item.name.startswith(MAKING) for item in _listed(stage))


def _entries(root: Path) -> Iterator[Entry]:
    for stage in _folders(root):
        for item in _listed(stage):
            about = _about(Path(item.path)) if _ENTRY.fullmatch(item.name) else None
            if about is not None and stat.S_ISREG(about.st_mode):
                beside = _about(digest_file(Path(item.path)))
                yield Entry(Path(item.path), stage.name, _size(about) + (_size(beside) if beside else 0), _used(about))


def _size(about: os.stat_result) -> int:
    """Bytes on the disk."""
    return int(getattr(about, "st_blocks", 0)) * 512 or about.st_size


def _about(path: Path) -> os.stat_result | None:
    """None where another process has removed it."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _used(about: os.stat_result) -> float:
    return max(about.st_atime, about.st_mtime)


def _folders(root: Path) -> list[Path]:
    return [Path(item.path) for item in _listed(root) if item.is_dir(follow_symlinks=False) and item.name != "models"]


def _listed(folder: Path) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror}") from error


def _remove_left(root: Path) -> None:
    """Of killed runs: a folder with files in it, and digests whose entry is gone."""
    for folder in list(unfinished(root)):
        if stat.S_ISDIR(folder.lstat().st_mode):
            for item in _listed(folder):
                if item.is_file(follow_symlinks=False) or item.is_symlink():
                    _gone(Path(item.path))
            try:
                folder.rmdir()
            except OSError:  # somebody put something else there
                continue
    for stage in _folders(root):
        for item in _listed(stage):
            entry = Path(item.path).with_suffix("")
            if Path(item.path) == digest_file(entry) and _ENTRY.fullmatch(entry.name) and not os.path.lexists(entry):
                _gone(Path(item.path))


def _gone(path: Path) -> bool:
    """Whether it went; another process may have been quicker. Raises OutputError."""
    try:
        path.unlink()
        digest_file(path).unlink(missing_ok=True)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    return True
