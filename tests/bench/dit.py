"""What the DiT backend costs at the real sizes of its transformers: parameters, bytes, operations; on a GPU, seconds.

    python -m tests.bench.dit [--json FILE] [--models a,b] [--steps 8,30] [--longest SECONDS] [--tiny]

Everywhere: counted on the meta device, nothing is computed. On a machine with a CUDA GPU the same steps over the same
blocks then run with random weights of real size and are timed (the schedule with the fewest steps). Figures with a ~
are estimates, not measurements: operations divided by an assumed sustained rate. A schedule that takes longer than
--longest is stopped after a whole step and its time multiplied up (marked *); with reuse, where steps differ, it is
left out if its estimate is longer.

The work: new lips for 10 s of 1080p at 25 frames a second (and 17 frames beside them), and 1 s inserted between 24
frames of context on either side, one pass of the transformer at full resolution, in blocks as the sampling loop makes
them. The face is assumed to need 13 x 8 cells of 32 pixels. With caching, every other named forward is assumed to be
reused (on the GPU: is made to be). VAE, text encoder, audio layers and LoRAs are not counted.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from editalk.backends.dit import caching, cost
from editalk.backends.dit.blocks import partition
from editalk.backends.dit.model import RING
from editalk.backends.dit.precision import GIB, Precision, to_precision
from editalk.backends.dit.weights import FACE_SIDES
from editalk.errors import DeviceError

CELL = 32
RATES = {Precision.BF16: (400e12, 400e12), Precision.FP8: (650e12, 400e12)}
"""Assumed sustained operations per second of linear layers and of attention on one H100; nobody measured them here."""
ALTERNATE = caching.Reuse(1.5, (1.0,))  # each named forward adds 1 and 1.5 is too much: every other one is reused


@dataclass(frozen=True)
class Size:
    """A transformer's configuration. `text`: tokens of its prompt; `sound`: its own audio tokens per second;
    `passes`: forwards of a step with the full model's guidance; `published`: parameters, as its makers say.
    """

    config: dict[str, Any]
    text: int
    sound: int
    passes: int
    published: str

    def build(self, device: torch.device | str = "meta", dtype: torch.dtype = torch.bfloat16) -> Any:
        from diffusers import LTX2VideoTransformer3DModel, LTXVideoTransformer3DModel

        kind: Any = LTX2VideoTransformer3DModel if self.sound else LTXVideoTransformer3DModel
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            with torch.device(device):
                return kind(**self.config).eval().requires_grad_(False)
        finally:
            torch.set_default_dtype(before)


# as diffusers' conversion scripts (convert_ltx_to_diffusers.py, convert_ltx2_to_diffusers.py) write them
LTX2_3 = {
    "gated_attn": True, "cross_attn_mod": True, "audio_gated_attn": True, "audio_cross_attn_mod": True,
    "rope_type": "split", "use_prompt_embeddings": False, "perturbed_attn": True,
}  # fmt: skip
SIZES = {
    "ltx-video-0.9.7": Size(
        {"attention_head_dim": 128, "cross_attention_dim": 4096, "num_layers": 48}, 256, 0, 2, "13 B"),
    "ltx-2.3": Size(LTX2_3, 1024, 25, 4, "22 B with its text connectors"),
}
TINY = {
    "tiny-ltx-video": Size(
        {"in_channels": 8, "out_channels": 8, "num_attention_heads": 2, "attention_head_dim": 32,
         "cross_attention_dim": 64, "num_layers": 3, "caption_channels": 32}, 5, 0, 2, ""),
    "tiny-ltx-2.3": Size(
        {"in_channels": 8, "out_channels": 8, "num_attention_heads": 2, "attention_head_dim": 32,
         "cross_attention_dim": 64, "audio_in_channels": 8, "audio_out_channels": 8, "audio_num_attention_heads": 2,
         "audio_attention_head_dim": 16, "audio_cross_attention_dim": 32, "num_layers": 3, **LTX2_3}, 5, 25, 4, ""),
}  # fmt: skip


@dataclass(frozen=True)
class Work:
    """`frames` latent frames of `cells` tokens each; `whole`: tokens of the full picture's latent frame."""

    what: str
    where: str
    frames: int
    cells: int
    whole: int

    def steps(self, count: int, reuse: bool) -> list[list[tuple[int, str | None]]]:
        """(tokens, name for reuse) of the forwards of every step, in their order."""
        return [
            [(len(block.frames) * self.cells, block.cache) for block in partition(self.frames, step, count, reuse)]
            for step in range(count)
        ]

    def forwards(self, count: int, reuse: bool) -> Iterator[tuple[int, str | None]]:
        """Those of all steps."""
        return chain.from_iterable(self.steps(count, reuse))


