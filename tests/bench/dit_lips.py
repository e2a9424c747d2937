"""Does the sound reach the pixels: mouths that a lip model never saw, inpainted with right, wrong and no sound.

    python -m tests.bench.dit_lips DATA --weights FOLDER [--cache FOLDER] [--limit N] [--json FILE] [--sheets FOLDER]

DATA holds sentences of one speaker; those that the weights were trained on (`learnt` in their training.json) are left
out. Of every other one the mouth of all frames but the first is masked as the lip pass does and generated anew:

    right   with the sentence's own sound
    wrong   with the sound of another withheld sentence
    none    without sound (as where the paper drops it in training)
    vae     not generated, encoded and decoded only: the bound of all others

Face references come from a third sentence: those of the same seconds would show what is asked for. PSNR: luma of the
lower face (`region_box`) against the source in pixels of the crop. Aperture and landmarks: FaceMesh on the crops
enlarged, source and candidate alike. A difference is right minus wrong of the same sentence with the same noise; its
interval is Student's at 95 %.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from editalk.backends.dit.masks import region_mask
from editalk.backends.dit.model import Model, Scene, denoise
from editalk.backends.dit.precision import Precision
from editalk.backends.dit.tokens import Tokens
from editalk.backends.dit.training.data import Take, films, takes
from editalk.backends.dit.training.examples import shown_mouths
from editalk.backends.dit.vae import decoded, encoded
from editalk.backends.dit.weights import inspect, load, text_of
from editalk.face import FaceTracker
from editalk.pipeline.figures import finite
from editalk.plan.types import Region
from editalk.quality.landmarks import compare_landmarks
from editalk.quality.picture import psnr, region_box
from editalk.reporting import Silent

METHODS = ("right", "wrong", "none", "vae")
ENLARGED = 3  # times, for the mesh
EDGE = 60  # pixels around the enlarged crop
FIGURES = (("PSNR", "psnr", ".2f"), ("r", "r", ".3f"), ("r at lag", "r_at_lag", ".3f"), ("lag", "lag_ms", ".0f"),
           ("SD", "sd_ratio", ".2f"), ("M-LMD", "m_lmd", ".2f"))  # fmt: skip

Pictures = NDArray[np.uint8]
"""[n, rows, columns, 3] red, green, blue"""


@dataclass(frozen=True)
class Row:
    """One method on one sentence; see `editalk.quality`."""

    clip: str
    method: str
    psnr: float
    r: float
    r_at_lag: float
    lag_ms: float
    sd_ratio: float
    m_lmd: float


def inpainted(model: Model, take: Take, sound: Take | None, mouths: Take, seed: int) -> Pictures:
    """The take with a mouth made for the sound of `sound`, whole latent frames of it."""
    vae, count = model.vae, 1 + (len(take) - 1) // model.vae.step * model.vae.step
    scene = _scene(model, take, count)
    at = np.arange(count) / take.rate
    heard = None if sound is None else model.family.hear(sound.sound, at, at)
    looked_at: Sequence[Tokens] = shown_mouths(mouths, vae, np.random.default_rng(seed), model.faces)
    latents = denoise(model, scene, take.rate, heard, seed, lambda block: looked_at, sparse=True)
    return _bytes(np.stack(list(decoded(vae, latents))))


def _scene(model: Model, take: Take, count: int) -> Scene:
    vae, (rows, columns) = model.vae, take.pictures.shape[1:3]
    wanted = np.arange(count) > 0
    mask = torch.from_numpy(region_mask(take.points[:count], wanted, Region.MOUTH, vae.step, vae.cell, rows, columns))
    return Scene(_latents(model, take, count), mask, mask.clone())


def _latents(model: Model, take: Take, count: int) -> torch.Tensor:
    return encoded(model.vae, (np.ascontiguousarray(p) for p in take.floats(0, count).transpose(0, 2, 3, 1)))


def _bytes(pictures: NDArray[np.float32]) -> Pictures:
    return np.asarray(np.rint(127.5 * (pictures.clip(-1, 1) + 1)), np.uint8)


def faces(pictures: Pictures) -> NDArray[np.float32]:
    """[n, 478, 3]: landmarks found on the enlarged pictures."""

    def images() -> Any:
        for i, picture in enumerate(pictures):
            large = cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
            large = cv2.copyMakeBorder(large, EDGE, EDGE, EDGE, EDGE, cv2.BORDER_REPLICATE)
            yield i, cv2.cvtColor(large, cv2.COLOR_RGB2YUV)

    with FaceTracker() as tracker:
        return tracker.track(images()).points


def measured(take: Take, method: str, pictures: Pictures, truth: NDArray[np.float32]) -> Row:
    """`truth`: the landmarks of the take's own pictures, found as those of `pictures` are."""
    count = len(pictures)
    found = compare_landmarks(truth[:count], faces(pictures), np.arange(count) / take.rate)
    likeness = []
    for picture, source, points in zip(pictures[1:], take.pictures[1:count], take.points[1:count], strict=True):
        box = region_box("mouth", points, source.shape)
        if box is not None:
            likeness.append(psnr(*(cv2.cvtColor(p[box.slices], cv2.COLOR_RGB2GRAY) for p in (picture, source))))
    return Row(take.name, method, float(np.mean(likeness)), found.r, found.r_at_lag, found.lag_ms, found.sd_ratio,
               found.m_lmd)  # fmt: skip


