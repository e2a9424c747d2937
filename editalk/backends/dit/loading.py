"""diffusers' modules and LoRAs out of folders and files: only safetensors, never the network, and never a tensor that
is made up because the file lacks it.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from editalk.backends.dit.tensors import read_tensors
from editalk.errors import ModelsError

WAY_OUT = "`editalk models verify` names broken files, `editalk models pull` gets them anew"

PREFIXES = ("transformer.", "model.diffusion_model.", "diffusion_model.", "base_model.model.", "")
RENAMED = {"patchify_proj": "proj_in", "adaln_single": "time_embed"}  # Lightricks' names → diffusers'
SIDES = {"lora_A.weight": "A", "lora_down.weight": "A", "lora.down.weight": "A",
         "lora_B.weight": "B", "lora_up.weight": "B", "lora.up.weight": "B", "alpha": "alpha"}  # fmt: skip
_PLAIN = 10_000_000  # a number up to here asks for no memory worth a word
METADATA = "lora_adapter_metadata"  # where diffusers writes rank and alpha


def load_module(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    """A diffusers model of class `kind` for inference, on the CPU. Raises ModelsError that names what is wrong.

    diffusers itself takes the configuration of another class, and fills tensors that a file lacks with random numbers.
    """
    from safetensors import SafetensorError

    _check_class(folder / "config.json", kind.__name__)
    check_sizes(folder)
    try:
        with _quiet():
            module, info = kind.from_pretrained(
                folder, torch_dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, SafetensorError) as error:
        raise ModelsError(f"{folder}: {str(error).strip().splitlines()[0]}; {WAY_OUT}") from error
    for what in ("missing", "unexpected"):
        if names := sorted(info[f"{what}_keys"]):
            raise ModelsError(f"{folder}: {len(names)} tensors are {what}, the first is {names[0]}; {WAY_OUT}")
    return module.requires_grad_(False).eval()


def _check_class(path: Path, wanted: str) -> None:
    try:
        found = json.loads(path.read_text("utf-8")).get("_class_name")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelsError(f"{path}: cannot be read ({error}); {WAY_OUT}") from error
    if found != wanted:
        raise ModelsError(f"{path}: is of {found}, not of {wanted}; the folder holds another family's weights")


def check_sizes(folder: Path) -> None:
    """Raises ModelsError where config.json describes what the weights beside it cannot hold: a network is made by its
    configuration before a tensor is read, and a number there can ask for all memory, or for years.
    """
    from safetensors import SafetensorError, safe_open

    path, tensors, size = folder / "config.json", 0, 0
    place, parts = path, sorted(folder.glob("*.safetensors"))
    if not parts:  # whoever loads them says so
        return
    try:
        config = json.loads(path.read_text("utf-8"))
        for place in parts:
            size += place.stat().st_size
            with safe_open(place, "pt") as file:
                tensors += len(file.keys())
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise ModelsError(f"{place}: cannot be read ({error}); {WAY_OUT}") from error
    for name, value in _numbers(config, ""):
        if value > max(size, _PLAIN) or ("layers" in name and value > tensors):
            raise ModelsError(f"{path}: {name} is {value}, more than its {tensors} tensors of {size / 1e6:.3g} MB can "
                              f"be; {WAY_OUT}")  # fmt: skip


def _numbers(config: object, name: str) -> Iterator[tuple[str, int]]:
    """(name, value) of every whole number in it."""
    if isinstance(config, dict):
        for key, value in config.items():
            yield from _numbers(value, str(key))
    elif isinstance(config, list):
        for value in config:
            yield from _numbers(value, name)
    elif isinstance(config, int) and not isinstance(config, bool):
        yield name, config


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and warnings of diffusers and PEFT: messages are the command line's."""
    from diffusers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load_lora(net: Any, path: Path) -> None:
    """Lay a LoRA over a diffusers transformer, in the transformer's dtype and beside those that are there already.

    Names as diffusers and PEFT write them, or the original ones of Lightricks' trainer and ComfyUI. Raises ModelsError
    where a name is of no linear layer of the transformer, or a size does not fit.
    """
    found, metadata = read_tensors(path)
    pairs, settings = _pairs(found, path), _settings(metadata, path)
    layers = {name: m for name, m in net.named_modules() if isinstance(m, nn.Linear)}
    state: dict[str, Tensor] = {}
    for place, sides in pairs.items():
        layer = layers.get(place) or layers.get(f"{place}.base_layer")
        _check_pair(path, place, sides, layer)
        scale = _scale(place, sides, settings)
        state[f"transformer.{place}.lora_A.weight"] = sides["A"].to(net.dtype)
        state[f"transformer.{place}.lora_B.weight"] = (sides["B"].float() * scale).to(net.dtype)
    name = f"lora{len(getattr(net, 'peft_config', {}))}"
    try:
        with _quiet():
            net.load_lora_adapter(state, adapter_name=name)
            net.set_adapters([*net.peft_config])
    except (ValueError, TypeError, KeyError) as error:
        raise ModelsError(f"{path}: {error}; the LoRA is for another transformer") from error
    except ImportError as error:
        raise ModelsError(f"{path}: a LoRA needs peft; pip install peft") from error
    for parameter in net.parameters():
        parameter.requires_grad_(False)


