"""The `ltx-video` family: parity with diffusers' pipelines and Lightricks' own transformer at equal random weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from editalk.audio import Audio
from editalk.backends.dit import caching
from editalk.backends.dit.audio_adapter import AdapterConfig, AudioAdapter
from editalk.backends.dit.audio_features import LogMel
from editalk.backends.dit.audio_windows import windows
from editalk.backends.dit.family import Family
from editalk.backends.dit.loading import load_lora
from editalk.backends.dit.ltx_video import Guidance, Hearing, LtxVideo, load_hearing, load_transformer
from editalk.backends.dit.prompts import Embeds, Prompt
from editalk.backends.dit.sampling import sample
from editalk.backends.dit.times import coordinates
from editalk.backends.dit.tokens import REFERENCE, Tokens, joined
from editalk.errors import ModelsError, UsageError

GOLDEN = Path(__file__).parent / "golden" / "dit_ltx_video.safetensors"
FRAMES, ROWS, COLUMNS, RATE, CELL = 3, 2, 3, 24.0, 32
COUNT = FRAMES * ROWS * COLUMNS
CONFIG = AdapterConfig("log-mel-50-6", 50.0, 1, 6, layers=2, hidden=24, heads=2, window=8, embeddings=4, width=16)
WEIGHTS = "diffusion_pytorch_model.safetensors"


def tiny(layers: int = 2) -> Any:
    from diffusers import LTXVideoTransformer3DModel

    torch.manual_seed(1)
    return LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=12, cross_attention_dim=24,
        num_layers=layers, caption_channels=16,
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def net() -> Any:
    """Never changed by a test."""
    return tiny()


def prompt() -> Prompt:
    g = torch.Generator().manual_seed(2)
    return Prompt(Embeds(torch.randn(3, 16, generator=g)), Embeds(torch.randn(4, 16, generator=g)))


def tokens(seed: int = 0) -> Tokens:
    g = torch.Generator().manual_seed(seed)
    return Tokens(
        torch.randn(COUNT, 8, generator=g), torch.rand(COUNT, generator=g).round(decimals=2),
        coordinates(FRAMES, ROWS, COLUMNS, 8, CELL, RATE), torch.arange(FRAMES).repeat_interleave(ROWS * COLUMNS),
        torch.randint(0, 2, (COUNT,), generator=g).float(),
    )  # fmt: skip


def trained(layers: int = 2) -> Hearing:
    torch.manual_seed(4)
    adapter = AudioAdapter(AdapterConfig(**{**vars(CONFIG), "layers": layers}))
    for layer in adapter.layers:
        torch.nn.init.normal_(layer.get_parameter("to_out.weight"))
    return Hearing(adapter, LogMel(50, 6))


def sound(seconds: float = 1.0) -> Audio:
    samples = np.random.default_rng(0).normal(0, 0.1, (round(seconds * 16000), 1))
    return Audio(samples.astype(np.float32), 16000)


def heard(family: LtxVideo, frames: int = FRAMES) -> Tensor:
    at = np.arange(8 * (frames - 1) + 1) / RATE
    found = family.hear(sound(), at, at)
    assert found is not None
    return found


# Parity


@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("name", ["LTXConditionPipeline", "LTXPipeline"])
def test_a_fully_masked_window_equals_diffusers(
    net: Any, name: str, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unedited window, everything generated: our loop and family against diffusers' whole pipelines."""
    import diffusers
    from diffusers.pipelines.ltx import pipeline_ltx_condition

    made = tokens()
    noise = torch.randn(COUNT, 8, generator=torch.Generator().manual_seed(5))
    volume = noise.view(1, FRAMES, ROWS, COLUMNS, 8).permute(0, 4, 1, 2, 3)
    monkeypatch.setattr(pipeline_ltx_condition, "randn_tensor", lambda *given, **named: volume.clone())
    pipe = getattr(diffusers, name)(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(), vae=None, text_encoder=None, tokenizer=None,
        transformer=net,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    object.__setattr__(pipe, "vae", SimpleNamespace(dtype=torch.float32))  # LTXConditionPipeline asks for it
    text = prompt()
    assert text.negative is not None
    wanted = pipe(
        **padded(text.positive.video, ""), **padded(text.negative.video, "negative_"), latents=noise[None].clone(),
        height=ROWS * CELL, width=COLUMNS * CELL, num_frames=8 * FRAMES - 7, frame_rate=int(RATE),
        num_inference_steps=4, guidance_scale=scale, output_type="latent",
    ).frames  # fmt: skip
    if wanted.ndim == 5:
        wanted = wanted.permute(0, 2, 3, 4, 1).flatten(1, 3)
    coords = made.coords
    if name == "LTXPipeline":  # that of 0.9.0 and 0.9.1: times are not shifted by latent 0's being a single frame
        coords = coords.clone()
        coords[:, 0, 0] = made.frame * 8 / RATE
    everything = Tokens(made.latent, torch.ones(COUNT), coords, made.frame, made.face)
    family = LtxVideo(net, text, guidance=Guidance(scale) if scale != 1 else None)
    found = sample(family, everything, pipe.scheduler.sigmas.tolist(), None, torch.Generator().manual_seed(5))
    torch.testing.assert_close(found, wanted[0], atol=1e-5, rtol=1e-5)


def padded(text: Tensor, prefix: str) -> dict[str, Tensor]:
    """As a pipeline has it: 6 tokens, those behind the text masked."""
    embeds, mask = torch.full((1, 6, 16), 7.0), torch.zeros(1, 6, dtype=torch.int64)
    embeds[0, : len(text)], mask[0, : len(text)] = text, 1
    return {f"{prefix}prompt_embeds": embeds, f"{prefix}prompt_attention_mask": mask}


def test_levels_of_single_tokens_equal_lightricks() -> None:
    """The fixture: one forward of Lightricks' Transformer3DModel (LTX-Video 5260738, causal_temporal_positioning) with
    its own patchifier and pixel coordinates: 3 × 2 × 3 latents at 24 fps, timestep 0.7 · mask, and weights as `ruled`
    gives them by diffusers' names.
    """
    from safetensors.torch import load_file

    golden = load_file(GOLDEN)
    net = tiny()
    ruled(net)
    coords = coordinates(FRAMES, ROWS, COLUMNS, 8, CELL, RATE)
    torch.testing.assert_close(coords[..., 0].T, golden["starts"])
    made = Tokens(golden["latent"], golden["mask"], coords, torch.arange(FRAMES).repeat_interleave(6), golden["mask"])
    found = LtxVideo(net, Prompt(Embeds(golden["text"]))).velocity(made, 0.7, None)
    torch.testing.assert_close(found, golden["velocity"], atol=1e-5, rtol=1e-5)


def ruled(net: Any) -> None:
    """Weights that a formula gives, so that the fixture need not hold them."""
    with torch.no_grad():
        for k, (name, parameter) in enumerate(sorted(net.named_parameters())):
            waves = torch.sin(torch.arange(parameter.numel(), dtype=torch.float64) * (0.7 * k + 1) + k)
            parameter.copy_((waves * 0.3 + ("norm_" in name)).float().view(parameter.shape))


# Tokens


def test_tokens_may_stand_in_any_order() -> None:
    family = LtxVideo(tiny(), prompt(), trained())
    made, known = tokens(), heard(family)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(1))
    found = family.velocity(made[order], 0.6, known)
    torch.testing.assert_close(found, family.velocity(made, 0.6, known)[order], atol=1e-5, rtol=1e-5)


