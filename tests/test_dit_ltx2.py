"""The `ltx2` family: parity with the reference and with diffusers' pipelines at equal random weights, and its sound."""

from __future__ import annotations

import zlib
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from editalk.audio import Audio
from editalk.backends.dit import caching, ltx2, schedules
from editalk.backends.dit.audio_latents import AudioLatents, log_mel
from editalk.backends.dit.ltx2 import Guidance, Heard, Ltx2, around, retimed
from editalk.backends.dit.prompts import Embeds, Prompt
from editalk.backends.dit.sampling import sample
from editalk.backends.dit.times import coordinates
from editalk.backends.dit.tokens import REFERENCE, Tokens

GOLDEN = Path(__file__).parent / "golden"
RATE = 25.0
CONFIG = {
    "in_channels": 8, "out_channels": 8, "num_attention_heads": 2, "attention_head_dim": 12, "cross_attention_dim": 24,
    "audio_in_channels": 8, "audio_out_channels": 8, "audio_num_attention_heads": 2, "audio_attention_head_dim": 8,
    "audio_cross_attention_dim": 16, "num_layers": 3, "caption_channels": 12, "rope_type": "split",
    "gated_attn": True, "cross_attn_mod": True, "audio_gated_attn": True, "audio_cross_attn_mod": True,
    "use_prompt_embeddings": False, "perturbed_attn": True,
}  # fmt: skip
GUIDANCE = Guidance(blocks=(1,))


def seeded(name: str, shape: torch.Size) -> Tensor:
    """A parameter's value by its name alone."""
    scale = 1.0 if "table" in name else shape[-1] ** -0.5 if len(shape) > 1 else 0.3
    return torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode()))) * scale


def tiny() -> Any:
    from diffusers import LTX2VideoTransformer3DModel

    net = LTX2VideoTransformer3DModel(**CONFIG)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(seeded(name, parameter.shape))
    return net.requires_grad_(False).eval()


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def net() -> Any:
    return tiny()


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    """Inputs and results of the reference implementation (Lightricks/LTX-2 at 400fd31) with the weights of `tiny`.

    They were made by its LTXModel, X0Model, SimpleDenoiser and GuidedDenoiser (cfg 3, STG 1 on block 1, modality 3,
    rescale 0.7), euler_denoising_loop and EulerDiffusionStep, the weights renamed as diffusers' conversion script does
    it the other way round; av_ca_timestep_scale_multiplier 1000, rope split in float64. `clean` 3 · 2 · 3 tokens and
    two reference tokens, `mask` of 0, ½, 0.8 and 1, `audio` frozen. `out.x0`: the second of `sigmas` on lerp(clean,
    noise, mask), `out.loop`: all of them.
    """
    return load_file(GOLDEN / "dit_ltx2.safetensors")


@pytest.fixture(scope="module")
def tokens(golden: dict[str, Tensor]) -> Tokens:
    own = (golden["frame"] >= 0).float()
    return Tokens(golden["clean"], golden["mask"], golden["coords"], golden["frame"], own)


@pytest.fixture(scope="module")
def heard(golden: dict[str, Tensor]) -> Heard:
    return Heard(golden["audio"], golden["audio_coords"])


@pytest.fixture(scope="module")
def prompt(golden: dict[str, Tensor]) -> Prompt:
    return Prompt(Embeds(golden["text"], golden["sound_text"]), Embeds(golden["negative"]))


def family(net: Any, prompt: Prompt, guidance: Guidance | None = None) -> Ltx2:
    return Ltx2(net, AudioLatents(None), prompt, guidance)


@pytest.fixture(scope="module")
def noisy(tokens: Tokens, golden: dict[str, Tensor]) -> Tokens:
    return tokens.with_latent(torch.lerp(tokens.latent, golden["noise"], tokens.mask[:, None]))


