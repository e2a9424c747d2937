"""In which numbers a transformer computes, where its weights lie, and what is said when they do not fit.

Hybrid FP8 (EditYourself, section 4.3): the large base weights of attention and feed-forward in float8_e4m3fn with one
scale a row, everything else in bfloat16: embeddings, norms, modulation, first and last projection, LoRA, audio layers
that were added. Scales matter: random weights of standard deviation 0.02 are rounded by 2.6 % with them and by 3.3 % in
a raw cast (Lightricks' `fp8_cast`), those of 0.005 by 2.6 % and 11 %: e4m3 has few steps left down there.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from editalk.errors import DeviceError, ModelsError

DYNAMIC = (8, 9)  # the first compute capability whose tensor cores multiply float8
PLACES = frozenset(
    {"attn1", "attn2", "ff", "audio_attn1", "audio_attn2", "audio_to_video_attn", "video_to_audio_attn", "audio_ff"}
)
LAYERS = (".to_q", ".to_k", ".to_v", ".to_out.0", ".net.0.proj", ".net.2")
FULL = ("can't allocate memory", "out of memory", "ALLOC_FAILED")  # what errors without a type of their own say
GIB = 2**30


class Precision(StrEnum):
    FP8 = "fp8"
    BF16 = "bf16"
    FP32 = "fp32"


def is_fp8(name: str) -> bool:
    """Whether hybrid FP8 has this linear layer in float8: those of Lightricks' `fp8_cast`, in the blocks' own attention
    and feed-forward (LTX-2: in both streams and between them). `name`: within the transformer.
    """
    parts = name.removesuffix(".base_layer").split(".")  # PEFT's name for what a LoRA lies over
    own = len(parts) > 3 and parts[0] == "transformer_blocks" and parts[2] in PLACES
    return own and ".".join(parts).endswith(LAYERS) and not any(part.startswith("audio") for part in parts[3:])


def fp8_linears(transformer: nn.Module) -> Iterator[nn.Linear]:
    for name, module in transformer.named_modules():
        if isinstance(module, nn.Linear) and is_fp8(name):
            yield module


def dynamic(device: torch.device) -> bool:
    """Whether activations are made float8, too, and multiplied as such; else weights are widened for each product."""
    nvidia = device.type == "cuda" and torch.version.hip is None
    return nvidia and torch.cuda.get_device_capability(device) >= DYNAMIC


def to_precision(transformer: nn.Module, precision: Precision, device: torch.device, offload: bool = False) -> None:
    """Changes the transformer in place and puts it on the device; before or after LoRAs and audio layers are added.

    `offload`: its weights stay in RAM and come to the device a block at a time. FP8 is made on the device one layer
    after the other, so that the bfloat16 weights never have to fit there. Raises DeviceError where offloading has no
    device to go to.
    """
    if offload and device.type == "cpu":
        raise DeviceError("--offload keeps weights in RAM for a GPU; leave it out on the CPU")
    home = torch.device("cpu") if offload else device
    nn.Module.to(transformer, dtype=torch.float32 if precision is Precision.FP32 else torch.bfloat16)
    if precision is Precision.FP8:
        quantise(transformer, device, home)
    nn.Module.to(transformer, home)
    if offload:
        offload_blocks(transformer, device)


def quantise(transformer: nn.Module, device: torch.device, home: torch.device) -> None:
    """Float8 for the layers that `is_fp8` names, made on `device` and left at `home`."""
    from torchao.quantization import (
        Float8DynamicActivationFloat8WeightConfig,
        Float8WeightOnlyConfig,
        PerRow,
        quantize_,
    )

    config = (
        Float8DynamicActivationFloat8WeightConfig(granularity=PerRow(), set_inductor_config=False)
        if dynamic(device) else Float8WeightOnlyConfig(granularity=PerRow(), set_inductor_config=False)
    )  # fmt: skip
    fuse: bool | None = None if dynamic(device) else False
    for linear in fp8_linears(transformer):
        linear.to(device)
        quantize_(linear, config)
        fuse = fusible(linear) if fuse is None else fuse
        if fuse:
            linear.__class__ = FusedLinear
        linear.to(home)


class FusedLinear(nn.Linear):
    """A layer of float8 whose activations are scaled and rounded in one kernel before the product.

    Piece by piece that takes longer than float8 saves: on an H200 a layer of 4096 by 16384 over 2664 tokens takes 516
    µs in bfloat16, 728 in float8 as torchao has it, 276 fused.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 – nn.Linear's own name
        return _compiled()(input, self.weight, self.bias)


