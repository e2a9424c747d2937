"""Trains the prior of the lips: `python -m editalk.backends.exemplar.train FOLDER… -o FILE`, a folder a speaker."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from editalk.backends.exemplar import prior
from editalk.backends.exemplar.corpus import Example, clips, examples
from editalk.backends.exemplar.phones import SHARPNESS, likely
from editalk.backends.exemplar.prior import DILATIONS, INPUTS, TAPS, Prior
from editalk.backends.exemplar.shape import APERTURE, MEASURES
from editalk.errors import EditalkError, ReadError
from editalk.reporting import Advance, Reporter

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]
Weights = dict[str, NDArray[np.float32]]

NARROW, WIDE = 40, 64  # channels of the first layer and of the others
BATCH = 16
LENGTH = 320  # steps of an example that are seen at once
EPOCHS = 45
RATE = 4e-3
DECAY = 1e-2
DROPOUT = 0.1
UNSAID = 0.5  # of the examples are learnt without their phones
UNHEARD = 0.1  # of those with phones without what is heard
FASTER = 0.25  # by which an example is played faster or slower, at most
MOVEMENT = 0.3  # the loss of changes over 40 ms against that of places: keeps the amplitude
STRIDE = 4
GAPE = 2.0  # the aperture's weight against the other measures'
HELD = 7  # one in so many clips is held out


@dataclass(frozen=True)
class Trained:
    """Weights, the loss of each epoch, and the correlation of the aperture on what was held out without and with known
    phones (NaN where nothing was).
    """

    weights: Weights
    losses: tuple[float, ...]
    by_ear: float
    with_phones: float


def is_held(name: str) -> bool:
    """Whether a clip is held out: by the hash of its name, so that it does not depend on the others."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD == 0


