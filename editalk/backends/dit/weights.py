"""A folder of weights → a model ready to denoise with: which family it is, its schedule, its parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from editalk import models
from editalk.backends.dit import caching, linear_vae, ltx2, ltx_video, schedules
from editalk.backends.dit.audio_latents import AudioLatents
from editalk.backends.dit.cost import needed_bytes
from editalk.backends.dit.family import Family
from editalk.backends.dit.loading import load_lora, load_module
from editalk.backends.dit.ltx_vae import LatentUpsampler, LtxVae
from editalk.backends.dit.model import Model
from editalk.backends.dit.parallel import from_environment, parallelise
from editalk.backends.dit.precision import Precision, check_weights, fits, require, to_precision, ways_out
from editalk.backends.dit.prompts import Prompt, prompt
from editalk.backends.dit.references import FACES
from editalk.backends.dit.vae import VideoVae
from editalk.errors import ModelsError

FACE_SIDES = 512, 768  # pixels of a face crop, least and most, for VAEs with cells of 32
SMALL_SIDES = 128, 128  # and for the linear one
HALF_NOISE = 0.91  # a full schedule's second pass begins at the first level below, as the distilled one does
KINDS = {"LTXVideoTransformer3DModel": "ltx-video", "LTX2VideoTransformer3DModel": "ltx2"}
UPSCALERS = {"ltx-video": "ltx-video-0.9.7-upscaler", "ltx2": "ltx-2.3-upscaler"}
WHISPER = "whisper-small-features"
TEXT_ENCODER = {"ltx-video": 10 * 2**30, "ltx2": 26 * 2**30}  # bytes that it takes in bfloat16, T5-XXL and Gemma 3 12B


@dataclass(frozen=True)
class Weights:
    """What a folder holds, found without loading it. `family`: "ltx-video" or "ltx2"; `step`: frames per latent frame;
    `lips`: whether the sound reaches the picture; `distilled`: few steps, no guidance.
    """

    folder: Path
    family: str
    step: int
    lips: bool
    distilled: bool


def inspect(folder: Path) -> Weights:
    """Raises ModelsError where the folder is not one of weights of the LTX family in diffusers' layout."""
    kind = _config(folder, "transformer").get("_class_name", "")
    if kind not in KINDS:
        raise ModelsError(f"{folder / 'transformer' / 'config.json'}: {kind or 'no class'} is no transformer of the "
                          f"LTX family; {', '.join(KINDS)} are")  # fmt: skip
    family = KINDS[kind]
    lips = family == "ltx2" or (folder / ltx_video.ADAPTER).is_dir()
    named = "/".join(folder.parts[-3:]).lower()  # in Hugging Face's cache the repository's name is the last but two
    distilled = "distilled" in named or "sigmas" in _schedule(folder)
    return Weights(folder, family, _step(_config(folder, "vae")), lips, distilled)


