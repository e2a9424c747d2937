"""Where a file may be written, and what went wrong where it cannot."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from editalk.errors import OutputError

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_SUFFIXES = {".mxf": ".mov", ".avi": ".mov", ".dv": ".mov"}  # they hold PCM, which MP4 does not


def check_target(out: Path, overwrite: bool, source: Path | None = None) -> str:
    """FFmpeg's name of the container to write. Raises OutputError if OUT cannot be written there."""
    form = form_of(out)
    check_place(out, overwrite, source)
    return form


def form_of(out: Path) -> str:
    """FFmpeg's name of the container that a file name asks for. Raises OutputError."""
    form = CONTAINERS.get(out.suffix.lower())
    if form is None:
        raise OutputError(f"{out}: the kind of file is not known; end the name in {', '.join(CONTAINERS)}")
    return form


def suffix_for(source: Path) -> str:
    """What the name of an edited source ends in: the same, or a kind that takes the same codecs, or .mp4."""
    known = source.suffix.lower()
    return source.suffix if known in CONTAINERS else _SUFFIXES.get(known, ".mp4")


def edited_path(video: Path) -> Path:
    """Where the edit of a video goes, unless told otherwise."""
    return video.with_name(f"{video.stem}.edited{suffix_for(video)}")


def check_place(out: Path, overwrite: bool, source: Path | None = None) -> None:
    """Raises OutputError if a file OUT cannot be written there, or may not be: it is `source`, or exists already."""
    _check_name(out)
    folder = out.parent
    if not folder.is_dir():
        raise OutputError(f"{out}: there is no folder {folder}; make it first")
    if out.is_dir():
        raise OutputError(f"{out} is a folder; give a file name")
    if source is not None and out.exists() and source.exists() and out.samefile(source):
        raise OutputError(f"{out} is the source itself; give another name")
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists already; give another name or -y to overwrite it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{out}: the folder {folder} may not be written to; choose another or change its permissions")


def _check_name(out: Path) -> None:
    try:
        out.lstat()
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
            raise OutputError(f"{out}: the name is too long for this disk; give a shorter one, or rename the video"
                              ) from error  # fmt: skip
        if error.errno == errno.ELOOP:
            raise OutputError(f"{out.parent} is a link that leads back to itself; give another folder") from error
    except ValueError as error:  # a NUL
        raise OutputError(f"{out}: no file can have this name; give another") from error


def explain(out: Path, error: BaseException) -> OutputError:
    """An OutputError for what went wrong while writing."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{out}: no space is left on the disk; free some or write elsewhere")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"{out}: the folder may not be written to; choose another")
    return OutputError(f"{out} cannot be written: {getattr(error, 'strerror', None) or error}")


def place(part: Path, out: Path, overwrite: bool) -> None:
    """A complete file to where it belongs, in one step; `part` may be left, too. Not over one that has appeared there
    meanwhile, unless `overwrite`. Raises OutputError, OSError.
    """
    flush_to_disk(part)
    if not overwrite:
        try:
            os.link(part, out)  # unlike a rename it never replaces
            return
        except FileExistsError as error:
            raise _taken(out) from error
        except OSError:  # a disk without hard links: then nothing is better than to look first
            if os.path.lexists(out):
                raise _taken(out) from None
    os.replace(part, out)


def _taken(out: Path) -> OutputError:
    return OutputError(
        f"{out} has appeared while it was being made, from another process? It stays as it is; give another name or -y "
        "to overwrite it; what was rendered is kept"
    )


def flush_to_disk(path: Path) -> None:
    """A rename that reached the disk before the bytes would leave an empty file after a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
