"""models.toml, and what is made of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from editalk import models
from editalk.errors import ModelsError, UsageError
from editalk.models import ModelFile, ModelSpec, find, load_registry, locate, offline, registry_path, verify

CONTENT = b"weights"
GOOD = f"""
[mouth-1]
purpose = "lips"
backend = "dit"
repository = "someone/mouth"
revision = "abc"
licence = "MIT"
licence_url = "https://example.org/licence"
memory_gib = 2
files = [{{ name = "a.bin", sha256 = "{hashlib.sha256(CONTENT).hexdigest()}", size = {len(CONTENT)} }}]
"""


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("EDITALK_MODELS", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "EDITALK_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_registry_of_the_project_can_be_read() -> None:
    registry = load_registry()
    assert {f"whisper-{n}" for n in ("tiny", "base", "small", "medium", "large-v3", "turbo")} <= set(registry)
    for name, spec in registry.items():
        assert name == spec.name
        assert spec.licence
        assert spec.licence_url.startswith("https://")
        assert spec.memory_gib > 0
        assert all(file.size > 0 for file in spec.files) or spec.backend == "metrics"
    with pytest.raises(TypeError):
        registry["other"] = registry["whisper-tiny"]  # type: ignore[index]


def test_the_package_has_the_registry_beside_it() -> None:
    assert (Path(models.__file__).parent / "models.toml").read_bytes() == registry_path().read_bytes()


def test_whisper_entries_are_those_of_openai_whisper() -> None:
    source = Path(__import__("importlib.util").util.find_spec("whisper").origin).read_text("utf-8")  # type: ignore[union-attr,arg-type]
    for spec in load_registry().values():
        if spec.backend == "whisper":
            for file in spec.files:
                assert f"{spec.repository}/{file.sha256}/{file.name}" in source


def test_a_model_is_found_by_its_name_or_whispers() -> None:
    assert find("whisper-turbo") is not None
    assert find("turbo") == find("whisper-turbo")
    with pytest.raises(UsageError, match=r"'huge'.*whisper-tiny"):
        find("huge")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("purpose", "purpoise", r"\[mouth-1\]: unknown key 'purpoise'"),
        ('revision = "abc"\n', "", r"\[mouth-1\]: revision is missing"),
        ("memory_gib = 2", 'memory_gib = "2"', "memory_gib is '2'"),
        ("memory_gib = 2", "memory_gib = true", "memory_gib is True"),
        ("size = 7", "size = 7, url = 'x'", r"files\[0\]: unknown key 'url'"),
        ("size = 7", "size = -7", "negative"),
        ("a.bin", "../a.bin", "no file of a model's folder"),
        ('sha256 = "', 'sha256 = "X', "64 lower-case"),
        ("[mouth-1]", '["Mouth 1"]', "a name has"),
        ("[mouth-1]", "[mouth-1", "line 2"),
        ("files = [", "files = []\nother = [", "unknown key 'other'"),
    ],
)
def test_a_broken_registry_names_the_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ModelsError, match=message) as caught:
        load_registry(written(tmp_path, GOOD.replace(old, new, 1)))
    assert "models.toml" in str(caught.value)
    assert caught.value.exit_code == 3


def test_no_registry_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelsError, match=r"models\.toml"):
        load_registry(tmp_path / "models.toml")


def put(folder: Path, spec: ModelSpec, content: bytes = CONTENT) -> Path:
    for file in spec.files:
        target = folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def test_files_are_found_where_each_library_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_registry(written(tmp_path, GOOD))["mouth-1"]
    assert locate(spec) is None
    assert verify(spec) == ("a.bin",)
    hub = put(tmp_path / "cache" / "huggingface" / "hub" / "models--someone--mouth" / "snapshots" / "abc", spec)
    assert locate(spec) == hub
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    assert locate(spec) is None
    other = put(tmp_path / "hf" / "hub" / "models--someone--mouth" / "snapshots" / "abc", spec)
    assert locate(spec) == other
    monkeypatch.setenv("EDITALK_MODELS", str(tmp_path / "own"))
    assert locate(spec) == other
    own = put(tmp_path / "own" / "mouth-1", spec)
    assert locate(spec) == own
    assert verify(spec) == ()


def test_half_a_download_is_not_found_and_a_damaged_file_not_verified(tmp_path: Path) -> None:
    spec = load_registry(written(tmp_path, GOOD))["mouth-1"]
    folder = tmp_path / "cache" / "huggingface" / "hub" / "models--someone--mouth" / "snapshots" / "abc"
    put(folder, spec, CONTENT[:-1])
    assert locate(spec) is None
    put(folder, spec, CONTENT[::-1])
    assert locate(spec) == folder
    assert verify(spec) == ("a.bin",)


def test_whispers_own_cache_is_looked_at(tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    file = ModelFile("x.pt", digest, len(CONTENT))
    spec = ModelSpec("whisper-x", "test", "whisper", "https://example.org/x", "1", "MIT", "https://e.org", 1.0, (file,))
    assert locate(spec) is None
    assert locate(spec) is None
    folder = put(tmp_path / "cache" / "whisper", spec)
    assert locate(spec) == folder
    assert verify(spec) == ()


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("TRUE", True), ("0", False), ("", False)])
def test_offline(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert offline() is expected