def run(model: Model, found: Sequence[Take], limit: int, sheets: Path | None) -> list[Row]:
    """Of `limit` sentences; each one's neighbours in `found` lend the wrong sound and the face references."""
    rows = []
    for i in np.unique(np.linspace(0, len(found) - 1, min(limit, len(found))).astype(int)):
        take, other, third = (found[(i + k) % len(found)] for k in range(3))
        made = {
            "right": inpainted(model, take, take, third, int(i)),
            "wrong": inpainted(model, take, other, third, int(i)),
            "none": inpainted(model, take, None, third, int(i)),
        }
        made["vae"] = _bytes(np.stack(list(decoded(model.vae, _latents(model, take, len(made["right"]))))))
        truth = faces(take.pictures[: len(made["right"])])
        rows += [measured(take, method, pictures, truth) for method, pictures in made.items()]
        print("  ".join(f"{r.method} {r.psnr:.2f} dB r {r.r:.2f}" for r in rows[-len(made) :]), file=sys.stderr)
        if sheets is not None:
            _sheet(sheets / f"{take.name}.png", [take.pictures, made["right"], made["wrong"], made["vae"]])
    return rows


def _sheet(path: Path, rows: Sequence[Pictures]) -> None:
    """Truth, right, wrong and the bound beneath each other, every third frame."""
    lines = [np.concatenate(list(pictures[20:56:3]), 1) for pictures in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(np.concatenate(lines), cv2.COLOR_RGB2BGR))


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Means of each method, and right minus wrong with half of its 95 % interval."""
    from scipy.stats import t

    made: dict[str, Any] = {}
    for method in METHODS:
        own = [r for r in rows if r.method == method]
        made[method] = {key: float(np.mean([getattr(r, key) for r in own])) for _, key, _ in FIGURES} | {"n": len(own)}
    right, wrong = ([r for r in rows if r.method == m] for m in ("right", "wrong"))
    made["difference"], made["half_interval"], made["better"] = {}, {}, {}
    for _, key, _ in FIGURES:
        apart = np.array([getattr(a, key) - getattr(b, key) for a, b in zip(right, wrong, strict=True)])
        made["difference"][key] = float(apart.mean())
        spread = float(apart.std(ddof=1)) / math.sqrt(len(apart)) if len(apart) > 1 else float("nan")
        made["half_interval"][key] = float(t.ppf(0.975, max(1, len(apart) - 1))) * spread
        made["better"][key] = float((apart > 0).mean())
    return made


def table(made: dict[str, Any], title: str) -> Table:
    shown = Table("sound", *(name for name, _, _ in FIGURES), title=title)
    for method in METHODS:
        shown.add_row(method, *(format(made[method][key], form) for _, key, form in FIGURES))
    apart, half = made["difference"], made["half_interval"]
    shown.add_row("right − wrong", *(f"{apart[key]:{form}} ± {half[key]:{form}}" for _, key, form in FIGURES))
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="prepared films, as of training (default: none is kept)")
    parser.add_argument("--limit", type=int, default=30, metavar="N", help="sentences, evenly over the folder")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="pictures of truth, right, wrong and bound")
    args = parser.parse_args(arguments)
    begun, cpu = time.perf_counter(), time.process_time()
    about = json.loads((args.weights / "training.json").read_text("utf-8"))
    weights, device = inspect(args.weights), torch.device("cpu")
    model = load(weights, text_of(weights, "", device, Precision.FP32), device, Precision.FP32, False)
    withheld = [p for p in films(args.data) if p.stem not in about["learnt"]]
    with tempfile.TemporaryDirectory() as folder:
        cache = args.cache or Path(folder)
        found = [views[0] for views in takes(withheld, model.vae.cell, model.sides[0], 1, cache, Silent())]
    rows = run(model, found, args.limit, args.sheets)
    spent = {"wall_s": time.perf_counter() - begun, "cpu_s": time.process_time() - cpu}
    made = summary(rows)
    steps = len(model.sigmas(1)) - 1
    title = f"{made['right']['n']} withheld sentences, {steps} steps (CPU {spent['cpu_s']:.0f} s)"
    Console(width=110).print(table(made, title))
    if args.json:
        about.pop("learnt")
        out = {"weights": about, "steps": steps, **spent, "summary": made, "sentences": [asdict(r) for r in rows]}
        args.json.write_text(json.dumps(finite(out), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