def train(found: Sequence[Example], seed: int, epochs: int, reporter: Reporter) -> Trained:
    """The prior of these examples; the same seed and number of threads give the same weights."""
    import torch

    learn, check = [e for e in found if not is_held(e.name)], [e for e in found if is_held(e.name)]
    if not learn:
        raise ReadError("no clip with a face to learn from")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    weights = _initial()
    steps = epochs * -(-len(learn) // BATCH)
    optimiser = torch.optim.AdamW(list(weights.values()), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    losses = []
    with reporter.stage("Learning", steps, "steps") as advance:
        for _ in range(epochs):
            total, order = 0.0, rng.permutation(len(learn))
            for first in range(0, len(learn), BATCH):
                loss = _loss(weights, [_varied(learn[i], rng) for i in order[first : first + BATCH]])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
                optimiser.step()
                schedule.step()
                total += float(loss.detach())
                advance(1)
            losses.append(total / -(-len(learn) // BATCH))
    made = {name: value.detach().numpy().copy() for name, value in weights.items()}
    return Trained(made, tuple(losses), _score(made, check, False), _score(made, check, True))


def _initial() -> dict[str, torch.Tensor]:
    """Random weights (He et al. 2015)."""
    import torch

    sizes: dict[str, tuple[int, ...]] = {"in": (NARROW, INPUTS)}
    sizes |= {f"conv{k}": (WIDE, WIDE if k else NARROW, TAPS) for k in range(len(DILATIONS))}
    sizes |= {"out": (MEASURES, WIDE)}
    made = {}
    for name, size in sizes.items():
        scale = float(np.sqrt((1.0 if name == "out" else 2.0) / np.prod(size[1:])))
        made[f"{name}.weight"] = (torch.randn(size) * scale).requires_grad_()
        made[f"{name}.bias"] = torch.zeros(size[0], requires_grad=True)
    return made


def forward(weights: dict[str, torch.Tensor], seen: torch.Tensor, drop: float = 0.0) -> torch.Tensor:
    """What `Prior` computes, in torch: [batch, INPUTS, m] → [batch, MEASURES, m]."""
    from torch.nn.functional import conv1d, dropout, relu

    x = relu(conv1d(seen, weights["in.weight"][..., None], weights["in.bias"]))
    for k, dilation in enumerate(DILATIONS):
        reach = dilation * (TAPS // 2)
        y = relu(conv1d(x, weights[f"conv{k}.weight"], weights[f"conv{k}.bias"], padding=reach, dilation=dilation))
        x = dropout(y + x if k else y, drop, training=drop > 0)
    return conv1d(x, weights["out.weight"][..., None], weights["out.bias"])


def _varied(example: Example, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """An example as it could also have been: (seen [m, INPUTS], wanted [m, MEASURES], weight [m])."""
    heard = likely(example.costs, SHARPNESS * float(np.exp2(rng.uniform(-1, 1))))
    level = np.logaddexp(example.level / 4 + rng.normal(0, 0.5), rng.uniform(-14, -5)) * 4
    swell = example.swell * float(np.exp(rng.normal(0, 0.2))) + rng.normal(0, 0.3)
    known = example.said
    if rng.random() < UNSAID:
        known = np.zeros_like(known)
    elif rng.random() < UNHEARD:
        heard = np.zeros_like(heard)
    seen = prior.inputs(level + rng.normal(0, 1.0, len(level)), swell, heard, known)
    count = round(len(seen) * float(np.exp(rng.uniform(-FASTER, FASTER))))
    at = np.linspace(0, len(seen) - 1, max(2, count))
    first = int(rng.integers(0, max(1, len(at) - LENGTH)))
    at = at[first : first + LENGTH]
    low = np.minimum(at.astype(int), len(seen) - 2)
    share = (at - low)[:, None]
    seen, wanted = ((1 - share) * x[low] + share * x[low + 1] for x in (seen, example.wanted))
    return seen, wanted, example.weight[low] * example.weight[low + 1]


def _loss(weights: dict[str, torch.Tensor], parts: Sequence[tuple[Floats, Floats, Floats]]) -> torch.Tensor:
    import torch

    seen, wanted = np.zeros((len(parts), LENGTH, INPUTS)), np.zeros((len(parts), LENGTH, MEASURES))
    weight = np.zeros((len(parts), LENGTH, 1))
    for k, part in enumerate(parts):
        for all_, own in zip((seen, wanted, weight), (part[0], part[1], part[2][:, None]), strict=True):
            all_[k, : len(own)] = own
    x, y, w = (torch.from_numpy(v.transpose(0, 2, 1).astype(np.float32)) for v in (seen, wanted, weight))
    off = forward(weights, x, DROPOUT) - y
    rows = torch.ones(MEASURES, 1)
    rows[APERTURE] = GAPE
    moved = off[..., STRIDE:] - off[..., :-STRIDE]
    both = w[..., STRIDE:] * w[..., :-STRIDE]
    loss: torch.Tensor = (rows * w * off.square()).mean() + MOVEMENT * (both * moved.square()).mean()
    return loss


def _score(weights: Weights, check: Sequence[Example], known: bool) -> float:
    """Mean correlation of the aperture over the clips held out."""
    scores = []
    for e in check:
        seen = prior.inputs(e.level, e.swell, likely(e.costs), e.said if known else np.zeros_like(e.said))
        got, rows = Prior(weights, {})(seen)[0][:, APERTURE], e.weight > 0
        scores.append(float(np.corrcoef(got[rows], e.wanted[rows, APERTURE])[0, 1]))
    return float(np.mean(scores)) if scores else float("nan")


def save(made: Trained, path: Path, about: dict[str, str]) -> None:
    """Write the weights as half floats with what they were made from."""
    from safetensors.numpy import save as packed

    figures = {
        "recipe": prior.RECIPE, "loss": f"{made.losses[-1]:.4f}", "held-out aperture r by ear": f"{made.by_ear:.3f}",
        "held-out aperture r with phones": f"{made.with_phones:.3f}",
    }  # fmt: skip
    part = path.with_name(path.name + ".part")
    part.write_bytes(packed({k: v.astype(np.float16) for k, v in made.weights.items()}, figures | about))
    part.replace(path)


class Lines:
    """A `Reporter` that writes a line to stderr now and then."""

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "frames") -> Iterator[Advance]:
        done = 0

        def advance(steps: int, cached: bool = False) -> None:
            nonlocal done
            before, done = done, done + steps
            if total and 10 * before // total != 10 * done // total:
                self.say(f"{name}: {done}/{total}")

        yield advance

    def say(self, message: str) -> None:
        sys.stderr.write(message + "\n")

    warn = say


def main(words: Sequence[str] | None = None) -> int:
    """The command. Returns its exit code."""
    ask = argparse.ArgumentParser(prog="python -m editalk.backends.exemplar.train", description=__doc__)
    ask.add_argument("folders", nargs="+", type=Path, help="films of one speaker each")
    ask.add_argument("-o", "--output", type=Path, required=True)
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--epochs", type=int, default=EPOCHS)
    ask.add_argument("--attribution", default="", help="kept in the file: whose footage, under which licence")
    given = ask.parse_args(words)
    import torch

    lines = Lines()
    try:
        found = [e for folder in given.folders for e in examples(clips(folder, lines))]
        made = train(found, given.seed, given.epochs, lines)
    except EditalkError as error:
        lines.warn(str(error))
        return error.exit_code
    seconds = sum(len(e.level) for e in found if not is_held(e.name)) / 100
    save(made, given.output, {
        "data": given.attribution, "trained on": f"{seconds:.0f} s of {len(given.folders)} speaker(s)",
        "held out": f"{sum(is_held(e.name) for e in found)} of {len(found)} clips, by sha256(name) mod {HELD} = 0",
        "seed": str(given.seed), "epochs": str(given.epochs), "threads": str(torch.get_num_threads()),
    })  # fmt: skip
    lines.say(f"{given.output}: aperture r held out {made.by_ear:.3f} by ear, {made.with_phones:.3f} with phones")
    return 0


if __name__ == "__main__":
    sys.exit(main())
