"""Small files out: whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from editalk.cache import abandoned, owner
from editalk.errors import OutputError
from editalk.inputs import digest
from editalk.mux import check_place, explain, place

_RECORD = "placing"  # ends the name of a record of texts that are put beside an output


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


def write_texts(texts: Mapping[Path, str | bytes], overwrite: bool = True) -> None:
    """All of them whole, or none. `overwrite` False: nor over what has appeared meanwhile. Raises OutputError."""
    with beside(texts, overwrite):
        pass


@contextmanager
def beside(texts: Mapping[Path, str | bytes], overwrite: bool, out: Path | None = None) -> Iterator[None]:
    """Texts in their places; what the block does comes last, and if it fails those that are new go again.

    `out`: what the block puts into its place. Until it is there, a record beside it says what was put there first, so
    that `withdraw` can mend it after a kill. Raises OutputError.
    """
    parts = {path: path.with_name(f".{path.name[:40]}.{owner()}{k}.part") for k, path in enumerate(texts)}
    placed: list[Path] = []
    record: Path | None = None
    path = out or next(iter(texts), Path())
    try:
        for path, text in texts.items():
            for left in abandoned(path.parent, f".{path.name[:40]}.", ".part"):
                left.unlink(missing_ok=True)
            parts[path].write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace"))
        if out is not None and texts and not overwrite:
            record = out.with_name(f"{_begin(out)}{owner()}{_RECORD}")
            record.write_text(json.dumps({path.name: digest(part) for path, part in parts.items()}), "utf-8")
        with _alone(out.parent) if out is not None else nullcontext():
            for path, part in parts.items():
                new = not os.path.lexists(path)
                place(part, path, overwrite)
                placed += [path] if new else []
            yield
    except BaseException as error:
        for made in placed:
            made.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise explain(path, error) from error
        raise
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
        if record is not None:
            record.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While it puts files into a folder that belong together no other process does, where the disk can say so."""
    held = None
    try:
        import fcntl

        held = os.open(folder, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
    except (ImportError, OSError):  # another system, or a network disk without locks
        pass
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def withdraw(out: Path) -> None:
    """What a killed run put beside an output that it then did not get to goes, unless somebody has changed it."""
    for record in list(abandoned(out.parent, _begin(out), _RECORD)):
        try:
            texts = {} if out.exists() else json.loads(record.read_text("utf-8"))
            for name, kept in texts.items():
                text = out.with_name(Path(name).name)
                if text.is_file() and digest(text) == kept:
                    text.unlink()
            record.unlink(missing_ok=True)
        except (OSError, ValueError):  # half a record: it was killed before it put anything anywhere
            with suppress(OSError):
                record.unlink(missing_ok=True)


def _begin(out: Path) -> str:
    return f".{out.name[:40]}."
