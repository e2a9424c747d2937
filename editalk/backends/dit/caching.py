"""Reuse from step to step: a forward whose input has hardly changed gets the change that the blocks made last time.

As in TeaCache (https://arxiv.org/abs/2411.19108; EditYourself, section 3.4): what the first block sees after its norm
and the timestep's modulation is compared with what it saw in the step before; a polynomial turns the relative change
into an estimate of the output's; while the sum of the estimates stays below a threshold, no block is computed and the
input gets the residual of the last computed forward. Tokens whose input did not change at all (clean ones of a
re-render) do not count, else the threshold would mean something else for every mask.

diffusers' forward runs over `transformer.transformer_blocks`: here that list decides what it hands out. So nothing of
the forward is copied, and hooks on blocks (offloading, audio layers, LoRA, parallelism) are skipped with the blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from editalk.backends.dit.parallel import everywhere

COMPARED = 256  # channels of every token that are compared; all of them would cost as much memory as the residual
STREAMS = ("hidden_states", "audio_hidden_states")


@dataclass(frozen=True)
class Reuse:
    """`threshold`: sum of estimated relative changes below which results are reused; 0: never.
    `coefficients`: of the polynomial, highest power first; the default estimates the input's change itself.
    """

    threshold: float
    coefficients: tuple[float, ...] = (1.0, 0.0)


LTX_VIDEO = Reuse(0.05, (21.4700694, -12.8016453, 2.31279151, 0.792487521, 0.00969274326))
"""TeaCache's for LTX-Video 0.9.1; said not to hold for 0.9.6, not measured here."""
LTX2 = Reuse(0.5, (1.3641, 0.40916))
"""From dgrauet/ltx-2-mlx, for LTX-2; about 1.2 times as fast, not measured here."""


@dataclass
class _State:
    """What is remembered under a name: [b, n, k] what the first block saw, the residual of each stream."""

    seen: Tensor | None = None
    residuals: tuple[Tensor, ...] = ()
    change: float = 0.0  # estimated, since the last computed forward


class CachedBlocks(nn.ModuleList):
    """A transformer's blocks; within `named`, a run over them may be a single step that adds a residual."""

    def __init__(self, blocks: Iterable[nn.Module] = (), reuse: Reuse | None = None) -> None:
        super().__init__(blocks)
        self.reuse = reuse or Reuse(0.0)
        self.computed = self.reused = 0  # named forwards
        self._states: dict[str, _State] = {}
        self._name: str | None = None
        # a copy: with offloading, the first block's own may just be on its way to the device
        self._table = self[0].get_parameter("scale_shift_table").detach().clone() if len(self) else None

    def __iter__(self) -> Iterator[Any]:
        blocks = list(super().__iter__())
        if self._name is None:
            return iter(blocks)
        return iter(_Forward(self, blocks, self._states.setdefault(self._name, _State())))

    @contextmanager
    def named(self, name: str | None) -> Iterator[None]:
        if name is None:
            self.reset()
        before, self._name = self._name, name
        try:
            yield
        finally:
            self._name = before

    def reset(self) -> None:
        self._states.clear()

    def modulated(self, inputs: dict[str, Any]) -> Tensor:
        """[b, n, k]: what the first block sees of the video tokens, some channels of it."""
        hidden, temb, table = inputs["hidden_states"], inputs["temb"], self._table
        assert table is not None
        table = table.to(temb.device)
        every = max(1, hidden.shape[-1] // COMPARED)
        times = temb.unflatten(2, (len(table), -1))[..., ::every]
        shift, scale = (table[i, ::every] + times[:, :, i] for i in (0, 1))
        out: Tensor = self[0].get_submodule("norm1")(hidden)[..., ::every] * (1 + scale) + shift
        return out


class _Forward:
    """One run over the blocks: `enter` stands for the first, `leave` for the last."""

    def __init__(self, owner: CachedBlocks, blocks: list[nn.Module], state: _State) -> None:
        self.owner, self.blocks, self.state = owner, blocks, state
        self.inputs: tuple[Tensor, ...] = ()
        self.skipped = False

    def __iter__(self) -> Iterator[Any]:
        yield self.enter
        if not self.skipped:
            yield from self.blocks[1:-1]
            if len(self.blocks) > 1:
                yield self.leave

    def enter(self, **inputs: Any) -> Any:
        self.inputs = tuple(inputs[name] for name in STREAMS if name in inputs)
        self.skipped = everywhere(self._little_changed(self.owner.modulated(inputs)))
        if self.skipped:
            self.owner.reused += 1
            made = tuple(x + r for x, r in zip(self.inputs, self.state.residuals, strict=True))
            return made if len(made) > 1 else made[0]
        self.owner.computed += 1
        self.state.change = 0.0
        return self.blocks[0](**inputs) if len(self.blocks) > 1 else self.leave(**inputs)

    def leave(self, **inputs: Any) -> Any:
        output = self.blocks[-1](**inputs)
        streams = output if isinstance(output, tuple) else (output,)
        self.state.residuals = tuple(after - before for after, before in zip(streams, self.inputs, strict=True))
        return output

    def _little_changed(self, sees: Tensor) -> bool:
        state, reuse = self.state, self.owner.reuse
        seen, state.seen = state.seen, sees
        same = seen is not None and seen.shape == sees.shape and seen.dtype == sees.dtype
        if seen is None or not same or [r.shape for r in state.residuals] != [x.shape for x in self.inputs]:
            return False
        state.change += max(0.0, float(np.polyval(reuse.coefficients, relative_change(sees, seen))))
        return state.change < reuse.threshold


def relative_change(now: Tensor, before: Tensor) -> float:
    """Sum of absolute changes by sum of absolute values before, over the tokens of [b, n, c] that changed; 0: none."""
    moved = (now - before).abs().sum(-1, dtype=torch.float32)
    size = before.abs().sum(-1, dtype=torch.float32) * (moved > 0)
    change, whole = torch.stack([moved.sum(), size.sum()]).tolist()
    return float(np.divide(change, whole)) if whole else float("inf") if change else 0.0


def install(transformer: nn.Module, reuse: Reuse) -> None:
    """Lets a diffusers LTX-Video or LTX-2 transformer reuse results within `context`. Once its weights are loaded;
    again: other settings.
    """
    transformer.transformer_blocks = CachedBlocks(_blocks(transformer), reuse)


def _blocks(transformer: nn.Module) -> list[nn.Module]:
    blocks = transformer.transformer_blocks
    assert isinstance(blocks, nn.ModuleList)
    return [blocks[i] for i in range(len(blocks))]


@contextmanager
def context(transformer: nn.Module, name: str | None) -> Iterator[None]:
    """Forwards inside may reuse what was computed under this name, which stands for one block of latent frames and one
    pass of guidance ("17/cond"). None: they compute everything, and what was remembered is forgotten: blocks have moved
    or another window begins. Without `install`, everything is computed.
    """
    blocks = transformer.transformer_blocks
    if not isinstance(blocks, CachedBlocks):
        yield
        return
    with blocks.named(name):
        yield
