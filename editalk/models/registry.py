"""models.toml → what models there are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from editalk.errors import ModelsError, UsageError
from editalk.reading import LARGEST_SETTINGS, brief, brief_value, parse_toml, read_text

SAFE = frozenset({".safetensors", ".json", ".model", ".txt", ".jinja"})
"""What may be listed: nothing that runs code when it is loaded."""
WHISPER_SAFE = frozenset({".pt"})  # openai-whisper's own, which only whisper itself loads
SOURCE = re.compile(r"([\w.-]+/[\w.-]+)@([\w.-]+):(\w[\w./-]*)")
LARGEST = 1 << 20  # GiB and GB: a petabyte is no model's
LONGEST_NAME = 200  # characters of a file's name with its folders
LONGEST_VALUE = 400  # characters
_KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "list": (list,)}
_REQUIRED = {
    "purpose": "str", "backend": "str", "repository": "str", "revision": "str", "licence": "str", "licence_url": "str",
    "memory_gib": "float", "files": "list",
}  # fmt: skip
_OPTIONAL = {"gigabytes": "float"}
_LICENCES = "licences"  # the one table that is no model


@dataclass(frozen=True)
class ModelFile:
    """`name`: below the model's folder, or a glob of such (`transformer/*.safetensors`) where the number of shards is
    not known; `sha256` in lower-case hex, "" where it is not known; `size` in bytes, 0 where it is not known; `source`:
    "owner/name@revision:path" where it comes from another repository or has another name there.
    """

    name: str
    sha256: str = ""
    size: int = 0
    source: str = ""

    @property
    def glob(self) -> bool:
        return "*" in self.name


@dataclass(frozen=True)
class ModelSpec:
    """A model as models.toml describes it; the fields' meaning stands there. `terms`: what the licence restricts, to be
    accepted before a download; empty where nothing need be accepted.
    """

    name: str
    purpose: str
    backend: str
    repository: str
    revision: str
    licence: str
    licence_url: str
    memory_gib: float
    files: tuple[ModelFile, ...]
    gigabytes: float = 0.0
    terms: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files; rounded where some are not known, 0 where nothing is."""
        return max(sum(file.size for file in self.files), round(self.gigabytes * 1e9))

    @property
    def composed(self) -> bool:
        """Whether files come from several places, so that only a folder of the model's own can hold them."""
        return any(file.source for file in self.files)

    @property
    def on_hub(self) -> bool:
        """Whether `repository` is "owner/name" on Hugging Face."""
        return re.fullmatch(r"[\w.-]+/[\w.-]+", self.repository) is not None


def registry_path() -> Path:
    """models.toml of the checkout, else the one inside the installed package."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "models.toml"  # the link in the package is a text file where git makes no links
    return checkout if checkout.is_file() and (package.parent / "pyproject.toml").is_file() else package / "models.toml"


def load_registry(path: Path | None = None) -> MappingProxyType[str, ModelSpec]:
    """Every model by its name, in the file's order. Raises ModelsError with the place that cannot be read."""
    path = path or registry_path()
    return parse_registry(read_text(path, ModelsError, LARGEST_SETTINGS), str(path))


def parse_registry(text: str, name: str = "models.toml") -> MappingProxyType[str, ModelSpec]:
    """`load_registry` of a text; `name` is what messages call it."""
    data = parse_toml(text, name, ModelsError)
    terms = _licences(data.pop(_LICENCES, {}), f"{name}: [{_LICENCES}]")
    return MappingProxyType(
        {key: _spec(key, table, terms, f"{name}: [{brief(key)}]") for key, table in data.items()}
    )


def find(name: str, path: Path | None = None) -> ModelSpec:
    """The model of this name; `turbo` finds `whisper-turbo`. Raises UsageError that lists the names there are."""
    registry = load_registry(path)
    spec = registry.get(name) or registry.get(f"whisper-{name}")
    if spec is None:
        raise UsageError(f"there is no model {name!r}; models.toml has {', '.join(registry)}")
    return spec


