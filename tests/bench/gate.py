"""The quality gate on real clips: edits that are right, and the same ones spoilt on purpose.

    python -m tests.bench.gate FOLDER [--limit N] [--faults a,b] [--json FILE]

FOLDER: sentences of one speaker, each with its NAME.align beside it. Every clip gets new lips for its own sound, is
made to say another sentence of the folder, and two words of one. Each edit is made as it should be and with lips that
come 200 ms late or early, those of silence, dark, grey and standing pictures in its middle, and a voice 9 dB too loud.
What fails of the right ones is a false alarm, what passes of the spoilt ones a miss.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from rich.console import Console
from rich.table import Table

from editalk.audio import Audio
from editalk.backends.base import Backend, Rendered, WindowInput
from editalk.backends.exemplar import Exemplar
from editalk.cache import Cache, scratch
from editalk.errors import EditalkError
from editalk.pipeline import Clock, planned
from editalk.pipeline.job import Job, run_job
from editalk.plan import EditPlan, Origin, to_json
from editalk.reporting import Silent
from editalk.timebase import FrameRange
from tests.bench.footage import videos, words_of

FAULTS = {"late": "sync", "early": "sync", "mouth": "sync", "dark": "black", "grey": "black", "still": "frozen",
          "loud": "loudness"}  # fmt: skip
SHIFT = 0.2  # seconds
GAIN = 9.0  # dB
MIDDLE = 0.25  # of a window on either side that a fault of its pictures leaves out


class Spoilt:
    """Another backend whose pictures are spoilt. `memory`: those of the right edit, by window."""

    grid_step = 8

    def __init__(self, fault: str, memory: dict[FrameRange, list[Rendered]]) -> None:
        self.backend: Backend = Exemplar()
        self.name, self.key = self.backend.name, f"{self.backend.key} {fault}"
        self.capabilities = self.backend.capabilities
        self.fault, self.memory = fault, memory

    def render(self, given: WindowInput) -> Iterator[Rendered]:
        span = given.window.span
        shift = {"late": SHIFT, "early": -SHIFT}.get(self.fault, 0.0)
        if shift:
            yield from self.backend.render(replace(given, sound_start=given.sound_start + shift, phones=()))
        elif self.fault == "mouth":
            quiet = Audio(np.zeros_like(given.sound.samples), given.sound.rate)
            yield from self.backend.render(replace(given, sound=quiet, phones=()))
        else:
            if span not in self.memory:
                self.memory[span] = list(self.backend.render(given))
            yield from spoilt(self.memory[span], self.fault)

    def figures(self) -> dict[str, int]:
        return {}


def spoilt(made: Sequence[Rendered], fault: str) -> Iterator[Rendered]:
    """The right pictures, those in the middle spoilt."""
    edge = round(MIDDLE * len(made))
    held: Rendered | None = None
    for k, one in enumerate(made):
        if fault not in ("dark", "grey", "still") or not edge <= k < len(made) - edge:
            yield one
            continue
        held = held or one
        image = one.image.copy()
        if fault == "still":
            yield replace(held, frame=one.frame)
            continue
        if fault == "dark":
            image[..., 0] = 16 + (image[..., 0].astype(int).clip(16) - 16) // 8
        else:
            image[...] = 128
        yield replace(one, image=image)


@contextmanager
def spoiling(fault: str, memory: dict[FrameRange, list[Rendered]]) -> Iterator[None]:
    with mock.patch("editalk.pipeline.choose", return_value=(Spoilt(fault, memory), "")):
        yield


def louder(plan: EditPlan) -> EditPlan:
    """A plan whose voices are too loud."""
    return replace(plan, sound=tuple(
        replace(p, gain_db=p.gain_db + GAIN) if p.origin is Origin.VOICE else p for p in plan.sound
    ))  # fmt: skip


def edits(path: Path, other: Path, folder: Path) -> Iterator[tuple[str, Job]]:
    """(name, edit) of a clip."""
    transcript = folder / f"{path.stem}.transcript.json"
    transcript.write_text(json.dumps({"text": " ".join(words_of(path)), "segments": [
        {"id": 0, "start": 0.0, "end": 3.0, "text": "", "words": timed(path)}]}), "utf-8")  # fmt: skip
    words = words_of(path)
    for name, text, voices in (
        ("re-render", f"[{' '.join(words)}]{{rerender=mouth}}", ()),
        ("take", " ".join(words_of(other)), (other,)),
        ("word", " ".join([*words[:1], *words_of(other)[1:3], *words[3:]]), (cut(other, folder),)),
    ):
        edited = folder / f"{path.stem}.{name}.txt"
        edited.write_text(text, "utf-8")
        yield name, Job(path, edited, voices, folder / f"{path.stem}.{name}.mp4", transcript=transcript,
                        voice_covers="script" if name == "take" else "new-words" if voices else None,
                        fail_on=("all",), overwrite=True)  # fmt: skip


def timed(path: Path) -> list[dict[str, Any]]:
    """Words with their times of a clip's .align."""
    rows = [line.split() for line in path.with_suffix(".align").read_text("utf-8").splitlines()]
    return [{"word": f" {w}", "start": int(a) / 25000, "end": int(b) / 25000}
            for a, b, w in rows if w not in ("sil", "sp")]  # fmt: skip


