"""Word boundaries of `align` against folders of true ones, beside those of PocketSphinx as it comes.

    python -m tests.bench.align FOLDER [FOLDER…] [--json FILE] [--limit N] [--no-plain]

A folder holds sound or video beside GRID's `.align` or Praat's `.TextGrid` (a tier whose name begins with "word").
`bad_clips.txt` in it names clips to leave out, one at the beginning of each line.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from editalk.asr import align
from editalk.asr.sound import RATE, pcm

MEDIA = (".mp4", ".mpg", ".mov", ".mkv", ".wav", ".flac", ".mp3", ".m4a")
SILENCES = frozenset({"", "sil", "sp", "spn", "<sil>", "<eps>"})
GRID_UNITS = 25000  # a second of GRID's `.align`
WITHIN = 0.025  # seconds
TOKENS = re.compile(r'"((?:[^"]|"")*)"|(?<![\w"\[.])(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w\]])')

Truth = list[tuple[str, float, float]]


@dataclass
class Errors:
    """Found minus true, seconds."""

    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    lost: int = 0  # words that were not found


def read_textgrid(text: str) -> list[tuple[str, Truth]]:
    """The interval tiers of a TextGrid, long or short: name, intervals (text, start, end)."""
    values = [m[1].replace('""', '"') if m[1] is not None else float(m[2]) for m in TOKENS.finditer(text)]
    tiers: list[tuple[str, Truth]] = []
    at = 0
    while at < len(values):
        if values[at] != "IntervalTier":
            at += 1
            continue
        name, count = str(values[at + 1]), int(values[at + 4])
        at += 5
        rows = [values[at + 3 * i : at + 3 * i + 3] for i in range(count)]
        tiers.append((name, [(str(label), float(start), float(end)) for start, end, label in rows]))
        at += 3 * count
    return tiers


def read_truth(path: Path) -> Truth:
    """The words of a `.align` or `.TextGrid` file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".align":
        rows = [line.split() for line in text.splitlines() if line.strip()]
        words = [(w, int(a) / GRID_UNITS, int(b) / GRID_UNITS) for a, b, w in rows]
    else:
        words = next((tier for name, tier in read_textgrid(text) if name.lower().startswith("word")), [])
    return [(w.strip(), a, b) for w, a, b in words if w.strip().lower() not in SILENCES]


def read_sound(path: Path) -> NDArray[np.float32]:
    """[n] mono samples at 16 kHz; sample 0 at media time 0."""
    parts: list[NDArray[np.float32]] = []
    with av.open(str(path)) as box:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        first = None
        for frame in [*box.decode(audio=0), None]:
            if first is None and frame is not None:
                first = float(frame.time or 0.0)
            parts += [f.to_ndarray().ravel() for f in resampler.resample(frame)]
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    shift = round((first or 0.0) * RATE)
    return np.asarray(np.pad(samples, (shift, 0)) if shift >= 0 else samples[-shift:], np.float32)


def clips(folder: Path) -> Iterator[tuple[Path, Truth]]:
    """Media with their truth, in the order of their names."""
    bad = folder / "bad_clips.txt"
    left_out = (
        {line.split()[0] for line in bad.read_text("utf-8").splitlines() if line.strip()} if bad.exists() else set()
    )
    for media in sorted(p for p in folder.iterdir() if p.suffix.lower() in MEDIA and p.stem not in left_out):
        beside = next((p for s in (".align", ".TextGrid") if (p := media.with_suffix(s)).exists()), None)
        if beside is not None and (truth := read_truth(beside)):
            yield media, truth


def plain(words: Sequence[str], samples: NDArray[np.float32]) -> list[tuple[float, float]] | None:
    """The boundaries of PocketSphinx's own forced alignment, seconds; None where it finds none."""
    from pocketsphinx import Decoder

    decoder: Decoder = plain.__dict__.setdefault("decoder", Decoder(lm=None, loglevel="FATAL"))
    try:
        decoder.set_align_text(" ".join(words))
        decoder.start_utt()
        decoder.process_raw(pcm(samples).tobytes(), full_utt=True)
        decoder.end_utt()
    except RuntimeError:
        return None
    found = [(s.start_frame / 100, (s.end_frame + 1) / 100) for s in decoder.seg() if s.word[0] not in "<["]
    return found if decoder.hyp() is not None and len(found) == len(words) else None


def measure(folder: Path, limit: int | None, with_plain: bool) -> tuple[dict[str, Errors], int, float]:
    """Errors of ours and of PocketSphinx, the clips, and the seconds that a second of sound took."""
    made = {"editalk": Errors()} | ({"PocketSphinx": Errors()} if with_plain else {})
    count, spent, heard = 0, 0.0, 0.0
    for media, truth in clips(folder):
        if limit is not None and count >= limit:
            break
        count += 1
        samples, words = read_sound(media), [w.lower() for w, _, _ in truth]
        begun = time.perf_counter()
        ours = align(words, samples)
        spent, heard = spent + time.perf_counter() - begun, heard + len(samples) / RATE
        _add(made["editalk"], [(w.start, w.end) for w in ours.words], truth)
        made["editalk"].lost += sum(w.probability == 0 for w in ours.words)
        if with_plain:
            _add(made["PocketSphinx"], plain(words, samples), truth)
    return made, count, spent / max(heard, 1e-9)


def _add(errors: Errors, found: Sequence[tuple[float, float]] | None, truth: Truth) -> None:
    if found is None:
        errors.lost += len(truth)
        return
    for (start, end), (_, true_start, true_end) in zip(found, truth, strict=True):
        errors.starts.append(start - true_start)
        errors.ends.append(end - true_end)


def figures(errors: Sequence[float]) -> dict[str, float]:
    """Milliseconds and shares of absolute errors."""
    ms = np.abs(np.asarray(errors)) * 1000
    if not len(ms):
        return {"n": 0}
    return {
        "n": len(ms),
        "median_ms": round(float(np.median(ms)), 1),
        "p95_ms": round(float(np.percentile(ms, 95)), 1),
        "within_25ms": round(float((ms <= WITHIN * 1000 + 1e-6).mean()), 3),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--limit", type=int, metavar="N", help="clips of each folder")
    parser.add_argument("--no-plain", action="store_true", help="leave PocketSphinx as it comes out")
    args = parser.parse_args(arguments)
    table = Table(
        "folder", "aligner", "boundaries", "n", "median ms", "p95 ms", "≤ 25 ms", "lost", title="Word boundaries"
    )
    report: list[dict[str, object]] = []
    for folder in args.folders:
        made, count, ratio = measure(folder, args.limit, not args.no_plain)
        for name, errors in made.items():
            shown = {"starts": errors.starts, "ends": errors.ends, "both": errors.starts + errors.ends}
            for what, values in shown.items():
                numbers = figures(values)
                cells = [str(numbers.get(key, "–")) for key in ("n", "median_ms", "p95_ms", "within_25ms")]
                table.add_row(folder.name, name, what, *cells, str(errors.lost))
                about = {"folder": folder.name, "clips": count, "aligner": name, "lost": errors.lost}
                report.append({**about, "boundaries": what, "seconds_per_second": round(ratio, 3), **numbers})
    Console(width=110).print(table)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if any(row["clips"] for row in report) else 1


if __name__ == "__main__":
    sys.exit(main())
