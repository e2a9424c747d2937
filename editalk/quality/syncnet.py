"""Sync-C and Sync-D: how well a network that knows speech and faces finds the two together (Chung and Zisserman, "Out
of time: automated lip sync in the wild", 2016; used as LSE-C and LSE-D by Prajwal et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.signal import medfilt
from torch import Tensor, nn

Floats = NDArray[np.float64]

RATE = 25  # pictures per second
SOUND_RATE = 16000
SIDE = 224  # pixels of the face crop
FRAMES = 5  # pictures that are seen at once
STEPS = 20  # cepstra that are heard at once: the same 0.2 s
REACH = 15  # pictures that sound may come early or late
BATCH = 20
CROP = 0.4  # of half the face's size, seen around it
GREY = 110
STEADY = 13  # pictures over which the face's place is a median

CEPSTRA, BANDS, LIFTER = 13, 26, 22
WINDOW, HOP, SPECTRUM = 400, 160, 512  # samples


@dataclass(frozen=True)
class Sync:
    """`confidence` (Sync-C): median minus least of the distances over offsets; `distance` (Sync-D): the least one;
    `offset`: pictures by which the sound comes late.
    """

    confidence: float
    distance: float
    offset: int


class SyncNet(nn.Module):
    """Embeddings [n, 1024] of 5 pictures and of 20 cepstra. Layers are named as in the authors' release
    (github.com/joonson/syncnet_python, syncnet_v2), so that its weights load.
    """

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_block(nn.Conv2d(1, 64, 3, padding=1)), nn.MaxPool2d(1, 1),
            *_block(nn.Conv2d(64, 192, 3, padding=1)), nn.MaxPool2d(3, (1, 2)),
            *_block(nn.Conv2d(192, 384, 3, padding=1)),
            *_block(nn.Conv2d(384, 256, 3, padding=1)),
            *_block(nn.Conv2d(256, 256, 3, padding=1)), nn.MaxPool2d(3, 2),
            *_block(nn.Conv2d(256, 512, (5, 4))),
        )  # fmt: skip
        self.netfcaud = _head()
        self.netfclip = _head()
        self.netcnnlip = nn.Sequential(
            *_block(nn.Conv3d(3, 96, (5, 7, 7), (1, 2, 2))), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block(nn.Conv3d(96, 256, (1, 5, 5), (1, 2, 2), (0, 1, 1))), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_block(nn.Conv3d(256, 256, (1, 3, 3), padding=(0, 1, 1))),
            *_block(nn.Conv3d(256, 256, (1, 3, 3), padding=(0, 1, 1))),
            *_block(nn.Conv3d(256, 256, (1, 3, 3), padding=(0, 1, 1))), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block(nn.Conv3d(256, 512, (1, 6, 6))),
        )  # fmt: skip

    def heard(self, cepstra: Tensor) -> Tensor:
        """[n, 1, 13, 20] → [n, 1024]"""
        out: Tensor = self.netfcaud(self.netcnnaud(cepstra).flatten(1))
        return out

    def seen(self, pictures: Tensor) -> Tensor:
        """[n, 3, 5, 224, 224] blue, green, red 0…255 → [n, 1024]"""
        out: Tensor = self.netfclip(self.netcnnlip(pictures).flatten(1))
        return out


def _block(layer: nn.Conv2d | nn.Conv3d) -> tuple[nn.Module, ...]:
    norm = nn.BatchNorm2d if isinstance(layer, nn.Conv2d) else nn.BatchNorm3d
    return layer, norm(layer.out_channels), nn.ReLU()


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))


def cepstra(wave: NDArray[np.floating[Any]]) -> Floats:
    """[m, 13] mel-frequency cepstra of sound [n] at 16 kHz in the range of 16-bit integers, 100 per second, as
    python_speech_features makes them by default: 25 ms without a window, 26 bands, liftered, the first the energy's.
    """
    wave = np.asarray(wave, np.float64)
    wave = np.append(wave[:1], wave[1:] - 0.97 * wave[:-1])
    count = 1 + max(0, -(-(len(wave) - WINDOW) // HOP))
    padded = np.pad(wave, (0, max(0, (count - 1) * HOP + WINDOW - len(wave))))
    rows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count]
    power = np.square(np.abs(np.fft.rfft(rows, SPECTRUM))) / SPECTRUM
    least = np.finfo(float).eps
    energy = np.maximum(power.sum(1), least)
    bands = power @ _bands().T
    bands[bands == 0] = least
    out = np.asarray(dct(np.log(bands), type=2, axis=1, norm="ortho"))[:, :CEPSTRA]
    out *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(CEPSTRA) / LIFTER)
    out[:, 0] = np.log(energy)
    return out


def _bands() -> Floats:
    """[26, 257] triangles between places on the mel scale, rounded to bins."""
    top = 2595 * np.log10(1 + SOUND_RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    edges = np.floor((SPECTRUM + 1) * hertz / SOUND_RATE)
    out = np.zeros((BANDS, SPECTRUM // 2 + 1))
    for k, (a, b, c) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        up, down = np.arange(int(a), int(b)), np.arange(int(b), int(c))
        out[k, up] = (up - a) / (b - a)
        out[k, down] = (c - down) / (c - b)
    return out


def crops(pictures: Iterable[NDArray[np.uint8]], boxes: Floats) -> Iterator[NDArray[np.uint8]]:
    """[224, 224, 3] blue, green, red around each face; `boxes`: [n, 4] left, top, right, bottom of the faces, pixels.

    The authors' crop: the face's box, smoothed over time, with 0.4 of its half size around it and as much again below.
    """
    import cv2

    half = np.maximum(boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]) / 2
    half, x, y = (medfilt(v, STEADY) if len(v) > STEADY else v
                  for v in (half, (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2))  # fmt: skip
    for picture, size, mx, my in zip(pictures, half, x, y, strict=True):
        edge = int(size * (1 + 2 * CROP))
        around = cv2.copyMakeBorder(picture, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(GREY, GREY, GREY))
        mx, my = mx + edge, my + edge
        part = np.asarray(around)[int(my - size) : int(my + size * (1 + 2 * CROP)),
                                  int(mx - size * (1 + CROP)) : int(mx + size * (1 + CROP))]  # fmt: skip
        yield np.asarray(cv2.resize(part, (SIDE, SIDE)), np.uint8)


@torch.inference_mode()
def embeddings(
    net: SyncNet, faces: Iterable[NDArray[np.uint8]], wave: NDArray[np.floating[Any]]
) -> tuple[Tensor, Tensor]:
    """[n, 1024] of what is seen and heard from each picture on. `faces`: 25 crops a second, `wave`: see `cepstra`."""
    net.eval()
    coefficients = torch.from_numpy(cepstra(wave).T.astype(np.float32))
    longest = max(0, len(wave) // (SOUND_RATE // RATE))
    seen, window = [], list[NDArray[np.uint8]]()
    source = islice(faces, longest)
    while batch := list(islice(source, BATCH)):
        window = window[-(FRAMES - 1) :] + batch
        stacked = torch.from_numpy(np.stack(window)).permute(3, 0, 1, 2).float()
        parts = [stacked[:, i : i + FRAMES] for i in range(len(window) - FRAMES + 1)]
        if parts:
            seen.append(net.seen(torch.stack(parts)))
    pictures = torch.cat(seen)[:-1] if seen else torch.zeros(0, 1024)  # the authors leave the last one out
    starts = [4 * i for i in range(len(pictures))]
    heard = [net.heard(torch.stack([coefficients[None, :, s : s + STEPS] for s in starts[i : i + BATCH]]))
             for i in range(0, len(starts), BATCH)]  # fmt: skip
    return pictures, torch.cat(heard) if heard else torch.zeros(0, 1024)


def offsets(seen: Tensor, heard: Tensor, reach: int = REACH) -> Sync:
    """Search the offset between two embeddings [n, d]; both streams' ends count with zeros beyond them."""
    padded = nn.functional.pad(heard, (0, 0, reach, reach))
    means = torch.stack([
        nn.functional.pairwise_distance(seen, padded[k : k + len(seen)]).mean() for k in range(2 * reach + 1)
    ])  # fmt: skip
    least, at = means.min(0)
    return Sync(float(means.median() - least), float(least), reach - int(at))
