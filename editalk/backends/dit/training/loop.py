"""The network, its training steps, its checkpoints, and the folder of weights that comes out."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from editalk.backends.dit.audio_adapter import AdapterConfig, AudioAdapter
from editalk.backends.dit.audio_features import AudioFeatures
from editalk.backends.dit.linear_vae import LinearVae
from editalk.backends.dit.prompts import READY, Embeds, Prompt, save
from editalk.backends.dit.training.examples import Example, Shown, example
from editalk.backends.dit.training.loss import DEAF, SHIFT, level, loss

FEATURES = "log-mel-100-40"
WINDOW, EMBEDDINGS, WIDTH = 32, 8, 128  # of the audio adapter: 0.32 s around each frame
LAYERS, HEADS, HEAD = 5, 6, 32
TEXT = 8  # width of the prompt, which says nothing here: zeros
BATCH = 2
RATE, AHEAD = 7e-4, 2.0  # learning rate, and by how much that of the audio layers is higher
FALL, LEAST = 0.7, 0.02  # share of the training after which the rate falls, and the share of it that is left at the end
BETAS, DECAY = (0.9, 0.98), 0.01
WARM = 100  # steps
CLIP = 1.0  # norm of the gradients, at most
EMA = 0.998
LOUDER = 0.15  # SD by which an example is louder or softer, in the features' unit (1: 20 dB)
STEPS = 20  # of sampling
SIGMAS = [SHIFT * (1 - i / STEPS) / (1 + (SHIFT - 1) * (1 - i / STEPS)) for i in range(STEPS + 1)]
SCHEDULER = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "sigmas": SIGMAS}


@dataclass(frozen=True)
class Size:
    """Of the network; `channels` of the VAE's latents."""

    channels: int
    layers: int = LAYERS
    heads: int = HEADS
    head: int = HEAD
    window: int = WINDOW
    embeddings: int = EMBEDDINGS
    width: int = WIDTH

    @property
    def hidden(self) -> int:
        return self.heads * self.head


def network(size: Size, features: AudioFeatures, seed: int) -> tuple[Any, AudioAdapter]:
    """An LTXVideoTransformer3DModel with audio layers, random as the seed says; the audio layers' outputs are zero."""
    from diffusers import LTXVideoTransformer3DModel

    kind: Any = LTXVideoTransformer3DModel
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = kind(
            in_channels=size.channels, out_channels=size.channels, num_attention_heads=size.heads,
            attention_head_dim=size.head, cross_attention_dim=size.hidden, num_layers=size.layers,
            caption_channels=TEXT,
        )  # fmt: skip
        adapter = AudioAdapter(AdapterConfig(
            features.name, features.rate, features.blocks, features.channels, size.layers, size.hidden, size.heads,
            size.window, size.embeddings, size.width,
        ))  # fmt: skip
    adapter.install(net)
    return net, adapter


