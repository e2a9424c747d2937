"""Small clips made on the spot: a moving picture that carries its frame number, and a sound whose places are known."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

if worker := os.environ.get("PYTEST_XDIST_WORKER"):  # tests look at what is left in the folder of temporary files
    os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix=f"tests-{worker}-")
SAMPLE_RATE = 44100
SIZE = (160, 120)
BITS = 8


@dataclass(frozen=True)
class ClipSpec:
    """How to make a clip. `gaps`: ticks of 1/rate between frames, repeated (None: one each)."""

    suffix: str = ".mp4"
    rate: Fraction = Fraction(25)
    frames: int = 50
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = SIZE
    options: tuple[tuple[str, str], ...] = (("preset", "veryfast"), ("g", "12"), ("crf", "12"))
    gaps: tuple[int, ...] | None = None
    rotation: int = 0
    audio: str | None = "aac"
    layout: str = "stereo"
    sample_rate: int = SAMPLE_RATE
    sound_late: float = 0.0
    video_late: int = 0
    metadata: tuple[tuple[str, str], ...] = ()
    colour: tuple[int, int, int, int] = (0, 2, 2, 2)


SPECS = {
    "25": ClipSpec(metadata=(("title", "A talk"), ("timecode", "01:00:00:00")), colour=(1, 1, 1, 1)),
    "long": ClipSpec(frames=200),
    "film": ClipSpec(rate=Fraction(24000, 1001), frames=48),
    "ntsc": ClipSpec(rate=Fraction(30000, 1001), frames=60, suffix=".mov", audio="pcm_s16le"),
    "ntsc_mkv": ClipSpec(rate=Fraction(30000, 1001), frames=60, suffix=".mkv", audio="flac", layout="mono"),
    "even_drop": ClipSpec(rate=Fraction(30), frames=60, gaps=(1, 1, 2)),
    "variable": ClipSpec(rate=Fraction(30), frames=60, gaps=(1, 1, 1, 1, 1, 1, 1, 1, 1, 9)),
    "rotated": ClipSpec(rotation=90, frames=25),
    "ten_bit": ClipSpec(codec="libx265", pix_fmt="yuv420p10le", suffix=".mkv", frames=25, options=(("crf", "12"),)),
    "mono": ClipSpec(layout="mono", sample_rate=16000, frames=25),
    "full_range": ClipSpec(colour=(2, 1, 1, 1), frames=25),
    "odd_444": ClipSpec(pix_fmt="yuv444p", size=(161, 121), suffix=".mkv", frames=25),
    "odd_420": ClipSpec(size=(161, 121), suffix=".mkv", codec="ffv1", options=(), frames=10),
    "open_gop": ClipSpec(
        codec="libx265",
        options=(("x265-params", "keyint=12:min-keyint=12:open-gop=1:bframes=4:scenecut=0:log-level=error"),),
    ),
    "open_gop_h264": ClipSpec(
        options=(("x264-params", "keyint=12:min-keyint=12:open-gop=1:bframes=4:scenecut=0"), ("crf", "12"))
    ),
    "program_stream": ClipSpec(suffix=".mpg", codec="mpeg1video", options=(("g", "12"), ("bf", "2")), audio="mp2"),
    "avi": ClipSpec(suffix=".avi", audio="pcm_s16le"),
    "transport_stream": ClipSpec(suffix=".ts"),
    "late_sound": ClipSpec(sound_late=0.3, frames=25),
    "late_picture": ClipSpec(video_late=5, frames=25),
    "silent": ClipSpec(audio=None, frames=10),
    "anamorphic": ClipSpec(frames=10),
}


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray[Any, Any]:
    """[h, w, 3] Y, U, V: a moving gradient; along the top the frame number in bits, black and white."""
    w, h = size
    x, y = np.arange(w)[None, :], np.arange(h)[:, None]
    luma = 60 + (x + 2 * y + 3 * number) % 120
    image = np.stack([luma, (luma // 2 + 60) // 2 * 2, 200 - luma // 2], axis=-1).astype(np.uint8)
    step = w // BITS
    for bit in range(BITS):
        image[: h // 4, bit * step : (bit + 1) * step] = (220 if number >> bit & 1 else 30, 128, 128)
    return image


def number_in(luma: np.ndarray[Any, Any]) -> int:
    """The frame number that a picture's luma [h, w] carries."""
    h, w = luma.shape
    step = w // BITS
    return sum(
        int(luma[h // 16 : h // 5, bit * step + 4 : (bit + 1) * step - 4].mean() > 125) << bit for bit in range(BITS)
    )


def chirp(samples: int, rate: int = SAMPLE_RATE, channels: int = 2) -> np.ndarray[Any, Any]:
    """[samples, channels] float32: a tone that rises with time, so that each place sounds different."""
    t = np.arange(samples) / rate
    wave = 0.4 * np.sin(2 * np.pi * (200 * t + 300 * t * t))
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


def lag(wave: Any, other: Any) -> int:
    """By how many samples `other` comes later."""
    n = 1 << (len(wave) + len(other)).bit_length()
    product = np.fft.irfft(np.conj(np.fft.rfft(wave, n)) * np.fft.rfft(other, n))
    best = int(product.argmax())
    return best - n if best > n // 2 else best


def write_clip(path: Path, spec: ClipSpec) -> Path:
    with av.open(str(path), "w") as container:
        container.metadata.update(dict(spec.metadata))
        video = container.add_stream(spec.codec, rate=spec.rate, options=dict(spec.options))
        video.width, video.height = spec.size
        video.pix_fmt = spec.pix_fmt
        context = video.codec_context
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = spec.colour
        if spec.rotation:
            video.set_display_rotation(spec.rotation)
        audio = None
        if spec.audio:
            audio = container.add_stream(spec.audio, rate=spec.sample_rate, layout=spec.layout)
        container.start_encoding()
        _write_pictures(container, video, spec)
        if audio is not None:
            _write_sound(container, audio, spec)
    return path


def _write_pictures(container: Any, video: Any, spec: ClipSpec) -> None:
    at = spec.video_late
    for number in range(spec.frames):
        frame = av.VideoFrame.from_ndarray(picture(number, spec.size).transpose(2, 0, 1).copy(), format="yuv444p")
        frame = frame.reformat(format=spec.pix_fmt)
        frame.pts, frame.time_base = at, 1 / spec.rate
        frame.color_range = spec.colour[0]
        container.mux(video.encode(frame))
        at += spec.gaps[number % len(spec.gaps)] if spec.gaps else 1
    container.mux(video.encode(None))


def _write_sound(container: Any, audio: Any, spec: ClipSpec) -> None:
    ticks = spec.frames if not spec.gaps else sum(spec.gaps[k % len(spec.gaps)] for k in range(spec.frames))
    wave = chirp(int(ticks / spec.rate * spec.sample_rate), spec.sample_rate, 1 if spec.layout == "mono" else 2)
    frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="flt", layout=spec.layout)
    frame.sample_rate, frame.time_base = spec.sample_rate, Fraction(1, spec.sample_rate)
    frame.pts = round(spec.sound_late * spec.sample_rate)
    container.mux(audio.encode(frame))
    container.mux(audio.encode(None))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A clip of `SPECS` by name, made once."""
    folder = tmp_path_factory.mktemp("clips")

    def get(name: str) -> Path:
        spec = SPECS[name]
        path = folder / f"{name}{spec.suffix}"
        return path if path.exists() else write_clip(path, spec)

    return get


@pytest.fixture(scope="session")
def edit(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`review_edit.Made`: an edit and its review page, made once."""
    from review_edit import make

    return make(tmp_path_factory.mktemp("review"))


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tensors of tiny models cost more to share among threads than to compute."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
