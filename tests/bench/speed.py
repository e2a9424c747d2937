"""How fast editalk is on this machine, beside its targets for two cores and 1080p at 25 pictures a second.

    python -m tests.bench.speed CLIP [--json FILE] [--seconds N]

Nothing is taken from the cache. The clip's words do not matter: a made-up transcript spreads some over it. Rates are by
wall clock, which other programs disturb, and by CPU time of this process (all threads), which can exceed the wall's.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from editalk.backends.base import WindowInput
from editalk.backends.exemplar.draw import LipRenderer
from editalk.backends.exemplar.lips import LipSync
from editalk.cache import Cache
from editalk.face import FaceTracker
from editalk.media import FrameReader, probe
from editalk.pipeline import Clock, Edit, planned, run
from editalk.pipeline.edit import spoken_ranges
from editalk.pipeline.render import footage_of, render, window_input
from editalk.reporting import Silent
from editalk.soundtrack import Soundtrack

WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
HELD = 50  # pictures in memory where decoding is not to be timed


@dataclass(frozen=True)
class Row:
    """`wall`, `cpu`: seconds (None: not known); `target`: frames per second, None where there is none."""

    what: str
    frames: int
    wall: float
    cpu: float | None
    target: float | None = None


@dataclass
class Watch:
    wall: float = 0.0
    cpu: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu

    def row(self, what: str, frames: int, target: float | None = None) -> Row:
        return Row(what, frames, self.wall, self.cpu, target)


def tracking(clip: Path, seconds: float) -> list[Row]:
    """The face followed, pictures decoded beforehand and on the way."""
    info = probe(clip)
    alone, both, decoding = Watch(), Watch(), Watch()
    count = min(info.video.frames, info.video.rate.frames(seconds))
    with FrameReader(info) as reader, FaceTracker(info.video.rotation) as tracker:
        first = reader.image(0)
        tracker.see(0, first)  # models are loaded once
        for start in range(0, count, HELD):
            with decoding.running():
                held = [(i, reader.image(i)) for i in range(start, min(count, start + HELD))]
            with alone.running():
                tracker.track(held)
    with FrameReader(info) as reader, FaceTracker(info.video.rotation) as tracker:
        tracker.see(0, first)
        with both.running():
            tracker.track((i, reader.image(i)) for i in range(count))
    return [decoding.row("decoding alone", count), alone.row("face tracking, decoded before", count, 60),
            both.row("face tracking with decoding", count)]  # fmt: skip


def scripted(clip: Path, folder: Path, edited: Callable[[Sequence[str]], str]) -> Edit:
    """An edit of words spread over the clip."""
    info = probe(clip)
    step = info.duration / len(WORDS)
    words = [{"word": f" {w}", "start": (k + 0.15) * step, "end": (k + 0.85) * step} for k, w in enumerate(WORDS)]
    segment = {"id": 0, "start": 0.0, "end": info.duration, "text": " ".join(WORDS), "words": words}
    transcript, text = folder / "words.json", folder / "edited.txt"
    transcript.write_text(json.dumps({"text": " ".join(WORDS), "language": "en", "segments": [segment]}), "utf-8")
    text.write_text(edited(WORDS), "utf-8")
    return Edit(clip, text, transcript=transcript)


def new_lips(words: Sequence[str]) -> str:
    return f"{' '.join(words[:4])} [{' '.join(words[4:8])}]{{rerender=mouth}} {' '.join(words[8:])}"


def removed(words: Sequence[str]) -> str:
    return " ".join(w for k, w in enumerate(words) if k not in (2, 6, 9))


def typical(words: Sequence[str]) -> str:
    return new_lips([w for k, w in enumerate(words) if k not in (1, 10)])


@contextmanager
def windows(edit: Edit, folder: Path) -> Iterator[tuple[list[WindowInput], Callable[[], float]]]:
    """What the backend sees of an edit's windows, and a way to render and write them; faces are known."""
    cache, say = Cache(folder / "cache"), Silent()
    with planned(edit, cache, Clock(), say) as ready:
        ref = ready.plan.source
        ready.analysis.prepare([footage_of(w, ref.rate, ref.frames) for w in ready.plan.windows])
        speech = Soundtrack(ready.plan, ready.source.sound, ready.voices, spoken_ranges(ready.transcript))

        def rendered() -> float:
            strips = render(ready.plan, ready.source, speech, ready.analysis, ready.backend, cache, (0,), say)
            return sum(len(s.window.span) for (s,) in strips)

        yield [window_input(w, ready.plan, ready.source, speech, ready.analysis) for w in ready.plan.windows], rendered


