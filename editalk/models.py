"""models.toml → what models there are, where their files lie on this machine, whether they are the right ones."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from editalk.errors import ModelsError, UsageError

_TRUE = frozenset({"1", "true", "yes", "on"})
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class ModelFile:
    """`sha256` in lower-case hex; `size` in bytes, 0 where it is not known."""

    name: str
    sha256: str
    size: int = 0


@dataclass(frozen=True)
class ModelSpec:
    """A model as models.toml describes it; the fields' meaning stands there."""

    name: str
    purpose: str
    backend: str
    repository: str
    revision: str
    licence: str
    licence_url: str
    memory_gib: float
    files: tuple[ModelFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def registry_path() -> Path:
    """models.toml of the checkout, else the one inside the installed package."""
    here = Path(__file__).resolve().parent
    checkout = here.parent / "models.toml"  # the link beside this module is a text file where git makes no links
    return checkout if checkout.is_file() and (here.parent / "pyproject.toml").is_file() else here / "models.toml"


def load_registry(path: Path | None = None) -> MappingProxyType[str, ModelSpec]:
    """Every model by its name, in the file's order. Raises ModelsError with the place that cannot be read."""
    path = path or registry_path()
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ModelsError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelsError(f"{path}: {error}") from error
    return MappingProxyType({name: _spec(name, table, f"{path}: [{name}]") for name, table in data.items()})


def find(name: str, path: Path | None = None) -> ModelSpec:
    """The model of this name; `turbo` finds `whisper-turbo`. Raises UsageError that lists the names there are."""
    registry = load_registry(path)
    spec = registry.get(name) or registry.get(f"whisper-{name}")
    if spec is None:
        raise UsageError(f"there is no model {name!r}; models.toml has {', '.join(registry)}")
    return spec


def folders(spec: ModelSpec) -> tuple[Path, ...]:
    """Where the files of a model may lie on this machine, the first choice first."""
    places: list[Path] = []
    if own := os.environ.get("EDITALK_MODELS"):
        places += [Path(own) / spec.name, Path(own)]
    if spec.backend == "whisper":
        places.append(whisper_cache())
    if re.fullmatch(r"[\w.-]+/[\w.-]+", spec.repository):
        places.append(hub_cache() / f"models--{spec.repository.replace('/', '--')}" / "snapshots" / spec.revision)
    return tuple(places)


def whisper_cache() -> Path:
    """Where openai-whisper keeps its weights."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"


def hub_cache() -> Path:
    """Where Hugging Face's libraries keep what they downloaded."""
    if chosen := os.environ.get("HF_HUB_CACHE"):
        return Path(chosen)
    home = os.environ.get("HF_HOME")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(home) if home else base / "huggingface") / "hub"


def offline() -> bool:
    """Whether downloads are forbidden: HF_HUB_OFFLINE or EDITALK_OFFLINE."""
    return any(os.environ.get(name, "").lower() in _TRUE for name in ("HF_HUB_OFFLINE", "EDITALK_OFFLINE"))


def locate(spec: ModelSpec) -> Path | None:
    """The folder that holds every file of the model at its full size; None where there is none. Nothing is hashed."""
    return next((folder for folder in folders(spec) if all(_whole(folder / f.name, f) for f in spec.files)), None)


def verify(spec: ModelSpec, folder: Path | None = None) -> tuple[str, ...]:
    """Names of the files that are missing in `folder` (default: where the model lies) or have another sha256."""
    folder = folder or locate(spec)
    if folder is None:
        return tuple(file.name for file in spec.files)
    return tuple(f.name for f in spec.files if not (folder / f.name).is_file() or sha256(folder / f.name) != f.sha256)


def sha256(path: Path) -> str:
    """Lower-case hex of a file's hash, read in pieces. Raises ModelsError."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                digest.update(piece)
    except OSError as error:
        raise ModelsError(f"{path}: {error.strerror or error}") from error
    return digest.hexdigest()


def _whole(path: Path, file: ModelFile) -> bool:
    try:
        found = path.stat().st_size
    except OSError:
        return False
    return path.is_file() and (not file.size or found == file.size)


def _spec(name: str, table: Any, place: str) -> ModelSpec:
    _check(
        table,
        {f.name: str(f.type) for f in fields(ModelSpec) if f.name not in ("name", "files")} | {"files": "list"},
        place,
    )
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
        raise ModelsError(f"{place}: a name has lower-case letters, digits, dots and hyphens")
    if not table["files"]:
        raise ModelsError(f"{place}: files is empty")
    files = tuple(_file(row, f"{place} files[{i}]") for i, row in enumerate(table["files"]))
    rest = {key: value for key, value in table.items() if key not in ("files", "memory_gib")}
    return ModelSpec(name=name, files=files, memory_gib=float(table["memory_gib"]), **rest)


def _file(row: Any, place: str) -> ModelFile:
    _check(row, {"name": "str", "sha256": "str", "size": "int"}, place)
    if not re.fullmatch(r"[0-9a-f]{64}", row["sha256"]):
        raise ModelsError(f"{place}: sha256 is 64 lower-case hexadecimal digits, not {row['sha256']!r}")
    if Path(row["name"]).is_absolute() or ".." in Path(row["name"]).parts or row["size"] < 0:
        raise ModelsError(f"{place}: {row['name']!r} is no file of a model's folder, or its size is negative")
    return ModelFile(**row)


def _check(table: Any, kinds: dict[str, str], place: str) -> None:
    """Exactly these keys, each of its kind."""
    if not isinstance(table, dict):
        raise ModelsError(f"{place} is not a table")
    if unknown := sorted(set(table) - set(kinds)):
        raise ModelsError(f"{place}: unknown key {unknown[0]!r}; there are {', '.join(kinds)}")
    if missing := sorted(set(kinds) - set(table)):
        raise ModelsError(f"{place}: {missing[0]} is missing")
    allowed = {"str": (str,), "int": (int,), "float": (int, float), "list": (list,)}
    for key, kind in kinds.items():
        if not isinstance(table[key], allowed[kind]) or isinstance(table[key], bool):
            raise ModelsError(f"{place}: {key} is {table[key]!r}, not of type {kind}")
