"""Trains a small lip model of the LTX-Video kind from nothing: `python -m editalk.backends.dit.train DATA -o FOLDER`.

DATA: a folder with films of one speaker. FOLDER becomes weights for `--backend dit --weights FOLDER`. The paper trains
audio layers in two stages on top of a pretrained transformer. Here there is none: the audio projection learns lip
landmarks first (see training/shapes.py), then it and the transformer learn together.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editalk.backends.exemplar.train import Lines
from editalk.errors import EditalkError, ReadError

if TYPE_CHECKING:
    from torch import Tensor

    from editalk.backends.dit.linear_vae import LinearVae
    from editalk.backends.dit.training.examples import Example, Shown
    from editalk.backends.dit.training.loop import Trainer

CELL, SIDE, STEP, CHANNELS = 16, 128, 8, 128
VIEWS = 2
CHECKS = 40  # withheld examples that tell whether sound matters
LEVELS = (0.9, 0.75, 0.5)  # of noise, at which they are looked at
OFTEN = 240.0  # seconds between checkpoints
LINES = Lines()


def train(given: argparse.Namespace) -> None:
    """Learn from the films of `given.data` until the clock or the number of steps ends it; taken up again where an
    earlier run was left. Raises ReadError.
    """
    import numpy as np

    from editalk.backends.dit.audio_features import audio_features
    from editalk.backends.dit.training import data, loop
    from editalk.backends.dit.training.examples import shown
    from editalk.backends.dit.training.shapes import teach

    paths = data.films(given.data)
    cache = given.cache or given.output.with_name(given.output.name + ".cache")
    found = data.takes(paths, CELL, SIDE, VIEWS, cache, LINES)
    learn, held = ([views for views in found if data.is_held(views[0].name) == which] for which in (False, True))
    if not learn:
        raise ReadError(f"{given.data}: no film with a face to learn from")
    vae = _vae(given.output, learn, np.random.default_rng(given.seed))
    features = audio_features(loop.FEATURES)
    heard = [[shown(view, features) for view in views] for views in learn]
    unseen = [shown(views[0], features) for views in held]
    net, adapter = loop.network(loop.Size(CHANNELS), features, given.seed)
    if not _state(given).exists():
        LINES.say(f"aperture r on what is withheld, by ear: {teach(adapter, heard, unseen, given.seed, LINES):.3f}")
    trainer = loop.Trainer(net, adapter, vae, heard, given.seed)
    loop.taken_up(_state(given), trainer)
    pause = _pause(given, trainer, unseen)
    trainer.run(lambda step, seconds: max(step / (given.steps or 1e12), seconds / (60 * given.minutes)), OFTEN, pause)


def _state(given: argparse.Namespace) -> Path:
    return Path(given.output.with_name(given.output.name + ".state.safetensors"))


def _pause(given: argparse.Namespace, trainer: Trainer, held: Sequence[Shown]) -> Callable[[], None]:
    """What is done now and then: say how far it is, keep the state, write the folder."""
    import numpy as np

    from editalk.backends.dit.training import loop

    checks = _checks(trainer, held, given.seed)
    count = sum(p.numel() for p in trainer.named.values())
    LINES.say(f"{len(trainer.learn)} films to learn from, {len(held)} withheld; {count / 1e6:.1f} million parameters")

    def pause() -> None:
        right, wrong = loop.validated(trainer, checks, LEVELS)
        recent = float(np.mean(trainer.losses[-200:])) if trainer.losses else float("nan")
        LINES.say(
            f"{trainer.seconds / 60:.1f} min, step {trainer.step}, {trainer.passes:.1f} passes: loss {recent:.4f}, "
            f"withheld {right:.4f}, with another film's sound {wrong:.4f}"
        )
        loop.kept(_state(given), trainer)
        about = _about(given, trainer, len(held), count)
        loop.write(trainer, given.output, about | {"withheld loss": right, "withheld loss, wrong sound": wrong})

    return pause


def _vae(output: Path, learn: Sequence[Sequence[Any]], rng: Any) -> LinearVae:
    """The one that lies in the folder already, or a new one."""
    from editalk.backends.dit.linear_vae import LinearVae, fit
    from editalk.backends.dit.training.examples import to_fit

    if (output / "vae").is_dir():
        return LinearVae.load(output / "vae")
    vae = fit(to_fit([view for views in learn[::3] for view in views], STEP, CELL, rng), STEP, CELL, CHANNELS)
    vae.save(output / "vae")
    return vae


def _checks(trainer: Trainer, held: Sequence[Shown], seed: int) -> list[tuple[Example, Tensor]]:
    """Withheld examples, each with the windows of another film at the same frames."""
    import numpy as np

    from editalk.backends.dit.training.examples import example, heard

    found, window = [], trainer.adapter.config.window
    for i in range(CHECKS if len(held) > 1 else 0):
        rng = np.random.default_rng([seed, 1, i])
        one, other = held[i % len(held)], held[(i + 1) % len(held)]
        given = example(one, trainer.learn[i % len(trainer.learn)], trainer.vae, window, rng)
        length = len(given.windows)
        found.append((given, heard(other, max(0, (len(other.take) - length) // 2), length, window)))
    return found


def _about(given: argparse.Namespace, trainer: Trainer, held: int, count: int) -> dict[str, Any]:
    import torch

    from editalk.backends.dit.training.data import HELD

    return {
        "model": "a small transformer of the LTX-Video kind with audio layers, trained from nothing; for one speaker",
        "data": given.attribution, "licence": given.licence, "parameters": count,
        "held out": f"{held} films, by sha256(name) mod {HELD} = 0", "steps": trainer.step,
        "passes": round(trainer.passes, 1), "minutes": round(trainer.seconds / 60, 1), "seed": given.seed,
        "threads": torch.get_num_threads(), "learnt": [views[0].take.name for views in trainer.learn],
    }  # fmt: skip


def main(words: Sequence[str] | None = None) -> int:
    """The command. Returns its exit code."""
    ask = argparse.ArgumentParser(prog="python -m editalk.backends.dit.train", description=__doc__)
    ask.add_argument("data", type=Path, help="films of one speaker")
    ask.add_argument("-o", "--output", type=Path, required=True)
    ask.add_argument("--cache", type=Path, help="prepared films (default: beside the output)")
    ask.add_argument("--minutes", type=float, default=60.0, help="of the clock, after which training ends")
    ask.add_argument("--steps", type=int, help="after which it ends as well; the same number gives the same weights")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--attribution", default="", help="kept in the folder: whose footage")
    ask.add_argument("--licence", default="", help="kept in the folder: of the footage and so of the weights")
    given = ask.parse_args(words)
    try:
        train(given)
    except EditalkError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
