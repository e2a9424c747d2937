"""What a transformer of the LTX family costs: parameters, bytes, floating-point operations.

Operations are counted by torch's FlopCounterMode on the meta device, where nothing is computed and nothing allocated,
with the very modules that compute; a multiplication and an addition are two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from editalk.backends.dit.precision import Precision, is_fp8

ACTIVATIONS = 80
"""Bytes that a forward holds at most, for each token and each unit of the transformer's width: 58 (LTX-Video) and 74
(LTX-2) counted on the meta device in bfloat16 with a fused attention; the rest is for the allocator."""


@dataclass(frozen=True)
class Flops:
    """Operations of linear layers, which FP8 speeds up, and of attention between tokens, which stays bfloat16."""

    linear: float = 0.0
    attention: float = 0.0

    @property
    def total(self) -> float:
        return self.linear + self.attention

    def __add__(self, other: Flops) -> Flops:
        return Flops(self.linear + other.linear, self.attention + other.attention)

    def seconds(self, linear: float, attention: float) -> float:
        """At so many operations per second of either kind: an estimate, never a measurement."""
        return self.linear / linear + self.attention / attention


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def weight_bytes(module: nn.Module) -> int:
    """What its parameters hold, scales of float8 weights included."""
    return sum(_bytes(p) for p in module.parameters())


def _bytes(tensor: Tensor) -> int:
    inner = [getattr(tensor, name) for name in getattr(tensor, "tensor_data_names", ())]  # torchao's
    return sum(t.nbytes for t in inner) or tensor.nbytes


def weight_bytes_in(transformer: nn.Module, precision: Precision) -> int:
    """What its parameters will hold after `to_precision`; `transformer` may be on the meta device."""
    wide = 4 if precision is Precision.FP32 else 2
    total = 0
    for name, p in transformer.named_parameters():
        small = precision is Precision.FP8 and name.endswith(".weight") and is_fp8(name.removesuffix(".weight"))
        total += p.numel() + 4 * len(p) if small else wide * p.numel()  # a float32 scale for each row
    return total


def needed_bytes(transformer: Any, precision: Precision, tokens: int, offload: bool = False, cached: int = 0) -> int:
    """What denoising takes of the device: weights (with `offload`: what is outside the blocks, and two blocks),
    activations of a forward over `tokens`, and the residuals of `cached` names of that many tokens. An estimate.
    """
    weights = weight_bytes_in(transformer, precision)
    if offload:
        blocks = weight_bytes_in(_Blocks(transformer), precision)
        weights += -blocks + 2 * math.ceil(blocks / len(transformer.transformer_blocks))
    return weights + tokens * width(transformer) * (ACTIVATIONS + 2 * cached)


class _Blocks(nn.Module):
    """The blocks alone, under their names."""

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        self.transformer_blocks = transformer.transformer_blocks


def width(transformer: Any) -> int:
    """Channels of a token within."""
    return int(transformer.config.num_attention_heads * transformer.config.attention_head_dim)


def on_meta(transformer: Any) -> Any:
    """One of the same configuration without any memory, bfloat16."""
    with torch.device("meta"):
        made = type(transformer).from_config(transformer.config).eval()
    return nn.Module.to(made, torch.bfloat16)


def inputs(
    transformer: Any, tokens: int, text: int, sound: int = 0, device: torch.device | str = "meta"
) -> dict[str, Any]:
    """Random inputs of a forward over so many tokens of picture, text and, for LTX-2, sound; a timestep per token."""
    config, dtype = transformer.config, transformer.dtype

    def some(*shape: int, dtype: torch.dtype = dtype) -> Tensor:
        return torch.randn(*shape, device=device).to(dtype)  # the same numbers in any

    def level(*shape: int) -> Tensor:
        return some(*shape, dtype=torch.float32).abs().clamp(max=1) * 1000

    common = {"hidden_states": some(1, tokens, config.in_channels), "timestep": level(1, tokens), "return_dict": False}
    if "audio_in_channels" not in config:
        return common | {
            "encoder_hidden_states": some(1, text, config.caption_channels), "encoder_attention_mask": None,
            "video_coords": some(1, 3, tokens, dtype=torch.float32),
        }  # fmt: skip
    plain = config.use_prompt_embeddings
    return common | {
        "audio_hidden_states": some(1, sound, config.audio_in_channels),
        "encoder_hidden_states": some(1, text, config.caption_channels if plain else config.cross_attention_dim),
        "audio_encoder_hidden_states":
            some(1, text, config.caption_channels if plain else config.audio_cross_attention_dim),
        "audio_timestep": level(1), "sigma": level(1), "audio_sigma": level(1), "use_cross_timestep": True,
        "video_coords": some(1, 3, tokens, 2, dtype=torch.float32),
        "audio_coords": some(1, 1, sound, 2, dtype=torch.float32),
    }  # fmt: skip


def flops(transformer: Any, tokens: int, text: int, sound: int = 0) -> Flops:
    """Operations of one forward; added layers (LoRA, audio adapter) are not counted."""
    from torch.utils.flop_counter import FlopCounterMode

    meta = transformer if next(transformer.parameters()).is_meta else on_meta(transformer)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        meta(**inputs(meta, tokens, text, sound))
    found = counter.get_flop_counts()["Global"]
    linear = sum(n for op, n in found.items() if op in (torch.ops.aten.addmm, torch.ops.aten.mm))
    return Flops(float(linear), float(counter.get_total_flops() - linear))
