"""Windows, features and audio layers of the `ltx-video` family against plain restatements of the paper's formulas."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from editalk.audio import Audio
from editalk.backends.dit.audio_adapter import (
    GROUP,
    AdapterConfig,
    AudioAdapter,
    AudioCrossAttention,
    AudioProjection,
    listening,
)
from editalk.backends.dit.audio_features import FLOOR, LogMel, audio_features
from editalk.backends.dit.audio_windows import windows
from editalk.errors import ModelsError, UsageError

CONFIG = AdapterConfig("log-mel-50-6", 50.0, 1, 6, layers=2, hidden=24, heads=2, window=8, embeddings=4, width=16)


def sound(seconds: float, seed: int = 0, rate: int = 16000) -> Audio:
    noise = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * rate), 1))
    return Audio(noise.astype(np.float32), rate)


# Windows (equation 3)


@given(
    length=st.integers(1, 30), rate=st.floats(10, 120), width=st.integers(1, 9),
    at=st.lists(st.floats(-1, 3), max_size=6), seed=st.integers(0, 99),
)  # fmt: skip
def test_windows_are_equation_3(length: int, rate: float, width: int, at: list[float], seed: int) -> None:
    features = torch.randn(length, 2, 3, generator=torch.Generator().manual_seed(seed))
    found = windows(features, rate, np.array(at), width)
    assert found.shape == (len(at), width, 2, 3)
    for i, seconds in enumerate(at):
        for j in range(width):
            place = min(max(rate * seconds + j - (width - 1) / 2, 0.0), length - 1.0)
            low = int(np.floor(place))
            share = place - low
            wanted = (1 - share) * features[low] + share * features[min(low + 1, length - 1)]
            assert torch.allclose(found[i, j], wanted, atol=1e-5)


@given(fps=st.sampled_from([23.976, 24, 25, 29.97, 30, 50, 60]), rate=st.sampled_from([50, 100]))
def test_windows_hear_the_same_seconds_at_any_frame_rate(fps: float, rate: int) -> None:
    """Features that tell their own time come back as the frame's time and its neighbourhood at the sound's own rate."""
    features = (torch.arange(4 * rate, dtype=torch.float64) / rate)[:, None, None]
    at = 1 + np.arange(20) / fps
    around = (np.arange(6) - 2.5) / rate
    found = windows(features, rate, at, 6)[..., 0, 0].numpy()
    np.testing.assert_allclose(found, at[:, None] + around, atol=1e-9)


# Features


def test_log_mel_hears_a_tone_in_its_band() -> None:
    seconds = np.arange(16000) / 16000
    tone = (0.5 * np.sin(2 * np.pi * 1000 * seconds))[:, None].astype(np.float32)
    heard = LogMel(100, 40).features(Audio(tone, 16000))
    assert heard.shape == (101, 1, 40)
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 42)[1:-1]
    assert int(heard[50, 0].argmax()) == int(np.abs(mel - 2595 * np.log10(1 + 1000 / 700)).argmin())


@pytest.mark.parametrize("rate", [50, 100])
def test_log_mel_features_are_centred_on_their_time(rate: int) -> None:
    """A click is loudest in the feature whose time it is at."""
    for place in (0, 20, 37):
        samples = np.zeros((16000, 1), np.float32)
        samples[round(place / rate * 16000)] = 1
        assert int(LogMel(rate, 20).features(Audio(samples, 16000)).sum((1, 2)).argmax()) == place


def test_log_mel_of_silence_of_nothing_and_of_other_rates() -> None:
    features = LogMel(100, 8)
    silence = features.features(Audio(np.zeros((1600, 2), np.float32), 16000))
    assert torch.allclose(silence, torch.full_like(silence, (np.log10(FLOOR) + 1) / 2))
    assert features.features(Audio(np.zeros((0, 1), np.float32), 16000)).shape == (1, 1, 8)
    assert features.features(sound(0.5, rate=44100)).shape == (51, 1, 8)


@pytest.mark.parametrize("name", ["log-mel-100-80", "log-mel-50-40"])
def test_features_are_found_by_name(name: str) -> None:
    found = audio_features(name)
    assert (found.name, found.blocks) == (name, 1)
    assert f"log-mel-{found.rate:.0f}-{found.channels}" == name


def test_whisper_needs_a_folder_and_log_mel_a_fitting_rate() -> None:
    with pytest.raises(UsageError, match="whisper-small"):
        audio_features("whisper-small")
    with pytest.raises(UsageError, match="16000"):
        audio_features("log-mel-30-80")


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Whisper that hears 4 s at a time, saved as the real ones are."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=60, num_mel_bins=20, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, d_model=16, encoder_ffn_dim=32, decoder_ffn_dim=32, max_source_positions=200,
        max_target_positions=10, pad_token_id=1, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("whisper")
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    return folder


def test_whisper_states_are_those_of_transformers(whisper: Path) -> None:
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    heard = sound(3.9)
    features = audio_features("whisper-test", whisper)
    assert (features.blocks, features.channels, features.rate) == (3, 16, 50.0)
    model = WhisperForConditionalGeneration.from_pretrained(whisper)
    mel = WhisperFeatureExtractor(feature_size=20, chunk_length=4)(
        heard.mono(), sampling_rate=16000, return_tensors="pt"
    ).input_features
    with torch.no_grad():
        states = model.model.encoder(mel, output_hidden_states=True).hidden_states
    found = features.features(heard)
    assert found.shape == (196, 3, 16)
    assert torch.allclose(found, torch.stack([s[0] for s in states], 1)[:196], atol=1e-5)


def test_pieces_of_a_long_sound_show_no_seams(whisper: Path) -> None:
    features = audio_features("whisper-test", whisper)
    found = features.features(sound(13.0))
    assert len(found) == 651
    step = (found[1:] - found[:-1]).abs().mean((1, 2))
    seams = torch.zeros(650, dtype=torch.bool)
    for start in (150, 300, 450):
        seams[start - 1 : start + 51] = True
    assert step[seams].max() <= step[~seams].max()
    assert len(features.features(sound(0.0))) == 1


def test_layers_can_be_trained_with_whisper_states(whisper: Path) -> None:
    features = audio_features("whisper-test", whisper).features(sound(1.0))
    adapter = AudioAdapter(AdapterConfig("whisper-test", 50.0, 3, 16, 1, 8, 2, 4, 2, 8))
    adapter.embed(windows(features, 50.0, np.arange(9) / 25, 4)[None]).square().sum().backward()
    assert adapter.projection.positions.grad is not None


def test_whisper_in_bfloat16(whisper: Path) -> None:
    found = audio_features("whisper-test", whisper, dtype=torch.bfloat16).features(sound(5.0))
    assert found.dtype is torch.bfloat16
    assert torch.isfinite(found).all()


def broken(source: Path, folder: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
    from safetensors.torch import load_file, save_file

    folder.mkdir()
    (folder / "config.json").write_bytes((source / "config.json").read_bytes())
    tensors = load_file(source / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    return folder


def test_broken_whisper_weights_are_named(whisper: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelsError, match=r"config\.json"):
        audio_features("whisper-test", tmp_path / "none")
    folder = broken(whisper, tmp_path / "a", lambda t: t.pop("model.encoder.conv1.weight"))
    with pytest.raises(ModelsError, match=r"model\.safetensors: tensor conv1\.weight is missing"):
        audio_features("whisper-test", folder)
    (folder / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelsError, match=r"model\.safetensors: no safetensors"):
        audio_features("whisper-test", folder)


# The projection (equation 4)


def test_convolutions_begin_as_average_pooling() -> None:
    projection = AudioProjection(AdapterConfig("x", 50.0, 3, 5, 1, 8, 2, window=8, embeddings=4, width=12))
    x = torch.randn(2, 5, 3)
    assert torch.allclose(projection.mix(x), x.mean(2, keepdim=True), atol=1e-6)
    x = torch.randn(2, 12, 8)
    assert torch.allclose(projection.within(x), torch.nn.functional.avg_pool1d(x, 2), atol=1e-6)
    x = torch.randn(2, 12, 24)
    assert torch.allclose(projection.across(x), torch.nn.functional.avg_pool1d(x, GROUP), atol=1e-6)


def test_an_embedding_is_of_its_own_eight_frames() -> None:
    adapter = AudioAdapter(CONFIG)
    heard = torch.randn(2, 17, 8, 1, 6)
    before = adapter.embed(heard)
    assert before.shape == (2, 3, 4, 16)
    for frame, latent in ((0, 0), (1, 1), (8, 1), (9, 2), (16, 2)):
        other = heard.clone()
        other[:, frame] += 1
        changed = (adapter.embed(other) - before).abs().amax((0, 2, 3)) > 1e-6
        assert changed.tolist() == [k == latent for k in range(3)]


# The cross-attention (equation 6)


@settings(deadline=None, max_examples=25)
@given(
    b=st.integers(1, 3), n=st.integers(1, 12), frames=st.integers(1, 4), seed=st.integers(0, 999),
    some=st.booleans(),
)  # fmt: skip
def test_cross_attention_token_by_token(b: int, n: int, frames: int, seed: int, some: bool) -> None:
    """In any order, with tokens missing, with references: each asks its own latent frame's embeddings alone."""
    torch.manual_seed(seed)
    layer = AudioCrossAttention(12, 2, 5)
    torch.nn.init.normal_(layer.to_out.weight)
    torch.nn.init.normal_(layer.to_out.bias)
    hidden, embeddings = torch.randn(b, n, 12), torch.randn(b, frames, 3, 5)
    frame, face = torch.randint(-1, frames, (b, n)), torch.randint(0, 3, (b, n)) / 2 * some
    with torch.no_grad():
        found = layer(hidden, listening(embeddings, frame, face))
        wanted = torch.zeros_like(hidden)
        for s in range(b):
            for i in range(n):
                if frame[s, i] >= 0:
                    wanted[s, i] = face[s, i] * one(layer, hidden[s, i], embeddings[s, frame[s, i]])
    assert torch.allclose(found, wanted, atol=1e-5)