@cache
def _compiled() -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """`linear` as kernels that serve layers and inputs of all sizes."""

    def product(given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return nn.functional.linear(given, weight, bias)

    return torch.compile(product, dynamic=True)


def fusible(linear: nn.Linear) -> bool:
    """Whether kernels can be made for such a layer here: Triton wants a C compiler."""
    given = torch.zeros(32, linear.in_features, dtype=torch.bfloat16, device=linear.weight.device)
    try:
        with torch.no_grad():
            _compiled()(given, linear.weight, linear.bias)
    except RuntimeError:  # dynamo's, inductor's and the compiler's errors are of it
        return False
    return True


def offload_blocks(transformer: nn.Module, device: torch.device) -> None:
    """Weights lie in RAM; a block's come to the device for its forward, the next block's on a stream meanwhile."""
    from diffusers.hooks.group_offloading import apply_group_offloading

    apply_group_offloading(
        transformer, onload_device=device, offload_device=torch.device("cpu"), offload_type="block_level",
        num_blocks_per_group=1, use_stream=device.type == "cuda",
    )  # fmt: skip


def check_weights(folder: Path) -> None:
    """Raises DeviceError for a folder of safetensors with scaled float8 weights, as the official FP8 files are.

    Float8 without scales is right as it is: loading widens it, `to_precision` narrows it again.
    """
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                names = file.keys()
        except (SafetensorError, OSError) as error:
            raise ModelsError(f"{path}: cannot be read ({error}); `editalk models pull` gets it anew") from error
        if any(name.endswith(("weight_scale", "scale_weight")) for name in names):
            raise DeviceError(f"{path}: float8 weights with scales of their own, which diffusers does not read; take "
                              "the bfloat16 ones: --precision fp8 makes its own of them")  # fmt: skip


def find_device(name: str | None) -> torch.device:
    """The device of that name; None and "auto": the first GPU, else the CPU.

    Raises DeviceError where it is not there or no card for bfloat16.
    """
    if name in (None, "auto"):
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(str(name))
    except RuntimeError as error:
        raise DeviceError(f"--device {name}: there is no such device; cpu, cuda or cuda:1 are") from error
    if device.type == "cuda":
        _check_card(device)
    elif device.type != "cpu":
        raise DeviceError(f"--device {name}: the DiT backend runs on cuda, or slowly on cpu")
    return device


def _check_card(device: torch.device) -> None:
    if not torch.cuda.is_available():
        raise DeviceError(f"--device {device}: torch {torch.__version__} finds no CUDA GPU; install its CUDA build "
                          "and a driver, or take --backend exemplar")  # fmt: skip
    if (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"--device {device}: there are {torch.cuda.device_count()} GPUs, counted from 0")
    if torch.version.hip is None and torch.cuda.get_device_capability(device) < (8, 0):
        raise DeviceError(f"--device {device}: {torch.cuda.get_device_name(device)} has no bfloat16, only cards from "
                          "compute capability 8.0 on have; take another GPU or --backend exemplar")  # fmt: skip


def free_bytes(device: torch.device) -> int:
    """What could be allocated now."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    import psutil

    return int(psutil.virtual_memory().available)


def fits(device: torch.device, need: int) -> bool:
    """Whether so many bytes are free there."""
    return need <= free_bytes(device)


def ways_out(precision: Precision, offload: bool) -> str:
    """What could still be done for memory, for the end of a sentence."""
    ways = ["a smaller picture (a face crop instead of the frame)", "a GPU with more memory"]
    if not offload:
        ways.insert(0, "--offload")
    if precision is not Precision.FP8:
        ways.insert(0, "--precision fp8")
    return ", ".join(ways)


def require(device: torch.device, need: int, what: str, way_out: str) -> None:
    """Raises DeviceError where so many bytes are not free; `what` needs them, `way_out` may help."""
    if not fits(device, need):
        raise DeviceError(f"{what} needs about {need / GIB:.1f} GiB on {device}, {free_bytes(device) / GIB:.1f} GiB "
                          f"are free; try {way_out}")  # fmt: skip


@contextmanager
def memory_errors(what: str, way_out: str, device: torch.device) -> Iterator[None]:
    """Turns running out of memory, on the device or in RAM, into a DeviceError, after what can be freed is freed.

    `what` was tried, `way_out` may help.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        named = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not named and not any(words in str(error) for words in FULL):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold on to tensors
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        where = device if device.type == "cuda" else "RAM"
        raise DeviceError(f"out of memory: {what}; {free_bytes(device) / GIB:.1f} GiB of {where} are free without it; "
                          f"try {way_out}") from error  # fmt: skip
