"""The cache: a file that is there is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from editalk.cache import Cache, default_root, key


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
    assert list(target.parent.iterdir()) == [target]


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
