"""Self-reenactment: windows of clips drawn anew from their own sound, their own pictures withheld.

    python -m tests.bench.lips FOLDER [--json FILE] [--limit N] [--windows K] [--lenders N] [--methods a,b]

A clip of 6 s or more: K windows of up to 4 s; the window and 0.5 s beside it are cut out of what is learnt and lent.
Shorter clips are one speaker's (speakers.tsv says whose, else the folder is one speaker's): each is drawn from N other
sentences of the same speaker, or from the rest of itself where there are fewer than two others. Words beside a clip
(NAME.transcript.json, words.tsv, .align) are aligned to phones.

Each method is drawn on two bases and the face tracked anew on the drawn pictures: `shifted`, pictures of elsewhere in
the footage, which cannot leak the truth, and `own`, the window's own pictures, as a re-render has them (its jaw and
cheeks leak). PSNR and SSIM exist on `own` only. Methods: `lips` (editalk), `prototype` (the row to beat), `oracle`
(the true shapes: a test of the drawing), and the baselines `frozen` (the mean mouth), `random` (any exemplar), `wrong`
(the mouth of another window).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from editalk.audio import Audio
from editalk.backends.exemplar.draw import LipRenderer
from editalk.backends.exemplar.lips import LipSync
from editalk.backends.exemplar.path import LipPath, plan_path
from editalk.face import FaceTracker, aperture
from editalk.pipeline.figures import finite
from editalk.quality.closures import closed_below, closures, during
from editalk.quality.landmarks import compare_landmarks
from editalk.quality.picture import laplacian_variance, lip_box, psnr, region_box, ssim
from editalk.timebase import FrameRange
from tests.bench.footage import Case, Clip, Spliced, open_clip, speakers, videos
from tests.bench.prototype import Prototype

METHODS = ("lips", "prototype", "oracle", "frozen", "random", "wrong")
WINDOW = 4.0  # seconds
MARGIN = 0.5  # seconds beside a window that are withheld, too
SHORT = 6.0  # seconds below which a clip is a sentence
BESIDE = 0.12  # seconds of sound that are heard beside a window, as in the product
MEANS = ("r", "sd_ratio", "m_lmd", "f_lmd", "jitter_ratio", "sharpness_ratio", "psnr", "ssim", "fps")

Floats = NDArray[np.float64]


@dataclass
class Drawn:
    """What became of one method on one base."""

    points: list[NDArray[np.float32]] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    seconds: float = 0.0  # of drawing, wall clock


@dataclass(frozen=True)
class Row:
    """One method on one base over one window; see `editalk.quality`. `fps`: of drawing alone, exemplars in memory."""

    clip: str
    start: float
    seconds: float
    method: str
    base: str
    r: float
    lag_ms: float
    sd_ratio: float
    m_lmd: float
    f_lmd: float
    jitter_ratio: float
    sharpness_ratio: float
    psnr: float
    ssim: float
    events: int
    closed: int
    chance: float
    fps: float


# ----------------------------------------------------------------------------------------------------------- windows


def within(clip: Clip, count: int) -> Iterator[Case]:
    """Windows of a clip, the rest of which may be learnt from."""
    rate = clip.rate
    length = min(rate.frames(WINDOW), rate.frames((0.4 if clip.seconds >= SHORT else 0.3) * clip.seconds))
    margin = rate.frames(MARGIN)
    edge = 0.0 if clip.seconds >= SHORT else 0.25  # a sentence begins and ends in silence
    places = np.linspace(edge, 1 - edge, count) if count > 1 else np.array([0.5])
    for start in np.unique((places * (clip.frames - length)).astype(int)):
        span = FrameRange(int(start), int(start) + length)
        parts = FrameRange(0, max(0, span.start - margin)), FrameRange(min(clip.frames, span.end + margin), clip.frames)
        far = 0 if span.start > clip.frames - length - span.start else clip.frames - length
        base = clip, tuple(range(far, far + length))
        yield Case(clip, span, Spliced([(clip, part) for part in parts]), base)


def across(clip: Clip, lenders: Sequence[Clip]) -> Case:
    """A sentence, drawn from others."""
    other = lenders[0]
    base = tuple(min(i, other.frames - 1) for i in range(clip.frames))
    learn = Spliced([(c, FrameRange(0, c.frames)) for c in lenders])
    return Case(clip, FrameRange(0, clip.frames), learn, (other, base))


def cases(folder: Path, limit: int | None, windows: int, lenders: int) -> Iterator[Case | str]:
    """The windows of a folder's clips, and what is wrong with those that have none; a case is good until the next."""
    paths, speaker = videos(folder), speakers(folder)
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(speaker.get(path.stem, path.stem) if speaker else "", []).append(path)
    left = len(paths) if limit is None else limit
    for group in groups.values():
        chosen = evenly(group, left)
        rest = [p for p in group if p not in chosen]
        left -= len(chosen)
        with ExitStack() as shared:
            lent = Lenders(evenly(rest, lenders) if len(rest) >= lenders else evenly(group, lenders + 1), shared)
            for path in chosen:
                with ExitStack() as own:
                    yield from _cases(path, lent, lenders, windows, own)