def one(layer: AudioCrossAttention, token: Tensor, known: Tensor) -> Tensor:
    """What one token [d] hears in [K, D]."""
    query, key, value = layer.norm_q(layer.to_q(token)), layer.norm_k(layer.to_k(known)), layer.to_v(known)
    heads = []
    for q, k, v in zip(query.chunk(2), key.chunk(2, -1), value.chunk(2, -1), strict=True):
        heads.append(torch.softmax(k @ q / len(q) ** 0.5, 0) @ v)
    out: Tensor = layer.to_out(torch.cat(heads))
    return out


# The adapter


def tiny(layers: int = 2) -> Any:
    from diffusers import LTXVideoTransformer3DModel

    torch.manual_seed(1)
    return LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=12, cross_attention_dim=24,
        num_layers=layers, caption_channels=16,
    ).eval()  # fmt: skip


def call(net: Any, b: int = 2, n: int = 10) -> Tensor:
    g = torch.Generator().manual_seed(3)
    out: Tensor = net(
        hidden_states=torch.randn(b, n, 8, generator=g), encoder_hidden_states=torch.randn(b, 4, 16, generator=g),
        timestep=torch.rand(b, n, generator=g) * 1000, encoder_attention_mask=None,
        video_coords=torch.rand(b, 3, n, generator=g) * 10, return_dict=False,
    )[0]  # fmt: skip
    return out


