"""A linear video VAE: blocks of step × cell × cell pixels in a basis of principal components, fitted in minutes on a
CPU. It stands where a learnt VAE would in models that are trained from nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from editalk.backends.dit.vae import floats
from editalk.errors import ModelsError

KIND = "LinearVae"
CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"  # diffusers' names
LIVELY = 0.04  # SD in time, in units of −1 … 1, of a block that weighs 1 when a basis is fitted
LEAST = 0.25  # what one weighs that stands still
TEMPER = 0.5  # power of a channel's SD that it is divided by: 1 would make the faintest component as loud as the first


class LinearVae:
    """See `VideoVae`. As in a causal VAE, latent frame 0 is frame 0 shown `step` times.

    basis: [channels, step · 3 · cell · cell], orthonormal rows; mean: [step · 3 · cell · cell]; scale: [channels], what
    coefficients are divided by.
    """

    def __init__(self, step: int, cell: int, basis: Tensor, mean: Tensor, scale: Tensor) -> None:
        size = step * 3 * cell * cell
        if basis.shape[1:] != (size,) or mean.shape != (size,) or scale.shape != basis.shape[:1]:
            raise ModelsError(f"a linear VAE of {step} frames and {cell} pixels has a basis of [channels, {size}]")
        self.step, self.cell, self.channels = step, cell, len(basis)
        self.basis, self.mean, self.scale = basis, mean, scale

    def encode(self, pictures: Tensor) -> Tensor:
        n, _, rows, columns = pictures.shape
        if (n - 1) % self.step or rows % self.cell or columns % self.cell:
            raise ValueError(f"{list(pictures.shape)}: not 1 + {self.step}·k frames in cells of {self.cell} pixels")
        pictures = floats(pictures)
        padded = torch.cat([pictures[:1].expand(self.step - 1, -1, -1, -1), pictures])
        found = self.project(blocks(padded, self.step, self.cell))
        return found.permute(0, 3, 1, 2).contiguous()

    def decode(self, latents: Tensor) -> Tensor:
        n, _, h, w = latents.shape
        flat = (latents.permute(0, 2, 3, 1) * self.scale) @ self.basis + self.mean
        parts = flat.view(n, h, w, self.step, 3, self.cell, self.cell).permute(0, 3, 4, 1, 5, 2, 6)
        frames = parts.reshape(n, self.step, 3, h * self.cell, w * self.cell)
        return torch.cat([frames[0].mean(0, keepdim=True), frames[1:].flatten(0, 1)])

    def project(self, flat: Tensor) -> Tensor:
        """[..., step · 3 · cell · cell] → [..., channels]."""
        return ((flat - self.mean) @ self.basis.T) / self.scale

    def to(self, device: torch.device | str) -> LinearVae:
        return LinearVae(self.step, self.cell, *(v.to(device) for v in (self.basis, self.mean, self.scale)))

    def save(self, folder: Path) -> None:
        """Diffusers' layout: config.json and the weights."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        about = {"_class_name": KIND, "step": self.step, "cell": self.cell, "latent_channels": self.channels}
        (folder / CONFIG).write_text(json.dumps(about, indent=1) + "\n", "utf-8")
        tensors = {name: getattr(self, name).cpu().contiguous() for name in ("basis", "mean", "scale")}
        save_file(tensors, folder / WEIGHTS)

    @classmethod
    def load(cls, folder: Path) -> LinearVae:
        """What `save` wrote. Raises ModelsError."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            about = json.loads((folder / CONFIG).read_text("utf-8"))
            tensors = load_file(folder / WEIGHTS)
            if about["_class_name"] != KIND:
                raise ModelsError(f"{folder}: a VAE of the kind {about['_class_name']}, not {KIND}")
            return cls(int(about["step"]), int(about["cell"]), *(tensors[n] for n in ("basis", "mean", "scale")))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ModelsError(f"{folder}: no linear VAE ({error})") from error


def blocks(pictures: Tensor, step: int, cell: int) -> Tensor:
    """[step·k, 3, rows, columns] → [k, rows // cell, columns // cell, step · 3 · cell · cell]."""
    n, _, rows, columns = pictures.shape
    parts = pictures.view(n // step, step, 3, rows // cell, cell, columns // cell, cell)
    return parts.permute(0, 3, 5, 1, 2, 4, 6).flatten(3)


def fit(samples: Sequence[Tensor], step: int, cell: int, channels: int) -> LinearVae:
    """A basis for blocks [n, step · 3 · cell · cell] (all parts together). Deterministic.

    Its directions are the principal components of blocks that weigh the more the more they move: lips are small, and
    what stands still is described by few components anyway.
    """
    count = sum(len(part) for part in samples)
    mean = torch.stack([part.sum(0) for part in samples]).sum(0) / count
    scatter = torch.zeros(len(mean), len(mean))
    for part in samples:
        centred = (part - mean) * _weight(part, step)[:, None]
        scatter.addmm_(centred.T, centred)
    vectors = _leading(scatter / count, channels)
    signs = vectors.gather(0, vectors.abs().argmax(0, keepdim=True)).sign()
    basis = (vectors * signs).T.contiguous()
    power = torch.stack([((part - mean) @ basis.T).square().sum(0) for part in samples]).sum(0) / count
    spread = power.clamp(min=1e-12).sqrt()
    scale = spread**TEMPER
    scale *= (spread / scale).square().mean().sqrt()  # latents have a mean square of 1
    return LinearVae(step, cell, basis, mean, scale)


def _weight(blocks: Tensor, step: int) -> Tensor:
    """[n] by how much each block [n, size] changes in its time."""
    moved = blocks.view(len(blocks), step, -1).var(1).mean(1).sqrt()
    return (moved / LIVELY).clamp(LEAST, 1 / LEAST)


ROUNDS = 12
SPARE = 32  # directions beyond those wanted, so that the last ones settle, too


def _leading(matrix: Tensor, count: int) -> Tensor:
    """The eigenvectors [n, count] of the largest eigenvalues of a symmetric matrix, by subspace iteration."""
    size = len(matrix)
    start = torch.randn(size, min(size, count + SPARE), generator=torch.Generator().manual_seed(0))
    held = torch.linalg.qr(start)[0]
    for _ in range(ROUNDS):
        held = torch.linalg.qr(matrix @ held)[0]
    values, turn = torch.linalg.eigh(held.T @ matrix @ held)
    return torch.as_tensor(held @ turn[:, values.argsort(descending=True)[:count]])
