"""Several GPUs for one window: each process holds a share of the tokens and all the weights (context parallelism).

    torchrun --nproc-per-node 4 -m editalk apply …

starts the same command once per GPU. Every process runs the same loop from the same seed and holds the whole window
between two forwards; within one, only attention among the tokens exchanges anything. What the processes must agree on
beforehand (is a result cached already?) they ask `everywhere`, and only the one that `writes` makes files.

The attention is diffusers' (Ulysses: https://arxiv.org/abs/2309.14509, ring: https://arxiv.org/abs/2310.01889). What
is split is said here and not by its plans: they know no timestep per token and ask for streams of a minimal length, and
the one of LTX-2 does not run (diffusers issue 14316). Text stays whole with every process, so that attention to it is
local and may have a mask. Sound is split like the picture. A stream too short to be split is whole with every process:
then each of its keys is there as often as any other, which changes no average over them.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from editalk.errors import DeviceError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SHARED = {
    "LTXVideoTransformer3DModel": ("attn1",),
    "LTX2VideoTransformer3DModel": ("attn1", "audio_attn1", "audio_to_video_attn", "video_to_audio_attn"),
}
"""Attention layers of a block, by the transformer's class, whose keys are split among the processes."""
ROPES = ("rope", "audio_rope", "cross_attn_rope", "cross_attn_audio_rope")
WAYS = ("ulysses", "ring")  # of EDITALK_PARALLEL
STREAMS = ("", "audio_")  # what the names of inputs and outputs begin with


@dataclass(frozen=True)
class Parallel:
    """One of the two is the number of processes, the other 1 (diffusers splits uneven token counts by one alone).

    ulysses: processes that share the heads while attending; must divide the numbers of heads. Exchanges least.
    ring: processes that share the queries while attending; any number. Each gets all keys, and the attention kernel
        must return its softmax sums: in diffusers that of CUDA alone, in bfloat16.
    """

    ulysses: int = 1
    ring: int = 1

    def __post_init__(self) -> None:
        if min(self.ulysses, self.ring) != 1 or self.processes < 2:
            raise UsageError(f"{self.ulysses} × {self.ring} processes: either Ulysses or ring must be of 2 or more, "
                             "the other 1")  # fmt: skip

    @property
    def processes(self) -> int:
        return self.ulysses * self.ring


def from_environment() -> Parallel | None:
    """As torchrun started this process, EDITALK_PARALLEL being ulysses (the default) or ring; None when it is alone.

    Raises UsageError when somebody else set WORLD_SIZE.
    """
    way = os.environ.get("EDITALK_PARALLEL") or WAYS[0]
    if way not in WAYS:
        raise UsageError(f"EDITALK_PARALLEL is {way}; there are {' and '.join(WAYS)}")
    processes = _set_by_torchrun("WORLD_SIZE") if os.environ.get("WORLD_SIZE") else 1
    if processes == 1:
        return None
    for name in ("RANK", "LOCAL_RANK", "MASTER_PORT"):
        _set_by_torchrun(name)
    return Parallel(ulysses=processes) if way == "ulysses" else Parallel(ring=processes)


def _set_by_torchrun(name: str) -> int:
    value = os.environ.get(name, "")
    if not value.isdecimal():
        raise UsageError(f"WORLD_SIZE asks for several processes, but {name} is {value or 'not set'}: start them with "
                         "`torchrun --nproc-per-node GPUS -m editalk …`, or unset WORLD_SIZE for one GPU")  # fmt: skip
    return int(value)


def writes() -> bool:
    """Whether this process is the one that writes files and messages; alone it is."""
    return os.environ.get("RANK", "0") == "0"


def everywhere(condition: bool) -> bool:
    """Whether it holds in every process: one that skips a forward which others wait in would hang them all."""
    if from_environment() is None:
        return condition
    import torch
    import torch.distributed as dist

    if not dist.is_initialized():
        _meet("cuda" if torch.cuda.is_available() else "cpu")
    held = torch.tensor(int(condition))
    dist.all_reduce(held, dist.ReduceOp.MIN)
    return bool(held)


def own_device(name: str | None) -> str | None:
    """What `--device` means in this process: of "cuda" (or None, "auto" where there are GPUs) the one torchrun gave it.

    Raises DeviceError where there are fewer GPUs than processes on this machine, UsageError for a single GPU's name.
    """
    import torch

    there = torch.cuda.device_count()
    if from_environment() is None or name == "cpu" or (name in (None, "auto") and there == 0):
        return name
    if name not in (None, "auto", "cuda"):
        raise UsageError(f"--device {name} is one device for several processes: --device cuda is one for each")
    if int(os.environ["LOCAL_RANK"]) >= there:
        raise DeviceError(f"more processes were started on this machine than it has GPUs, {there}: "
                          f"torchrun --nproc-per-node {there}")  # fmt: skip
    return f"cuda:{os.environ['LOCAL_RANK']}"


