"""Licences that restrict use: which were accepted on this machine."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

from editalk.cache import owner
from editalk.errors import OutputError
from editalk.models.places import models_folder
from editalk.models.registry import ModelSpec


def asks(spec: ModelSpec) -> bool:
    """Whether the licence of a model is still to be accepted."""
    return bool(spec.terms) and _key(spec) not in _accepted(record())


def accept(spec: ModelSpec) -> None:
    """Remembers that the licence of a model was accepted, for every model under it. Raises OutputError."""
    path = record()
    rows = {**_accepted(path), _key(spec): datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
    made = path.with_name(f"{path.name}.{owner()}part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(json.dumps({"accepted": rows}, indent=1), "utf-8")
        os.replace(made, path)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}; let EDITALK_MODELS name a folder elsewhere") from error
    finally:
        made.unlink(missing_ok=True)


def record() -> Path:
    """Where acceptances are kept: {"accepted": {"licence <its text's URL>": when}}."""
    return models_folder() / "licences.json"


def _key(spec: ModelSpec) -> str:
    return f"{spec.licence} <{spec.licence_url}>"


def _accepted(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text("utf-8"))["accepted"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
