"""MuseTalk's three networks: a face whose lower half is hidden, the whole face and what is heard → the new face."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from editalk.errors import DeviceError, ModelsError
from editalk.models import resolve

SIDE = 256  # pixels of a face
SOUND_RATE = 16000  # samples per second
RATE = 50  # of Whisper's features per second
SEGMENT = 30  # seconds that Whisper hears at once
SHOWN = SIDE // 2  # rows of the face that are not hidden: its upper half

_WEIGHTS = "diffusion_pytorch_model.safetensors"
_WAY_OUT = "get it with: editalk models pull musetalk-1.5 sd-vae-ft-mse whisper-tiny-features"
_OLD = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # attention before diffusers 0.17
_UNETS = (("unet/config.json", f"unet/{_WEIGHTS}"), ("musetalkV15/musetalk.json", "musetalkV15/unet.safetensors"))

Faces = NDArray[np.float32]
"""[n, 256, 256, 3] red, green, blue, −1 … 1, upright."""


@dataclass(frozen=True)
class Networks:
    """`unet`, `vae`: diffusers' modules; `whisper`: transformers' encoder; `extractor`: its log-mel."""

    unet: Any
    vae: Any
    whisper: Any
    extractor: Any

    @property
    def width(self) -> int:
        """Of a feature."""
        return int(self.whisper.config.d_model)

    @property
    def levels(self) -> int:
        """Features per 20 ms: Whisper's input and what each of its layers makes of it."""
        return int(self.whisper.config.encoder_layers) + 1

    @torch.inference_mode()
    def heard(self, samples: NDArray[np.float32]) -> Tensor:
        """[1500, levels, width]: what Whisper hears in at most 30 s of samples [n] at 16 kHz, silence behind them."""
        made = self.extractor(samples, sampling_rate=SOUND_RATE, return_tensors="pt").input_features
        made = made.to(self.unet.device, self.unet.dtype)
        states = self.whisper(made, output_hidden_states=True).hidden_states
        return torch.stack(states, dim=2)[0]

    @torch.inference_mode()
    def latents(self, faces: Faces) -> Tensor:
        """[n, 8, 32, 32]: the faces with their lower half black, and as they are, encoded.

        The mean of what the encoder is sure of, as in the authors' training; their inference draws from it.
        """
        whole = torch.from_numpy(faces).permute(0, 3, 1, 2).contiguous()  # else GroupNorm on a CPU is off by 1e-3
        whole = whole.to(self.unet.device, self.unet.dtype)
        hidden = whole.clone()
        hidden[:, :, SHOWN:] = -1
        both = self.vae.encode(torch.cat([hidden, whole])).latent_dist.mode() * self.vae.config.scaling_factor
        return torch.cat(both.chunk(2), dim=1)

    @torch.inference_mode()
    def drawn(self, faces: Faces, windows: Tensor) -> Faces:
        """The faces with the lips that their windows [n, k, width] (see `Hearing.around`) ask for: one step at
        timestep 0.
        """
        prompts = windows.to(self.unet.device) + places(windows.shape[1], self.width).to(self.unet.device)
        now = torch.tensor([0], device=self.unet.device)
        made = self.unet(self.latents(faces), now, encoder_hidden_states=prompts.to(self.unet.dtype)).sample
        seen = self.vae.decode(made / self.vae.config.scaling_factor).sample
        return np.asarray(seen.clamp(-1, 1).permute(0, 2, 3, 1).float().cpu().numpy())


def places(count: int, width: int) -> Tensor:
    """[count, width]: sines and cosines of a feature's place (Vaswani et al. 2017, 3.5)."""
    at = torch.arange(count, dtype=torch.float32)[:, None]
    angle = at * torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)


# ------------------------------------------------------------------------------------------------------------ loading


