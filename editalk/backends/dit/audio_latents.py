"""Sound as the latents of LTX-2's audio VAE: waveform → log-mel spectrogram → latents, normalised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editalk.audio import Audio, fit_channels, resample

N_FFT = 1024  # samples of a spectrum; the published checkpoints' `filter_length`, which diffusers' config leaves out
FLOOR = 1e-5  # below it a mel band is silent


def log_mel(sound: Audio, bands: int, hop: int, n_fft: int = N_FFT) -> Tensor:
    """[channels, 1 + n // hop, bands] float32: logarithms of the mel bands' magnitudes.

    As the reference's AudioProcessor has it: magnitude spectra of Hann windows around every `hop`-th sample, reflected
    at the ends, Slaney's mel scale and normalisation.
    """
    samples = torch.from_numpy(np.ascontiguousarray(sound.samples.T))
    short = n_fft // 2 + 1 - samples.shape[1]  # so few samples cannot be reflected
    samples = torch.nn.functional.pad(samples, (0, max(0, short)))
    window = torch.hann_window(n_fft)
    spectrum = torch.stft(samples, n_fft, hop, window=window, center=True, pad_mode="reflect", return_complex=True)
    mel = torch.from_numpy(mel_filters(sound.rate, n_fft, bands)) @ spectrum.abs()
    return mel.clamp(min=FLOOR).log().transpose(1, 2).contiguous()


@cache
def mel_filters(rate: int, n_fft: int, bands: int) -> NDArray[np.float32]:
    """[bands, n_fft // 2 + 1]: triangles between 0 and rate / 2 on Slaney's mel scale, each of area 1."""
    edges = _hertz(np.linspace(0, _mel(rate / 2), bands + 2))
    bins = np.linspace(0, rate // 2, n_fft // 2 + 1)
    rising = (bins[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins[None]) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles * (2 / (edges[2:] - edges[:-2]))[:, None], np.float32)


_LINEAR, _KNEE, _LOG = 200 / 3, 1000.0, np.log(6.4) / 27  # Hz per mel below the knee, Hz, octaves' logarithm per mel


def _mel(hertz: float) -> float:
    return hertz / _LINEAR if hertz < _KNEE else float(_KNEE / _LINEAR + np.log(hertz / _KNEE) / _LOG)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = mel - _KNEE / _LINEAR
    return np.where(above < 0, mel * _LINEAR, _KNEE * np.exp(_LOG * np.maximum(above, 0)))


@dataclass(frozen=True)
class AudioLatents:
    """The audio VAE (diffusers' AutoencoderKLLTX2Audio)."""

    vae: Any

    def encode(self, sound: Audio) -> Tensor:
        """[latents, channels · bands] float32 on the VAE's device; latent 0 holds the first spectrum, k ≥ 1 the next 4.

        The mean of the posterior, normalised by the checkpoint's statistics: what the transformer was trained on.
        """
        config = self.vae.config
        sound = resample(sound, config.sample_rate)
        sound = Audio(fit_channels(sound.samples, config.in_channels), sound.rate)
        mel = log_mel(sound, config.mel_bins, config.mel_hop_length)[None]
        with torch.no_grad():
            mean = self.vae.encode(mel.to(self.vae.device, self.vae.dtype)).latent_dist.mode()
        packed = mean.float().transpose(1, 2).flatten(2)[0]
        shift, scale = (s.to(packed) for s in (self.vae.latents_mean, self.vae.latents_std))
        return torch.as_tensor((packed - shift) / scale)
