"""Tensors out of safetensors files, with errors that say which file, which tensor and what to do."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from editalk.errors import ModelsError


def read_tensors(path: Path, prefixes: tuple[str, ...] = ("",)) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A file's tensors, on the CPU, and its metadata. Only tensors with the first of the `prefixes` that any name has
    are read, and named without it. Raises ModelsError for what is no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            prefix = next((p for p in prefixes if any(name.startswith(p) for name in names)), "")
            found = {name[len(prefix) :]: file.get_tensor(name) for name in names if name.startswith(prefix)}
            return found, dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise ModelsError(f"{path}: no safetensors file that can be read ({error}); get it anew") from error


def fill(
    module: torch.nn.Module, path: Path, tensors: dict[str, Tensor], dtype: torch.dtype, device: torch.device | str
) -> None:
    """Give a module on the meta device exactly these tensors, for inference. Raises ModelsError where a tensor is
    missing, unknown or of another shape; `path`: the file they are from.
    """
    wanted = module.state_dict()
    if odd := sorted(set(tensors) ^ set(wanted)):
        state = "missing" if odd[0] in wanted else "unknown"
        raise ModelsError(f"{path}: tensor {odd[0]} is {state}; the file does not belong to the config.json beside it")
    for name, value in tensors.items():
        if value.shape != wanted[name].shape:
            raise ModelsError(f"{path}: tensor {name} is {list(value.shape)}, not {list(wanted[name].shape)}; the file "
                              "does not belong to the config.json beside it")  # fmt: skip
    module.load_state_dict({name: value.to(device, dtype) for name, value in tensors.items()}, assign=True)
    module.requires_grad_(False).eval()
