"""Whose face is it: embeddings of faces whose cosine similarity is CSIM (Deng et al., ArcFace, 2019)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from editalk.errors import DeviceError

SIDE = 112
WIDTHS = (64, 128, 256, 512)
DEPTHS = {8: (2, 2, 2, 2), 16: (3, 4, 6, 3), 24: (3, 4, 14, 3), 49: (3, 13, 30, 3)}  # IR-18, -34, -50, -101 by blocks
PLACES = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
LANDMARKS = ((33, 133), (362, 263), (4,), (61,), (291,))  # of the mesh: eyes, nose, corners of the mouth; as in PLACES
BATCH = 16


class FaceNet(nn.Module):
    """[n, 3, 112, 112] blue, green, red −1…1 → [n, 512] unit vectors: the improved residual network of ArcFace. Layers
    are named as in AdaFace's release (github.com/mk-minchul/AdaFace, net.py).
    """

    def __init__(self, depths: Sequence[int]) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
        blocks, before = [], 64
        for depth, width in zip(depths, WIDTHS, strict=True):
            for i in range(depth):
                blocks.append(_Block(before, width, 2 if i == 0 else 1))
                before = width
        self.body = nn.Sequential(*blocks)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512), nn.Dropout(0.4), nn.Flatten(), nn.Linear(512 * 49, 512),
            nn.BatchNorm1d(512, affine=False),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.normalize(self.output_layer(self.body(self.input_layer(x))))

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> FaceNet:
        """The depth is that of the tensors; a prefix of their names is left away. Raises DeviceError."""
        found = {k[m.start(1) :]: v for k, v in tensors.items()
                 if (m := re.search(r"(?:^|\.)((?:input_layer|body|output_layer)\..*)", k))}  # fmt: skip
        count = 1 + max((int(k.split(".")[1]) for k in found if k.startswith("body.")), default=-1)
        if count not in DEPTHS:
            raise DeviceError(f"the weights for CSIM are of no IR-18, -34, -50 or -101: {count} blocks")
        net = cls(DEPTHS[count])
        wanted = {k: v.shape for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
        lacks = [k for k, shape in wanted.items() if k not in found or found[k].shape != shape]
        if lacks:
            raise DeviceError(f"the weights for CSIM lack {lacks[0]}, or it has another shape")
        net.load_state_dict({k: v for k, v in found.items() if k in net.state_dict()}, strict=False)
        return net.eval()


class _Block(nn.Module):
    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride) if before == width else nn.Sequential(
            nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
        )  # fmt: skip
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(before), nn.Conv2d(before, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width),
            nn.PReLU(width), nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return out


def aligned(image: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[np.uint8]:
    """[112, 112, 3]: a picture [h, w, 3] turned and scaled so that eyes, nose and mouth of [478, 3] lie where such
    networks are trained to see them.
    """
    import cv2

    own = np.stack([points[list(rows), :2].mean(0) for rows in LANDMARKS]).astype(np.float64)
    co, cp = own.mean(0), PLACES.mean(0)
    a, b = own - co, PLACES - cp
    # least squares for x' = [[s, -t], [t, s]] x
    s, t = (a * b).sum() / np.square(a).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / np.square(a).sum()
    turn = np.array([[s, -t], [t, s]])
    way = np.concatenate([turn, (cp - turn @ co)[:, None]], 1)
    return np.asarray(cv2.warpAffine(image, way, (SIDE, SIDE), flags=cv2.INTER_AREA), np.uint8)


@torch.inference_mode()
def embedded(net: FaceNet, faces: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """[n, 512] of aligned faces, red, green, blue."""
    out = [np.zeros((0, 512), np.float32)]
    for i in range(0, len(faces), BATCH):
        stacked = np.stack(faces[i : i + BATCH])[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
        out.append(net(torch.from_numpy(stacked / 127.5 - 1)).numpy())
    return np.concatenate(out)
