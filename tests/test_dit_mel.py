"""The log-mel spectrogram that LTX-2's audio VAE encodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from editalk.audio import Audio
from editalk.backends.dit.audio_latents import log_mel, mel_filters

GOLDEN = Path(__file__).parent / "golden"


def speech(seconds: float) -> Audio:
    t = np.arange(round(seconds * 16000)) / 16000
    left, right = 0.4 * np.sin(2 * np.pi * (200 * t + 9000 * t * t)), 0.3 * np.sin(2 * np.pi * 3100 * t) * (t > 0.05)
    return Audio(np.stack([left, right], 1).astype(np.float32), 16000)


def test_mel_equals_the_reference() -> None:
    """`mel` was made by the reference's AudioProcessor(16000, 64, 160, 1024) with torchaudio 2.11 of speech(0.1875)."""
    expected = load_file(GOLDEN / "dit_ltx2_mel.safetensors")["mel"]
    torch.testing.assert_close(log_mel(speech(0.1875), 64, 160), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("rate", "n_fft", "bands"), [(16000, 1024, 64), (24000, 512, 40)])
def test_mel_filters(rate: int, n_fft: int, bands: int) -> None:
    """Triangles of area 1 (where bins are dense enough to tell), ever higher and wider, that sum up to no gap."""
    filters = mel_filters(rate, n_fft, bands)
    width = rate / n_fft
    peaks = filters.argmax(1)
    assert filters.shape == (bands, n_fft // 2 + 1)
    assert (np.diff(peaks) >= 0).all()
    np.testing.assert_allclose(filters[-10:].sum(1) * width, 1, rtol=0.02)
    assert (filters.sum(0)[peaks[0] : peaks[-1]] > 0).all()


@pytest.mark.parametrize("samples", [1, 300, 512, 513])
def test_short_sounds_have_a_mel(samples: int) -> None:
    mel = log_mel(Audio(np.zeros((samples, 1), np.float32), 16000), 64, 160)
    assert mel.isfinite().all()
    assert torch.equal(mel, torch.full_like(mel, float(np.log(np.float32(1e-5)))))
