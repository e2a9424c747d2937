"""LPIPS: how different two pictures look to a network (Zhang et al., "The Unreasonable Effectiveness of Deep Features
as a Perceptual Metric", 2018), version 0.1 on VGG16.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from editalk.errors import DeviceError

SIDE = 256  # pixels of the face that is compared
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
MEAN, SPREAD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of red, green, blue in −1…1
LEAST = 1e-10


class PerceptualNet(nn.Module):
    """VGG16 up to relu5_3 in five stages, and a weight for every channel of each."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        before = 3
        for k, widths in enumerate(STAGES):
            layers: list[nn.Module] = [nn.MaxPool2d(2)] if k else []
            for width in widths:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            self.stages.append(nn.Sequential(*layers))
        self.weights = nn.ParameterList([torch.zeros(1, widths[-1], 1, 1) for widths in STAGES])

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> PerceptualNet:
        """Convolutions and linear layers in the order of their names' numbers. Raises DeviceError."""
        net = cls()
        ordered = [tensors[k] for k in sorted(tensors, key=_natural)]
        convolutions = [t for t in ordered if t.ndim == 4 and t.shape[2:] == (3, 3)]
        biases = [t for t in ordered if t.ndim == 1 and len(t) >= 64]
        linear = [t for t in ordered if t.ndim == 4 and t.shape[0] == 1 and t.shape[2:] == (1, 1) and t.shape[1] >= 64]
        own = [m for stage in net.stages for m in stage.modules() if isinstance(m, nn.Conv2d)]
        if (
            [t.shape for t in convolutions] != [m.weight.shape for m in own]
            or [len(t) for t in biases] != [m.out_channels for m in own]
            or [t.shape for t in linear] != [w.shape for w in net.weights]
        ):
            raise DeviceError("the weights for LPIPS are not VGG16's 13 convolutions and 5 linear layers")
        with torch.no_grad():
            for layer, weight, bias in zip(own, convolutions, biases, strict=True):
                layer.weight.copy_(weight)
                if layer.bias is not None:
                    layer.bias.copy_(bias)
            for mine, given in zip(net.weights, linear, strict=True):
                mine.copy_(given)
        return net.eval()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """[n, 3, h, w] red, green, blue −1…1 each → [n]."""
        mean, spread = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, SPREAD))
        a, b = (a - mean) / spread, (b - mean) / spread
        total = torch.zeros(len(a))
        for stage, weight in zip(self.stages, self.weights, strict=True):
            a, b = stage(a), stage(b)
            far = torch.square(_unit(a) - _unit(b))
            total = total + (far * weight).sum(1).mean((1, 2))
        return total

    @torch.inference_mode()
    def distance(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
        """Of two pictures [h, w, 3], red, green, blue: 0 for equal ones."""
        x, y = (torch.from_numpy(p.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1) for p in (a, b))
        return float(self(x, y)[0])


def _unit(x: Tensor) -> Tensor:
    out: Tensor = x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + LEAST)
    return out


def _natural(name: str) -> list[tuple[int, str]]:
    """Numbers in a name count as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]
