"""The cache: a file that is there is complete."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from editalk.cache import Cache, abandoned, default_root, digest_file, key, owner
from editalk.errors import OutputError, SourceError
from editalk.inputs import Inputs


def test_a_failed_making_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    target = cache.path("window", "a.bin")

    def fail() -> None:
        with cache.making(target) as part:
            part.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(target.parent.iterdir()) == []


def test_a_finished_making_is_there(tmp_path: Path) -> None:
    target = Cache(tmp_path).path("window", "a.bin")
    with Cache(tmp_path).making(target) as part:
        part.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert {p.name for p in target.parent.iterdir()} == {target.name, digest_file(target).name}


def test_keys_differ_where_parts_do() -> None:
    keys = {key("a", 1), key("a", 2), key("a1"), key("a", "1"), key(["a", 1]), key("a", None)}
    assert len(keys) == 6
    assert key("a", {"x": 1, "y": 2}) == key("a", {"y": 2, "x": 1})


def test_an_unwritable_root_is_replaced_for_the_run(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    cache = Cache(blocked / "cache")
    assert not cache.lasting
    assert cache.path("face", "x").parent.is_dir()


def test_the_environment_chooses_the_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "here"))
    assert default_root() == tmp_path / "here"
    monkeypatch.delenv("EDITALK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "editalk"


def made(cache: Cache, content: bytes = b"the whole entry") -> Path:
    target = cache.path("window", "a.bin")
    with cache.making(target) as part:
        part.write_bytes(content)
    return target


def _flip(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("something")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flipped": _flip,
    "truncated": lambda path: os.truncate(path, 5),
    "emptied": lambda path: os.truncate(path, 0),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "folder": _folder,
    "pipe": _pipe,
    "dangling": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "digest emptied": lambda path: digest_file(path).write_text(""),
    "digest a folder": lambda path: _folder(digest_file(path)),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_entry_is_noticed_and_made_anew(tmp_path: Path, kind: str) -> None:
    told: list[str] = []
    cache = Cache(tmp_path, told.append)
    entry = made(cache)
    assert cache.held(entry)
    assert told == []
    DAMAGE[kind](entry)
    assert not cache.held(entry)
    assert len(told) == 1
    assert str(entry) in told[0]
    assert made(cache) == entry
    assert cache.held(entry)
    assert entry.read_bytes() == b"the whole entry"
    assert {p.name for p in entry.parent.iterdir()} == {"a.bin", "a.bin.sha256"}


def test_an_entry_without_a_digest_counts_as_none(tmp_path: Path) -> None:
    told: list[str] = []
    cache = Cache(tmp_path, told.append)
    entry = made(cache)
    digest_file(entry).unlink()
    assert not cache.held(entry)
    entry.unlink()
    assert not cache.held(entry)
    assert told == []


def test_a_digest_is_one_that_sha256sum_reads(tmp_path: Path) -> None:
    entry = made(Cache(tmp_path))
    assert digest_file(entry).read_text() == f"{hashlib.sha256(b'the whole entry').hexdigest()}  a.bin\n"


def test_nothing_is_kept_of_an_input_that_changed(tmp_path: Path) -> None:
    source = tmp_path / "talk.mp4"
    source.write_bytes(b"one")
    inputs = Inputs([source])
    target = Cache(tmp_path / "cache").path("face", "a.bin")

    def make() -> None:
        with Cache(tmp_path / "cache").making(target, inputs) as part:
            part.write_bytes(b"of one or of two?")
            source.write_bytes(b"two two")

    with pytest.raises(SourceError, match=r"talk\.mp4"):
        make()
    assert list(target.parent.iterdir()) == []


def test_a_cache_deleted_meanwhile(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    target = cache.path("face", "a.bin")
    shutil.rmtree(tmp_path / "cache")
    with cache.making(target) as part:
        part.write_bytes(b"made")
    assert cache.held(target)

    def make() -> None:
        with cache.making(target) as part:
            part.write_bytes(b"made")
            shutil.rmtree(tmp_path / "cache")

    with pytest.raises(OutputError, match="EDITALK_CACHE"):
        make()


def test_a_file_where_a_stage_should_be(tmp_path: Path) -> None:
    (tmp_path / "face").write_text("in the way")
    with pytest.raises(OutputError, match="EDITALK_CACHE"):
        Cache(tmp_path).path("face", "a.bin")


def test_what_a_killed_run_was_making_goes_even_where_nothing_more_is_made(tmp_path: Path) -> None:
    """Another process may have made the same entry meanwhile."""
    dead = tmp_path / "window" / f".making-{owner().replace(str(os.getpid()), '4194305')}x"
    alive = tmp_path / "window" / f".making-{owner()}x"
    for folder in (dead, alive):
        folder.mkdir(parents=True)
        (folder / "part").write_bytes(b"half")
    Cache(tmp_path)
    assert [path.name for path in (tmp_path / "window").iterdir()] == [alive.name]


def test_what_others_work_on_is_not_abandoned(tmp_path: Path) -> None:
    """Not this process's, not another container's with the same number, but that of an earlier one with its number."""
    number, place, began, _ = owner().split("-")
    names = {
        "own": f".x-{owner()}a",
        "ended": f".x-4194305-{place}-{began}-a",
        "earlier": f".x-{number}-{place}-{int(began) + 1}-a",
        "elsewhere": f".x-4194305-{'0' * 12}-{began}-a",
        "long elsewhere": f".x-1-{'0' * 12}-{began}-a",
        "no number": f".x-one-{place}-{began}-a",
        "an older form": f".x-4194305-{place}",
    }
    for name in names.values():
        (tmp_path / name).mkdir()
    (tmp_path / names["long elsewhere"]).touch()
    os.utime(tmp_path / names["long elsewhere"], (time.time() - 3 * 86400,) * 2)
    found = {path.name for path in abandoned(tmp_path, ".x-")}
    assert found == {names[key] for key in ("ended", "earlier", "long elsewhere")}


def test_many_processes_make_the_same_entry(tmp_path: Path) -> None:
    """Each with bytes of its own: whoever looks finds a whole one, and nobody fails."""
    code = (
        "import sys, os; from pathlib import Path; from editalk.cache import Cache\n"
        "for k in range(60):\n"
        "    cache = Cache(Path(sys.argv[1])); entry = cache.path('window', 'a.bin')\n"
        "    if not cache.held(entry) or k % 3 == 0:\n"
        "        with cache.making(entry) as part: part.write_bytes(sys.argv[2].encode() * 200000)\n"
        "    held = entry.read_bytes(); assert len(held) == 200000 and len(set(held)) == 1"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], stderr=subprocess.PIPE, text=True)
               for name in "abc"]  # fmt: skip
    for process in running:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    assert {p.name for p in (tmp_path / "window").iterdir()} == {"a.bin", "a.bin.sha256"}
