"""Hybrid FP8, offloading, and what is said when there is no device or no memory."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from editalk.backends.dit import precision
from editalk.backends.dit.cost import inputs, needed_bytes, weight_bytes, weight_bytes_in
from editalk.backends.dit.precision import (
    Precision,
    check_weights,
    find_device,
    fits,
    fp8_linears,
    is_fp8,
    memory_errors,
    offload_blocks,
    require,
    to_precision,
    ways_out,
)
from editalk.errors import DeviceError, ModelsError
from tests.bench.dit import TINY

CPU = torch.device("cpu")
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
FEED = ("net.0.proj", "net.2")


def expected(name: str) -> set[str]:
    """The linear layers of the first block that are float8, written out."""
    own = {f"attn{i}.{part}" for i in (1, 2) for part in ATTENTION} | {f"ff.{part}" for part in FEED}
    if name == "tiny-ltx-2.3":
        own |= {f"audio_{part}" for part in own}
        own |= {f"{way}_attn.{part}" for way in ("audio_to_video", "video_to_audio") for part in ATTENTION}
    return {f"transformer_blocks.0.{part}" for part in own}


def made(name: str) -> Any:
    torch.manual_seed(0)
    return TINY[name].build("cpu")


@pytest.fixture(scope="module", params=sorted(TINY))
def tiny(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param, made(request.param)


@torch.no_grad()
def forward(transformer: Any) -> Tensor:
    torch.manual_seed(1)
    out: Tensor = transformer(**inputs(transformer, 24, 5, 7, "cpu"))[0]
    return out.float()


def apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


def is_float8(linear: Any) -> bool:
    return hasattr(linear.weight, "qdata") and linear.weight.qdata.dtype == torch.float8_e4m3fn


def test_exactly_the_large_base_weights_are_float8(tiny: tuple[str, Any]) -> None:
    name, whole = tiny
    transformer = copy.deepcopy(whole)
    to_precision(transformer, Precision.FP8, CPU)
    small = {n for n, m in transformer.named_modules() if isinstance(m, nn.Linear) and is_float8(m)}
    assert {n for n in small if n.startswith("transformer_blocks.0.")} == expected(name)
    assert len(small) == 3 * len(expected(name))
    others = {p.dtype for n, p in transformer.named_parameters() if n.removesuffix(".weight") not in small}
    assert others == {torch.bfloat16}


def test_a_weight_takes_a_byte_and_the_output_hardly_changes(tiny: tuple[str, Any]) -> None:
    _, whole = tiny
    transformer = copy.deepcopy(whole)
    before, exact = weight_bytes(transformer), forward(transformer)
    large = sum(linear.weight.numel() for linear in fp8_linears(transformer))
    rows = sum(len(linear.weight) for linear in fp8_linears(transformer))
    to_precision(transformer, Precision.FP8, CPU)
    assert before - weight_bytes(transformer) == large - 4 * rows
    assert weight_bytes_in(whole, Precision.FP8) == weight_bytes(transformer)
    assert weight_bytes_in(whole, Precision.BF16) == before
    assert 0 < apart(forward(transformer), exact) < 0.03


def test_bfloat16_against_float32(tiny: tuple[str, Any]) -> None:
    transformer = copy.deepcopy(tiny[1])
    to_precision(transformer, Precision.FP32, CPU)
    assert {p.dtype for p in transformer.parameters()} == {torch.float32}
    exact = forward(transformer)
    to_precision(transformer, Precision.BF16, CPU)
    assert {p.dtype for p in transformer.parameters()} == {torch.bfloat16}
    assert 0 < apart(forward(transformer), exact) < 0.03


def test_row_scales_keep_small_weights_where_a_raw_cast_loses_them() -> None:
    linear = nn.Linear(256, 256, dtype=torch.bfloat16)
    nn.init.normal_(linear.weight, std=0.005, generator=torch.Generator().manual_seed(0))
    exact = linear.weight.detach().float()
    raw = apart(exact.to(torch.float8_e4m3fn).float(), exact)
    holder = nn.Module()
    net = nn.ModuleDict({"net": nn.ModuleDict({"2": linear})})
    holder.transformer_blocks = nn.ModuleList([nn.ModuleDict({"ff": net})])
    to_precision(holder, Precision.FP8, CPU)
    assert apart(linear.weight.dequantize().float(), exact) < 0.03 < 0.1 < raw


@pytest.mark.parametrize(("name", "small"), [
    ("transformer_blocks.47.attn1.to_q", True),
    ("transformer_blocks.0.attn2.to_out.0", True),
    ("transformer_blocks.0.ff.net.0.proj", True),
    ("transformer_blocks.0.audio_ff.net.2", True),
    ("transformer_blocks.0.attn1.to_q.base_layer", True),
    ("transformer_blocks.0.attn2.text.to_k", True),  # the block's own attention within a wrapper
    ("transformer_blocks.0.attn1.to_q.lora_A.default", False),
    ("transformer_blocks.0.attn1.to_gate_logits", False),
    ("transformer_blocks.0.attn1.norm_q", False),
    ("transformer_blocks.0.audio_attn.to_q", False),  # of an adapter, not of LTX-2
    ("transformer_blocks.0.attn2.audio.to_q", False),
    ("transformer_blocks.0.attn2.audio_attn.to_out.0", False),
    ("time_embed.linear", False), ("proj_in", False), ("caption_projection.linear_1", False),
    ("audio_layers.transformer_blocks.0.attn1.to_q", False),
])  # fmt: skip
def test_which_names_are_float8(name: str, small: bool) -> None:
    assert is_fp8(name) is small


def lora(transformer: Any) -> dict[str, Tensor]:
    """Lay a LoRA over every linear layer of the blocks that is float8 or could be."""
    from peft import LoraConfig

    torch.manual_seed(2)
    transformer.add_adapter(LoraConfig(r=4, target_modules=[*ATTENTION, *FEED], init_lora_weights=False))
    return {n: p.detach().clone() for n, p in transformer.state_dict().items() if "lora_" in n}


@pytest.mark.filterwarnings("ignore:TorchaoLoraLinear was instantiated")  # it is never merged
def test_a_lora_stays_bfloat16_and_may_come_before_or_after(tiny: tuple[str, Any]) -> None:
    before, after = copy.deepcopy(tiny[1]), copy.deepcopy(tiny[1])
    weights = lora(before)
    exact = forward(before)
    to_precision(before, Precision.FP8, CPU)
    to_precision(after, Precision.FP8, CPU)
    lora(after)
    after.load_state_dict(weights, strict=False)
    for transformer in (before, after):
        assert {p.dtype for n, p in transformer.named_parameters() if "lora_" in n} == {torch.bfloat16}
        assert sum(map(is_float8, fp8_linears(transformer))) == 3 * len(expected(tiny[0]))
    assert apart(forward(before), exact) < 0.06
    assert torch.equal(forward(before), forward(after))
    assert apart(forward(tiny[1]), exact) > 0.1  # the LoRA does something


def test_layers_of_an_audio_adapter_stay_bfloat16() -> None:
    from editalk.backends.dit.audio_adapter import AdapterConfig, AudioAdapter

    transformer = made("tiny-ltx-video")
    adapter = AudioAdapter(AdapterConfig("mel", 50, 1, 8, 3, 64, 2, 4, 2, 16)).to(torch.bfloat16)
    transformer.audio = adapter
    adapter.install(transformer)
    to_precision(transformer, Precision.FP8, CPU)
    assert {p.dtype for p in adapter.parameters()} == {torch.bfloat16}
    assert not any(is_float8(m) for m in adapter.modules() if isinstance(m, nn.Linear))
    assert is_float8(transformer.transformer_blocks[0].attn2.to_q)


def test_layers_are_fused_where_kernels_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dynamo's own backend stands in for Triton: the same call, the same numbers; a compiler that fails is no error."""
    from torchao.quantization import quant_api

    monkeypatch.setattr(quant_api, "_check_hardware_support", lambda granularity: None)
    monkeypatch.setattr(precision, "dynamic", lambda device: True)
    compiled = precision._compiled.__wrapped__
    monkeypatch.setattr(torch, "compile", lambda f, dynamic: f)
    monkeypatch.setattr(precision, "_compiled", compiled)
    plain, fused = made("tiny-ltx-video"), made("tiny-ltx-video")
    to_precision(fused, Precision.FP8, CPU)
    assert all(isinstance(linear, precision.FusedLinear) for linear in fp8_linears(fused))
    made_of_it = forward(fused)

    def broken(f: object, dynamic: bool) -> object:
        def fails(*given: object) -> Tensor:
            raise RuntimeError("no C compiler")

        return fails

    monkeypatch.setattr(torch, "compile", broken)
    to_precision(plain, Precision.FP8, CPU)
    assert not any(isinstance(linear, precision.FusedLinear) for linear in fp8_linears(plain))
    assert torch.equal(forward(plain), made_of_it)