def parallelise(transformer: Any, parallel: Parallel, device: torch.device) -> None:
    """Let the processes share the tokens of every forward of a diffusers transformer of LTX-Video or LTX-2.

    Called once, in every process, with the transformer on `device`. Afterwards it takes and gives whole sequences as
    before, by keywords; timesteps are [1], [1, 1] or [1, n]. Masks among tokens are not possible, text masks are.
    UsageError where degrees and model or processes do not fit; DeviceError for ring attention without CUDA.
    """
    _check_heads(transformer, parallel)
    if parallel.ring > 1 and device.type != "cuda":
        raise DeviceError(f"ring attention needs a CUDA GPU, not {device}: use Ulysses")
    _split(transformer, parallel, device)


def share(transformer: Any, values: Tensor, dim: int = 1) -> Tensor:
    """This process's part of `values`, of which there is one for every token; all of it where nothing is shared.

    For what acts on tokens inside the transformer without being its input: the audio adapter's frames and faces.
    """
    return values if transformer._parallel_config is None else _part(values, dim)


def _check_heads(transformer: Any, parallel: Parallel) -> None:
    heads = sorted({attention.heads for attention in _shared(transformer)})
    if any(n % parallel.ulysses for n in heads):
        fit = [n for n in range(2, min(heads) + 1) if all(h % n == 0 for h in heads)]
        raise UsageError(
            f"{parallel.ulysses} processes cannot share {' or '.join(map(str, heads))} attention heads evenly: "
            f"start {' or '.join(map(str, fit))}"
        )


def _shared(transformer: Any) -> Iterator[Any]:
    for block in transformer.transformer_blocks:
        for name in SHARED[type(transformer).__name__]:
            yield getattr(block, name)


def _split(transformer: Any, parallel: Parallel, device: torch.device) -> None:
    from diffusers.models.attention_dispatch import AttentionBackendName

    config = _config(parallel, device)
    for attention in _shared(transformer):
        attention.processor._parallel_config = config
        if parallel.ring > 1:
            attention.processor._attention_backend = AttentionBackendName._NATIVE_FLASH  # it returns the sums
    transformer._parallel_config = config
    whole: dict[str, int] = {}
    for name in ROPES:
        if hasattr(transformer, name):
            getattr(transformer, name).register_forward_hook(_split_angles)
    for stream in STREAMS:
        if hasattr(transformer, f"{stream}proj_out"):
            transformer.register_forward_pre_hook(_splits_inputs(stream, whole), with_kwargs=True)
            getattr(transformer, f"{stream}proj_out").register_forward_hook(_gathers_output(stream, whole))


def _splits_inputs(stream: str, whole: dict[str, int]) -> Any:
    def hook(module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        hidden, time = f"{stream}hidden_states", f"{stream}timestep"
        whole[stream] = kwargs[hidden].shape[1]
        parts = {hidden: _part(kwargs[hidden], 1)}
        if kwargs[time].ndim > 1:
            parts[time] = _part(kwargs[time], 1)
        return args, kwargs | parts

    return hook


def _split_angles(module: Any, args: Any, output: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(_part(angles, -2) for angles in output)  # [1, n, c] or [1, heads, n, c]


def _gathers_output(stream: str, whole: dict[str, int]) -> Any:
    return lambda module, args, output: _gathered(output, whole[stream])


def _part(values: Tensor, dim: int) -> Tensor:
    """Parts differ by one token at most, as diffusers' attention for any number of tokens has them."""
    import torch.distributed as dist

    processes = dist.get_world_size()
    return values if values.shape[dim] < processes else values.tensor_split(processes, dim)[dist.get_rank()]


def _gathered(part: Tensor, n: int) -> Tensor:
    """[1, n, c] of everybody's `_part`s."""
    import torch
    import torch.distributed as dist

    processes = dist.get_world_size()
    if n < processes:
        return part
    sizes = [len(places) for places in torch.arange(n).tensor_split(processes)]
    padded = torch.nn.functional.pad(part, (0, 0, 0, max(sizes) - part.shape[1])).contiguous()
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)  # gloo has none for parts of different sizes
    return torch.cat([each[:, :size] for each, size in zip(parts, sizes, strict=True)], dim=1)


def _config(parallel: Parallel, device: torch.device) -> Any:
    """diffusers' description of who shares what. Its own `enable_parallelism` builds it for accelerators alone."""
    import torch
    import torch.distributed as dist
    from diffusers.models._modeling_parallel import ContextParallelConfig, ParallelConfig
    from torch.distributed.device_mesh import init_device_mesh

    _meet(device.type)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if dist.get_world_size() != parallel.processes:
        raise UsageError(f"{dist.get_world_size()} processes were started for {parallel.processes}: "
                         f"torchrun --nproc-per-node {parallel.processes}")  # fmt: skip
    shared = ContextParallelConfig(
        ulysses_degree=parallel.ulysses, ring_degree=parallel.ring,
        ulysses_anything=parallel.ulysses > 1, ring_anything=parallel.ring > 1,  # any number of tokens
    )  # fmt: skip
    config = ParallelConfig(context_parallel_config=shared)
    mesh = init_device_mesh(device.type, shared.mesh_shape, mesh_dim_names=shared.mesh_dim_names)
    config.setup(dist.get_rank(), dist.get_world_size(), device, mesh=mesh)
    return config


def _meet(kind: str) -> None:
    """Find the other processes, once. Small things go through the CPU even where tokens go from GPU to GPU."""
    import torch.distributed as dist

    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