@pytest.mark.parametrize(("prefix", "guidance"), [("", None), ("guided_", GUIDANCE)])
def test_one_step_equals_the_reference(
    net: Any, prompt: Prompt, noisy: Tokens, heard: Heard, golden: dict[str, Tensor], prefix: str,
    guidance: Guidance | None,
) -> None:  # fmt: skip
    """Hard and soft masks, frozen sound, reference tokens: x0 where something is generated, within 1e-4."""
    sigma = float(golden["sigmas"][1])
    x0 = noisy.latent - family(net, prompt, guidance).velocity(noisy, sigma, heard) * sigma * noisy.mask[:, None]
    made = noisy.mask > 0
    assert sorted(set(noisy.mask.tolist())) == pytest.approx([0, 0.5, 0.8, 1])
    torch.testing.assert_close(x0[made], golden[f"out.{prefix}x0"][made], rtol=0, atol=1e-4)


@pytest.mark.parametrize(("prefix", "guidance"), [("", None), ("guided_", GUIDANCE)])
def test_loop_equals_the_reference(
    net: Any, prompt: Prompt, tokens: Tokens, heard: Heard, golden: dict[str, Tensor], prefix: str,
    guidance: Guidance | None,
) -> None:  # fmt: skip
    own = tokens[tokens.frame >= 0]
    seed = torch.Generator().manual_seed(5)
    references = [tokens[tokens.frame == REFERENCE]]
    out = sample(family(net, prompt, guidance), own, golden["sigmas"].tolist(), heard, seed, lambda _: references)
    torch.testing.assert_close(out, golden[f"out.{prefix}loop"][: len(own)], rtol=0, atol=1e-4)
    assert torch.equal(out[own.mask == 0], own.latent[own.mask == 0])


