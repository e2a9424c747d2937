"""Prompt embeddings of both families: computed once with the folder's text encoder, kept as safetensors."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from editalk import cache as caching
from editalk.backends.dit.loading import WAY_OUT, check_sizes, load_module
from editalk.backends.dit.tensors import read_tensors
from editalk.errors import DeviceError, ModelsError

VERSION = 1  # of what is kept
READY = "prompt.safetensors"
T5_TOKENS = 256  # longer texts are cut, as in LTXConditionPipeline
GEMMA_TOKENS = 1024  # as LTX2Pipeline pads: what is not text becomes the connectors' registers

SCENE = (
    "A person talks to the camera in a steady medium close-up. The face is sharp, evenly lit and natural, the mouth "
    "articulates every word clearly, the eyes blink now and then, the head moves a little with the speech. Real "
    "footage, one continuous take, the background does not change."
)
AVOID = "worst quality, inconsistent motion, blurry, jittery, distorted"


@dataclass(frozen=True)
class Embeds:
    """What the transformer's text attention reads of one text; no padding, so no mask.

    `video`: [m, c]; `audio`: [m, c'], what the sound's stream reads, None in a family without one.
    """

    video: Tensor
    audio: Tensor | None = None


@dataclass(frozen=True)
class Prompt:
    """`negative`: what guidance leads away from; None where there is no guidance."""

    positive: Embeds
    negative: Embeds | None = None


def description(words: str = "") -> str:
    """The text for a talking head that says these words ("": unknown, or a family that does not hear)."""
    spoken = " ".join(words.split())
    return f'{SCENE} The person says: "{spoken}"' if spoken else SCENE


def prompt(
    folder: Path,
    family: str,
    words: str = "",
    negative: bool = False,
    device: str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    cache: caching.Cache | None = None,
) -> Prompt:
    """The embeddings for `words`, from the cache where it has them, else computed; the text encoder is freed again.

    `family`: `ltx-video` or `ltx2`; `negative`: whether guidance needs the negative prompt, too. A folder without a
    text encoder has them ready in prompt.safetensors, whatever the words. Raises DeviceError where there is neither,
    ModelsError where one of them cannot be read.
    """
    if not (folder / "text_encoder").is_dir():
        return _ready(folder, negative)
    texts = [description(words if family == "ltx2" else "")]
    if negative:
        texts.append(_avoid(family))
    cache = cache or caching.Cache()
    name = caching.key(VERSION, family, _identity(folder), texts, str(dtype))
    path = cache.path("prompts", f"{name}.safetensors")
    if not cache.held(path):
        encode = _gemma if family == "ltx2" else _t5
        found = list(encode(folder, texts, device, dtype))
        _free()
        with cache.making(path) as part:
            save(Prompt(found[0], found[1] if negative else None), part)
    return load(path)


def save(made: Prompt, path: Path) -> None:
    """As safetensors: `video`, `audio`, `negative.video`, `negative.audio`; what there is not is left out."""
    from safetensors.torch import save_file

    tensors = {
        f"{prefix}{name}": value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for prefix, embeds in (("", made.positive), ("negative.", made.negative)) if embeds is not None
        for name, value in vars(embeds).items() if value is not None
    }  # fmt: skip
    save_file(tensors, str(path))


def load(path: Path) -> Prompt:
    """What `save` wrote, on the CPU. Raises ModelsError where the file is not such a one."""
    tensors, _ = read_tensors(path)
    if "video" not in tensors:
        raise ModelsError(f"{path}: has no tensor `video`; it holds no prompt embeddings")
    found = Embeds(tensors["video"], tensors.get("audio"))
    if "negative.video" not in tensors:
        return Prompt(found)
    return Prompt(found, Embeds(tensors["negative.video"], tensors.get("negative.audio")))


def _ready(folder: Path, negative: bool) -> Prompt:
    path = folder / READY
    if not path.is_file():
        raise DeviceError(f"{folder} has neither a text_encoder folder nor {READY}: pull the whole model")
    ready = load(path)
    if negative and ready.negative is None:
        raise DeviceError(
            f"{path} has no negative prompt, which guidance needs: pull the text encoder, or distilled weights"
        )
    return ready


def _avoid(family: str) -> str:
    if family != "ltx2":
        return AVOID
    from diffusers.pipelines.ltx2.utils import DEFAULT_NEGATIVE_PROMPT

    return str(DEFAULT_NEGATIVE_PROMPT)


def _identity(folder: Path) -> list[tuple[str, str, int, int]]:
    """Which encoder it is, without reading all of it: in Hugging Face's cache the resolved name is the file's hash."""
    parts = ("text_encoder", "tokenizer", "connectors")
    files = sorted(file for part in parts for file in (folder / part).rglob("*") if file.is_file())
    return [(f.relative_to(folder).as_posix(), f.resolve().name, f.stat().st_size, f.stat().st_mtime_ns) for f in files]


def _t5(folder: Path, texts: list[str], device: str, dtype: torch.dtype) -> Iterator[Embeds]:
    """As LTXConditionPipeline.encode_prompt, which masks padding in both networks: so there need not be any."""
    from transformers import T5EncoderModel

    tokenizer = _tokenizer(folder / "tokenizer")
    encoder = _encoder(T5EncoderModel, folder / "text_encoder", device, dtype)
    for text in texts:
        tokens = tokenizer(text, max_length=T5_TOKENS, truncation=True, return_tensors="pt")
        with torch.no_grad():
            yield Embeds(encoder(tokens.input_ids.to(device))[0][0].cpu())


def _gemma(folder: Path, texts: list[str], device: str, dtype: torch.dtype) -> Iterator[Embeds]:
    """As LTX2Pipeline: the states of all of Gemma's layers, then the connectors, one for each stream."""
    from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors

    states = list(_gemma_states(folder, texts, device, dtype))
    _free()  # the encoder, before the connectors come
    connectors = load_module(LTX2TextConnectors, folder / "connectors", dtype).to(device)
    for packed, mask in states:
        with torch.no_grad():
            video, audio, real = connectors(packed.to(device), mask.to(device), padding_side="left")
        kept = real[0].bool()  # everything, where the connectors have registers
        yield Embeds(video[0][kept].cpu(), audio[0][kept].cpu())


def _gemma_states(folder: Path, texts: list[str], device: str, dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
    from transformers import Gemma3ForConditionalGeneration

    tokenizer = _tokenizer(folder / "tokenizer", padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    encoder = _encoder(Gemma3ForConditionalGeneration, folder / "text_encoder", device, dtype)
    for text in texts:
        tokens = tokenizer(
            text.strip(), padding="max_length", max_length=GEMMA_TOKENS, truncation=True, return_tensors="pt"
        ).to(device)
        with torch.no_grad():
            out = encoder(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, output_hidden_states=True)
        yield torch.stack(out.hidden_states, -1).flatten(2).to("cpu", dtype), tokens.attention_mask.cpu()


def _encoder(kind: Any, folder: Path, device: str, dtype: torch.dtype) -> Any:
    """A text encoder from safetensors alone, nothing made up. Raises ModelsError."""
    from safetensors import SafetensorError
    from transformers.utils import logging

    check_sizes(folder)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # messages are the command line's
    try:
        encoder, info = kind.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelsError(f"{folder}: {str(error).strip().splitlines()[0]}; {WAY_OUT}") from error
    if missing := sorted(info["missing_keys"]):
        raise ModelsError(f"{folder}: {len(missing)} tensors are missing, the first is {missing[0]}; {WAY_OUT}")
    return encoder.to(device).eval()


def _tokenizer(folder: Path, **how: Any) -> Any:
    """Raises ModelsError."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, **how)
    except (OSError, ValueError, KeyError) as error:
        raise ModelsError(f"{folder}: {str(error).strip().splitlines()[0]}; {WAY_OUT}") from error


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