def cut(path: Path, folder: Path) -> Path:
    """The second and third word of a clip as a voice of their own."""
    import wave

    from editalk.media import decode_sound, probe

    target, rows = folder / f"{path.stem}.voice.wav", timed(path)
    sound = decode_sound(path, folder / "cut.f32", 44100, 1, probe(path).video.start)
    part = sound.read(round((rows[1]["start"] - 0.03) * 44100), round((rows[2]["end"] + 0.03) * 44100))
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes((part.samples[:, 0] * 32767).astype("<i2").tobytes())
    return target


def checked(job: Job, fault: str, memory: dict[FrameRange, list[Rendered]], cache: Cache) -> dict[str, Any]:
    """The report of an edit that is spoilt."""
    with spoiling(fault, memory):
        if fault == "loud":
            with planned(job.edit, cache, Clock(), Silent()) as ready:
                text = to_json(louder(ready.plan))
            assert job.edited is not None
            plan = job.edited.with_suffix(".plan.json")
            plan.write_text(text, "utf-8")
            job = replace(job, edited=None, plan=plan, voice_covers=None)
        made = run_job(job, cache, Silent())
    assert made is not None
    return made


def unlike(path: Path, others: Sequence[Path]) -> Path:
    """A clip whose second and third word are others."""
    own = words_of(path)
    return next(p for p in others if all(a != b for a, b in zip(own[1:3], words_of(p)[1:3], strict=True)))


def rows(folder: Path, limit: int | None, faults: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What was found of every edit, right and spoilt."""
    paths = videos(folder)
    step = max(1, len(paths) // limit) if limit else 1
    chosen = paths[::step][:limit]
    with scratch() as place:
        cache = Cache(place / "cache")
        for k, path in enumerate(chosen):
            for name, job in edits(path, unlike(path, [*chosen[k + 1 :], *paths]), place):
                memory: dict[FrameRange, list[Rendered]] = {}
                for fault in faults:
                    if fault == "loud" and not job.voice:
                        continue
                    try:
                        made = checked(job, fault, memory, cache)
                    except EditalkError as error:
                        yield {"clip": path.stem, "edit": name, "fault": fault, "error": str(error)}
                        break
                    yield {"clip": path.stem, "edit": name, "fault": fault, "seconds": made["seconds"],
                           "checks": made["checks"], "joins": made["joins"]}  # fmt: skip


def fails(row: dict[str, Any], kind: str) -> bool:
    return any(not check["ok"] for check in row["checks"][kind])


def main() -> int:
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("folder", type=Path)
    ask.add_argument("--limit", type=int)
    ask.add_argument("--json", type=Path)
    ask.add_argument("--faults", default=",".join(("right", *FAULTS)), help="of them, parted by commas")
    given = ask.parse_args()
    found = []
    for row in rows(given.folder, given.limit, given.faults.split(",")):
        found.append(row)
        if given.json is not None:
            given.json.write_text("\n".join(json.dumps(r) for r in found) + "\n", "utf-8")
        print(row["clip"], row["edit"], row["fault"], row.get("error", ""), file=sys.stderr)
    Console().print(table(found))
    return 0


def table(found: Sequence[dict[str, Any]]) -> Table:
    good = [row for row in found if "error" not in row]
    made = Table("fault", "edit", "edits", *sorted(set(FAULTS.values())))
    count = Counter((row["fault"], row["edit"]) for row in good)
    for (fault, name), n in count.items():
        those = [row for row in good if (row["fault"], row["edit"]) == (fault, name)]
        kinds = sorted(set(FAULTS.values()))
        made.add_row(fault, name, str(n), *(f"{sum(fails(row, k) for row in those)} of {n}" for k in kinds))
    return made


if __name__ == "__main__":
    sys.exit(main())