@dataclass
class Trainer:
    """One training. Every step depends on `seed` and its number alone, so that it can be taken up again anywhere."""

    net: Any
    adapter: AudioAdapter
    vae: LinearVae
    learn: Sequence[Sequence[Shown]]
    seed: int
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text = torch.zeros(1, TEXT)
        self.named = dict(parameters(self.net, self.adapter))
        self.optimiser = torch.optim.AdamW(list(self._groups()), RATE, BETAS)
        self.mean = {name: p.detach().clone() for name, p in self.named.items()}

    def _groups(self) -> Iterator[dict[str, Any]]:
        """Matrices and others, in each the audio layers apart: nothing but matrices decays."""
        for decays in (True, False):
            for part, ahead in (("net.", 1.0), ("adapter.", AHEAD)):
                chosen = [p for name, p in self.named.items() if name.startswith(part) and (p.ndim > 1) == decays]
                yield {"params": chosen, "weight_decay": DECAY if decays else 0.0, "ahead": ahead}

    @property
    def passes(self) -> float:
        """How often as many examples as there are films were seen."""
        return self.step * BATCH / len(self.learn)

    def run(self, done: Callable[[int, float], float], often: float, pause: Callable[[], None]) -> None:
        """Steps until `done` (of step and seconds) says 1 or more; `pause` is called every `often` seconds."""
        clock, last = time.monotonic() - self.seconds, self.seconds
        while (share := done(self.step, self.seconds)) < 1:
            self.losses.append(self.one(share))
            self.seconds = time.monotonic() - clock
            if self.seconds - last > often:
                pause()
                last = self.seconds
        pause()

    def one(self, share: float) -> float:
        """One step; `share`: 0 … 1 of the training that is done. Returns the loss."""
        rng = np.random.default_rng([self.seed, self.step])
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        for group in self.optimiser.param_groups:
            group["lr"] = RATE * group["ahead"] * pace(self.step, share)
        self.optimiser.zero_grad()
        total = 0.0
        for _ in range(BATCH):
            given = self._drawn(rng)
            wild = torch.randn(given.tokens.latent.shape, generator=noise)
            found = loss(
                self.net, self.adapter, self.text, given, level(rng), wild, bool(rng.random() < DEAF)
            ) / BATCH
            found.backward()  # type: ignore[no-untyped-call]
            total += float(found.detach())
        torch.nn.utils.clip_grad_norm_(list(self.named.values()), CLIP)
        self.optimiser.step()
        self.step += 1
        keep = min(EMA, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.named.items():
                self.mean[name].lerp_(value, 1 - keep)
        return total

    def _drawn(self, rng: np.random.Generator) -> Example:
        film = int(rng.integers(len(self.learn)))
        views = self.learn[film]
        others = self.learn[(film + int(rng.integers(1, max(2, len(self.learn))))) % len(self.learn)]
        made = example(views[int(rng.integers(len(views)))], others, self.vae, self.adapter.config.window, rng)
        return Example(made.tokens, made.windows + LOUDER * float(rng.normal()))

    def state(self) -> dict[str, Tensor]:
        """Everything that a training is taken up with again."""
        found = {f"mean.{name}": value for name, value in self.mean.items()}
        found |= {f"now.{name}": value.detach() for name, value in self.named.items()}
        for i, values in self.optimiser.state_dict()["state"].items():
            found |= {f"moment.{i}.{name}": value for name, value in values.items()}
        found["clock"] = torch.tensor([self.step, self.seconds], dtype=torch.float64)
        return found

    def restore(self, state: dict[str, Tensor]) -> None:
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            kind, _, rest = name.partition(".")
            if kind == "mean":
                self.mean[rest].copy_(value)
            elif kind == "now":
                with torch.no_grad():
                    self.named[rest].copy_(value)
            elif kind == "moment":
                i, _, which = rest.partition(".")
                moments.setdefault(int(i), {})[which] = value
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": moments})
        self.step, self.seconds = int(state["clock"][0]), float(state["clock"][1])


def parameters(net: Any, adapter: AudioAdapter) -> list[tuple[str, torch.nn.Parameter]]:
    return [(f"net.{n}", p) for n, p in net.named_parameters()] + [
        (f"adapter.{n}", p) for n, p in adapter.named_parameters()
    ]


def pace(step: int, share: float) -> float:
    """The learning rate's share: warm-up, a plateau, a straight way down to LEAST."""
    return min(1, (step + 1) / WARM) * (1 - (1 - LEAST) * max(0.0, min(1.0, (share - FALL) / (1 - FALL))))


def averaged(trainer: Trainer) -> dict[str, Tensor]:
    """Put the mean weights in; returns those that were there, for `put_back`."""
    held = {name: value.detach().clone() for name, value in trainer.named.items()}
    put_back(trainer, trainer.mean)
    return held


def put_back(trainer: Trainer, held: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in trainer.named.items():
            value.copy_(held[name])


@torch.no_grad()
def validated(
    trainer: Trainer, examples: Sequence[tuple[Example, Tensor]], levels: Sequence[float]
) -> tuple[float, float]:
    """The mean weights' loss with the right windows and with those of another film."""
    held = averaged(trainer)
    sums = np.zeros(2)
    for i, (given, wrong) in enumerate(examples):
        noise = torch.randn(given.tokens.latent.shape, generator=torch.Generator().manual_seed(i))
        sigma = levels[i % len(levels)]
        for k, windows in enumerate((given.windows, wrong)):
            one = Example(given.tokens, windows)
            sums[k] += float(loss(trainer.net, trainer.adapter, trainer.text, one, sigma, noise))
    put_back(trainer, held)
    right, wrong_ = sums / max(1, len(examples))
    return float(right), float(wrong_)


def write(trainer: Trainer, folder: Path, about: dict[str, Any]) -> None:
    """The mean weights as a folder in diffusers' layout, whole: the former one stays until the new one is complete."""
    part, old = (folder.with_name(f"{folder.name}.{kind}") for kind in ("part", "old"))
    for rest in (part, old):
        shutil.rmtree(rest, ignore_errors=True)
    held = averaged(trainer)
    trainer.net.save_pretrained(part / "transformer")
    trainer.adapter.save(part / "audio_adapter")
    put_back(trainer, held)
    trainer.vae.save(part / "vae")
    (part / "scheduler").mkdir()
    (part / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER, indent=1) + "\n", "utf-8")
    save(Prompt(Embeds(trainer.text)), part / READY)
    (part / "training.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def kept(path: Path, trainer: Trainer) -> None:
    """Write the trainer's state, whole or not at all."""
    from safetensors.torch import save_file

    part = path.with_name(path.name + ".part")
    save_file({k: v.contiguous() for k, v in trainer.state().items()}, part)
    part.replace(path)


def taken_up(path: Path, trainer: Trainer) -> None:
    """Continue from what `kept` wrote, where there is such a file."""
    from safetensors.torch import load_file

    if path.exists():
        trainer.restore(load_file(path))
