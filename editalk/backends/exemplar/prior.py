"""What any mouth does for what is heard and said: a small network whose weights are part of the package.

Three dilated convolutions over 10 ms steps (a temporal convolutional network, Bai et al. 2018, arXiv:1803.01271,
centred instead of causal, ±0.24 s), trained by `editalk.backends.exemplar.train`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from editalk.backends.exemplar.phones import VISEMES
from editalk.backends.exemplar.shape import MEASURES
from editalk.errors import DeviceError

Floats = NDArray[np.float64]

WEIGHTS = Path(__file__).with_name("prior.safetensors")
DILATIONS = (2, 4, 6)
TAPS = 5
INPUTS = 2 + 2 * len(VISEMES)
RECIPE = "1"  # of inputs and layers: weights made for another do not fit
QUIETEST, LOUDEST, LEVEL = -45.0, 10.0, 15.0  # dB: limits of the level and what counts as one


def inputs(level: Floats, swell: Floats, heard: Floats, said: Floats) -> Floats:
    """What the network sees of every 10 ms [m, INPUTS]: `level` and `swell` [m] see `Hearing`, `heard` and `said`
    [m, classes] see `phones`; `said` is 0 where no wording is known.
    """
    loud = level.clip(QUIETEST, LOUDEST) / LEVEL + 1
    return np.concatenate([loud[:, None], swell[:, None], heard, said], 1)


@dataclass(frozen=True)
class Prior:
    """Weights by name: `in` and `out` are [to, from] with biases, `conv0` … [to, from, taps]."""

    weights: dict[str, NDArray[np.float32]]
    about: dict[str, str]

    def __call__(self, seen: Floats) -> tuple[Floats, Floats]:
        """`inputs` [m, INPUTS] → measures [m, MEASURES] in SDs from a speaker's mean; what led to them [m, hidden]."""
        w = self.weights
        x = np.maximum(0, seen.astype(np.float32) @ w["in.weight"].T + w["in.bias"])
        for k, dilation in enumerate(DILATIONS):
            y = np.maximum(0, _convolved(x, w[f"conv{k}.weight"], dilation) + w[f"conv{k}.bias"])
            x = y + x if k else y
        return (x @ w["out.weight"].T + w["out.bias"]).astype(np.float64), x.astype(np.float64)


def _convolved(x: NDArray[np.float32], weight: NDArray[np.float32], dilation: int) -> NDArray[np.float32]:
    """[m, from] with [to, from, taps] → [m, to], zeros beyond the ends."""
    reach = dilation * (TAPS // 2)
    padded = np.pad(x, ((reach, reach), (0, 0)))
    parts = [padded[k * dilation : k * dilation + len(x)] @ weight[:, :, k].T for k in range(TAPS)]
    return np.asarray(np.sum(parts, axis=0), np.float32)


@lru_cache(maxsize=2)
def load(path: Path = WEIGHTS) -> Prior:
    """The weights of a file. Raises DeviceError where it is missing, damaged or of another recipe."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            about = dict(file.metadata() or {})
            weights = {name: np.asarray(file.get_tensor(name), np.float32) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DeviceError(f"{path}: the weights of the lips cannot be read ({error}); install editalk again") from error
    prior = Prior(weights, about)
    if about.get("recipe") != RECIPE or not _fits(weights):
        raise DeviceError(f"{path}: these weights of the lips belong to another version; install editalk again")
    return prior


def _fits(weights: dict[str, NDArray[np.float32]]) -> bool:
    """Whether all tensors are there, fit one another and are finite."""
    names = ["in", *(f"conv{k}" for k in range(len(DILATIONS))), "out"]
    if set(weights) != {f"{n}.{part}" for n in names for part in ("weight", "bias")}:
        return False
    size = INPUTS
    for name in names:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        taps = (TAPS,) if name.startswith("conv") else ()
        if weight.shape != (len(bias), size, *taps) or not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            return False
        size = len(bias)
    return size == MEASURES
