"""Which weights these are: for what says later how a picture came about."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from editalk.models.hashes import read_record
from editalk.models.places import folders
from editalk.models.registry import load_registry


@dataclass(frozen=True)
class Identity:
    """`name`: of models.toml, else of the folder. `revision`: of the repository it comes from. `sha256`: of its one
    file, else of the JSON object of its files' names and hashes, keys sorted; None where they are not known.
    """

    name: str
    revision: str | None = None
    sha256: str | None = None


def identity(folder: Path) -> Identity:
    """Of a folder of weights, without reading them: hashes are those that models.toml and `pull` know."""
    spec = next((s for s in load_registry().values() if folder in folders(s)), None)
    known = {file.name: file.sha256 for file in spec.files if file.sha256 and not file.glob} if spec else {}
    hashes = known | dict(read_record(folder))
    text = json.dumps(hashes, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest() if hashes else None
    return Identity(spec.name if spec else folder.name, spec.revision if spec else None, digest)
