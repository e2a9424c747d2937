"""Where the weights of learned metrics lie. Only safetensors are read: pickles and TorchScript run code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editalk.cache import default_root
from editalk.errors import DeviceError
from editalk.models import hub_cache, load_registry, sha256


@dataclass(frozen=True)
class Weights:
    """A file `file` in the folder `name` of the models folder. `repository`: on Hugging Face, where it is known to lie;
    `holds`: what must be in it, `origin`: where it comes from. A file that models.toml lists must have its sha256.
    """

    name: str
    file: str
    holds: str
    origin: str
    repository: str = ""

    def path(self) -> Path | None:
        """The file; None where there is none or it is another."""
        spec = load_registry().get(self.name)
        wanted = {f.name: f.sha256 for f in spec.files} if spec is not None else {}
        for place in self.places():
            if place.is_file() and (self.file not in wanted or sha256(place) == wanted[self.file]):
                return place
        return None

    def places(self) -> list[Path]:
        found = [folder / self.name / self.file for folder in folders()]
        if self.repository:
            found += sorted(hub_cache().glob(f"models--{self.repository.replace('/', '--')}/snapshots/*/{self.file}"))
        return found

    def missing(self) -> str | None:
        """One line that says what is missing and how to get it; None where nothing is."""
        if self.path() is not None:
            return None
        target = self.places()[0]
        other = f"{target} is another file than models.toml lists; " if target.is_file() else ""
        return f"{other}needs {target}: {self.holds} ({self.origin})"

    def load(self) -> Mapping[str, Any]:
        """Tensors by name. Raises DeviceError."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self.path()
        if path is None:
            raise DeviceError(str(self.missing()))
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise DeviceError(f"{path}: no safetensors file ({error}); get it again") from error


def folders() -> tuple[Path, ...]:
    """The models folders, the first choice first."""
    own = os.environ.get("EDITALK_MODELS")
    return (*((Path(own),) if own else ()), default_root() / "models")