def works(scale: int = 1) -> list[Work]:
    """The two workloads; `scale` divides the picture's sides."""
    rows, columns = 1088 // CELL // scale, 1920 // CELL // scale
    high, wide = (n // scale + 2 * RING for n in (8, 13))
    crop = FACE_SIDES[0] // CELL // scale
    inside = (min(crop, n // scale + 2 * RING) for n in (6, 9))  # 13 x 8 cells of a face of 480 pixels, in its crop
    whole, lips, new = rows * columns, latents(250 + 2 * 17), latents(25 + 2 * 24)
    return [
        Work("10 s of lips", "full frame", lips, whole, whole),
        Work("10 s of lips", "sparse tokens", lips, min(whole, high * wide), whole),
        Work("10 s of lips", "face crop", lips, crop * crop, whole),
        Work("10 s of lips", "crop, sparse", lips, next(inside) * next(inside), whole),
        Work("1 s Addition", "full frame", new, whole, whole),
    ]


def latents(frames: int) -> int:
    return -(-(frames - 1) // 8) + 1


@dataclass(frozen=True)
class Row:
    """Counted: `linear`, `attention` operations of the transformer over the whole schedule, `forwards` computed in it.
    `needed`: estimated peak bytes. `seconds`, `peak`: measured, None where there was no GPU; `part`: of the steps that
    were run for it.
    """

    model: str
    what: str
    where: str
    tokens: int
    share: float
    steps: int
    passes: int
    precision: str
    reuse: bool
    forwards: int
    linear: float
    attention: float
    estimate: float
    needed: int
    seconds: float | None = None
    peak: int | None = None
    part: float = 1.0


def schedule(work: Work, steps: int, reuse: bool) -> list[int]:
    """Tokens of the forwards that are computed; every other one with a name seen before is not."""
    found, seen = [], dict[str, int]()
    for tokens, name in work.forwards(steps, reuse):
        if name is None:
            seen.clear()
        else:
            seen[name] = seen.get(name, -1) + 1
        if name is None or seen[name] % 2 == 0:
            found.append(tokens)
    return found


class Counter:
    """Operations of a size's forwards, each number of tokens counted once."""

    def __init__(self, size: Size) -> None:
        self.size, self.meta = size, size.build()
        self.known: dict[int, cost.Flops] = {}

    def __call__(self, tokens: int) -> cost.Flops:
        if tokens not in self.known:
            self.known[tokens] = cost.flops(self.meta, tokens, self.size.text, sounds(self.size))
        return self.known[tokens]


def sounds(size: Size) -> int:
    """Audio tokens of a block of 17 latent frames at 25 frames a second, with half a second on either side."""
    return round(size.sound * (129 / 25 + 1))


def count(name: str, size: Size, steps: Sequence[int], scale: int = 1) -> Iterator[Row]:
    counter = Counter(size)
    for work in works(scale):
        for number in steps:
            passes = 1 if number <= 8 else size.passes  # distilled weights need no guidance
            for precision in (Precision.BF16, Precision.FP8):
                for reuse in (False, True):
                    yield counted(name, counter, work, number, passes, precision, reuse)


def counted(
    name: str, counter: Counter, work: Work, steps: int, passes: int, precision: Precision, reuse: bool
) -> Row:
    forwards = schedule(work, steps, reuse) * passes
    total = sum((counter(tokens) for tokens in forwards), cost.Flops())
    names = len({name for _, name in work.forwards(steps, reuse) if name}) * passes
    needed = cost.needed_bytes(counter.meta, precision, max(forwards), cached=names)
    tokens = work.frames * work.cells
    return Row(name, work.what, work.where, tokens, work.cells / work.whole, steps, passes, precision.value, reuse,
               len(forwards), total.linear, total.attention, total.seconds(*RATES[precision]), needed)  # fmt: skip


def measured(
    rows: Sequence[Row], size: Size, device: torch.device, scale: int = 1, longest: float = math.inf
) -> list[Row]:
    """The same rows, run: one precision after the other, random weights."""
    done = []
    for precision in (Precision.BF16, Precision.FP8):
        mine = [row for row in rows if row.precision == precision]
        if not mine:
            continue
        transformer = size.build(device)
        to_precision(transformer, precision, device)
        for row in mine:
            caching.install(transformer, ALTERNATE if row.reuse else caching.Reuse(0.0))
            work = next(w for w in works(scale) if (w.what, w.where) == (row.what, row.where))
            out = row.reuse and row.estimate > longest
            done.append(row if out else run(transformer, size, row, work, device, longest))
        del transformer
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return done


def run(transformer: Any, size: Size, row: Row, work: Work, device: torch.device, longest: float = math.inf) -> Row:
    """A whole schedule, or as many steps as take `longest` seconds, after one forward that warms up; rows that do not
    fit stay unmeasured.
    """
    made = {n: cost.inputs(transformer, n, size.text, sounds(size), device) for n, _ in work.forwards(row.steps, False)}
    wait: Callable[[], object] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    try:
        with torch.no_grad():
            transformer(**next(iter(made.values())))
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            wait()
            start = time.perf_counter()
            done = 0
            for step in work.steps(row.steps, row.reuse):
                for tokens, name in step:
                    for each in range(row.passes):
                        with caching.context(transformer, name and f"{name}/{each}"):
                            transformer(**made[tokens])
                wait()
                done, seconds = done + 1, time.perf_counter() - start
                if seconds > longest and not row.reuse:
                    break
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return row
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return replace(row, seconds=seconds * row.steps / done, peak=peak, part=done / row.steps)


def sizes(names: Sequence[str], known: dict[str, Size]) -> Table:
    table = Table("transformer", "parameters", "as published", "bfloat16", "hybrid FP8", title="Weights (counted)")
    for name in names:
        meta = known[name].build()
        billions = f"{cost.parameters(meta) / 1e9:.2f} B"
        held = (f"{cost.weight_bytes_in(meta, p) / GIB:.1f} GiB" for p in (Precision.BF16, Precision.FP8))
        table.add_row(name, billions, known[name].published, *held)
    return table


def printed(rows: Sequence[Row]) -> Table:
    """A line for each schedule: bfloat16, FP8, FP8 with reuse; seconds and GiB as measured, with ~ as estimated."""
    table = Table("model", "work", "tokens", "of full", "steps", "forwards", "TFLOP a step", "PFLOP",
                  "s bf16", "s fp8", "s fp8 cached", "GiB bf16", "GiB fp8",
                  title="Transformer over the whole schedule")  # fmt: skip
    kinds: dict[tuple[object, ...], dict[tuple[str, bool], Row]] = {}
    for row in rows:
        line = (row.model, row.what, row.where, row.steps)
        kinds.setdefault(line, {})[row.precision, row.reuse] = row
    for found in kinds.values():
        bf16, fp8, cached = (found[key] for key in (("bf16", False), ("fp8", False), ("fp8", True)))
        table.add_row(
            bf16.model, f"{bf16.what}, {bf16.where}", f"{bf16.tokens}", f"{bf16.share:.0%}",
            f"{bf16.steps}x{bf16.passes}", f"{bf16.forwards}/{cached.forwards}",
            short(operations(bf16) / bf16.steps / 1e12), "/".join(short(operations(r) / 1e15) for r in (bf16, cached)),
            *(f"~{short(r.estimate)}" if r.seconds is None else short(r.seconds) + "*" * (r.part < 1)
              for r in (bf16, fp8, cached)),
            *(f"~{r.needed / GIB:.0f}" if r.peak is None else f"{r.peak / GIB:.1f}" for r in (bf16, fp8)),
        )  # fmt: skip
    return table


def operations(row: Row) -> float:
    return row.linear + row.attention


def short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--models", default="")
    parser.add_argument("--steps", default="8,30")
    parser.add_argument("--longest", type=float, default=math.inf, metavar="SECONDS", help="of a measured schedule")
    parser.add_argument("--tiny", action="store_true", help="tiny models on a small picture, run on the CPU too")
    given = parser.parse_args(arguments)
    known, scale = (TINY, 8) if given.tiny else (SIZES, 1)
    names = [n for n in given.models.split(",") if n] or list(known)
    if odd := [n for n in names if n not in known]:
        parser.error(f"{odd[0]}: the models are {', '.join(known)}")
    steps = [int(n) for n in given.steps.split(",")]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows: list[Row] = []
    for name in names:
        mine = list(count(name, known[name], steps, scale))
        if device.type == "cuda" or given.tiny:
            short = [row for row in mine if row.steps == min(steps)]
            mine = [row for row in mine if row not in short]
            mine += measured(short, known[name], device, scale, given.longest)
        rows += mine
    console = Console(width=170)
    console.print(sizes(names, known))
    console.print(printed(rows))
    where = torch.cuda.get_device_name() if device.type == "cuda" else "no CUDA GPU here: nothing was measured"
    rates = ", ".join(f"{p} {a / 1e12:.0f} and {b / 1e12:.0f}" for p, (a, b) in RATES.items())
    console.print(f"{where}\nforwards, PFLOP: without / with every other resting forward reused\n"
                  f"~s: estimate, at assumed TFLOP/s of linear layers and attention on an H100: {rates}\n"
                  "~GiB: estimate, weights counted, activations by formula")  # fmt: skip
    if given.json:
        found = {"device": where, "assumed": dict(RATES), "rows": [asdict(row) for row in rows]}
        given.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DeviceError as error:
        sys.exit(str(error))
