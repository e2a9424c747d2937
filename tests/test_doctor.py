"""The doctor: findings, never crashes."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from editalk.cli import main
from editalk.doctor import Check, checks, machine, software, weights
from editalk.models import find


def by_name(found: tuple[Check, ...]) -> dict[str, Check]:
    return {check.name: check for check in found}


def test_this_machine_can_do_the_main_job() -> None:
    found = checks()
    assert [c.name for c in found] == [
        "python", "packages", "video codecs", "more codecs", "ffmpeg", "face mesh", "pocketsphinx", "whisper",
        "timelines", "processor and memory", "gpu", "torch", "ltx2 weights", "ltx-video weights", "musetalk weights",
        "backend", "cache", "temporary files", "working folder", "text",
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
    monkeypatch.setattr(software, "has", lambda name, mode: name not in ("libx265", "prores"))
    found = software.codecs()
    assert (found.ok, found.needed) == (False, True)
    assert "libx265" in found.detail
    assert found.remedy
    more = software.more_codecs()
    assert (more.ok, more.needed) == (False, False)
    assert "prores" in more.detail


def test_whisper_weights_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("EDITALK_MODELS", raising=False)
    missing = weights.whisper()
    assert not missing.ok
    assert not missing.needed
    assert "PocketSphinx" in (missing.remedy or "")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert str(tmp_path / "whisper") in (weights.whisper().remedy or "")
    (tmp_path / "whisper").mkdir()
    with (tmp_path / "whisper" / "tiny.pt").open("wb") as file:
        file.truncate(75572083)
    found = weights.whisper()
    assert found.ok
    assert "tiny" in found.detail


def test_weights_of_the_dit_backend_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "EDITALK_OFFLINE", "EDITALK_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("EDITALK_MODELS", str(tmp_path / "own"))
    missing = weights.weights("musetalk")
    assert not missing.ok
    assert not missing.needed
    assert missing.remedy == "get it with: editalk models pull musetalk-1.5 (3.9 GB)"
    for file in find("musetalk-1.5").files:
        path = tmp_path / "own" / "musetalk-1.5" / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as made:
            made.truncate(file.size)
    found = weights.weights("musetalk")
    assert found.ok
    assert found.remedy is None
    assert found.detail == "here: musetalk-1.5"
    either = weights.weights("ltx2")
    assert "pull ltx-2.3-distilled (95 GB)" in (either.remedy or "")
    assert "ltx-2.3-upscaler" in either.detail


def test_ffmpeg_comes_from_the_wheel_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software.shutil, "which", lambda name: None)
    assert software.ffmpeg().ok


def test_a_full_disk_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "not" / "yet"))
    assert machine.cache().ok
    monkeypatch.setattr(machine, "FREE_GIB", 1e9)
    found = machine.cache()
    assert not found.ok
    assert "EDITALK_CACHE" in (found.remedy or "")
    assert not (tmp_path / "not").exists()


H100 = "NVIDIA H100 80GB HBM3, 81559, 81079, 580.159.04, 9.0\n"


@pytest.mark.parametrize(("table", "shown"), [
    (H100, "NVIDIA H100 80GB HBM3, 80 GiB (79 free), driver 580.159.04, compute capability 9.0: fp8, bf16"),
    ("A, B, 24576, [N/A], 5.1, 8.6\n", "A, B, 24 GiB, driver 5.1, compute capability 8.6: bf16"),
    ("NVIDIA GB10, [N/A], [N/A], 580, 12.1\n", "NVIDIA GB10, driver 580, compute capability 12.1: fp8, bf16"),
    ("T4, 15360, 0, 535, 7.5", "T4, 15 GiB (0 free), driver 535, compute capability 7.5: neither fp8 nor bf16"),
    ("Old, 4096, 10, 390, [Not Supported]", "Old, 4 GiB (0 free), driver 390"),
])  # fmt: skip
def test_what_nvidia_smi_says(table: str, shown: str) -> None:
    assert [str(gpu) for gpu in machine.parsed(table)] == [shown]


def test_what_is_not_a_table() -> None:
    assert machine.parsed("No devices were found\n\nNVIDIA-SMI has failed, because\n") == []


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi that finds an H100."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nprintf '%s' '{H100}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return program


def test_a_card_is_seen(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.gpu().ok
    assert "H100" in machine.gpu().detail
    monkeypatch.setattr(weights.importlib.metadata, "version", lambda name: "2.13.0+cpu")
    assert not weights.torch().ok
    monkeypatch.setattr(weights.importlib.metadata, "version", lambda name: "2.13.0+cu130")
    assert weights.torch().ok


def test_a_card_that_does_not_answer(card: Path) -> None:
    card.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    found = machine.gpu()
    assert (found.ok, found.needed) == (False, False)
    assert "nvidia-smi" in (found.remedy or "")


def test_wrong_versions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = software.importlib.metadata.version
    monkeypatch.setattr(software.importlib.metadata, "version", lambda name: "2.1.0" if name == "numpy" else real(name))
    found = software.packages()
    assert not found.ok
    assert "numpy 2.1.0 (wants" in found.detail
    assert (found.remedy or "").startswith('pip install "numpy')


def test_little_memory_and_other_alphabets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_allowed", lambda: float(2**30))
    assert not machine.processor().ok
    monkeypatch.setattr(machine.locale, "getencoding", lambda: "ANSI_X3.4-1968")
    assert "locale ANSI" in machine.text().detail
    assert "UTF" in (machine.text().remedy or "")


def test_the_exit_code_says_whether_the_main_job_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    found = [Check("face mesh", True, "runs"), Check("whisper", False, "no weights", "get them", needed=False)]
    monkeypatch.setattr("editalk.doctor.checks", lambda: tuple(found))
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "absent  whisper: no weights\n        get them\n" in out
    found.append(Check("video codecs", False, "no libx264", "install it"))
    assert main(["doctor", "--json"]) == 5
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert [row["name"] for row in rows] == ["face mesh", "whisper", "video codecs", "settings"]
    assert set(rows[0]) == {"name", "ok", "needed", "detail", "remedy"}
    assert "video codecs" in captured.err
    (tmp_path / "editalk.toml").write_text("sed = 1")
    del found[1:]
    assert main(["doctor"]) == 5
    assert "editalk.toml, line 1" in capsys.readouterr().out
