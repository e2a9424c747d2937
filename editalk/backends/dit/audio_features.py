"""How sound is represented before a video frame hears windows of it: own log-mel bands, or the states of Whisper's
encoder (EditYourself, section 3.2: "agnostic to the choice of audio representation").
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from editalk.audio import Audio, resample
from editalk.backends.dit.tensors import fill, read_tensors
from editalk.errors import ModelsError, UsageError

SOUND_RATE = 16000  # samples per second, of both representations

WINDOW, SPECTRUM = 400, 1024  # samples: 25 ms, filled up with zeros so that narrow bands have bins
FLOOR = 1e-5  # least power of a band; quieter is silence

STATES = 50  # Whisper's encoder states per second
SEAM = 2.0  # seconds over which two pieces of a long sound are blended


class AudioFeatures(Protocol):
    """A representation of sound. Feature j is centred on j / `rate` seconds.

    `name`: what `audio_features` finds it by; `blocks`, `channels`: B and C of one feature, [B, C].
    """

    name: str
    rate: float
    blocks: int
    channels: int

    def features(self, sound: Audio) -> Tensor:
        """[⌊seconds · rate⌋ + 1, B, C] of a sound of any length and sample rate."""
        ...


def audio_features(
    name: str, folder: Path | None = None, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> AudioFeatures:
    """The representation of this name: `log-mel-RATE-BANDS`, or any other name for the Whisper model in `folder`.

    Raises UsageError for a Whisper model without a folder, ModelsError for one that cannot be read.
    """
    if found := re.fullmatch(r"log-mel-(\d+)-(\d+)", name):
        return LogMel(int(found[1]), int(found[2]), device)
    if folder is None:
        raise UsageError(f"the sound is wanted as {name}, and no folder with that model's weights is given")
    return WhisperStates(name, folder, device, dtype)


class LogMel:
    """Log-mel bands: [L, 1, bands] float32, about -2 (silence) to 2.5 (full scale), nothing normalised by the sound.

    `rate`: features per second, a divisor of 16000; `bands`: up to 8 kHz, evenly spaced on the mel scale.
    """

    blocks = 1

    def __init__(self, rate: int = 100, bands: int = 80, device: torch.device | str = "cpu") -> None:
        if rate <= 0 or SOUND_RATE % rate or not 0 < bands <= 128:
            raise UsageError(f"log-mel features need a rate that divides {SOUND_RATE} and 1 to 128 bands")
        self.name = f"log-mel-{rate}-{bands}"
        self.rate = float(rate)
        self.channels = bands
        self._filters = _mel_filters(bands).to(device)

    def features(self, sound: Audio) -> Tensor:
        wave = torch.from_numpy(resample(sound, SOUND_RATE).mono()).to(self._filters.device)
        hop = SOUND_RATE // int(self.rate)
        padded = torch.nn.functional.pad(wave, (SPECTRUM // 2, SPECTRUM // 2))
        window = torch.hann_window(WINDOW, device=wave.device)
        spectrum = torch.stft(padded, SPECTRUM, hop, WINDOW, window, center=False, return_complex=True)  # [bins, L]
        power = self._filters @ spectrum.abs().square()
        return ((power.clamp(min=FLOOR).log10() + 1) / 2).T[:, None].contiguous()


def _mel_filters(bands: int) -> Tensor:
    """[bands, bins] triangles between places that are evenly spaced on the mel scale (2595 · log10(1 + f / 700))."""
    mel = np.linspace(0, 2595 * np.log10(1 + SOUND_RATE / 2 / 700), bands + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.linspace(0, SOUND_RATE / 2, SPECTRUM // 2 + 1)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.from_numpy(np.maximum(0, np.minimum(rise, fall)).astype(np.float32))


class WhisperStates:
    """All states of a Whisper encoder: its input and every layer's output, [L, 13, 768] at 50 Hz for Whisper-small.

    The encoder hears 30 s at a time; pieces of a longer sound overlap and are blended there, because a state depends on
    where in its 30 s it lies. `folder`: config.json and model.safetensors as transformers saves them.
    """

    rate = float(STATES)

    def __init__(
        self, name: str, folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        self.name = name
        self._encoder = _whisper_encoder(folder, device, dtype)
        config = self._encoder.config
        self.blocks = int(config.encoder_layers) + 1
        self.channels = int(config.d_model)
        self._piece = int(config.max_source_positions)  # states of one piece

    @torch.no_grad()  # not inference_mode: layers may be trained with what this gives
    def features(self, sound: Audio) -> Tensor:
        wave = resample(sound, SOUND_RATE).mono()
        count = len(wave) * STATES // SOUND_RATE + 1
        seam = min(round(SEAM * STATES), self._piece // 4)
        step = self._piece - seam
        starts = range(0, max(1, count - seam), step)
        out = torch.zeros(starts[-1] + self._piece, self.blocks, self.channels, dtype=self._encoder.dtype,
                          device=self._encoder.device)  # fmt: skip
        ramp = ((torch.arange(seam, device=out.device) + 0.5) / seam).to(out.dtype)
        for start in starts:
            weight = torch.ones(self._piece, dtype=out.dtype, device=out.device)
            if start > 0:
                weight[:seam] = ramp
            if start < starts[-1]:
                weight[-seam:] = 1 - ramp
            first = start * SOUND_RATE // STATES
            piece = self._states(wave[first : first + self._piece * SOUND_RATE // STATES])
            out[start : start + self._piece] += piece * weight[:, None, None]
        return out[:count].clone()

    def _states(self, wave: Any) -> Tensor:
        """[piece, B, C] of a piece of sound, filled up with silence."""
        from transformers import WhisperFeatureExtractor

        make: Any = WhisperFeatureExtractor
        extract = make(feature_size=int(self._encoder.config.num_mel_bins), chunk_length=self._piece // STATES)
        mel = extract(wave, sampling_rate=SOUND_RATE, return_tensors="pt").input_features
        states = self._encoder(mel.to(self._encoder.device, self._encoder.dtype), output_hidden_states=True)
        return torch.cat(states.hidden_states).transpose(0, 1)


def _whisper_encoder(folder: Path, device: torch.device | str, dtype: torch.dtype) -> Any:
    """The encoder alone, whatever else of Whisper is in the file."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    path = folder / "config.json"
    try:
        config: Any = WhisperConfig.from_dict(json.loads(path.read_text("utf-8")))
        with torch.device("meta"):
            encoder: Any = WhisperEncoder(config)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelsError(f"{path}: not the configuration of a Whisper model ({error}); get it anew") from error
    path = folder / "model.safetensors"
    fill(encoder, path, read_tensors(path, ("model.encoder.", "encoder."))[0], dtype, device)
    return encoder