def rows(values: Tensor) -> tuple[Tensor, Tensor]:
    """Float8 and a scale for each row, which torchao finds in bfloat16."""
    scale = (values.abs().amax(1, True) / 448).float()
    return (values.float() / scale).clamp(-448, 448).to(torch.float8_e4m3fn), scale


def test_the_dynamic_path_multiplies_float8_rows_by_float8_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchao refuses without a card, the operation itself runs on the CPU: its arithmetic against plain numbers."""
    from torchao.quantization import quant_api

    monkeypatch.setattr(quant_api, "_check_hardware_support", lambda granularity: None)
    monkeypatch.setattr(precision, "dynamic", lambda device: True)
    monkeypatch.setattr(precision, "fusible", lambda linear: False)
    transformer = made("tiny-ltx-video")
    exact, linear = forward(transformer), transformer.transformer_blocks[0].attn1.to_q
    weight, x = linear.weight.detach().clone(), torch.randn(5, 64, dtype=torch.bfloat16)
    to_precision(transformer, Precision.FP8, CPU)
    (a, scale_a), (b, scale_b) = rows(x), rows(weight)
    plain = (a.float() * scale_a) @ (b.float() * scale_b).T + linear.bias.float()
    kernel = torch._scaled_mm(a, b.T, scale_a, scale_b.T, out_dtype=torch.bfloat16) + linear.bias
    with torch.no_grad():
        assert apart(linear(x).float(), plain) < 0.01
        assert apart(kernel.float(), plain) < 0.01
    assert apart(forward(transformer), exact) < 0.05


@pytest.mark.parametrize(("capability", "able"), [((8, 0), False), ((8, 6), False), ((8, 9), True), ((9, 0), True)])
def test_activations_are_float8_where_the_card_can(
    capability: tuple[int, int], able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
    assert precision.dynamic(torch.device("cuda")) is able
    assert not precision.dynamic(CPU)


@pytest.mark.parametrize("kind", [Precision.BF16, Precision.FP8])
def test_offloaded_blocks_compute_the_same(kind: Precision, tiny: tuple[str, Any]) -> None:
    """CPU to CPU, without the stream that a GPU has: the hooks are diffusers', the weights ours."""
    transformer = copy.deepcopy(tiny[1])
    to_precision(transformer, kind, CPU)
    resident = forward(transformer)
    offload_blocks(transformer, CPU)
    assert torch.equal(forward(transformer), resident)
    assert torch.equal(forward(transformer), resident)


