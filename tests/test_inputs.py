"""Inputs that change while they are used."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from editalk.errors import MediaError, OutputError, SourceError
from editalk.inputs import Inputs, digest

CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "moved over": lambda path, other: os.replace(other, path),
    "overwritten": lambda path, other: path.write_bytes(other.read_bytes()),
    "appended": lambda path, other: path.open("ab").write(b"more"),
    "truncated": lambda path, other: os.truncate(path, 2),
    "deleted": lambda path, other: path.unlink(),
    "a folder": lambda path, other: (path.unlink(), path.mkdir()),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"first")
    os.utime(path, ns=(10**18, 10**18))
    (tmp_path / "other").write_bytes(b"other")
    return path


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_is_noticed(path: Path, kind: str) -> None:
    inputs = Inputs([path])
    inputs.check()
    CHANGES[kind](path, path.with_name("other"))
    with pytest.raises(SourceError, match=rf"{path.name} has .* while it was being used"):
        inputs.check()


def test_another_file_of_the_same_size_and_time_counts_by_its_bytes(path: Path) -> None:
    """`cp -p` and `mv`, or a network disk that numbers its files anew."""
    inputs = Inputs([path])
    inputs.read(path, digest(path))
    for content, same in ((b"first", True), (b"later", False)):
        other = path.with_name("other")
        other.write_bytes(content)
        os.utime(other, ns=(10**18, 10**18))
        os.replace(other, path)
        if same:
            inputs.check()
    with pytest.raises(SourceError):
        inputs.check()


def test_what_is_not_there_or_is_a_pipe_is_left_to_its_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    inputs = Inputs([tmp_path / "nothing", tmp_path / "pipe"])
    (tmp_path / "nothing").write_text("appeared")
    inputs.check()


def test_the_first_look_counts(path: Path) -> None:
    inputs = Inputs([path])
    shutil.copy(path.with_name("other"), path)
    inputs.add(path)
    with pytest.raises(SourceError):
        inputs.check()


@pytest.mark.parametrize("error", [MediaError("no such frame"), ValueError("what?"), IndexError()])
def test_an_error_is_explained_by_the_change_and_only_then(path: Path, error: Exception) -> None:
    with pytest.raises(type(error)), Inputs([path]).steady():
        raise error
    with pytest.raises(SourceError) as told:
        work(path, error)
    assert told.value.__cause__ is error


def test_a_full_disk_is_a_full_disk_whatever_else_changed(path: Path) -> None:
    full = OutputError("no space")
    full.__cause__ = OSError(28, "No space left on device")
    with pytest.raises(OutputError):
        work(path, full)
    with pytest.raises(SourceError):
        work(path, OutputError("cannot be signed: the source cannot be parsed"))


def work(path: Path, error: Exception) -> None:
    """That fails when its input has changed."""
    with Inputs([path]).steady():
        path.write_bytes(b"another")
        raise error