def test_times_count_from_the_start_of_the_block(net: Any) -> None:
    family = LtxVideo(net, prompt())
    made = tokens()
    found = family.velocity(made.shifted(600.0), 0.6, None)
    torch.testing.assert_close(found, family.velocity(made, 0.6, None), atol=1e-2, rtol=0)
    other = made.coords.clone()
    other[:, 0] *= 2
    far = family.velocity(Tokens(made.latent, made.mask, other, made.frame, made.face), 0.6, None)
    assert not torch.allclose(far, found, atol=1e-2)


def test_clean_tokens_are_told_so(net: Any) -> None:
    """σ matters where the mask is, and to others only as far as they see it."""
    family = LtxVideo(net, prompt())
    made = tokens()
    clean = Tokens(made.latent, torch.zeros(COUNT), made.coords, made.frame, made.face)
    assert torch.equal(family.velocity(clean, 0.3, None), family.velocity(clean, 0.9, None))
    assert not torch.equal(family.velocity(made, 0.3, None), family.velocity(made, 0.9, None))


# Sound


def test_untrained_layers_leave_the_family_bit_identical(net: Any) -> None:
    made, before = tokens(), LtxVideo(net, prompt()).velocity(tokens(), 0.6, None)
    family = LtxVideo(tiny(), prompt(), Hearing(AudioAdapter(CONFIG), LogMel(50, 6)))
    assert torch.equal(family.velocity(made, 0.6, heard(family)), before)
    assert not family.lips