def evenly(paths: Sequence[Path], count: int) -> list[Path]:
    """So many of them, from the first to the last."""
    return [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int))]


class Lenders:
    """Sentences that others learn from, each opened when it is first wanted."""

    def __init__(self, paths: Sequence[Path], stack: ExitStack) -> None:
        self.paths, self.stack = paths, stack
        self._held: dict[Path, Clip | None] = {}

    def apart_from(self, path: Path, like: Clip) -> list[Clip]:
        for other in self.paths:
            if other not in self._held:
                self._held[other], _ = open_clip(other, self.stack)
        return [c for p, c in self._held.items() if c is not None and p != path and c.rate == like.rate]


def _cases(path: Path, lent: Lenders, lenders: int, windows: int, stack: ExitStack) -> Iterator[Case | str]:
    clip, problem = open_clip(path, stack)
    if clip is None:
        yield problem
        return
    others = lent.apart_from(path, clip) if clip.seconds < SHORT else []
    if len(others) > 1:
        yield across(clip, others[:lenders])
    else:
        yield from within(clip, windows)


# ----------------------------------------------------------------------------------------------------------- methods


def paths(case: Case, sync: LipSync, points: NDArray[np.float32], methods: Sequence[str]) -> dict[str, LipPath]:
    """What each method draws on base faces [n, 478, 3]."""
    clip, span, n = case.clip, case.span, len(case.span)
    start = float(clip.rate.seconds(span.start)) - BESIDE
    first, last = round(start * clip.sound.rate), round((start + n / float(clip.rate) + 2 * BESIDE) * clip.sound.rate)
    heard = Audio(clip.sound.samples[max(0, first) : last], clip.sound.rate)
    begins = max(0, first) / clip.sound.rate
    weights, chance = np.ones(n), np.random.default_rng(0)

    def given(shapes: Floats) -> LipPath:
        return plan_path(sync.space, sync.pool, shapes, points, weights)

    truth = case.learn.track
    made: dict[str, LipPath] = {}
    if "lips" in methods:
        made["lips"] = sync.plan(heard, begins, case.times, points, weights, clip.phones)
    if "prototype" in methods:
        seen = truth.points[truth.found]
        clock = (truth.frames[truth.found] + 0.5) / float(clip.rate)
        known = Prototype(sync.space.shapes(seen), clock, case.learn.sound)
        made["prototype"] = given(known(heard, begins, case.times))
    if "oracle" in methods:
        made["oracle"] = given(filled(sync.space.shapes(clip.track.between(span.start, span.end).points)))
    if "frozen" in methods:
        near = int(np.square(sync.pool.shapes - sync.space.mean).sum((1, 2)).argmin())
        one = sync.pool.without(np.flatnonzero(np.arange(len(sync.pool.frames)) != near))
        still = np.repeat(sync.space.mean[None], n, axis=0)
        made["frozen"] = plan_path(sync.space, one, still, points, weights)
    if "random" in methods:
        made["random"] = given(sync.pool.shapes[chance.integers(0, len(sync.pool.shapes), n)])
    if "wrong" in methods:
        at = (np.arange(n) + len(truth.frames) // 3) % len(truth.frames)
        made["wrong"] = given(filled(sync.space.shapes(truth.points[at])))
    return made


def filled(shapes: Floats) -> Floats:
    """[n, k, 3] with frames without a face interpolated."""
    known = np.flatnonzero(np.isfinite(shapes[:, 0, 0]))
    if not len(known):
        raise ValueError("no face in the window")
    near = np.interp(np.arange(len(shapes)), known, known)
    low, high = np.floor(near).astype(int), np.ceil(near).astype(int)
    low, high = known[np.searchsorted(known, low, "right") - 1], known[np.searchsorted(known, high)]
    share = (np.arange(len(shapes)) - low) / np.maximum(1, high - low)
    share = np.clip(share, 0, 1)[:, None, None]
    return np.asarray((1 - share) * shapes[low] + share * shapes[high])


# ----------------------------------------------------------------------------------------------------------- drawing


def draw(case: Case, sync: LipSync, base: str, methods: Sequence[str]) -> dict[str, Drawn]:
    """All methods on one base, its pictures decoded once."""
    clip, span = case.clip, case.span
    lender, frames = (clip, tuple(range(span.start, span.end))) if base == "own" else case.base
    rows = [lender.track.at(f) for f in frames]
    points = np.stack([np.full((478, 3), np.nan, np.float32) if p is None else p for p in rows])
    planned = paths(case, sync, points, methods)
    made = {name: Drawn() for name in planned}
    with ExitStack() as stack:
        trackers = {name: stack.enter_context(FaceTracker()) for name in planned}
        renderers = {name: LipRenderer(sync.pool, sync.rate, path, case.learn) for name, path in planned.items()}
        warm(case.learn, sync, planned)
        for i, frame in enumerate(frames):
            picture = lender.reader.image(frame)
            truth = clip.track.at(span.start + i) if base == "own" else None
            for name, renderer in renderers.items():
                begun = time.perf_counter()
                drawn = renderer.draw(i, picture)
                made[name].seconds += time.perf_counter() - begun
                _see(made[name], trackers[name], i, picture if drawn is None else drawn[0], picture, truth)
    return made


def true_sharpness(case: Case) -> float:
    """Of the window's own mouths, the median."""
    values = []
    for frame in range(case.span.start, case.span.end):
        points = case.clip.track.at(frame)
        if points is not None:
            luma = case.clip.reader.image(frame)[..., 0]
            values.append(laplacian_variance(luma[lip_box(points, luma.shape).slices]))
    return float(np.median(values)) if values else float("nan")


def warm(footage: Spliced, sync: LipSync, planned: dict[str, LipPath]) -> None:
    """Decode the exemplars once, in order: the time of drawing is measured without it."""
    rows = np.unique(np.concatenate([path.rows for path in planned.values()]))
    for frame in np.sort(sync.pool.frames[rows]):
        footage.image(int(frame))


def _see(
    made: Drawn, tracker: FaceTracker, i: int, image: NDArray[np.uint8], true: NDArray[np.uint8],
    points: NDArray[np.float32] | None,
) -> None:  # fmt: skip
    """`points`: [478, 3] of the face in the true picture, None where that is not to be compared."""
    found = tracker.see(i, image)
    made.points.append(np.full((478, 3), np.nan, np.float32) if found is None else found)
    if found is not None:
        made.sharpness.append(laplacian_variance(image[lip_box(found, image.shape).slices][..., 0]))
    low = region_box("mouth", points, true.shape)
    if low is not None:
        a, b = (np.ascontiguousarray(x[low.slices][..., 0]) for x in (true, image))
        made.psnr.append(psnr(a, b))
        made.ssim.append(ssim(a, b))


def measured(case: Case, base: str, method: str, drawn: Drawn, sharpness: float) -> Row:
    clip, span = case.clip, case.span
    points = np.stack(drawn.points)
    whole = aperture(clip.track.points)
    truth = clip.track.between(span.start, span.end).points
    figures = compare_landmarks(truth, points, case.times)
    clock = (clip.track.frames + 0.5) / float(clip.rate)
    found = closures(case.times, whole[span.start : span.end], aperture(points), clip.phones,
                     closed_below(whole, during(clock, clip.phones)))  # fmt: skip
    sharp = float(np.median(drawn.sharpness)) / sharpness if drawn.sharpness else float("nan")
    return Row(
        clip.name, round(float(clip.rate.seconds(span.start)), 3), round(len(span) / float(clip.rate), 3), method, base,
        figures.r, figures.lag_ms, figures.sd_ratio, figures.m_lmd, figures.f_lmd, figures.jitter_ratio,
        sharp, _mean(drawn.psnr), _mean(drawn.ssim), found.events, found.closed, found.chance,
        len(span) / max(drawn.seconds, 1e-9),
    )  # fmt: skip


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if np.isfinite(v)]
    return float(np.mean(known)) if known else float("nan")