def loud(adapter: AudioAdapter) -> AudioAdapter:
    """As if trained."""
    for name, parameter in adapter.named_parameters():
        if "to_out" in name:
            torch.nn.init.normal_(parameter)
    return adapter


FRAME = torch.tensor([[0, 2, 1, -1, 0, 1, 2, 2, -1, 0]] * 2)
FACE = torch.tensor([[1, 0, 1, 1, 0, 1, 1, 0, 0, 1.0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0]])


def test_zero_layers_leave_the_transformer_bit_identical() -> None:
    net, adapter = tiny(), AudioAdapter(CONFIG)
    names, before = list(net.state_dict()), call(net)
    adapter.install(net)
    with adapter.hearing(adapter.embed(torch.randn(2, 17, 8, 1, 6)), FRAME, FACE):
        assert torch.equal(call(net), before)
    assert list(net.state_dict()) == names
    assert not adapter.trained


def test_layers_change_tokens_of_the_face_directly_and_others_through_self_attention() -> None:
    net, adapter = tiny(1), loud(AudioAdapter(AdapterConfig(**{**vars(CONFIG), "layers": 1})))
    before = call(net)
    adapter.install(net)
    assert adapter.trained
    embeddings = adapter.embed(torch.randn(2, 17, 8, 1, 6))
    with adapter.hearing(embeddings, FRAME, FACE):
        after = call(net)
    heard = (FACE > 0) & (FRAME >= 0)
    assert torch.equal(after[~heard], before[~heard])
    assert ((after - before)[heard].abs().amax(-1) > 1e-4).all()
    assert torch.equal(call(net), before)  # dropped: outside of `hearing` there are no layers
    adapter.remove()
    with adapter.hearing(embeddings, FRAME, FACE):
        assert torch.equal(call(net), before)


def test_layers_stand_between_text_attention_and_feed_forward() -> None:
    """A residual layer on what the text's attention leaves: z = x + attn2(x), z + face · audio(z)."""
    net, adapter = tiny(1), loud(AudioAdapter(AdapterConfig(**{**vars(CONFIG), "layers": 1})))
    embeddings = adapter.embed(torch.randn(2, 17, 8, 1, 6))
    block, given = net.transformer_blocks[0], []
    block.attn2.register_forward_hook(lambda module, args, output: given.extend([args[0], output]))
    adapter.install(net)
    block.norm2.register_forward_hook(lambda module, args, output: given.append(args[0]))
    with adapter.hearing(embeddings, FRAME, FACE):
        call(net)
    x, text, enters = given
    z = x + text
    wanted = z + adapter.layers[0](z, listening(embeddings, FRAME, FACE))
    torch.testing.assert_close(enters, wanted, atol=1e-5, rtol=1e-5)