def test_offloading_needs_a_device_to_go_to(tiny: tuple[str, Any]) -> None:
    with pytest.raises(DeviceError, match="--offload keeps weights in RAM for a GPU"):
        to_precision(tiny[1], Precision.BF16, CPU, offload=True)


def test_offloading_needs_less_of_the_device(tiny: tuple[str, Any]) -> None:
    resident, offloaded = (needed_bytes(tiny[1], Precision.BF16, 10, offload) for offload in (False, True))
    assert weight_bytes(tiny[1]) < resident
    blocks = weight_bytes(tiny[1].transformer_blocks)
    assert resident - offloaded == pytest.approx(blocks / 3, abs=2)  # two blocks of three stay
    assert needed_bytes(tiny[1], Precision.BF16, 20) > resident


def save(folder: Path, transformer: Any, change: Callable[[dict[str, Tensor]], None]) -> None:
    from safetensors.torch import save_file

    folder.mkdir()
    state = {n: p.detach().clone() for n, p in transformer.state_dict().items()}
    change(state)
    save_file(state, folder / "diffusion_pytorch_model.safetensors")
    config = dict(transformer.config) | {"_class_name": "LTXVideoTransformer3DModel"}
    (folder / "config.json").write_text(json.dumps(config))


def test_float8_weights_without_scales_are_taken_as_they_are(tmp_path: Path) -> None:
    from editalk.backends.dit.loading import load_module

    transformer, name = made("tiny-ltx-video"), "transformer_blocks.0.attn1.to_q.weight"
    narrow = transformer.state_dict()[name].to(torch.float8_e4m3fn)
    save(tmp_path / "raw", transformer, lambda state: state.update({name: narrow}))
    check_weights(tmp_path / "raw")
    loaded = load_module(type(transformer), tmp_path / "raw", torch.bfloat16)
    assert torch.equal(loaded.state_dict()[name], narrow.to(torch.bfloat16))


