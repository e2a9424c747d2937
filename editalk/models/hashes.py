"""Whether a model's files are the right ones.

What a file is compared with: the sha256 of models.toml; else that which `pull` took from Hugging Face's metadata and
recorded beside the files; else, in Hugging Face's own cache, the name of the blob that a file is a link to.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from editalk.cache import owner
from editalk.errors import ModelsError
from editalk.models.places import files, partly
from editalk.models.registry import ModelFile, ModelSpec

RECORD = ".editalk.json"  # beside the files: {"files": {name: sha256}}
_CHUNK = 1 << 20  # bytes


class State(StrEnum):
    OK = "ok"
    MISSING = "missing"
    WRONG = "wrong"
    UNKNOWN = "not checked"  # nothing here says what its hash should be


@dataclass(frozen=True)
class FileState:
    name: str
    state: State
    detail: str = ""


def check(spec: ModelSpec, folder: Path, advance: Callable[[int], None] | None = None) -> tuple[FileState, ...]:
    """Every file of a model in `folder`, hashed; `advance` is called with the bytes done. Raises ModelsError."""
    recorded = read_record(folder)
    return tuple(
        _state(folder / name, file, recorded.get(name, ""), advance) for name, file in files(spec, folder).items()
    )


def verify(spec: ModelSpec, folder: Path | None = None) -> tuple[str, ...]:
    """Names of the files that are missing in `folder` (default: where the model lies) or have another hash."""
    folder = folder or partly(spec)
    if folder is None:
        return tuple(file.name for file in spec.files)
    return tuple(row.name for row in check(spec, folder) if row.state in (State.MISSING, State.WRONG))


def sha256(path: Path, advance: Callable[[int], None] | None = None) -> str:
    """Lower-case hex of a file's hash, read in pieces. Raises ModelsError."""
    return _digest(path, hashlib.sha256(), advance)


def git_blob(path: Path) -> str:
    """Lower-case hex of the name that git gives a file's content: what Hugging Face knows of small files."""
    return _digest(path, hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False))


def read_record(folder: Path) -> Mapping[str, str]:
    """sha256 by file name, as `pull` recorded them; empty where there is no such record."""
    try:
        rows = json.loads((folder / RECORD).read_text("utf-8"))["files"]
        return {str(name): str(value) for name, value in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_record(folder: Path, hashes: Mapping[str, str]) -> None:
    """Adds to the record beside the files; a reader sees the old one or the new one."""
    made = folder / f"{RECORD}.{owner()}part"
    try:
        made.write_text(json.dumps({"files": {**read_record(folder), **hashes}}, indent=1), "utf-8")
        os.replace(made, folder / RECORD)
    finally:
        made.unlink(missing_ok=True)


def _state(path: Path, file: ModelFile, recorded: str, advance: Callable[[int], None] | None) -> FileState:
    if not path.is_file():
        return FileState(file.name, State.MISSING)
    size = path.stat().st_size
    if file.size and size != file.size:
        return FileState(file.name, State.WRONG, f"{size} bytes, not {file.size}")
    wanted = file.sha256 or recorded or _blob(path)
    if not wanted:
        return FileState(file.name, State.UNKNOWN, "no sha256 is known")
    found = git_blob(path) if len(wanted) == 40 else sha256(path, advance)
    if found != wanted:
        return FileState(file.name, State.WRONG, f"its hash is {found[:12]}…, not {wanted[:12]}…")
    return FileState(file.name, State.OK)


def _blob(path: Path) -> str:
    """In Hugging Face's cache a file is a link to a blob named by its hash: sha256, or git's for small files."""
    target = path.resolve()
    named = target.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{40}", target.name)
    return target.name if named else ""


def _digest(path: Path, digest: hashlib._Hash, advance: Callable[[int], None] | None = None) -> str:
    try:
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                digest.update(piece)
                if advance is not None:
                    advance(len(piece))
    except OSError as error:
        raise ModelsError(f"{path}: {error.strerror or error}") from error
    return digest.hexdigest()
