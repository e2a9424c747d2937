"""models.toml → what models there are, where their files lie, whether they are the right ones; downloads.

What loads a model calls `resolve` and gets the folder with its files, or an error that says how to get them.
"""

from editalk.models.hashes import FileState, State, check, sha256, verify
from editalk.models.identity import Identity, identity
from editalk.models.licences import accept, asks
from editalk.models.places import (
    folders,
    hub_cache,
    locate,
    models_folder,
    offline,
    partly,
    resolve,
    way_out,
    what_is_missing,
    whisper_cache,
)
from editalk.models.pull import pull
from editalk.models.registry import ModelFile, ModelSpec, find, load_registry, registry_path

__all__ = [
    "ModelFile", "ModelSpec", "find", "load_registry", "registry_path", "folders", "hub_cache", "locate",
    "models_folder", "offline", "partly", "resolve", "way_out", "what_is_missing", "whisper_cache", "FileState",
    "State", "check", "sha256", "verify", "Identity", "identity", "accept", "asks", "pull",
]  # fmt: skip