def _pairs(found: dict[str, Tensor], path: Path) -> dict[str, dict[str, Tensor]]:
    """Layer → its two matrices, "A" [rank, in] and "B" [out, rank], and "alpha" where there is one."""
    pairs: dict[str, dict[str, Tensor]] = {}
    prefix = next((p for p in PREFIXES if any(name.startswith(p) for name in found)), "")
    for name, value in found.items():
        side = next((s for s in SIDES if name.endswith("." + s)), None)
        if side is None or not name.startswith(prefix):
            raise ModelsError(f"{path}: tensor {name} is none of a LoRA; lora_A and lora_B are known")
        place = name.removeprefix(prefix).removesuffix("." + side)
        for old, new in RENAMED.items():
            place = place.replace(old, new)
        pairs.setdefault(place, {})[SIDES[side]] = value
    if not pairs:
        raise ModelsError(f"{path}: has no tensors")
    return pairs


def _check_pair(path: Path, place: str, sides: dict[str, Tensor], layer: nn.Linear | None) -> None:
    if layer is None:
        raise ModelsError(f"{path}: the transformer has no linear layer {place}; the LoRA is for another one")
    if not {"A", "B"} <= set(sides):
        raise ModelsError(f"{path}: one of the two matrices of {place} is missing; get the LoRA anew")
    down, up = sides["A"], sides["B"]
    wanted = (layer.in_features, layer.out_features, len(down))
    if down.ndim != 2 or up.ndim != 2 or (down.shape[1], *up.shape) != wanted:
        raise ModelsError(f"{path}: {place} is {list(up.shape)} · {list(down.shape)}, the transformer's layer "
                          f"{[layer.out_features, layer.in_features]}; the LoRA is for another one")  # fmt: skip


def _settings(metadata: dict[str, str], path: Path) -> dict[str, Any]:
    """PEFT's LoraConfig, where diffusers or its training scripts wrote the file."""
    try:
        found = json.loads(metadata.get(METADATA, "{}"))
        return {name.removeprefix("transformer."): value for name, value in found.items()}
    except (ValueError, AttributeError) as error:
        raise ModelsError(f"{path}: its {METADATA} cannot be read ({error}); get the LoRA anew") from error


def _scale(place: str, sides: dict[str, Tensor], settings: dict[str, Any]) -> float:
    """alpha / rank; 1 where the file says nothing of an alpha."""
    rank = len(sides["A"])
    if "alpha" in sides:
        return float(sides["alpha"]) / rank
    alpha = settings.get("lora_alpha", rank)
    for pattern, value in (settings.get("alpha_pattern") or {}).items():
        if re.fullmatch(rf"(.*\.)?({pattern})", place):  # as PEFT does it
            alpha = value
            break
    return float(alpha) / (math.sqrt(rank) if settings.get("use_rslora") else rank)
