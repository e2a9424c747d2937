"""Prompt embeddings: equal to diffusers' pipelines', kept, and without padding where that changes nothing."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from editalk.backends.dit import prompts
from editalk.backends.dit.prompts import Embeds, Prompt, description, load, prompt, save
from editalk.cache import Cache
from editalk.errors import DeviceError, ModelsError

WORDS = "we met on Tuesday"


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def kept(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def make_tokenizer(folder: Path) -> int:
    """One token a word; the number of tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = sorted(set(f"{description(WORDS)} {prompts.AVOID}".replace('"', " ").replace(".", " ").split()))
    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(folder)
    return len(vocabulary)


@pytest.fixture(scope="module")
def video_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text encoder and tokenizer of LTX-Video's kind."""
    from transformers import T5Config, T5EncoderModel

    folder = tmp_path_factory.mktemp("ltx-video")
    size = make_tokenizer(folder / "tokenizer")
    torch.manual_seed(0)
    T5EncoderModel(
        T5Config(vocab_size=size, d_model=12, d_kv=6, d_ff=16, num_layers=2, num_heads=2)
    ).save_pretrained(folder / "text_encoder")
    return folder


@pytest.fixture(scope="module")
def sound_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text encoder, tokenizer and connectors of LTX-2.3's kind."""
    from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    folder = tmp_path_factory.mktemp("ltx2")
    size = make_tokenizer(folder / "tokenizer")
    torch.manual_seed(0)
    text = {"vocab_size": size, "hidden_size": 12, "num_hidden_layers": 2, "intermediate_size": 16, "head_dim": 6,
            "num_attention_heads": 2, "num_key_value_heads": 1}  # fmt: skip
    picture = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 14, "patch_size": 7,
               "intermediate_size": 8}  # fmt: skip
    Gemma3ForConditionalGeneration(Gemma3Config(text_config=text, vision_config=picture)).save_pretrained(
        folder / "text_encoder"
    )
    LTX2TextConnectors(
        caption_channels=12, text_proj_in_factor=3, per_modality_projections=True,
        video_hidden_dim=24, video_connector_num_attention_heads=2, video_connector_attention_head_dim=12,
        video_connector_num_layers=1, video_connector_num_learnable_registers=128,
        audio_hidden_dim=16, audio_connector_num_attention_heads=2, audio_connector_attention_head_dim=8,
        audio_connector_num_layers=1, audio_connector_num_learnable_registers=128, rope_type="split",
    ).save_pretrained(folder / "connectors")  # fmt: skip
    return folder


def embed(folder: Path, family: str, kept: Cache, words: str = WORDS) -> Prompt:
    return prompt(folder, family, words, negative=True, dtype=torch.float32, cache=kept)


def close(a: Tensor | None, b: Tensor | None) -> None:
    assert a is not None
    assert b is not None
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_t5_equals_diffusers(video_folder: Path, kept: Cache) -> None:
    from diffusers import LTXConditionPipeline
    from transformers import AutoTokenizer, T5EncoderModel

    pipeline = LTXConditionPipeline(
        None, None, T5EncoderModel.from_pretrained(video_folder / "text_encoder"),
        AutoTokenizer.from_pretrained(video_folder / "tokenizer"), None,
    )  # fmt: skip
    with torch.no_grad():
        text, mask, negative, negative_mask = pipeline.encode_prompt(description(), prompts.AVOID, device="cpu")
    ours = embed(video_folder, "ltx-video", kept)
    assert ours.positive.audio is None
    assert 10 < len(ours.positive.video) < prompts.T5_TOKENS
    close(ours.positive.video, text[0][mask[0].bool()])
    assert ours.negative is not None
    close(ours.negative.video, negative[0][negative_mask[0].bool()])


def test_gemma_equals_diffusers(sound_folder: Path, kept: Cache) -> None:
    from diffusers import LTX2Pipeline
    from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
    from diffusers.pipelines.ltx2.utils import DEFAULT_NEGATIVE_PROMPT
    from transformers import AutoTokenizer, Gemma3ForConditionalGeneration

    connectors = LTX2TextConnectors.from_pretrained(sound_folder / "connectors")
    encoder = Gemma3ForConditionalGeneration.from_pretrained(sound_folder / "text_encoder")
    tokenizer = AutoTokenizer.from_pretrained(sound_folder / "tokenizer")
    pipeline = LTX2Pipeline(None, None, None, encoder, tokenizer, connectors, None, None)
    with torch.no_grad():
        text, mask, negative, negative_mask = pipeline.encode_prompt(
            description(WORDS), DEFAULT_NEGATIVE_PROMPT, device="cpu"
        )
        video, sound, real = connectors(torch.cat([text, negative]), torch.cat([mask, negative_mask]))
    ours = embed(sound_folder, "ltx2", kept)
    assert real.all()  # registers stand where the padding was
    assert ours.negative is not None
    for i, embeds in enumerate((ours.positive, ours.negative)):
        close(embeds.video, video[i])
        close(embeds.audio, sound[i])