def test_the_sample_without_a_face_is_dropped_in_a_batch() -> None:
    net, adapter = tiny(), loud(AudioAdapter(CONFIG))
    before = call(net)
    adapter.install(net)
    with adapter.hearing(adapter.embed(torch.randn(2, 17, 8, 1, 6)), FRAME, FACE):
        after = call(net)
    assert torch.equal(after[1], before[1])
    assert ((after - before)[0].abs().amax(-1) > 1e-6).all()  # two blocks: the others hear through self-attention


@pytest.mark.parametrize("checkpointing", [False, True])
def test_every_parameter_learns(checkpointing: bool) -> None:
    net, adapter = tiny().train(), loud(AudioAdapter(CONFIG))
    adapter.install(net)
    if checkpointing:
        net.enable_gradient_checkpointing()
    heard = torch.randn(2, 17, 8, 1, 6)
    with adapter.hearing(adapter.embed(heard), FRAME, FACE):
        call(net).square().sum().backward()
    assert [name for name, p in adapter.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_an_adapter_of_another_size_is_refused() -> None:
    with pytest.raises(ModelsError, match="2 blocks 24 wide, the transformer has 1 blocks 24 wide"):
        AudioAdapter(CONFIG).install(tiny(1))


@given(
    name=st.text(min_size=1), rate=st.floats(1, 200), blocks=st.integers(1, 13), layers=st.integers(1, 48),
    heads=st.integers(1, 9),
)  # fmt: skip
def test_config_round_trip(name: str, rate: float, blocks: int, layers: int, heads: int) -> None:
    config = AdapterConfig(name, rate, blocks, 80, layers, 4 * heads, heads)
    assert AdapterConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [({"window": 9}, "multiple"), ({"heads": 5}, "multiple"), ({"width": 0}, "width is 0"), ({"layers": "2"}, "layers"),
     ({"rate": -1.0}, "rate"), ({"surprise": 1}, "'surprise' is unknown"), ({"blocks": None}, "'blocks' is missing")],
)  # fmt: skip
def test_broken_configs(change: dict[str, Any], message: str) -> None:
    data = {k: v for k, v in {**vars(CONFIG), **change}.items() if v is not None}
    with pytest.raises(ModelsError, match=message):
        AdapterConfig.from_json(json.dumps(data))


def test_save_and_load(tmp_path: Path) -> None:
    adapter = loud(AudioAdapter(CONFIG))
    adapter.save(tmp_path / "a")
    again = AudioAdapter.load(tmp_path / "a")
    assert again.config == CONFIG
    loaded = again.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in adapter.state_dict().items())
    assert not any(p.requires_grad for p in again.parameters())
    assert next(AudioAdapter.load(tmp_path / "a", dtype=torch.bfloat16).parameters()).dtype is torch.bfloat16


def test_broken_adapters_are_named(tmp_path: Path) -> None:
    AudioAdapter(CONFIG).save(tmp_path / "a")
    key = "projection.positions"
    with pytest.raises(ModelsError, match=rf"model\.safetensors: tensor {key} is missing"):
        AudioAdapter.load(broken(tmp_path / "a", tmp_path / "b", lambda t: t.pop(key)))
    with pytest.raises(ModelsError, match=r"tensor more is unknown"):
        AudioAdapter.load(broken(tmp_path / "a", tmp_path / "c", lambda t: t.update(more=torch.zeros(1))))
    with pytest.raises(ModelsError, match=rf"tensor {key} is \[2\], not \[8, 1, 6\]"):
        AudioAdapter.load(broken(tmp_path / "a", tmp_path / "d", lambda t: t.update({key: torch.zeros(2)})))
    (tmp_path / "a" / "model.safetensors").write_bytes(b"{}")
    with pytest.raises(ModelsError, match=r"model\.safetensors: no safetensors"):
        AudioAdapter.load(tmp_path / "a")
    (tmp_path / "a" / "config.json").write_text("{", "utf-8")
    with pytest.raises(ModelsError, match=r"config\.json: no JSON"):
        AudioAdapter.load(tmp_path / "a")


def test_the_papers_size() -> None:
    """Section 3.2: "approximately 2B additional learnable parameters", on 48 blocks of width 4096."""
    with torch.device("meta"):
        adapter = AudioAdapter(AdapterConfig("whisper-small", 50.0, 13, 768, layers=48, hidden=4096, heads=32))
    assert sum(p.numel() for p in adapter.parameters()) == pytest.approx(1.93e9, rel=0.01)
