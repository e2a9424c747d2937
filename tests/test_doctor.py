"""The doctor: findings, never crashes."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from editalk import doctor
from editalk.doctor import Check, checks
from editalk.models import find


def by_name(found: tuple[Check, ...]) -> dict[str, Check]:
    return {check.name: check for check in found}


def test_this_machine_can_do_the_main_job() -> None:
    found = checks()
    assert [c.name for c in found] == [
        "python", "video codecs", "ffmpeg", "face mesh", "pocketsphinx", "whisper", "torch", "ltx2 weights",
        "ltx-video weights", "musetalk weights", "cache",
    ]  # fmt: skip
    assert [c for c in found if c.needed and not c.ok] == []
    assert all(c.detail for c in found)
    assert all(c.ok or c.remedy for c in found)


def test_a_library_that_does_not_load_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name in ("av", "pocketsphinx") or name == "editalk.face":
            raise ImportError("libGL.so.1: cannot open shared object file" if name == "editalk.face" else f"no {name}")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    found = by_name(checks())
    assert not found["video codecs"].ok
    assert "no av" in found["video codecs"].detail
    assert not found["pocketsphinx"].ok
    assert "libgl1" in (found["face mesh"].remedy or "")
    assert found["python"].ok


def test_missing_encoders_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_encodes", lambda name: name != "libx265")
    found = doctor._codecs()
    assert not found.ok
    assert "libx265" in found.detail
    assert found.remedy


def test_whisper_weights_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("EDITALK_MODELS", raising=False)
    missing = doctor._whisper()
    assert not missing.ok
    assert not missing.needed
    assert "PocketSphinx" in (missing.remedy or "")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert str(tmp_path / "whisper") in (doctor._whisper().remedy or "")
    (tmp_path / "whisper").mkdir()
    with (tmp_path / "whisper" / "tiny.pt").open("wb") as file:
        file.truncate(75572083)
    found = doctor._whisper()
    assert found.ok
    assert "tiny" in found.detail


def test_weights_of_the_dit_backend_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "EDITALK_OFFLINE", "EDITALK_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("EDITALK_MODELS", str(tmp_path / "own"))
    missing = doctor._weights("musetalk")
    assert not missing.ok
    assert not missing.needed
    assert missing.remedy == "get it with: editalk models pull musetalk-1.5 (3.9 GB)"
    for file in find("musetalk-1.5").files:
        path = tmp_path / "own" / "musetalk-1.5" / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as made:
            made.truncate(file.size)
    found = doctor._weights("musetalk")
    assert found.ok
    assert found.remedy is None
    assert found.detail == "here: musetalk-1.5"
    either = doctor._weights("ltx2")
    assert "pull ltx-2.3-distilled (95 GB)" in (either.remedy or "")
    assert "ltx-2.3-upscaler" in either.detail


def test_ffmpeg_comes_from_the_wheel_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert doctor._ffmpeg().ok


def test_a_full_disk_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "not" / "yet"))
    assert doctor._cache().ok
    monkeypatch.setattr(doctor, "FREE_GIB", 1e9)
    found = doctor._cache()
    assert not found.ok
    assert "EDITALK_CACHE" in (found.remedy or "")
    assert not (tmp_path / "not").exists()


def test_a_driver_without_cuda_torch_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: "2.13.0+cpu")
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert not doctor._torch().ok
