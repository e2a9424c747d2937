"""Small files out: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from editalk.errors import OutputError
from editalk.mux import check_place, explain


def check_text_target(path: Path, overwrite: bool, source: Path | None = None, made: bool = False) -> None:
    """Before the work, not after it. `made`: its folder will be made. Raises OutputError."""
    if not made or path.parent.is_dir():
        check_place(path, overwrite, source)
        return
    above = next(p for p in path.absolute().parents if p.exists())
    if not above.is_dir():
        raise OutputError(f"{path.parent}: {above} is a file, not a folder; choose another")
    if not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(f"{path.parent}: the folder cannot be made in {above}; choose another")


def make_folder(folder: Path) -> None:
    """With all above it. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror or error}") from error


def write_texts(texts: Mapping[Path, str | bytes]) -> None:
    """All of them whole, or none. Raises OutputError."""
    parts = {path: path.with_name(f".{path.name[:40]}.{os.getpid()}.{k}.part") for k, path in enumerate(texts)}
    path = next(iter(texts))
    try:
        for path, text in texts.items():
            parts[path].write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace"))
        for path, part in parts.items():
            os.replace(part, path)
    except OSError as error:
        raise explain(path, error) from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
