"""Results of stages under the user's cache folder, by the hash of what they came from."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from editalk.errors import OutputError


def default_root() -> Path:
    """`EDITALK_CACHE`, else the user's cache folder."""
    if chosen := os.environ.get("EDITALK_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "editalk"


def key(*parts: object) -> str:
    """A name for what was made from these parts (JSON values)."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Cache:
    """Files named by what they were made from: a file that is there is complete."""

    def __init__(self, root: Path | None = None) -> None:
        """Where the root cannot be written, a folder for this run alone stands in."""
        self.root = root or default_root()
        self._own: tempfile.TemporaryDirectory[str] | None = None
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError:
            self._own = tempfile.TemporaryDirectory(prefix="editalk-")
            self.root = Path(self._own.name)

    @property
    def lasting(self) -> bool:
        """Whether another run will find what is put here."""
        return self._own is None

    def path(self, stage: str, name: str) -> Path:
        """Where the result `name` (see `key`, with a suffix) of a stage lies or will lie."""
        folder = self.root / stage
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    @contextmanager
    def making(self, target: Path) -> Iterator[Path]:
        """A file to write to that becomes `target` when all went well, and goes when not. Raises OutputError."""
        try:
            with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as folder:
                part = Path(folder) / target.name
                yield part
                os.replace(part, target)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
                raise
            raise OutputError(
                f"{self.root}: {error.strerror}; make room, or let EDITALK_CACHE name a folder elsewhere"
            ) from error