def test_ltx_video_without_padding_is_the_same() -> None:
    """Masked padding and none: one forward of the transformer."""
    from diffusers import LTXVideoTransformer3DModel

    torch.manual_seed(0)
    net = LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=12, cross_attention_dim=24,
        num_layers=2, caption_channels=12,
    ).eval()  # fmt: skip
    text, mask = torch.randn(1, 9, 12), torch.tensor([[1] * 5 + [0] * 4])
    given = {"hidden_states": torch.randn(1, 12, 8), "timestep": torch.tensor([700.0]), "num_frames": 3, "height": 2,
             "width": 2, "return_dict": False}  # fmt: skip
    with torch.no_grad():
        masked = net(encoder_hidden_states=text, encoder_attention_mask=mask, **given)[0]
        dropped = net(encoder_hidden_states=text[:, :5], encoder_attention_mask=None, **given)[0]
        seen = net(encoder_hidden_states=text, encoder_attention_mask=None, **given)[0]
    close(masked, dropped)
    assert float((masked - seen).abs().max()) > 1e-3


def test_each_text_is_computed_once(
    sound_folder: Path, video_folder: Path, kept: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = embed(sound_folder, "ltx2", kept)
    embed(video_folder, "ltx-video", kept)
    calls: list[str] = []
    monkeypatch.setattr(prompts, "_gemma", lambda *_: calls.append("gemma") or iter([first.positive, first.positive]))
    monkeypatch.setattr(prompts, "_t5", lambda *_: calls.append("t5") or iter([]))
    again = embed(sound_folder, "ltx2", kept)
    close(again.positive.video, first.positive.video)
    embed(video_folder, "ltx-video", kept, "other words")  # which this family does not hear
    assert calls == []
    embed(sound_folder, "ltx2", kept, "other words")
    (sound_folder / "connectors" / "note.txt").write_text("another folder")
    embed(sound_folder, "ltx2", kept)
    assert calls == ["gemma", "gemma"]


def test_the_encoder_is_freed(video_folder: Path, kept: Cache) -> None:
    from transformers import T5EncoderModel

    embed(video_folder, "ltx-video", kept)
    assert not [found for found in gc.get_objects() if type(found) is T5EncoderModel]


def test_no_negative_where_none_is_wanted(video_folder: Path, kept: Cache) -> None:
    assert prompt(video_folder, "ltx-video", dtype=torch.float32, cache=kept).negative is None


def test_ready_embeddings(tmp_path: Path, kept: Cache) -> None:
    made = Prompt(Embeds(torch.randn(5, 12), torch.randn(5, 8)), Embeds(torch.randn(3, 12)))
    save(made, tmp_path / prompts.READY)
    found = prompt(tmp_path, "ltx2", WORDS, negative=True, cache=kept)
    assert torch.equal(found.positive.video, made.positive.video)
    assert found.positive.audio is not None
    assert found.negative is not None
    assert found.negative.audio is None
    save(replace(made, negative=None), tmp_path / prompts.READY)
    assert load(tmp_path / prompts.READY).negative is None
    with pytest.raises(DeviceError, match="no negative prompt"):
        prompt(tmp_path, "ltx2", negative=True, cache=kept)


def test_what_cannot_be_read(tmp_path: Path, video_folder: Path, kept: Cache) -> None:
    with pytest.raises(DeviceError, match=r"neither a text_encoder folder nor prompt\.safetensors"):
        prompt(tmp_path, "ltx2", cache=kept)
    (tmp_path / prompts.READY).write_bytes(b"no tensors")
    with pytest.raises(ModelsError, match=r"prompt\.safetensors"):
        prompt(tmp_path, "ltx2", cache=kept)
    (tmp_path / "text_encoder").mkdir()
    with pytest.raises(ModelsError, match="tokenizer"):
        prompt(tmp_path, "ltx-video", cache=kept)
    (tmp_path / "tokenizer").symlink_to(video_folder / "tokenizer")
    with pytest.raises(ModelsError, match="text_encoder"):
        prompt(tmp_path, "ltx-video", cache=kept)


def test_a_tensor_that_is_missing_is_not_made_up(tmp_path: Path, video_folder: Path, kept: Cache) -> None:
    from safetensors.torch import load_file, save_file

    (tmp_path / "text_encoder").mkdir()
    (tmp_path / "tokenizer").symlink_to(video_folder / "tokenizer")
    whole = video_folder / "text_encoder"
    (tmp_path / "text_encoder" / "config.json").write_bytes((whole / "config.json").read_bytes())
    tensors: dict[str, Any] = load_file(whole / "model.safetensors")
    tensors.pop("encoder.block.1.layer.1.DenseReluDense.wi.weight")
    save_file(tensors, tmp_path / "text_encoder" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelsError, match="1 tensors are missing"):
        prompt(tmp_path, "ltx-video", dtype=torch.float32, cache=kept)
    assert not list(kept.path("prompts", "x").parent.glob("*.safetensors"))


def test_description() -> None:
    assert description(" We met\n on Tuesday ").endswith('The person says: "We met on Tuesday"')
    assert description() == description("  ") == prompts.SCENE