def test_sound_reaches_the_face_alone() -> None:
    """With one block; with more, others change through self-attention. Reference tokens hear nothing."""
    family = LtxVideo(tiny(1), prompt(), trained(1))
    assert family.lips
    made = tokens()
    reference = Tokens(made.latent[:4], torch.zeros(4), made.coords[:4], torch.full((4,), REFERENCE), torch.ones(4))
    both = joined([made, reference])
    before, after = family.velocity(both, 0.6, None), family.velocity(both, 0.6, heard(family))
    hears = torch.cat([made.face > 0, torch.zeros(4, dtype=torch.bool)])
    assert torch.equal(after[~hears], before[~hears])
    assert ((after - before)[hears].abs().amax(1) > 1e-4).all()


def test_a_window_is_heard_as_the_adapter_embeds_it() -> None:
    family = LtxVideo(tiny(), prompt(), trained())
    hearing = family.hearing
    assert hearing is not None
    at = 0.3 + np.arange(8 * 39 + 1) / RATE
    found = family.hear(sound(14.0), at, at)
    whole = hearing.adapter.embed(windows(hearing.features.features(sound(14.0)), 50.0, at, 8)[None])[0]
    assert found is not None
    assert found.shape == (40, 4, 16)
    torch.testing.assert_close(found, whole)


def test_without_layers_nothing_is_heard(net: Any) -> None:
    family: Family = LtxVideo(net, prompt())
    assert not family.lips
    assert family.hear(sound(), np.zeros(9), np.zeros(9)) is None


def test_guidance_adds_up_both_directions() -> None:
    net, hearing, text = tiny(), trained(), prompt()
    assert text.negative is not None
    plain = LtxVideo(net, text, hearing)
    known, made = heard(plain), tokens()
    v = plain.velocity(made, 0.6, known)
    deaf = plain.velocity(made, 0.6, None)
    plain.prompt = Prompt(text.negative)
    away = plain.velocity(made, 0.6, known)
    plain.prompt, plain.guidance = text, Guidance(3.0, 2.5)
    torch.testing.assert_close(plain.velocity(made, 0.6, known), v + 2 * (v - away) + 1.5 * (v - deaf))
    plain.guidance = Guidance(1.0, 2.5)
    torch.testing.assert_close(plain.velocity(made, 0.6, known), deaf + 2.5 * (v - deaf))
    assert torch.equal(plain.velocity(made, 0.6, None), deaf)


def test_guidance_needs_a_negative_prompt(net: Any) -> None:
    with pytest.raises(ValueError, match="negative"):
        LtxVideo(net, Prompt(prompt().positive), guidance=Guidance())


def test_results_are_reused_for_each_pass_of_its_own() -> None:
    """Under one name, text with sound, negative text and no sound are remembered apart."""
    net, hearing = tiny(), trained()
    family = LtxVideo(net, prompt(), hearing, Guidance(3.0, 2.0))
    known, made = heard(family), tokens()
    before = family.velocity(made, 0.6, known)
    caching.install(net, caching.Reuse(1e-9))
    assert torch.equal(family.velocity(made, 0.6, known, "0"), before)
    assert (net.transformer_blocks.computed, net.transformer_blocks.reused) == (3, 0)
    torch.testing.assert_close(family.velocity(made, 0.6, known, "0"), before)
    assert (net.transformer_blocks.computed, net.transformer_blocks.reused) == (3, 3)
    assert torch.equal(family.velocity(made, 0.6, known), before)
    assert net.transformer_blocks.reused == 3