def test_float8_weights_with_scales_are_refused(tmp_path: Path) -> None:
    name = "transformer_blocks.0.attn1.to_q.weight_scale"
    save(tmp_path / "scaled", made("tiny-ltx-video"), lambda state: state.update({name: torch.tensor(0.5)}))
    with pytest.raises(DeviceError, match="take the bfloat16 ones"):
        check_weights(tmp_path / "scaled")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"no safetensors")
    with pytest.raises(ModelsError, match=r"model\.safetensors: cannot be read"):
        check_weights(tmp_path)


class Card:
    """A GPU that is not there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int] = (9, 0), count: int = 1) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "Tesla T4")


def test_a_device_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_device("cpu") == CPU
    Card(monkeypatch, count=0)
    assert find_device(None) == find_device("auto") == CPU
    Card(monkeypatch, count=2)
    assert find_device(None).type == "cuda"
    assert find_device("cuda:1").index == 1


@pytest.mark.parametrize(("name", "count", "capability", "said"), [
    ("cuda", 0, (9, 0), "finds no CUDA GPU"),
    ("cuda:3", 2, (9, 0), "there are 2 GPUs"),
    ("cuda", 1, (7, 5), "Tesla T4 has no bfloat16"),
    ("tpu", 1, (9, 0), "there is no such device"),
    ("mps", 1, (9, 0), "runs on cuda"),
])  # fmt: skip
def test_a_device_that_will_not_do(
    name: str, count: int, capability: tuple[int, int], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Card(monkeypatch, capability, count)
    with pytest.raises(DeviceError, match=said) as caught:
        find_device(name)
    assert caught.value.exit_code == 5


def test_ways_out_name_what_was_not_tried() -> None:
    assert ways_out(Precision.BF16, False).startswith("--precision fp8, --offload, a smaller picture")
    assert "--precision" not in ways_out(Precision.FP8, False)
    assert ways_out(Precision.FP8, True).startswith("a smaller picture")


def test_what_does_not_fit_is_said_beforehand() -> None:
    assert fits(CPU, 1)
    require(CPU, 1, "a byte", "nothing")
    with pytest.raises(DeviceError, match=r"a movie needs about 1048576.0 GiB on cpu, .* GiB are free; try patience"):
        require(CPU, 2**50, "a movie", "patience")


def allocate() -> None:
    torch.empty(2**55, dtype=torch.uint8)


def raising(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize("act", [
    allocate,
    raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")),
    raising(MemoryError()),
    raising(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
])  # fmt: skip
def test_running_out_of_memory_is_an_error_with_ways_out(act: Callable[[], None]) -> None:
    said = r"out of memory: 10 s at once; .* GiB of RAM are free"
    trying = memory_errors("10 s at once", ways_out(Precision.BF16, False), CPU)
    with pytest.raises(DeviceError, match=said) as caught, trying:
        act()
    assert "try --precision fp8, --offload" in str(caught.value)
    assert caught.value.exit_code == 5
    assert isinstance(caught.value.__cause__, RuntimeError | MemoryError)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_errors("this", "that", CPU):
        raise RuntimeError("shapes do not fit")
