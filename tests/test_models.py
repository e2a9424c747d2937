"""models.toml, and what is made of it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from editalk import models
from editalk.errors import DeviceError, ModelsError, UsageError
from editalk.models import (
    ModelFile,
    ModelSpec,
    State,
    check,
    find,
    load_registry,
    locate,
    offline,
    partly,
    registry_path,
    resolve,
    verify,
)
from editalk.models.hashes import write_record
from editalk.models.registry import SAFE

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
files = [{{ name = "a.safetensors", sha256 = "{hashlib.sha256(CONTENT).hexdigest()}", size = {len(CONTENT)} }}]
"""


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("EDITALK_MODELS", "EDITALK_CACHE", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "EDITALK_OFFLINE"):
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
        assert spec.size > 0 or spec.backend == "metrics"
        assert spec.backend == "whisper" or all(Path(file.name).suffix in SAFE for file in spec.files)
        assert all(file.sha256 for file in spec.files) or re.fullmatch(r"[0-9a-f]{40}|main", spec.revision)
        if spec.licence.startswith("LTX"):
            assert any("10 million" in line for line in spec.terms)
            assert any("impersonation" in line for line in spec.terms)
        else:
            assert spec.terms == ()
    with pytest.raises(TypeError):
        registry["other"] = registry["whisper-tiny"]  # type: ignore[index]


def test_the_package_has_the_registry_beside_it() -> None:
    assert (Path(models.__file__).parents[1] / "models.toml").read_bytes() == registry_path().read_bytes()


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
        ("a.safetensors", "../a.safetensors", "no file of a model's folder"),
        ('sha256 = "', 'sha256 = "X', "64 lower-case"),
        ("[mouth-1]", '["Mouth 1"]', "a name has"),
        ("[mouth-1]", "[mouth-1", "line 2"),
        ("size = 7", "size = 7, source = 'someone/else'", "source is owner/name@revision:path"),
        ("size = 7", "size = 7, source = 'someone/else@main:a.bin'", "source is owner/name@revision:path"),
        ("a.safetensors", "a.pth", "others can run code"),
        ("a.safetensors", "*.safetensors", "stands for several files"),
        ("[mouth-1]", "[licences]\nMIT = 'free'\n[mouth-1]", r"\[licences\]: MIT is a list"),
        ("[mouth-1]", "licences = []\n[mouth-1]", r"\[licences\]: the table is a list"),
        ("files = [", "files = []\nother = [", "unknown key 'other'"),
    ],
)
def test_a_broken_registry_names_the_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ModelsError, match=message) as caught:
        load_registry(written(tmp_path, GOOD.replace(old, new, 1)))
    assert "models.toml" in str(caught.value)
    assert caught.value.exit_code == 3


def test_what_stands_at_a_url_has_a_hash(tmp_path: Path) -> None:
    text = re.sub("files = .*", "files = [{ name = 'a.json' }]", GOOD.replace("someone/mouth", "https://example.org"))
    with pytest.raises(ModelsError, match="needs one"):
        load_registry(written(tmp_path, text))


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
    assert verify(spec) == ("a.safetensors",)
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
    assert verify(spec) == ("a.safetensors",)


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


SHARDED = """
[big-1]
purpose = "lips"
backend = "dit"
repository = "someone/big"
revision = "main"
licence = "Strict-1"
licence_url = "https://example.org/strict"
memory_gib = 2
gigabytes = 0.5
files = [
  {{ name = "config.json" }},
  {{ name = "unet/*.json" }},
  {{ name = "unet/*.safetensors" }},
  {{ name = "unet/b-2-of-2.safetensors", sha256 = "{}" }},
]
[licences]
Strict-1 = ["no resale"]
""".format(hashlib.sha256(b"two").hexdigest())
PARTS = {
    "config.json": b"{}", "unet/b-1-of-2.safetensors": b"one", "unet/b-2-of-2.safetensors": b"two",
    "unet/b.safetensors.index.json": json.dumps(
        {"weight_map": {"x": "b-1-of-2.safetensors", "y": "b-2-of-2.safetensors"}}
    ).encode(),
}  # fmt: skip


def fill(folder: Path, parts: dict[str, bytes]) -> Path:
    for name, content in parts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def sharded(folder: Path) -> ModelSpec:
    return load_registry(written(folder, SHARDED))["big-1"]