def test_own_levels_matter(
    net: Any, prompt: Prompt, noisy: Tokens, heard: Heard, golden: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """diffusers alone gives the frozen sound's level to the picture's scale and shift: another result."""
    sigma = float(golden["sigmas"][1])
    right = family(net, prompt).velocity(noisy, sigma, heard)
    monkeypatch.setattr(ltx2, "own_levels", lambda *_: nullcontext())
    assert float((family(net, prompt).velocity(noisy, sigma, heard) - right).abs().max()) > 0.1


@pytest.mark.parametrize("changed", ["audio_timestep", "audio_sigma", "use_cross_timestep", "sigma"])
def test_frozen_sound_needs_all_of_it(
    net: Any, prompt: Prompt, noisy: Tokens, heard: Heard, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """Levels of the sound other than zero, gates by the own level, no σ of the picture: each is another result."""
    own = family(net, prompt)
    right = own.velocity(noisy, 0.9, heard)
    forward = net.forward
    wrong = {"use_cross_timestep": False, "sigma": torch.zeros(1)}.get(changed, torch.tensor([900.0]))
    monkeypatch.setattr(net, "forward", lambda **given: forward(**given | {changed: wrong}))
    assert float((own.velocity(noisy, 0.9, heard) - right).abs().max()) > 1e-3


def test_a_block_is_counted_from_its_start(net: Any, prompt: Prompt, noisy: Tokens, heard: Heard) -> None:
    own = family(net, prompt)
    late = own.velocity(noisy.shifted(64.0), 0.9, Heard(heard.latents, heard.coords + 64))
    torch.testing.assert_close(late, own.velocity(noisy, 0.9, heard), rtol=0, atol=2e-3)
    moved = own.velocity(noisy, 0.9, Heard(heard.latents, heard.coords + 0.2))
    assert float((moved - own.velocity(noisy, 0.9, heard)).abs().max()) > 0.01


def test_sound_off_the_block_is_not_heard(net: Any, prompt: Prompt, noisy: Tokens, heard: Heard) -> None:
    """Half a second before and behind is, what lies further off is not."""
    own = family(net, prompt)
    far = torch.tensor([[-0.7, -0.51], [1.3, 1.4]])
    more = Heard(torch.cat([heard.latents, torch.randn(2, 8)]), torch.cat([heard.coords, far]))
    near = replace(more, coords=torch.cat([heard.coords, torch.tensor([[-0.6, -0.4], [1.1, 1.2]])]))
    assert torch.equal(own.velocity(noisy, 0.9, more), own.velocity(noisy, 0.9, heard))
    assert not torch.equal(own.velocity(noisy, 0.9, near), own.velocity(noisy, 0.9, heard))


def test_without_sound(net: Any, prompt: Prompt, noisy: Tokens, heard: Heard) -> None:
    """None and a sound that lies elsewhere are the same: the pass without attention between the streams."""
    own = family(net, prompt)
    deaf = own.velocity(noisy, 0.9, None)
    assert torch.equal(deaf, own.velocity(noisy, 0.9, Heard(heard.latents, heard.coords + 9)))
    assert float((deaf - own.velocity(noisy, 0.9, heard)).abs().max()) > 0.01


def test_passes_have_names_of_their_own(
    net: Any, prompt: Prompt, noisy: Tokens, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str | None] = []
    monkeypatch.setattr(ltx2, "context", lambda net, name: names.append(name) or nullcontext())
    family(net, prompt, GUIDANCE).velocity(noisy, 0.9, heard, "17")
    family(net, prompt, GUIDANCE).velocity(noisy, 0.9, None, "17")
    family(net, prompt, replace(GUIDANCE, perturbed=0, sound=1)).velocity(noisy, 0.9, heard)
    assert names[:4] == ["17/cond", "17/uncond", "17/perturbed", "17/deaf"]
    assert names[4:] == ["17/cond", "17/uncond", "17/perturbed", None, None]


def test_hooks_are_gone_afterwards(net: Any, prompt: Prompt, noisy: Tokens, heard: Heard) -> None:
    family(net, prompt, GUIDANCE).velocity(noisy, 0.9, heard)
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_caching_alone_changes_nothing(prompt: Prompt, noisy: Tokens, heard: Heard) -> None:
    """It sits below: with a threshold that is never reached everything is computed, perturbed blocks included."""
    net = tiny()
    before = family(net, prompt, GUIDANCE).velocity(noisy, 0.9, heard)
    caching.install(net, caching.Reuse(0.0))
    assert torch.equal(family(net, prompt, GUIDANCE).velocity(noisy, 0.9, heard, "0"), before)


def test_what_is_refused(net: Any, prompt: Prompt) -> None:
    with pytest.raises(ValueError, match="negative prompt"):
        family(net, Prompt(prompt.positive), GUIDANCE)
    with pytest.raises(ValueError, match="has 3 blocks"):
        family(net, prompt, Guidance())
    with pytest.raises(ValueError, match="nothing for the sound"):
        family(net, Prompt(Embeds(prompt.positive.video)))


# diffusers' pipelines


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """Everything that diffusers' LTX-2 pipelines ask for, tiny; the scheduler as LTX-2.3's folder has it."""
    from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video, FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors

    torch.manual_seed(0)
    connectors = LTX2TextConnectors(
        caption_channels=12, text_proj_in_factor=2, per_modality_projections=True,
        video_hidden_dim=24, video_connector_num_attention_heads=2, video_connector_attention_head_dim=12,
        video_connector_num_layers=1, video_connector_num_learnable_registers=4,
        audio_hidden_dim=16, audio_connector_num_attention_heads=2, audio_connector_attention_head_dim=8,
        audio_connector_num_layers=1, audio_connector_num_learnable_registers=4,
        connector_rope_base_seq_len=32, rope_double_precision=False, rope_type="split",
    )  # fmt: skip
    vae = AutoencoderKLLTX2Video(
        latent_channels=8, block_out_channels=(8,), decoder_block_out_channels=(8,), layers_per_block=(1,),
        decoder_layers_per_block=(1, 1), spatio_temporal_scaling=(True,), decoder_spatio_temporal_scaling=(True,),
        decoder_inject_noise=(False, False), downsample_type=("spatial",), upsample_residual=(False,),
        upsample_factor=(1,), timestep_conditioning=False, patch_size=1, patch_size_t=1, encoder_causal=True,
        decoder_causal=False, spatial_compression_ratio=32, temporal_compression_ratio=8,
    )  # fmt: skip
    sound = AutoencoderKLLTX2Audio(
        base_channels=8, output_channels=2, ch_mult=(1, 1, 1), num_res_blocks=1, latent_channels=2, mel_bins=16
    )
    sound.latents_mean, sound.latents_std = torch.linspace(-1, 1, 8), torch.linspace(0.5, 2, 8)
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, base_image_seq_len=1024, shift_terminal=0.1
    )
    found = {"vae": vae, "audio_vae": sound, "connectors": connectors, "scheduler": scheduler}
    return found | {"text_encoder": None, "tokenizer": None, "vocoder": None}


def grid(noise: Tensor, frames: int, rows: int, columns: int) -> Tokens:
    """All of it generated from this noise."""
    coords = coordinates(frames, rows, columns, 8, 32, RATE)
    frame = torch.arange(frames).repeat_interleave(rows * columns)
    return Tokens(noise, torch.ones(len(noise)), coords, frame, torch.ones(len(noise)))


def made(own: Ltx2, tokens: Tokens, sigmas: tuple[float, ...], heard: Heard | None) -> Tensor:
    """`sample` from the tokens' own noise."""
    x = tokens.latent
    for sigma, below in zip(sigmas, sigmas[1:], strict=False):
        x = x + own.velocity(tokens.with_latent(x), sigma, heard) * (below - sigma)
    return x


@pytest.mark.parametrize("guidance", [None, GUIDANCE])
def test_equals_diffusers_pipeline(parts: dict[str, Any], guidance: Guidance | None) -> None:
    """A whole denoising by LTX2Pipeline, with its schedule, its text connectors and all its guidance.

    It makes sound of its own beside the picture, ours is given: so the picture hears nothing in either, the projection
    out of that attention being zero.
    """
    from diffusers import LTX2Pipeline

    net = tiny()
    for block in net.transformer_blocks:
        block.audio_to_video_attn.to_out[0].weight.zero_()
        block.audio_to_video_attn.to_out[0].bias.zero_()
    pipeline = LTX2Pipeline(transformer=net, **parts)
    pipeline.set_progress_bar_config(disable=True)
    g = torch.Generator().manual_seed(1)
    states, mask = torch.randn(2, 8, 24, generator=g), torch.tensor([[0] * 3 + [1] * 5, [0] * 6 + [1] * 2])
    noise = torch.randn(1, 8, 3, 2, 3, generator=g)
    off = {"guidance_scale": 1.0, "stg_scale": 0.0, "modality_scale": 1.0, "guidance_rescale": 0.0}
    scales = {} if guidance else off | {f"audio_{name}": value for name, value in off.items()}
    theirs = pipeline(
        height=64, width=96, num_frames=17, frame_rate=RATE, num_inference_steps=4, latents=noise, generator=g,
        prompt_embeds=states[:1], prompt_attention_mask=mask[:1], negative_prompt_embeds=states[1:],
        negative_prompt_attention_mask=mask[1:], spatio_temporal_guidance_blocks=[1], output_type="latent", **scales,
    )  # fmt: skip
    video, sound, real = parts["connectors"](states, mask, padding_side="left")
    assert real.all()  # registers stand where the padding was: nothing to drop, nothing to mask
    prompt = Prompt(Embeds(video[0], sound[0]), Embeds(video[1], sound[1]))
    tokens = grid(noise[0].flatten(1).T, 3, 2, 3)
    ours = made(family(net, prompt, guidance), tokens, schedules.ltx2(4, len(tokens)), None)
    torch.testing.assert_close(ours.T.reshape(1, 8, 3, 2, 3), theirs.frames, rtol=0, atol=1e-4)


def test_equals_diffusers_frozen_audio(parts: dict[str, Any], prompt: Prompt) -> None:
    """A whole distilled denoising by LTX2DFRPipeline.denoise(freeze_audio=True), soft mask included.

    The one thing that diffusers does differently is made none: scale and shift that do not depend on a noise level.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.ltx2.pipeline_ltx2_dfr import LTX2DFRPipeline

    net = tiny()
    for name in ("video", "audio"):
        getattr(net, f"av_cross_attn_{name}_scale_shift").linear.weight.zero_()
    pipeline = LTX2DFRPipeline(transformer=net, **parts | {"scheduler": FlowMatchEulerDiscreteScheduler()})
    pipeline._interrupt, pipeline._current_timestep = False, None
    g = torch.Generator().manual_seed(2)
    clean, noise, audio = (torch.randn(18, 8, generator=g) for _ in range(3))
    mask = torch.tensor([0.0, 0.5, 1.0]).repeat_interleave(6)
    tokens = replace(grid(torch.lerp(clean, noise, mask[:, None]), 3, 2, 3), mask=mask)
    with torch.no_grad():
        theirs, _ = pipeline.denoise(
            tokens.latent[None], 1 - mask[None, :, None], clean[None], tokens.coords.transpose(0, 1)[None],
            torch.zeros(1, 18, 1), prompt.positive.video[None], _sound(prompt)[None], None,
            list(schedules.LTX2_DISTILLED[:-1]), RATE, audio[None], freeze_audio=True,
        )  # fmt: skip
    heard = Heard(audio, net.audio_rope.prepare_audio_coords(1, 18, "cpu")[0, 0])
    x, own = tokens.latent, family(net, prompt)
    for sigma, below in zip(schedules.LTX2_DISTILLED, schedules.LTX2_DISTILLED[1:], strict=False):
        x0 = x - own.velocity(tokens.with_latent(x), sigma, heard) * sigma * mask[:, None]
        x = x + (x - torch.lerp(clean, x0, mask[:, None])) / sigma * (below - sigma)
    torch.testing.assert_close(x, theirs[0], rtol=0, atol=1e-4)


def _sound(prompt: Prompt) -> Tensor:
    assert prompt.positive.audio is not None
    return prompt.positive.audio


# sound


def test_latents_are_normalised_means(parts: dict[str, Any]) -> None:
    vae = parts["audio_vae"].eval()
    mono = Audio(np.sin(np.arange(12800)[:, None] ** 1.2).astype(np.float32), 16000)
    with torch.no_grad():
        mel = log_mel(Audio(np.repeat(mono.samples, 2, 1), 16000), 16, 160)[None]
        mean = vae.encode(mel).latent_dist.mean
    found = AudioLatents(vae).encode(mono)
    assert found.shape == (mean.shape[2], 8) == (21, 8)  # 81 spectra: 1 + 80 / 4
    back = (found * vae.latents_std + vae.latents_mean).unflatten(1, (2, 4)).transpose(0, 1)[None]
    torch.testing.assert_close(back, mean)


def test_hear_places_latents(net: Any, parts: dict[str, Any], prompt: Prompt) -> None:
    """Frames shown at half speed for their second half: the sound's latents follow, 3 spectra before their own time."""
    own = Ltx2(net, AudioLatents(parts["audio_vae"].eval()), prompt)
    seconds = np.arange(33) / RATE
    at = 5 + np.minimum(seconds, 0.6) + np.maximum(seconds - 0.6, 0) / 2
    heard = own.hear(Audio(np.zeros((16000 * 7, 1), np.float32), 16000), at, seconds)
    assert heard.latents.shape == (176, 8)
    sounding = torch.arange(176)[:, None] * 0.04 + torch.tensor([-0.03, 0.01])
    expected = retimed(sounding.clamp(min=0).double().numpy(), at, seconds)
    np.testing.assert_allclose(heard.coords, expected, atol=1e-5)
    assert heard.coords[140].tolist() == pytest.approx([0.57, 0.62], abs=1e-5)  # 5.57 … 5.61 s of the sound


@given(st.floats(0, 50), st.floats(0, 50), st.lists(st.floats(0.3, 3), min_size=1, max_size=40))
@settings(deadline=None, max_examples=50)
def test_retimed_runs_through_the_frames(first: float, start: float, speeds: list[float]) -> None:
    """Each frame's time in the sound is its time in the picture; outside, and in between, both go on."""
    seconds = start + np.arange(len(speeds)) / RATE
    at = first + np.concatenate([[0], np.cumsum(speeds[:-1]) / RATE])
    np.testing.assert_allclose(retimed(at, at, seconds), seconds, atol=1e-4)
    outside = retimed(np.array([at[0] - 1, at[-1] + 2]), at, seconds)
    np.testing.assert_allclose(outside, [seconds[0] - 1, seconds[-1] + 2], atol=1e-4)
    assert (np.diff(retimed(np.linspace(at[0] - 1, at[-1] + 1, 300), at, seconds)) > -1e-5).all()


def test_around() -> None:
    heard = Heard(torch.arange(5.0)[:, None], torch.arange(5.0)[:, None] + torch.tensor([0.0, 1.0]))
    near = around(heard, 1.5, 3.0)
    assert near is not None
    assert near.latents[:, 0].tolist() == [1, 2]
    assert around(heard, 7.0, 8.0) is None