# Weights


@pytest.fixture(scope="module")
def folder(net: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("weights")
    net.save_pretrained(made / "transformer")
    return made


def test_loading(folder: Path, net: Any) -> None:
    found = load_transformer(folder, torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), net.parameters(), strict=True))
    assert load_transformer(folder, torch.bfloat16).dtype is torch.bfloat16


def tensors(change: Callable[[dict[str, Tensor]], object]) -> Callable[[Path], object]:
    def apply(place: Path) -> None:
        from safetensors.torch import load_file, save_file

        found = load_file(place / WEIGHTS)
        change(found)
        save_file(found, place / WEIGHTS)

    return apply


def setting(name: str, value: object) -> Callable[[Path], object]:
    def apply(place: Path) -> None:
        config = json.loads((place / "config.json").read_text("utf-8"))
        (place / "config.json").write_text(json.dumps({**config, name: value}), "utf-8")

    return apply


def pickled(place: Path) -> None:
    (place / WEIGHTS).unlink()
    torch.save({}, place / "diffusion_pytorch_model.bin")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (tensors(lambda t: t.pop("proj_in.bias")), "1 tensors are missing, the first is proj_in.bias"),
        (tensors(lambda t: t.update(more=torch.zeros(1))), "1 tensors are unexpected, the first is more"),
        (tensors(lambda t: t.update({"proj_in.bias": torch.zeros(3)})), "proj_in.bias expected shape"),
        (lambda place: (place / WEIGHTS).write_bytes((place / WEIGHTS).read_bytes()[:5000]), WEIGHTS),
        (lambda place: (place / WEIGHTS).unlink(), WEIGHTS),
        (pickled, WEIGHTS),
        (lambda place: (place / "config.json").unlink(), "config.json"),
        (lambda place: (place / "config.json").write_text("{", "utf-8"), "config.json"),
        (setting("_class_name", "LTX2VideoTransformer3DModel"), "is of LTX2VideoTransformer3DModel"),
        (setting("num_layers", 3), "tensors are missing"),
        (setting("num_layers", "x"), "integer"),
        (setting("qk_norm", "none"), "qk_norm"),
    ],
)
def test_broken_weights_are_named(
    folder: Path, tmp_path: Path, change: Callable[[Path], object], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder, tmp_path / "w")
    change(tmp_path / "w" / "transformer")
    with pytest.raises(ModelsError) as caught:
        load_transformer(tmp_path / "w", torch.float32)
    assert message in str(caught.value)
    assert str(tmp_path / "w" / "transformer") in str(caught.value)
    assert capfd.readouterr().out == ""


def test_hearing_of_a_folder(tmp_path: Path) -> None:
    assert load_hearing(tmp_path, None, "cpu", torch.float32) is None
    trained().adapter.save(tmp_path / "audio_adapter")
    found = load_hearing(tmp_path, None, "cpu", torch.float32)
    assert found is not None
    assert found.features.name == "log-mel-50-6"
    assert LtxVideo(tiny(), prompt(), found).lips
    other = AdapterConfig(**{**vars(CONFIG), "representation": "whisper-small"})
    AudioAdapter(other).save(tmp_path / "audio_adapter")
    with pytest.raises(UsageError, match="whisper-small"):
        load_hearing(tmp_path, None, "cpu", torch.float32)
    other = AdapterConfig(**{**vars(CONFIG), "representation": "log-mel-50-20"})
    AudioAdapter(other).save(tmp_path / "audio_adapter")
    with pytest.raises(ModelsError, match="channels 6; log-mel-50-20 has 20"):
        load_hearing(tmp_path, None, "cpu", torch.float32)


# LoRA

PLACES = ("transformer_blocks.0.attn1.to_q", "transformer_blocks.1.ff.net.0.proj", "proj_in")


def matrices(net: Any, rank: int = 2) -> dict[str, tuple[Tensor, Tensor]]:
    g = torch.Generator().manual_seed(6)
    layers = {place: net.get_submodule(place) for place in PLACES}
    return {
        place: (torch.randn(rank, m.in_features, generator=g), torch.randn(m.out_features, rank, generator=g))
        for place, m in layers.items()
    }