def fingerprint(folder: Path) -> str:
    """Which files the folder holds, without reading them: names, sizes, times of writing."""
    files = sorted(p for pattern in ("*/*.safetensors", "*.safetensors", "*/*.json") for p in folder.glob(pattern))
    about = [(p.relative_to(folder).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]


def text_of(found: Weights, words: str, device: torch.device, precision: Precision) -> Prompt:
    """Embeddings of the prompt for a window in which these words are said. The text encoder comes and goes."""
    reader = device if fits(device, TEXT_ENCODER[found.family]) else "cpu"
    return prompt(found.folder, found.family, words, not found.distilled, str(reader), dtype_of(precision))


def dtype_of(precision: Precision) -> torch.dtype:
    """Of everything that is not FP8."""
    return torch.float32 if precision is Precision.FP32 else torch.bfloat16


def load(found: Weights, text: Prompt, device: torch.device, precision: Precision, offload: bool) -> Model:
    """The model on its device, with the embeddings of its first prompt.

    Raises ModelsError, DeviceError.
    """
    folder, loose = found.folder, dtype_of(precision)
    check_weights(folder / "transformer")
    vae = _vae(folder, loose, device)
    make = _ltx2 if found.family == "ltx2" else _ltx_video
    family = make(found, text, loose, device, precision, offload)
    small = isinstance(vae, linear_vae.LinearVae)
    upsample = None if small else _upsampler(found, vae, loose, device)
    sigmas, second = _sigmas(found, two=upsample is not None)
    faces = FACES if found.family == "ltx-video" and family.lips else 0  # others were not trained with them
    sides = SMALL_SIDES if small else FACE_SIDES
    return Model(family, vae, sigmas, device, sides, faces, second if upsample else (), upsample)


def _ltx_video(
    found: Weights, text: Prompt, loose: torch.dtype, device: torch.device, precision: Precision, offload: bool
) -> Family:
    net = ltx_video.load_transformer(found.folder, loose)
    hearing = ltx_video.load_hearing(found.folder, _whisper(), device, loose)
    family = ltx_video.LtxVideo(net, text, hearing, None if found.distilled else ltx_video.Guidance())
    _finish(net, found, device, precision, offload)
    if hearing is not None:
        hearing.adapter.to(device)
    return family


def _ltx2(
    found: Weights, text: Prompt, loose: torch.dtype, device: torch.device, precision: Precision, offload: bool
) -> Family:
    from diffusers import AutoencoderKLLTX2Audio, LTX2VideoTransformer3DModel

    sounds = AudioLatents(load_module(AutoencoderKLLTX2Audio, found.folder / "audio_vae", torch.float32).to(device))
    net = load_module(LTX2VideoTransformer3DModel, found.folder / "transformer", loose)
    family = ltx2.Ltx2(net, sounds, text, None if found.distilled else ltx2.Guidance())
    _finish(net, found, device, precision, offload)
    return family


def _finish(net: Any, found: Weights, device: torch.device, precision: Precision, offload: bool) -> None:
    """LoRAs of the folder, the precision, several GPUs where torchrun started this, reuse between steps."""
    for path in sorted((found.folder / "loras").glob("*.safetensors")):
        load_lora(net, path)
    if device.type == "cuda":
        need = needed_bytes(net, precision, 0, offload)
        require(device, need, f"the transformer of {found.folder.name} in {precision}", ways_out(precision, offload))
    to_precision(net, precision, device, offload)
    parallel = from_environment()
    if parallel is not None:
        parallelise(net, parallel, device)
    if "sigmas" not in _schedule(found.folder):  # how much may be reused is known of the public weights alone
        caching.install(net, caching.LTX2 if found.family == "ltx2" else caching.LTX_VIDEO)


def _vae(folder: Path, dtype: torch.dtype, device: torch.device) -> VideoVae:
    kind = _config(folder, "vae").get("_class_name")
    if kind == linear_vae.KIND:
        return linear_vae.LinearVae.load(folder / "vae")
    return LtxVae(load_module(_vae_class(kind, folder), folder / "vae", dtype).to(device), device)


def _vae_class(kind: object, folder: Path) -> Any:
    import diffusers

    if kind not in ("AutoencoderKLLTXVideo", "AutoencoderKLLTX2Video"):
        raise ModelsError(f"{folder / 'vae' / 'config.json'}: {kind} is no video VAE of the LTX family")
    return getattr(diffusers, str(kind))


def _step(config: dict[str, Any]) -> int:
    """Frames per latent frame, by a VAE's configuration alone."""
    try:
        if config.get("_class_name") == linear_vae.KIND:
            return int(config["step"])
        given = config.get("temporal_compression_ratio")
        found = int(given or config.get("patch_size_t", 1) * 2 ** sum(config.get("spatio_temporal_scaling", (1, 1, 1))))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelsError(f"a VAE whose config.json says no frames per latent frame ({error})") from error
    return found


def _upsampler(
    found: Weights, vae: VideoVae, dtype: torch.dtype, device: torch.device
) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """The latent upsampler beside the weights, or the one that was pulled for their family; None without."""
    own = (found.folder / "latent_upsampler").is_dir()
    folder = found.folder if own else models.locate(models.find(UPSCALERS[found.family]))
    if folder is None or not isinstance(vae, LtxVae):
        return None
    network = load_module(_upsampler_class(found.family), folder / "latent_upsampler", dtype)
    return LatentUpsampler(network.to(device), vae)


def _upsampler_class(family: str) -> Any:
    if family == "ltx2":
        from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel

        return LTX2LatentUpsamplerModel
    from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel

    return LTXLatentUpsamplerModel


def _sigmas(found: Weights, two: bool) -> tuple[Callable[[int], tuple[float, ...]], tuple[float, ...]]:
    """Noise levels of the only or first pass by the number of tokens, and of the second."""
    config = _schedule(found.folder)
    if "sigmas" in config:
        own = tuple(float(s) for s in config["sigmas"])
        return (lambda tokens: own), ()
    if found.distilled and found.family == "ltx2":
        return (lambda tokens: schedules.LTX2_DISTILLED), schedules.LTX2_SECOND_PASS
    if found.distilled:
        first = schedules.LTX_VIDEO_FIRST_PASS if two else schedules.LTX_VIDEO_DISTILLED
        return (lambda tokens: first), schedules.LTX_VIDEO_SECOND_PASS
    if found.family == "ltx2":
        full = schedules.ltx2()
        return (lambda tokens: full), tuple(s for s in full if s <= HALF_NOISE)
    steps = schedules.LTX_VIDEO_STEPS
    late = tuple(s for s in schedules.ltx_video(steps, schedules.LTX2_TOKENS, config) if s <= HALF_NOISE)
    return (lambda tokens: schedules.ltx_video(steps, tokens, config)), late


def _whisper() -> Path | None:
    return models.locate(models.find(WHISPER))


def _schedule(folder: Path) -> dict[str, Any]:
    """scheduler/scheduler_config.json; a list `sigmas` in it are the noise levels themselves."""
    path = folder / "scheduler" / "scheduler_config.json"
    return _read(path) if path.is_file() else {}


def _config(folder: Path, part: str) -> dict[str, Any]:
    return _read(folder / part / "config.json")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelsError(f"{path}: cannot be read ({error}); the folder should hold weights in diffusers' layout, as "
                          "`editalk models pull` gets them") from error  # fmt: skip
    if not isinstance(found, dict):
        raise ModelsError(f"{path}: is no JSON object")
    return found