# ----------------------------------------------------------------------------------------------------------- tables


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """Means over windows; the lag's median; closures pooled."""
    out = {name: _mean([getattr(row, name) for row in rows]) for name in MEANS}
    lags = [row.lag_ms for row in rows if np.isfinite(row.lag_ms)]
    events, closed = sum(r.events for r in rows), sum(r.closed for r in rows)
    return out | {
        "windows": len(rows), "lag_ms": float(np.median(lags)) if lags else float("nan"),
        "lag_abs_ms": _mean([abs(v) for v in lags]), "events": events,
        "closure_recall": closed / events if events else float("nan"),
        "closure_chance": _mean([r.chance for r in rows]),
    }  # fmt: skip


def grouped(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The summaries of every clip, then of all, by base and method."""
    out = []
    clips = [*dict.fromkeys(row.clip for row in rows), "all"]
    for clip in clips:
        for base in ("shifted", "own"):
            for method in METHODS:
                own = [r for r in rows if clip in (r.clip, "all") and r.base == base and r.method == method]
                if own:
                    out.append({"clip": clip, "base": base, "method": method, **summary(own)})
    return out


def shown(groups: Sequence[dict[str, Any]], title: str) -> Table:
    """All methods over all clips; of each clip editalk's own row."""
    table = Table("clip", "base", "method", *(c for c, _, _ in COLUMNS), title=title, pad_edge=False)
    several = len({g["clip"] for g in groups}) > 2
    for group in groups:
        if group["clip"] == "all" or (several and group["method"] == "lips"):
            cells = [_cell(group[key], form) for _, key, form in COLUMNS]
            table.add_row(group["clip"], group["base"], group["method"], *cells)
    return table


COLUMNS = (
    ("n", "windows", "d"), ("r", "r", ".2f"), ("lag", "lag_ms", ".0f"), ("SD", "sd_ratio", ".2f"),
    ("M-LMD", "m_lmd", ".2f"), ("jitter", "jitter_ratio", ".2f"), ("sharp", "sharpness_ratio", ".2f"),
    ("PSNR", "psnr", ".1f"), ("SSIM", "ssim", ".3f"), ("closed", "closure_recall", ".2f"),
    ("chance", "closure_chance", ".2f"), ("events", "events", "d"), ("fps", "fps", ".0f"),
)  # fmt: skip


def _cell(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "–"


def run(folder: Path, limit: int | None, windows: int, lenders: int, methods: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    for case in cases(folder, limit, windows, lenders):
        if isinstance(case, str):
            print(case, file=sys.stderr)
            continue
        learn = case.learn
        sync = LipSync.fit(learn.track, learn.sound, 0.0, case.clip.rate, learn.phones)
        if sync is None or not case.clip.track.between(case.span.start, case.span.end).found.any():
            print(f"{case.clip.name}: too few faces in or beside {case.span}", file=sys.stderr)
            continue
        sharpness = true_sharpness(case)
        for base in ("shifted", "own"):
            for method, drawn in draw(case, sync, base, methods).items():
                rows.append(measured(case, base, method, drawn, sharpness))
                if method == "lips":
                    print(f"{rows[-1].clip} {rows[-1].start:.1f} s {base}: r {rows[-1].r:.2f}", file=sys.stderr)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--limit", type=int, metavar="N", help="clips, evenly over the folder")
    parser.add_argument("--windows", type=int, default=3, metavar="K", help="of each long clip (default 3)")
    parser.add_argument("--lenders", type=int, default=8, metavar="N", help="sentences learnt from (default 8)")
    parser.add_argument("--methods", default=",".join(METHODS), help=f"of {', '.join(METHODS)}")
    args = parser.parse_args(arguments)
    begun, cpu = time.perf_counter(), time.process_time()
    rows = run(args.folder, args.limit, args.windows, args.lenders, args.methods.split(","))
    spent = {"wall_s": time.perf_counter() - begun, "cpu_s": time.process_time() - cpu}
    groups = grouped(rows)
    title = f"Self-reenactment, {args.folder.name} ({spent['wall_s']:.0f} s, CPU {spent['cpu_s']:.0f} s)"
    Console(width=132).print(shown(groups, title))
    if args.json:
        made = {"folder": args.folder.name, **spent, "summary": groups, "windows": [asdict(r) for r in rows]}
        args.json.write_text(json.dumps(finite(made), indent=1) + "\n", encoding="utf-8")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