def written(path: Path, net: Any, prefix: str, down: str, up: str, alpha: float | None = None) -> Path:
    from safetensors.torch import save_file

    found: dict[str, Tensor] = {}
    for place, (a, b) in matrices(net).items():
        name = place.replace("proj_in", "patchify_proj") if prefix == "diffusion_model." else place
        found[f"{prefix}{name}.{down}.weight"], found[f"{prefix}{name}.{up}.weight"] = a, b
        if alpha is not None:
            found[f"{prefix}{name}.alpha"] = torch.tensor(alpha)
    save_file(found, path)
    return path


def merged(net: Any, scale: float) -> Any:
    with torch.no_grad():
        for place, (a, b) in matrices(net).items():
            net.get_submodule(place).weight += scale * b @ a
    return net


@pytest.mark.parametrize(
    ("prefix", "down", "up", "alpha"),
    [("transformer.", "lora_A", "lora_B", None), ("diffusion_model.", "lora_A", "lora_B", None),
     ("", "lora_down", "lora_up", 1.0), ("diffusion_model.", "lora_down", "lora_up", 4.0)],
)  # fmt: skip
def test_loras_of_all_layouts(tmp_path: Path, prefix: str, down: str, up: str, alpha: float | None) -> None:
    net = tiny()
    load_lora(net, written(tmp_path / "l.safetensors", net, prefix, down, up, alpha))
    wanted = LtxVideo(merged(tiny(), 1.0 if alpha is None else alpha / 2), prompt()).velocity(tokens(), 0.5, None)
    torch.testing.assert_close(LtxVideo(net, prompt()).velocity(tokens(), 0.5, None), wanted, atol=1e-4, rtol=1e-4)


def test_two_loras_add_up(tmp_path: Path) -> None:
    net = tiny()
    path = written(tmp_path / "l.safetensors", net, "transformer.", "lora_A", "lora_B")
    load_lora(net, path)
    load_lora(net, path)
    wanted = LtxVideo(merged(tiny(), 2.0), prompt()).velocity(tokens(), 0.5, None)
    torch.testing.assert_close(LtxVideo(net, prompt()).velocity(tokens(), 0.5, None), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("pipeline", [False, True])
def test_a_lora_that_diffusers_wrote_has_its_alphas(tmp_path: Path, pipeline: bool) -> None:
    from diffusers import LTXConditionPipeline
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    net = tiny()
    config = LoraConfig(
        r=2, lora_alpha=6, target_modules=["to_q", "to_k"], alpha_pattern={"attn2.to_k": 5}, init_lora_weights=False
    )
    net.add_adapter(config)
    if pipeline:
        own = net.peft_config["default"].to_dict()
        LTXConditionPipeline.save_lora_weights(
            tmp_path, get_peft_model_state_dict(net), transformer_lora_adapter_metadata=own
        )
    else:
        net.save_lora_adapter(tmp_path, "default")
    wanted = LtxVideo(net, prompt()).velocity(tokens(), 0.5, None)
    other = tiny()
    load_lora(other, next(tmp_path.glob("*.safetensors")))
    torch.testing.assert_close(LtxVideo(other, prompt()).velocity(tokens(), 0.5, None), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("names", "message"),
    [({"transformer.nowhere.lora_A.weight": (2, 3)}, "no linear layer nowhere"),
     ({"transformer.proj_in.lora_A.weight": (2, 8)}, "one of the two matrices of proj_in"),
     ({"transformer.proj_in.lora_A.weight": (2, 9), "transformer.proj_in.lora_B.weight": (24, 2)}, "proj_in is"),
     ({"transformer.proj_in.dora_scale": (2,)}, "dora_scale is none of a LoRA"), ({}, "no tensors")],
)  # fmt: skip
def test_broken_loras_are_named(tmp_path: Path, names: dict[str, tuple[int, ...]], message: str) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "l.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in names.items()}, path)
    with pytest.raises(ModelsError, match=message):
        load_lora(tiny(), path)
    path.write_bytes(b"x")
    with pytest.raises(ModelsError, match=r"l\.safetensors: no safetensors"):
        load_lora(tiny(), path)