def drawing(clip: Path, folder: Path) -> list[Row]:
    """New lips: a mouth learnt, drawn, and the whole window with what is written to disk."""
    learnt, drawn, whole = Watch(), Watch(), Watch()
    with windows(scripted(clip, folder, new_lips), folder) as (given, rendered):
        window = given[0]
        with learnt.running():
            sync = LipSync.fit(window.track, window.source_sound, window.source_sound_start, window.footage.rate)
        if sync is None:
            return []
        count = _draw(window, sync, drawn)
        with whole.running():
            frames = rendered()
    return [learnt.row("learning a mouth (frames learnt from)", int(window.track.found.sum())),
            drawn.row("lip rendering, drawing alone", count, 25),
            whole.row("lip rendering, window with learning and writing", int(frames))]  # fmt: skip


def _draw(given: WindowInput, sync: LipSync, watch: Watch) -> int:
    """Draw the lips of a window on its own pictures, exemplars decoded before."""
    span = next(p for p in given.window.pieces if p.source is not None)
    lips = given.window.lips[0]
    frames = [span.source + f - span.start for f in range(lips.start, lips.end) if span.source is not None]
    rate = float(given.footage.rate)
    times = (np.arange(lips.start, lips.end) + 0.5) / rate
    points = np.stack([_points(given, f) for f in frames])
    with watch.running():
        path = sync.plan(given.sound, given.sound_start, times, points)
    renderer = LipRenderer(sync.pool, sync.rate, path, given.footage)
    until = -1
    for i, frame in enumerate(frames):
        picture = given.footage.image(frame)
        if i >= until:  # the renderer decodes its exemplars when it draws the first frame of some seconds
            renderer.draw(i, picture)
            until = i + round(10 * rate)
        with watch.running():
            renderer.draw(i, picture)
    return len(frames)


def _points(given: WindowInput, frame: int) -> NDArray[np.float32]:
    found = given.track.at(frame)
    return np.full((478, 3), np.nan, np.float32) if found is None else found


def joining(clip: Path, folder: Path) -> list[Row]:
    """Removals: their joins planned, morphed and written; pictures that the source has as they are do not count."""
    whole = Watch()
    with windows(scripted(clip, folder, removed), folder) as (given, rendered):
        with whole.running():
            rendered()
        morphed = sum(len(w.window.span) for w in given)
    return [whole.row("joins, windows planned, morphed and written", morphed, 10)]


def applying(clip: Path, folder: Path) -> list[Row]:
    """`apply` from nothing: two removals, a third of the words with new lips."""
    clock, watch, edit = Clock(), Watch(), scripted(clip, folder, typical)
    with watch.running():
        result = run(edit, folder / "out.mp4", True, Cache(folder / "cache"), clock, Silent())
    frames = sum(len(w.span) for w in result.plan.windows)
    rows = [watch.row("apply, frames in windows over everything", frames, 25),
            watch.row("apply, frames of the result over everything", result.plan.frames)]  # fmt: skip
    return rows + [Row(f"  of it {name}", frames, seconds, None) for name, seconds in clock.seconds.items()]


def measure(clip: Path, seconds: float) -> list[Row]:
    rows = tracking(clip, seconds)
    for part in (drawing, joining, applying):
        with tempfile.TemporaryDirectory() as folder:
            rows += part(clip, Path(folder))
    return rows


def shown(rows: Sequence[Row], title: str) -> Table:
    table = Table("what", "frames", "wall s", "CPU s", "fps", "fps by CPU", "target", title=title)
    for row in rows:
        if row.cpu is None:
            table.add_row(row.what, "", f"{row.wall:.2f}", "", "", "", "")
            continue
        rates = [f"{row.frames / max(s, 1e-9):.1f}" for s in (row.wall, row.cpu)]
        target = f"≥ {row.target:g}" if row.target else ""
        table.add_row(row.what, str(row.frames), f"{row.wall:.2f}", f"{row.cpu:.2f}", *rates, target)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--seconds", type=float, default=8.0, help="in which the face is followed (default 8)")
    args = parser.parse_args(arguments)
    before = os.getloadavg()[0]
    rows = measure(args.clip, args.seconds)
    video = probe(args.clip).video
    load = f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after"
    title = f"{args.clip.name}: {video.width}×{video.height} at {float(video.rate):g}; {os.cpu_count()} cores, {load}"
    Console(width=120).print(shown(rows, title))
    if args.json:
        made = {"clip": args.clip.name, "size": [video.width, video.height], "rate": str(video.rate),
                "cores": os.cpu_count(), "load": [before, os.getloadavg()[0]],
                "rows": [asdict(r) for r in rows]}  # fmt: skip
        args.json.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