def test_a_glob_and_its_index_say_which_shards_there_are(tmp_path: Path) -> None:
    spec = sharded(tmp_path)
    assert spec.terms == ("no resale",)
    assert spec.size == 500_000_000
    folder = fill(tmp_path / "cache" / "editalk" / "models" / "big-1", PARTS)
    assert locate(spec) == folder
    (folder / "unet/b-1-of-2.safetensors").unlink()
    assert locate(spec) is None
    assert partly(spec) == folder
    assert verify(spec) == ("unet/b-1-of-2.safetensors",)
    with pytest.raises(DeviceError, match=r"not whole: unet/b-1-of-2\.safetensors is missing.*pull big-1 \(0\.5 GB"):
        resolve("big-1", tmp_path / "models.toml")
    for path in (folder / "unet").iterdir():
        path.unlink()
    assert partly(spec) is None
    assert verify(spec) == ("config.json", "unet/*.json", "unet/*.safetensors", "unet/b-2-of-2.safetensors")


def test_a_broken_index_names_no_shards(tmp_path: Path) -> None:
    spec = sharded(tmp_path)
    folder = fill(tmp_path / "cache/editalk/models/big-1", {**PARTS, "unet/b.safetensors.index.json": b"[1"})
    assert locate(spec) == folder


def test_what_nobody_knows_the_hash_of_is_not_called_right(tmp_path: Path) -> None:
    spec = sharded(tmp_path)
    folder = fill(tmp_path / "own", PARTS)
    states = {row.name: row.state for row in check(spec, folder)}
    assert states == {name: State.OK if "2-of-2" in name else State.UNKNOWN for name in PARTS}
    write_record(folder, {name: hashlib.sha256(content).hexdigest() for name, content in PARTS.items()})
    assert {row.state for row in check(spec, folder)} == {State.OK}
    (folder / "config.json").write_bytes(b"[]")
    (wrong,) = [row for row in check(spec, folder) if row.state is not State.OK]
    assert (wrong.name, wrong.state) == ("config.json", State.WRONG)
    assert "its hash is" in wrong.detail
    assert list(folder.glob(".editalk.json.*")) == []


def in_hub_cache(root: Path, repository: str, commit: str, parts: dict[str, bytes]) -> Path:
    """As Hugging Face's library lays it out: links to blobs named by their hash, git's for small files."""
    base = root / f"models--{repository.replace('/', '--')}"
    for name, content in parts.items():
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        blob = base / "blobs" / (hashlib.sha256(content).hexdigest() if name.endswith(".safetensors") else git)
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link = base / "snapshots" / commit / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    (base / "refs").mkdir(exist_ok=True)
    (base / "refs" / "main").write_text(commit)
    return base / "snapshots" / commit


def test_hugging_faces_cache_says_itself_what_its_files_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = sharded(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    older = in_hub_cache(tmp_path / "hub", "someone/big", "e" * 40, PARTS)
    folder = in_hub_cache(tmp_path / "hub", "someone/big", "f" * 40, PARTS)
    assert locate(spec) == folder
    assert {row.state for row in check(spec, folder)} == {State.OK}
    for name in ("config.json", "unet/b-1-of-2.safetensors"):
        (folder / name).resolve().write_bytes(b"??")
    assert set(verify(spec)) == {"config.json", "unet/b-1-of-2.safetensors"}
    (folder / "config.json").unlink()
    assert locate(spec) == older


def test_resolve_takes_names_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, registry = sharded(tmp_path), tmp_path / "models.toml"
    with pytest.raises(DeviceError, match="weights of big-1 are not on this machine; get it with") as caught:
        resolve("big-1", registry)
    assert caught.value.exit_code == 5
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("EDITALK_MODELS", str(tmp_path / "own"))
    with pytest.raises(DeviceError, match=f"downloads are off.*{tmp_path / 'own' / 'big-1'}"):
        resolve("big-1", registry)
    folder = fill(tmp_path / "own" / "big-1", PARTS)
    assert resolve("big-1", registry) == folder == locate(spec)
    assert resolve(folder, registry) == folder
    assert resolve(str(folder), registry) == folder
    (tmp_path / "empty").mkdir()
    with pytest.raises(DeviceError, match="no safetensors file"):
        resolve(tmp_path / "empty", registry)
    with pytest.raises(DeviceError, match="no such folder"):
        resolve(tmp_path / "nowhere", registry)
    with pytest.raises(UsageError, match=r"'bigg'.*big-1"):
        resolve("bigg", registry)


def test_a_size_that_is_known_must_be_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, GOOD)
    monkeypatch.setenv("EDITALK_MODELS", str(tmp_path / "own"))
    fill(tmp_path / "own" / "mouth-1", {"a.safetensors": CONTENT[:-2]})
    with pytest.raises(DeviceError, match=r"a\.safetensors has 5 of 7 bytes"):
        resolve("mouth-1", tmp_path / "models.toml")
