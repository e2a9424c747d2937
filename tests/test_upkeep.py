"""The cache's upkeep: what counts, what goes, and what never does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editalk.cache import Cache, key, owner, running_since
from editalk.cli import main
from editalk.errors import OutputError, UsageError
from editalk.upkeep import bytes_of, clear, seconds_of, usage

DAY = 86400


def put(root: Path, stage: str, name: object, size: int, days: float) -> Path:
    path = root / stage / f"{key(name)}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three entries of two stages, 4, 3 and 2 days old; a model; what is none of the cache's."""
    folder = tmp_path / "cache"
    for stage, days in (("window", 4), ("window", 3), ("face", 2)):
        put(folder, stage, days, 8192, days)
    (folder / "models" / "musetalk-1.5").mkdir(parents=True)
    (folder / "models" / "musetalk-1.5" / f"{key('m')}.bin").write_bytes(b"weights")
    (folder / "window" / "notes.txt").write_text("mine")
    outside = put(tmp_path / "elsewhere", "window", "outside", 8192, 9)
    (folder / "window" / f"{key('link')}.bin").symlink_to(outside)
    (folder / "linked").symlink_to(outside.parent)
    return folder


def others(root: Path) -> set[str]:
    return {str(p.relative_to(root.parent)) for p in root.parent.rglob("*") if p.is_file()}


def test_what_lies_there(root: Path) -> None:
    held = usage(root)
    assert [(s.name, s.entries, s.size) for s in held.stages] == [("face", 1, 8192), ("window", 2, 16384)]
    assert held.size == 24576
    assert time.time() - held.stages[1].oldest == pytest.approx(4 * DAY, abs=60)
    assert usage(root / "not" / "yet").stages == ()


def test_what_goes(root: Path) -> None:
    before = others(root)
    assert clear(root, older=3.5 * DAY, really=False).entries == 1
    assert others(root) == before
    made = clear(root, older=3.5 * DAY)
    assert (made.entries, made.size, made.kept, made.busy) == (1, 8192, 16384, 0)
    assert clear(root, limit=10000).entries == 1
    assert [s.name for s in usage(root).stages] == ["face"]  # the one used last
    assert clear(root, stage="face").entries == 1
    kept = {name for name in others(root) if "elsewhere" in name or "models" in name or "notes" in name}
    assert kept == {name for name in others(root) if "link" not in name and key("link") not in name}
    assert len(kept) == 3
    assert (root / "window" / f"{key('link')}.bin").is_symlink()


def test_what_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to-you.txt").write_text("dear")
    with pytest.raises(OutputError, match="letters"):
        clear(tmp_path)
    assert (tmp_path / "letters" / "to-you.txt").exists()
    with pytest.raises(UsageError, match="window"):
        clear(tmp_path, stage="window")
    assert clear(tmp_path / "nothing").entries == 0


def test_what_killed_runs_left_goes_and_what_lives_stays(root: Path) -> None:
    dead = root / "window" / f".making-{owner().replace(str(os.getpid()), '4194305')}x"
    alive = root / "window" / f".making-{owner()}x"
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "half.bin").write_bytes(b"half")
    assert usage(root).left == (dead,)
    clear(root)
    assert not dead.exists()
    assert (alive / "half.bin").exists()


def test_what_a_run_uses_stays(root: Path) -> None:
    """A run in another process has asked for the oldest entry since its start."""
    code = (
        "import sys; from editalk.cache import Cache; c = Cache(); p = c.path('window', sys.argv[1]);"
        "print(p.exists(), flush=True); sys.stdin.read()"
    )
    oldest = max(root.glob("window/*.bin"), key=lambda p: time.time() - p.lstat().st_mtime if not p.is_symlink() else 0)
    with subprocess.Popen(
        [sys.executable, "-c", code, oldest.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "EDITALK_CACHE": str(root)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        made = clear(root)
        assert (made.entries, made.busy) == (2, 1)
        assert oldest.exists()
        process.communicate()
    assert running_since(root) == float("inf")
    assert clear(root).entries == 1


def test_asking_is_using(root: Path) -> None:
    cache = Cache(root)
    path = next(p for p in root.glob("face/*.bin"))
    made = path.stat().st_mtime
    about = cache.path("face", path.name).stat()
    assert time.time() - about.st_atime < 60
    assert about.st_mtime == made
    assert not cache.path("face", "absent.bin").exists()


@given(st.integers(0, 10**15))
def test_sizes(number: int) -> None:
    assert bytes_of(str(number)) == bytes_of(f"{number}B") == number
    assert bytes_of(f"{number} kB") == 1000 * number
    assert bytes_of(f"{number}GiB") == number * 2**30


def test_sizes_and_ages_in_words() -> None:
    assert (bytes_of("1.5MB"), bytes_of("2g"), bytes_of("0")) == (1500000, 2000000000, 0)
    assert (seconds_of("30d"), seconds_of("1.5h"), seconds_of("2 W")) == (30 * DAY, 5400, 14 * DAY)
    for text in ("", "GB", "5 apples", "-1GB", "5iB"):
        with pytest.raises(UsageError, match="20GB"):
            bytes_of(text)
    for text in ("30", "d", "1y", "-1d"):
        with pytest.raises(UsageError, match="30d"):
            seconds_of(text)


def test_on_the_command_line(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITALK_CACHE", str(root))
    assert main(["cache", "path"]) == 0
    assert capsys.readouterr().out == f"{root}\n"
    assert main(["cache", "show"]) == 0
    assert "window            2 entries   16.4 kB" in capsys.readouterr().out
    assert main(["cache", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["size"] == 24576
    assert main(["cache", "clear", "--larger-than", "9kB", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made == {"entries": 2, "size": 16384, "busy": 0, "kept": 8192, "removed": True}


def test_a_limit_holds_after_a_run(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the command itself went well or not; a limit that cannot be read is found before it."""
    monkeypatch.setenv("EDITALK_CACHE", str(root))
    monkeypatch.setenv("EDITALK_CACHE_LIMIT", "lots")
    assert main(["models", "verify"]) == 2
    assert "EDITALK_CACHE_LIMIT" in capsys.readouterr().err
    assert usage(root).size == 24576
    monkeypatch.setenv("EDITALK_CACHE_LIMIT", "20kB")
    assert main(["apply", "nobody.mp4", "nothing.txt"]) == 1
    assert usage(root).size == 16384


def test_a_digest_counts_and_goes_with_its_entry(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    paths = [cache.path("window", f"{key(k)}.bin") for k in range(2)]
    for path in paths:
        with cache.making(path) as part:
            part.write_bytes(os.urandom(8192))
        os.utime(path, (time.time() - DAY,) * 2)
    assert [(s.entries, s.size) for s in usage(tmp_path).stages] == [(2, 2 * (8192 + 4096))]
    paths[0].unlink()  # by hand
    clear(tmp_path, older=2 * DAY)
    assert {p.name for p in (tmp_path / "window").iterdir()} == {paths[1].name, f"{paths[1].name}.sha256"}
    assert clear(tmp_path).entries == 1
    assert list((tmp_path / "window").iterdir()) == []