def _licences(table: Any, place: str) -> dict[str, tuple[str, ...]]:
    for name, lines in table.items() if isinstance(table, dict) else [("", None)]:
        if not isinstance(lines, list) or not lines or not all(isinstance(x, str) and x.isprintable() for x in lines):
            raise ModelsError(f"{place}: {brief(name) or 'the table'} is a list of lines, what the licence restricts")
    return {name: tuple(lines) for name, lines in table.items()}


def _spec(name: str, table: Any, terms: dict[str, tuple[str, ...]], place: str) -> ModelSpec:
    _check(table, _REQUIRED, _OPTIONAL, place)
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,63}", name):
        raise ModelsError(f"{place}: a name has lower-case letters, digits, dots and hyphens, at most 64 of them")
    if not _below(table["revision"]):
        raise ModelsError(f"{place}: {table['revision']!r} is no revision")
    if any(not 0 <= table.get(key, 0) <= LARGEST for key in ("memory_gib", "gigabytes")):  # NaN neither
        raise ModelsError(f"{place}: memory_gib and gigabytes are from 0 to {LARGEST}")
    if not table["files"]:
        raise ModelsError(f"{place}: files is empty")
    allowed = SAFE | WHISPER_SAFE if table["backend"] == "whisper" else SAFE
    files = tuple(_file(row, allowed, f"{place} files[{i}]") for i, row in enumerate(table["files"]))
    if "://" in table["repository"] and not all(file.sha256 for file in files):
        raise ModelsError(f"{place}: a file that stands under its sha256 at a URL needs one")
    rest = {key: value for key, value in table.items() if _REQUIRED.get(key) == "str"}
    return ModelSpec(
        name=name, files=files, memory_gib=float(table["memory_gib"]), gigabytes=float(table.get("gigabytes", 0)),
        terms=terms.get(table["licence"], ()), **rest,
    )  # fmt: skip


def _file(row: Any, allowed: frozenset[str], place: str) -> ModelFile:
    _check(row, {"name": "str"}, {"sha256": "str", "size": "int", "source": "str"}, place)
    file = ModelFile(**row)
    if file.sha256 and not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
        raise ModelsError(f"{place}: sha256 is 64 lower-case hexadecimal digits, not {file.sha256!r}")
    if not _below(file.name) or not 0 <= file.size <= LARGEST << 30:
        raise ModelsError(f"{place}: {file.name!r} is no file of a model's folder, or its size is negative or absurd")
    if PurePosixPath(file.name).suffix not in allowed:
        raise ModelsError(f"{place}: {file.name!r} is none of {', '.join(sorted(allowed))}: others can run code")
    if file.glob and (file.sha256 or file.size or file.source or "**" in file.name):
        raise ModelsError(f"{place}: {file.name!r} stands for several files: it has no sha256, size, source or **")
    source = SOURCE.fullmatch(file.source)
    if file.source and not (source and _below(source[3]) and PurePosixPath(file.source).suffix in allowed):
        raise ModelsError(f"{place}: source is owner/name@revision:path, not {file.source!r}")
    return file


def _below(name: str) -> bool:
    """Whether a name leads into a folder and nowhere else."""
    path = PurePosixPath(name)
    return 0 < len(name) <= LONGEST_NAME and not path.is_absolute() and ".." not in path.parts and "\\" not in name


def _check(table: Any, required: dict[str, str], optional: dict[str, str], place: str) -> None:
    """All required keys and perhaps the optional ones, each of its kind."""
    kinds = required | optional
    if not isinstance(table, dict):
        raise ModelsError(f"{place} is not a table")
    if unknown := sorted(set(table) - set(kinds)):
        raise ModelsError(f"{place}: unknown key {brief(unknown[0])!r}; there are {', '.join(kinds)}")
    if missing := sorted(set(required) - set(table)):
        raise ModelsError(f"{place}: {missing[0]} is missing")
    for key, value in table.items():
        if not isinstance(value, _KINDS[kinds[key]]) or isinstance(value, bool):
            raise ModelsError(f"{place}: {key} is {brief_value(value)}, not of type {kinds[key]}")
        if isinstance(value, str) and not (value.isprintable() and len(value) <= LONGEST_VALUE):
            raise ModelsError(f"{place}: {key} is {brief_value(value)}, not a line of text")