@dataclass(frozen=True)
class Parts:
    """The files of the networks, each a description and tensors; `extractor`: the description of the log-mel."""

    unet: tuple[Path, Path]
    vae: tuple[Path, Path]
    whisper: tuple[Path, Path]
    extractor: Path

    @property
    def key(self) -> str:
        """Names the tensors without reading them: by the files' sizes and times of writing."""
        files = (self.unet[1].stat(), self.vae[1].stat(), self.whisper[1].stat())
        about = [(file.st_size, file.st_mtime_ns) for file in files]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]

    @classmethod
    def of(cls, folder: Path) -> Parts:
        """Of a folder that holds `unet`, in diffusers' layout or the authors' `musetalkV15`, and `vae` and
        `whisper-tiny`; the last two may also lie where `editalk models pull` puts them. Raises DeviceError where one
        is missing; nothing is read.
        """
        unets = [(folder / config, folder / tensors) for config, tensors in _UNETS]
        unet = next((pair for pair in unets if pair[1].is_file()), unets[0])
        vae, whisper = folder / "vae", folder / "whisper-tiny"
        vae = vae if vae.is_dir() else resolve("sd-vae-ft-mse")
        whisper = whisper if whisper.is_dir() else resolve("whisper-tiny-features")
        found = cls(unet, (vae / "config.json", vae / _WEIGHTS),
                    (whisper / "config.json", whisper / "model.safetensors"),
                    whisper / "preprocessor_config.json")  # fmt: skip
        for path in (*found.unet, *found.vae, *found.whisper, found.extractor):
            if not path.is_file():
                raise DeviceError(f"MuseTalk needs {path}, which is missing; {_WAY_OUT}")
        return found


def check(device: str) -> None:
    """Raises DeviceError where there is no such device."""
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(f"--device {device}: {_line(error)}; leave --device out or name another") from error


def load(folder: Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Networks:
    """The networks of a folder, see `Parts`; only safetensors are read.

    Raises DeviceError for a missing file, device or memory, ModelsError for files that are broken or another model's.
    """
    check(device)
    parts = Parts.of(folder)
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import WhisperConfig, WhisperFeatureExtractor
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    extractor = _built(WhisperFeatureExtractor.from_dict, parts.extractor)
    with torch.device("meta"):
        unet = _built(UNet2DConditionModel.from_config, parts.unet[0])
        vae = _built(AutoencoderKL.from_config, parts.vae[0])
        whisper = WhisperEncoder(_built(WhisperConfig.from_dict, parts.whisper[0]))
    _check_match(unet, vae, whisper, extractor, parts)
    try:
        _fill(unet, parts.unet[1], device, dtype)
        _fill(vae, parts.vae[1], device, dtype)
        _fill(whisper, parts.whisper[1], device, dtype, "encoder.")
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"MuseTalk does not fit into the memory of {device}; name another --device") from error
    return Networks(unet, vae, whisper, extractor)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelsError(f"{path}: no JSON ({error}); {_WAY_OUT}") from error
    if not isinstance(found, dict):
        raise ModelsError(f"{path}: not the description of a model; {_WAY_OUT}")
    return found


def _built(make: Any, path: Path) -> Any:
    try:
        return make(_json(path))
    except (ValueError, TypeError, KeyError) as error:
        raise ModelsError(f"{path}: describes no such network ({_line(error)}); {_WAY_OUT}") from error


def _fill(module: nn.Module, path: Path, device: str, dtype: torch.dtype, part: str = "") -> None:
    """Give a module without memory the tensors of a file: those behind `part` in their names, or all."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelsError(f"{path}: no safetensors file ({_line(error)}); {_WAY_OUT}") from error
    named = {_renamed(name.split(part, 1)[1] if part else name): value for name, value in found.items() if part in name}
    try:
        module.load_state_dict({name: value.to(device, dtype) for name, value in named.items()}, assign=True)
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise ModelsError(f"{path}: another network's tensors ({_line(error, 2)}); {_WAY_OUT}") from error
    module.eval().requires_grad_(False)


def _renamed(name: str) -> str:
    *path, last, kind = name.split(".") if "." in name else ("", name, "")
    if "attentions" in path and last in _OLD:
        return ".".join([*path, _OLD[last], kind])
    return name


def _check_match(unet: Any, vae: Any, whisper: Any, extractor: Any, parts: Parts) -> None:
    depth = int(vae.config.latent_channels)
    wanted = {"in_channels": 2 * depth, "out_channels": depth, "cross_attention_dim": int(whisper.config.d_model)}
    for name, value in wanted.items():
        if unet.config[name] != value:
            raise ModelsError(f"{parts.unet[0]}: {name} is {unet.config[name]}, MuseTalk's is {value}; {_WAY_OUT}")
    if extractor.n_samples != SEGMENT * SOUND_RATE or whisper.config.max_source_positions != SEGMENT * RATE:
        raise ModelsError(f"{parts.extractor}: does not hear {SEGMENT} s at {SOUND_RATE} Hz; {_WAY_OUT}")


def _line(error: Exception, number: int = 1) -> str:
    """A line of a long message, from 1."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[min(number, len(lines)) - 1].strip()
