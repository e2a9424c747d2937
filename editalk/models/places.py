"""Where the files of a model lie on this machine."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from editalk.cache import default_root
from editalk.errors import DeviceError
from editalk.models.registry import WHISPER_SAFE, ModelFile, ModelSpec, find, load_registry

_TRUE = frozenset({"1", "true", "yes", "on"})
_WEIGHTS = frozenset({".safetensors"}) | WHISPER_SAFE


def offline() -> bool:
    """Whether downloads are forbidden: HF_HUB_OFFLINE or EDITALK_OFFLINE."""
    return any(os.environ.get(name, "").lower() in _TRUE for name in ("HF_HUB_OFFLINE", "EDITALK_OFFLINE"))


def models_folder() -> Path:
    """EDITALK_MODELS, else `models` in editalk's cache folder: a folder of its own for each model."""
    own = os.environ.get("EDITALK_MODELS")
    return Path(own) if own else default_root() / "models"


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


def folders(spec: ModelSpec) -> tuple[Path, ...]:
    """Where the files of a model may lie on this machine, the first choice first."""
    places: list[Path] = []
    if own := os.environ.get("EDITALK_MODELS"):
        places += [Path(own) / spec.name, Path(own)]
    places.append(default_root() / "models" / spec.name)
    if spec.backend == "whisper":
        places.append(whisper_cache())
    if spec.on_hub and not spec.composed:
        places += _snapshots(hub_cache() / f"models--{spec.repository.replace('/', '--')}", spec.revision)
    return tuple(places)


def locate(spec: ModelSpec) -> Path | None:
    """The folder that holds every file of the model at its full size; None where there is none. Nothing is hashed."""
    return next((folder for folder in folders(spec) if not _lacking(spec, folder)), None)


def partly(spec: ModelSpec) -> Path | None:
    """The folder that holds the whole model, else the first with any of its weights; None where there is none."""
    whole = locate(spec)
    return whole or next((folder for folder in folders(spec) if _any_weights(spec, folder)), None)


def files(spec: ModelSpec, folder: Path) -> dict[str, ModelFile]:
    """What must lie in `folder`, by name: globs stand for what is there and for every shard that an index beside it
    names; a glob that finds nothing stands for itself.
    """
    named = {file.name: file for file in spec.files if not file.glob}
    for file in spec.files:
        if file.glob:
            found = [path.relative_to(folder).as_posix() for path in folder.glob(file.name)]
            for name in sorted({*found, *_indexed(folder, file.name)}) or [file.name]:
                named.setdefault(name, ModelFile(name))
    return named


def resolve(name_or_folder: str | Path, path: Path | None = None) -> Path:
    """The folder with a model's files: of a model of models.toml (`path`: another registry) by its name, else the
    folder itself. Raises DeviceError that says what is missing and how to get it, UsageError where it is neither.
    """
    name = str(name_or_folder)
    if name not in load_registry(path):
        folder = Path(name).expanduser()
        if folder.is_dir():
            if next(folder.rglob("*.safetensors"), None) is None:
                raise DeviceError(f"{folder} holds no safetensors file, so it is no model's folder")
            return folder
        if isinstance(name_or_folder, Path) or len(folder.parts) > 1:
            raise DeviceError(f"{folder}: there is no such folder")
    spec = find(name, path)
    found = locate(spec)
    if found is None:
        raise DeviceError(f"{what_is_missing(spec)}; {way_out(spec)}")
    return found


def what_is_missing(spec: ModelSpec) -> str:
    """One clause on a model that is not whole on this machine."""
    folder = partly(spec)
    if folder is None:
        return f"the weights of {spec.name} are not on this machine"
    name, why = next(iter(_lacking(spec, folder).items()), ("", ""))
    return f"{spec.name} in {folder} is not whole: {name} {why}" if name else f"{spec.name} is in {folder}"


def home(spec: ModelSpec) -> Path:
    """Where files of a model that are copied here by hand are found."""
    return whisper_cache() if spec.backend == "whisper" else models_folder() / spec.name


def way_out(spec: ModelSpec) -> str:
    """What to do about missing or broken files of a model."""
    size = f" ({spec.size / 1e9:.3g} GB)" if spec.size else ""
    if offline():
        return (
            f"downloads are off: unset HF_HUB_OFFLINE and EDITALK_OFFLINE, or copy the files into {home(spec)}{size}"
        )
    return f"get it with: editalk models pull {spec.name}{size}"


def _lacking(spec: ModelSpec, folder: Path) -> dict[str, str]:
    """Why a folder does not hold the model, by file; empty where it does."""
    return {name: why for name, file in files(spec, folder).items() if (why := _why_not(folder / name, file))}


def _why_not(path: Path, file: ModelFile) -> str:
    try:
        found = path.stat().st_size if path.is_file() else -1
    except OSError:
        found = -1
    if found < 0:
        return "is missing"
    return f"has {found} of {file.size} bytes" if file.size and found != file.size else ""


def _any_weights(spec: ModelSpec, folder: Path) -> bool:
    return any(Path(name).suffix in _WEIGHTS and (folder / name).is_file() for name in files(spec, folder))


def _snapshots(repository: Path, revision: str) -> list[Path]:
    """Of one repository in Hugging Face's cache: the revision asked for, then others, the newest first."""
    wanted = repository / "snapshots" / revision
    reference = repository / "refs" / revision
    if re.fullmatch(r"[0-9a-f]{40}", revision) is None and reference.is_file():
        wanted = repository / "snapshots" / reference.read_text("utf-8").strip()
    others = [path for path in (repository / "snapshots").glob("*") if path.is_dir() and path != wanted]
    return [wanted, *sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)]


def _indexed(folder: Path, glob: str) -> set[str]:
    """The shards that the indices beside them name; none where an index cannot be read (its own sha256 tells)."""
    names: set[str] = set()
    for index in folder.glob(f"{glob}.index.json"):
        try:
            shards = json.loads(index.read_text("utf-8"))["weight_map"].values()
            named = {(index.parent / shard).relative_to(folder) for shard in shards}
            names |= {path.as_posix() for path in named if ".." not in path.parts}  # the folder's own files alone
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return names
