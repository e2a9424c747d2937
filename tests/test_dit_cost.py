"""Counts of parameters, bytes and operations against formulas and what the makers of the weights say."""

from __future__ import annotations

import json
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from editalk.backends.dit import caching
from editalk.backends.dit.cost import (
    ACTIVATIONS,
    Flops,
    flops,
    inputs,
    needed_bytes,
    on_meta,
    parameters,
    weight_bytes,
    width,
)
from editalk.backends.dit.precision import Precision
from tests.bench import dit
from tests.bench.dit import SIZES, TINY, schedule, works

NAMES = ("tiny-ltx-video", "tiny-ltx-2.3")


@pytest.fixture(scope="module", params=NAMES)
def tiny(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param, TINY[request.param].build()


def ltx_video_flops(n: int, text: int) -> Flops:
    """By hand, for the tiny configuration: width 64, 3 blocks, 8 channels, captions of 32."""
    d, blocks = 64, 3
    attend = 2 * n * d * d * 4 + 2 * (2 * n * d * d + 2 * text * d * d)  # self: q, k, v, out; text: q, out and k, v
    block = attend + 2 * 2 * n * d * 4 * d
    levels = 2 * n * (256 * d + d * d + d * 6 * d)
    ends = 2 * n * 8 * d * 2
    caption = 2 * text * (32 * d + d * d)
    return Flops(blocks * block + levels + ends + caption, blocks * 2 * 2 * n * d * (n + text))


@pytest.mark.parametrize(("n", "text"), [(24, 5), (100, 7)])
def test_operations_of_ltx_video_are_those_of_the_formula(n: int, text: int) -> None:
    assert flops(TINY["tiny-ltx-video"].build(), n, text) == ltx_video_flops(n, text)


def test_operations_grow_with_tokens_and_their_square(tiny: tuple[str, Any]) -> None:
    one, two, three = (flops(tiny[1], n, 5, 7) for n in (100, 200, 300))
    assert three.linear - two.linear == two.linear - one.linear > 0
    assert three.attention - 2 * two.attention + one.attention == 3 * 2 * 2 * 2 * 100**2 * 64


@torch.no_grad()
def test_inputs_run_and_the_meta_device_counts_the_same(tiny: tuple[str, Any]) -> None:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    real = TINY[tiny[0]].build("cpu")
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # it knows no other on the CPU
        out = real(**inputs(real, 24, 5, 7, "cpu"))
    assert out[0].shape == (1, 24, 8)
    assert flops(real, 24, 5, 7).total == counter.get_total_flops()


def test_a_copy_without_memory(tiny: tuple[str, Any]) -> None:
    real = TINY[tiny[0]].build("cpu")
    meta = on_meta(real)
    assert {p.device.type for p in meta.parameters()} == {"meta"}
    assert (parameters(meta), weight_bytes(meta), width(meta)) == (parameters(real), weight_bytes(real), 64)


def test_real_sizes_are_the_published_ones() -> None:
    small, large = (size.build() for size in SIZES.values())
    assert parameters(small) == pytest.approx(13e9, rel=0.01)
    from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors

    with torch.device("meta"):  # as convert_ltx2_to_diffusers.py configures them for 2.3
        connectors = LTX2TextConnectors(
            video_connector_num_attention_heads=32, video_connector_num_layers=8, video_gated_attn=True,
            audio_connector_num_attention_heads=32, audio_connector_attention_head_dim=64,
            audio_connector_num_layers=8, audio_gated_attn=True, per_modality_projections=True, proj_bias=True,
        )  # fmt: skip
    assert parameters(large) + parameters(connectors) == pytest.approx(22e9, rel=0.01)
    fp8, bf16 = (needed_bytes(large, kind, 0) for kind in (Precision.FP8, Precision.BF16))
    assert 0.5 < fp8 / bf16 < 0.53


def test_needed_bytes_count_tokens_and_what_is_reused(tiny: tuple[str, Any]) -> None:
    none, some, cached = (needed_bytes(tiny[1], Precision.BF16, n, cached=c) for n, c in ((0, 0), (10, 0), (10, 2)))
    assert none == weight_bytes(tiny[1])
    assert some > none
    assert cached - some == 2 * 10 * 64 * 2  # two names, bfloat16


@settings(max_examples=50)
@given(st.integers(1, 60), st.integers(1, 40), st.booleans())
def test_a_schedule_computes_every_block_of_every_step_or_reuses_it(frames: int, steps: int, reuse: bool) -> None:
    work = dit.Work("x", "y", frames, 3, 9)
    every = [tokens for tokens, _ in work.forwards(steps, False)]
    computed = schedule(work, steps, reuse)
    assert sum(every) >= steps * frames * 3
    assert len(every) >= len(computed) >= len(every) / 2
    if not reuse:
        assert computed == every


def test_workloads_are_those_of_the_issue() -> None:
    tokens = {(w.what, w.where): w for w in works()}
    lips = tokens["10 s of lips", "full frame"]
    assert (lips.frames, lips.cells) == (37, 34 * 60)  # 284 frames and the first; 1088 x 1920
    assert tokens["1 s Addition", "full frame"].frames == 10
    assert all(w.cells <= w.whole for w in works())
    assert tokens["10 s of lips", "crop, sparse"].cells < tokens["10 s of lips", "face crop"].cells < lips.cells / 7


def test_the_table_counts_and_runs_tiny_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [w for w in works(8) if w.where == "face crop" or w.what == "1 s Addition"]
    monkeypatch.setattr(dit, "works", lambda scale=1: few)
    path = tmp_path / "dit.json"
    assert dit.main(["--tiny", "--models", "tiny-ltx-video", "--steps", "8", "--json", str(path)]) == 0
    assert "nothing was measured" in capsys.readouterr().out or torch.cuda.is_available()
    rows = json.loads(path.read_text())["rows"]
    assert len(rows) == len(few) * 4
    assert all(row["seconds"] > 0 for row in rows)
    found = {(r["where"], r["precision"], r["reuse"]): r for r in rows}
    for where in ("face crop", "full frame"):
        plain, cached = (found[where, "fp8", reuse] for reuse in (False, True))
        assert cached["linear"] < plain["linear"] == found[where, "bf16", False]["linear"]
        assert cached["forwards"] == len(schedule(next(w for w in few if w.where == where), 8, True))


@torch.no_grad()
def test_every_other_named_forward_is_what_the_transformer_reuses() -> None:
    transformer, work, forwards = TINY["tiny-ltx-video"].build("cpu", torch.float32), dit.Work("x", "y", 20, 1, 1), 0
    given_ = {n: inputs(transformer, n, 5, 0, "cpu") for n, _ in work.forwards(8, True)}

    def count(*_: Any) -> None:
        nonlocal forwards
        forwards += 1

    transformer.transformer_blocks[1].register_forward_hook(count)
    caching.install(transformer, dit.ALTERNATE)
    for tokens, name in work.forwards(8, True):
        with caching.context(transformer, name):
            transformer(**given_[tokens])
    assert forwards == len(schedule(work, 8, True)) < len(schedule(work, 8, False))


class Alive(TorchDispatchMode):
    """How many bytes of tensors live at once; a fused attention, which keeps no table of scores."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            storage = tensor.untyped_storage() if isinstance(tensor, Tensor) else None
            if storage is not None and storage._cdata not in self.known:
                self.known[storage._cdata] = storage.nbytes()
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self.forget, storage._cdata)
        return out

    def forget(self, key: int) -> None:
        self.now -= self.known.pop(key, 0)


class Fused(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.nn.functional.scaled_dot_product_attention:
            return torch.empty_like(args[0] if args else kwargs["query"])
        return func(*args, **kwargs)


@pytest.mark.parametrize(("name", "bytes_"), [("ltx-video-0.9.7", 58), ("ltx-2.3", 74)])
@torch.no_grad()
def test_activations_of_the_real_widths(name: str, bytes_: int) -> None:
    """Blocks come one after the other: two hold as much at once as 48."""
    size = SIZES[name]
    meta = type(size)(size.config | {"num_layers": 2}, 256, size.sound, 1, "").build()
    peaks = []
    for tokens in (10000, 30000):
        given_ = inputs(meta, tokens, 256, 154)
        with Fused(), Alive() as alive:
            meta(**given_)
        peaks.append(alive.peak)
    counted = (peaks[1] - peaks[0]) / 20000 / width(meta)
    assert counted == pytest.approx(bytes_, abs=1)
    assert counted < ACTIVATIONS < 1.5 * counted


def test_an_estimate_is_operations_by_rate() -> None:
    assert (Flops(4, 6) + Flops(1, 0)).seconds(10, 2) == 3.5
    assert Flops(4, 6).total == 10
