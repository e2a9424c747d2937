"""Faults at random moments of real runs, and whether what was promised holds: `python -m tests.faults --runs 200`.

Every run draws a fault and a moment from its seed, starts the command line as a process, injects the fault, looks at
what is left, runs the same command again and compares the decoded result with that of an undisturbed run. The first
broken promise ends it with the seed and the number to repeat it: `--seed S --only N`.

Promises: the output is absent, the old one or complete; an error is a message with an exit code of its own; nothing is
left of a killed run after the next one; that one ends with 0 and the same result.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from editalk.inputs import digest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
SECONDS = 3.6
EDITED = "One three [pause 0.5s] four nine ten eleven twelve five six seven eight.\n"
OUT = "talk.edited.mp4"
LIMIT = 600  # seconds that a run may take
NEAR = 1.0  # levels by which pictures of two encodings of the same may differ in the mean
UNFINISHED = (".part", ".making-", "placing", ".run-", "editalk-")

# Runs the command line, and ends it at the N-th time that Python is about to change a file below a folder.
HOOK = """
import os, sys
at, root, count = int(sys.argv[1]), sys.argv[2], 0
EVENTS = {"os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "tempfile.mkdtemp"}
def hook(event, args):
    global count
    if event == "open":
        if not (isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            return
    elif event not in EVENTS:
        return
    if any(isinstance(a, (str, os.PathLike)) and os.fspath(a).startswith(root) for a in args[:2]):
        count += 1
        if count == at:
            os.kill(os.getpid(), 9)
sys.addaudithook(hook)
from editalk.cli import main
code = main(sys.argv[3:])
if not at:
    print(count)
sys.exit(code)
"""


class BrokenError(Exception):
    """A promise that did not hold."""


def promise(held: bool, what: str) -> None:
    if not held:
        raise BrokenError(what)


# ---------------------------------------------------------------------------------------------- what is run, and where


@dataclass
class Job:
    """A folder with what a run reads and writes. `extra`: options of this one."""

    folder: Path
    extra: tuple[str, ...] = ()

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def out(self) -> Path:
        return self.folder / "out" / OUT

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def temp(self) -> Path:
        return self.folder / "temp"

    def command(self, *more: str) -> list[str]:
        return ["apply", str(self.work / "talk.mp4"), str(self.work / "edited.txt"), "-o", str(self.out), "--timeline",
                "edl", "--captions-out", "srt", "--progress", "json", *self.extra, *more]  # fmt: skip

    def batch(self, *more: str) -> list[str]:
        """Three times the same edit, into three folders."""
        rows = [{"id": f"edit {k}", "video": str(self.work / "talk.mp4"), "edited": str(self.work / "edited.txt"),
                 "output": str(out), "timeline": "edl", "captions-out": "srt"}
                for k, out in enumerate(self.outs)]  # fmt: skip
        for out in self.outs:
            out.parent.mkdir(exist_ok=True)
        (self.folder / "jobs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return ["batch", str(self.folder / "jobs.jsonl"), "--workers", "2", "--json", *more]

    @property
    def outs(self) -> list[Path]:
        return [self.out.parent / str(k) / OUT for k in range(3)]

    def environment(self) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("EDITALK_")}
        return clean | {"EDITALK_CACHE": str(self.cache), "TMPDIR": str(self.temp), "OMP_NUM_THREADS": "1",
                        "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(self.folder / "config")}  # fmt: skip


@dataclass
class Run:
    """A process that goes on; `seen`: (seconds since its start, event) of its progress."""

    process: subprocess.Popen[str]
    began: float
    seen: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    torn: str = ""
    reader: threading.Thread | None = None

    def follow(self) -> None:
        lines = self.process.stderr or self.process.stdout
        assert lines is not None
        for line in lines:
            self.told.append(line)
            if line.startswith('{"'):
                try:
                    self.seen.append((time.perf_counter() - self.began, json.loads(line)))
                except ValueError:
                    self.torn = line if line.endswith("\n") else ""  # the last one of a killed run may be

    def wait_for(self, events: int, delay: float) -> None:
        """Until it has told of so many events, and then some seconds; or until it ends."""
        while len(self.seen) < events and self.process.poll() is None:
            time.sleep(0.001)
        until = time.perf_counter() + delay
        while time.perf_counter() < until and self.process.poll() is None:
            time.sleep(0.001)

    def wait_until(self, there: Callable[[], bool]) -> None:
        while not there() and self.process.poll() is None:
            time.sleep(0.002)

    def end(self) -> int:
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise BrokenError(f"still running after {LIMIT} s; it said last: {self.text[-300:]}") from None
        assert self.reader is not None
        self.reader.join()
        promise(not self.torn, f"a line for programs that is no JSON: {self.torn[:300]}")
        return code

    @property
    def text(self) -> str:
        return "".join(line for line in self.told if not line.startswith(('{"stage"', '{"event"')))


def start(job: Job, *more: str, at: int | None = None, batch: bool = False) -> Run:
    """`at`: ends itself at so many changes of files; 0: counts them."""
    head = [sys.executable, "-m", "editalk"] if at is None else [sys.executable, "-c", HOOK, str(at), str(job.folder)]
    process = subprocess.Popen(
        [*head, *(job.batch(*more) if batch else job.command(*more))], env=job.environment(), cwd=job.folder, text=True,
        stderr=subprocess.STDOUT if batch else subprocess.PIPE,
        stdout=subprocess.PIPE if batch or at == 0 else subprocess.DEVNULL,
    )  # fmt: skip
    run = Run(process, time.perf_counter())
    run.reader = threading.Thread(target=run.follow, daemon=True)
    run.reader.start()
    return run


@dataclass(frozen=True)
class Decoded:
    """`pictures`: [n, h·3/2, w]; `sound`: [channels, samples]."""

    pictures: np.ndarray[Any, Any]
    sound: np.ndarray[Any, Any]

    def like(self, other: Decoded) -> str | None:
        """What is different; "alike": encoded otherwise, which nobody sees; None: nothing."""
        if self.pictures.shape != other.pictures.shape or self.sound.shape != other.sound.shape:
            return f"{self.pictures.shape} {self.sound.shape} instead of {other.pictures.shape} {other.sound.shape}"
        if not np.array_equal(self.sound, other.sound):
            return "another sound"
        if np.array_equal(self.pictures, other.pictures):
            return None
        apart = np.abs(self.pictures.astype(np.int16) - other.pictures).mean((1, 2))
        return "alike" if apart.max() < NEAR else f"picture {int(apart.argmax())} is {apart.max():.1f} levels off"


def decoded(path: Path) -> Decoded:
    with av.open(str(path)) as container:
        pictures = [f.to_ndarray(format="yuv420p") for f in container.decode(video=0)]
    with av.open(str(path)) as container:
        sound = [f.to_ndarray() for f in container.decode(audio=0)]
    return Decoded(np.stack(pictures), np.concatenate(sound, axis=1))


@dataclass(frozen=True)
class Reference:
    """An undisturbed run. `events`: seconds since its start; `changes`: of files; `need`: bytes of each folder."""

    job: Job
    made: Decoded
    texts: dict[str, bytes]
    events: tuple[float, ...]
    seconds: float
    changes: int
    need: dict[str, int]

    def moment(self, draw: random.Random) -> tuple[int, float]:
        """(events, seconds after the last of them) of a moment, late ones more often. Events, not seconds, say how far
        a run is: how long one takes depends on what else the machine does.
        """
        many = len(self.events)
        count = round(many * draw.random()) if draw.random() < 0.6 else many - draw.randrange(3)
        later = self.events[count] if count < many else self.seconds
        return count, draw.random() * min(0.5, later - (self.events[count - 1] if count else 0.0))

    def same(self, job: Job, notes: Counter[str], out: Path | None = None) -> None:
        """That of a job is whole and this one's."""
        out = out or job.out
        different = decoded(out).like(self.made)
        if different == "alike":
            notes["encoded otherwise"] += 1
        elif different:
            raise BrokenError(f"the output is another one: {different}")
        for name, text in self.texts.items():
            promise(out.with_name(name).exists(), f"{name} is missing beside a complete output")
            if name.endswith(".ledger.json"):  # its date differs; it names the file that lies beside it
                held = json.loads(out.with_name(name).read_bytes())["output"]["sha256"]
                promise(held == digest(out), f"{name} is of another output")
            else:
                promise(plain(out.with_name(name), job) == text, f"{name} is another one")


def prepare(folder: Path) -> None:
    """A clip whose pictures carry their numbers, its words, an edit; pictures of whole macroblocks: x264 repeats them.
    """
    from conftest import ClipSpec, write_clip

    folder.mkdir(parents=True)
    write_clip(folder / "talk.mp4", ClipSpec(rate=Fraction(25), frames=round(25 * SECONDS), size=(192, 160)))
    step = SECONDS / len(WORDS)
    words = [{"word": f" {w}", "start": (k + 0.1) * step, "end": (k + 0.9) * step} for k, w in enumerate(WORDS)]
    segment = {"id": 0, "start": 0.0, "end": SECONDS, "text": " ".join(WORDS), "words": words}
    data = {"text": " ".join(WORDS), "language": "en", "segments": [segment]}
    (folder / "talk.transcript.json").write_text(json.dumps(data))
    (folder / "edited.txt").write_text(EDITED)


def refer(folder: Path, extra: tuple[str, ...]) -> Reference:
    job = Job(folder, extra)
    prepare(job.work)
    for made in (job.cache, job.temp, job.out.parent):
        made.mkdir()
    need = dict.fromkeys(("cache", "temp", "out"), 0)
    run = start(job, at=0)
    while run.process.poll() is None:
        for name in need:
            need[name] = max(need[name], size(job.folder / name))
        time.sleep(0.03)
    assert run.process.stdout is not None
    changes = int(run.process.stdout.read() or 0)
    promise(run.end() == 0, f"the undisturbed run failed: {run.text}")
    seconds = time.perf_counter() - run.began
    texts = {p.name: plain(p, job) for p in job.out.parent.iterdir() if p != job.out and p.suffix != ".html"}
    made = decoded(job.out)
    return Reference(job, made, texts, tuple(at for at, _ in run.seen), seconds, changes, need)


def plain(text: Path, job: Job) -> bytes:
    """Without the folders in it."""
    return text.read_bytes().replace(bytes(text.parent), b"").replace(bytes(job.folder), b"")


def size(folder: Path) -> int:
    total = 0
    for root, folders, files in os.walk(folder):  # which passes over what goes meanwhile
        for name in (*folders, *files):
            with suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_blocks * 512
    return total


# -------------------------------------------------------------------------------------------------------- what is held


def clean(text: str) -> None:
    promise("Traceback" not in text and "unexpected" not in text, f"an error that nobody foresaw: {text[-600:]}")


def whole_or_absent(job: Job, reference: Reference, notes: Counter[str]) -> bool:
    """Whether the output is there, and then it is complete."""
    if not job.out.exists():
        return False
    reference.same(job, notes)
    return True


def nothing_left(job: Job, marks: tuple[str, ...] = UNFINISHED) -> None:
    left = [str(p.relative_to(job.folder)) for name in ("out", "cache", "temp", "work")
            for p in (job.folder / name).rglob("*") if any(mark in p.name for mark in marks)]  # fmt: skip
    promise(not left, f"left lying about after the next run: {', '.join(left[:5])}")


def again(job: Job, reference: Reference, notes: Counter[str]) -> None:
    """The same command once more; over a complete output with -y, as a user would."""
    done = job.out.exists()
    run = start(job, *(["-y"] if done else []))
    code = run.end()
    promise(code == 0, f"the next run ends with {code}: {run.text[-600:]}")
    reference.same(job, notes)
    nothing_left(job)


def no_texts(job: Job) -> None:
    """What failed and could still clean up has put nothing beside an output that is not there."""
    if not job.out.exists():
        held = [p.name for p in job.out.parent.iterdir()]
        promise(not held, f"left by a run that failed: {', '.join(held)}")


# ---------------------------------------------------------------------------------------------------------- the faults


@dataclass
class Trial:
    """One run with a fault. `told`: what was done, for the table and for whoever repeats it."""

    job: Job
    reference: Reference
    draw: random.Random
    notes: Counter[str]
    told: str = ""

    def moment(self, run: Run) -> None:
        events, delay = self.reference.moment(self.draw)
        self.told += f" after event {events} and {delay:.2f} s"
        run.wait_for(events, delay)


def kill(trial: Trial) -> None:
    """SIGKILL at a moment, or where a file begins or grows."""
    job, draw = trial.job, trial.draw
    run = start(job)
    how = draw.choice(("moment", "moment", "part", "strip", "text"))
    trial.told = f"SIGKILL {how}"
    least = draw.randrange(200_000)
    if how == "moment":
        trial.moment(run)
    elif how == "text":
        run.wait_until(lambda: any(p.suffix in (".srt", ".edl") for p in job.out.parent.iterdir()))
    else:
        folder, mark = (job.out.parent, ".part") if how == "part" else (job.cache, ".making-")
        run.wait_until(lambda: any(mark in str(p) for p in folder.rglob("*")) and size(folder) > least)
    run.process.kill()
    promise(run.end() in (0, -9), "killed, but it ended otherwise")
    clean(run.text)
    whole_or_absent(job, trial.reference, trial.notes)
    again(job, trial.reference, trial.notes)


def kill_at_change(trial: Trial) -> None:
    """SIGKILL just before it changes a file for the N-th time."""
    count = trial.reference.changes
    at = trial.draw.randrange(1, count + 1) if trial.draw.random() < 0.5 else count - trial.draw.randrange(25)
    trial.told = f"SIGKILL at change {at} of {count}"
    run = start(trial.job, at=max(1, at))
    promise(run.end() in (0, -9), f"killed, but it ended otherwise: {run.text[-300:]}")
    whole_or_absent(trial.job, trial.reference, trial.notes)
    again(trial.job, trial.reference, trial.notes)


def stop(trial: Trial) -> None:
    """SIGTERM or SIGINT at a moment: all is tidy at once."""
    number = trial.draw.choice((signal.SIGTERM, signal.SIGINT))
    trial.told = number.name
    run = start(trial.job)
    trial.moment(run)
    early = len(run.seen) == 0
    run.process.send_signal(number)
    code = run.end()
    # Python itself is still starting, or ending, where it says so of its threads
    early = early or (trial.job.out.exists() and (code == -number or "Exception ignored in" in run.text))
    ends = {0, 128 + number} | ({-number} if early else set())
    promise(code in ends, f"{number.name} ends with {code}: {run.text[-300:]}")
    if not early:
        clean(run.text)
    whole_or_absent(trial.job, trial.reference, trial.notes)
    no_texts(trial.job)
    if not early:
        nothing_left(trial.job)
    again(trial.job, trial.reference, trial.notes)


@contextmanager
def disk(folder: Path, room: int) -> Iterator[None]:
    """A disk of its own for a folder. Raises PermissionError where none may be mounted."""
    held = folder.with_name(folder.name + ".held")
    if folder.exists():
        folder.rename(held)
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={max(4096, room)}", "faults", str(folder)],
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode:
        raise PermissionError(done.stderr)
    try:
        if held.exists():
            shutil.copytree(held, folder, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(held, ignore_errors=True)


def full(trial: Trial) -> None:
    """One of the disks is too small."""
    name = trial.draw.choice(("cache", "temp", "out"))
    folder = trial.job.folder / name
    held = size(folder)  # a cache that is not empty
    need = max(40_000, trial.reference.need[name] - held)
    share = int(need * trial.draw.random()) if trial.draw.random() < 0.6 else need - trial.draw.randrange(1, 40_000)
    room = held + share
    trial.told = f"{name} full after {share} of {need} bytes"
    with disk(folder, room):
        run = start(trial.job)
        code = run.end()
        clean(run.text)
        promise(code in (0, 1), f"a full disk ends with {code}: {run.text[-300:]}")
        if code:
            said = run.text
            promise(any(w in said for w in ("space", "room")), f"nothing said of the disk: {said[-400:]}")
            promise(not trial.job.out.exists(), "an output in spite of an error")
            no_texts(trial.job)
        else:
            trial.notes["had room enough"] += 1
            trial.reference.same(trial.job, trial.notes)
        nothing_left(trial.job)
    trial.job.out.parent.mkdir(exist_ok=True)
    again(trial.job, trial.reference, trial.notes)


def changed(trial: Trial) -> None:
    """An input is replaced, overwritten, cut off, appended to or deleted while it is used."""
    draw, work = trial.draw, trial.job.work
    path = work / draw.choice(("talk.mp4", "talk.mp4", "talk.mp4", "edited.txt", "talk.transcript.json"))
    kept = path.read_bytes()
    how = draw.choice(("moved over", "overwritten", "truncated", "appended", "deleted"))
    trial.told = f"{path.name} {how}"
    other = work / "other"
    other.write_bytes(trial.job.folder.joinpath("other.mp4").read_bytes() if path.suffix == ".mp4" else kept[::-1])
    run = start(trial.job)
    trial.moment(run)
    # from here on the last look at the inputs may have been
    late = run.process.poll() is not None or any(e.get("stage") == "Writing" and e.get("finished") for _, e in run.seen)
    if how == "moved over":
        os.replace(other, path)
    elif how == "overwritten":
        path.write_bytes(other.read_bytes())
    elif how == "truncated":
        os.truncate(path, draw.randrange(len(kept)))
    elif how == "appended":
        with path.open("ab") as file:
            file.write(b"something more")
    else:
        path.unlink()
    code = run.end()
    clean(run.text)
    if code == 0:
        promise(late, "an input was changed, and nobody noticed")
        trial.reference.same(trial.job, trial.notes)
        trial.notes["after the end"] += 1
    else:
        early = any(word in run.text for word in ("no such file", "not a media file", "truncated", "cannot be read",
                                                  "No such file", "is empty", "transcribe", "no words", "not JSON",
                                                  "another file", "damaged", "no transcript"))  # fmt: skip
        promise("while it was being used" in run.text or early, f"exit {code}, unexplained: {run.text[-400:]}")
        promise(code == 4 or early, f"exit {code} where a source changed: {run.text[-300:]}")
        promise(not trial.job.out.exists(), "an output of an input that changed")
        no_texts(trial.job)
    other.unlink(missing_ok=True)
    shutil.copy2(trial.reference.job.work / path.name, path)
    again(trial.job, trial.reference, trial.notes)


def corrupt(path: Path, how: str, draw: random.Random) -> None:
    held = path.read_bytes()
    if how == "flipped" and held:
        at = draw.randrange(len(held))
        path.write_bytes(held[:at] + bytes([held[at] ^ 1 << draw.randrange(8)]) + held[at + 1 :])
    elif how == "truncated":
        path.write_bytes(held[: draw.randrange(max(1, len(held)))])
    elif how == "emptied":
        path.write_bytes(b"")
    elif how == "a folder":
        path.unlink()
        path.mkdir()
        (path / "inside").write_text("something")
    else:
        path.unlink()


def damaged(trial: Trial) -> None:
    """Entries of a warm cache are damaged, before the run or during it."""
    draw, cache = trial.draw, trial.job.cache
    shutil.rmtree(cache)
    shutil.copytree(trial.reference.job.cache, cache)
    entries = sorted(p for p in cache.rglob("*") if p.is_file() and not p.name.startswith("."))
    stage = draw.choice(sorted({p.parent.name for p in entries}))
    chosen = draw.choice([p for p in entries if p.parent.name == stage])
    how = draw.choice(("flipped", "truncated", "emptied", "a folder", "deleted"))
    before = draw.random() < 0.7
    trial.told = f"{stage}/*{''.join(chosen.suffixes)} {how} {'before' if before else 'during'}"
    if before:
        same = not chosen.stat().st_size and how in ("flipped", "truncated", "emptied")
        corrupt(chosen, how, draw)
    run = start(trial.job)
    if not before:
        trial.moment(run)
        if chosen.exists():
            corrupt(chosen, how, draw)
    code = run.end()
    clean(run.text)
    if before:
        promise(code == 0, f"a damaged entry ends it with {code}: {run.text[-400:]}")
        named = how == "deleted" or same or str(chosen).removesuffix(".sha256") in run.text
        promise(named, f"nothing said of the damage: {run.text[-300:]}")
    else:
        promise(code == 0 or (code == 1 and "again" in run.text), f"damaged during: {code}: {run.text[-400:]}")
    promise(whole_or_absent(trial.job, trial.reference, trial.notes) == (code == 0), "an output against the exit code")
    again(trial.job, trial.reference, trial.notes)


def without_cache(trial: Trial) -> None:
    """The cache is deleted, or its disk can no longer be written, during the run."""
    how = trial.draw.choice(("deleted", "read-only"))
    trial.told = f"cache {how}"
    if how == "deleted":
        run = start(trial.job)
        trial.moment(run)
        shutil.rmtree(trial.job.cache, ignore_errors=True)
        code = run.end()
    else:
        with disk(trial.job.cache, 64 << 20):
            run = start(trial.job)
            trial.moment(run)
            done = subprocess.run(["mount", "-o", "remount,ro", str(trial.job.cache)], capture_output=True)
            if done.returncode:
                trial.notes["was being written"] += 1
            code = run.end()
    clean(run.text)
    promise(code == 0 or (code == 1 and any(word in run.text for word in ("EDITALK_CACHE", "again"))),
            f"without a cache: {code}: {run.text[-400:]}")  # fmt: skip
    promise(whole_or_absent(trial.job, trial.reference, trial.notes) == (code == 0), "an output against the exit code")
    trial.job.cache.mkdir(exist_ok=True)
    again(trial.job, trial.reference, trial.notes)


def two(trial: Trial) -> None:
    """Two processes write the same output, without -y or with it."""
    over = trial.draw.random() < 0.5
    lead = trial.draw.random() * 0.6 * trial.reference.seconds * trial.draw.random()
    trial.told = f"{'with' if over else 'without'} -y, {lead:.2f} s apart"
    more = ("-y",) if over else ()
    first = start(trial.job, *more)
    time.sleep(lead)
    second = start(trial.job, *more)
    codes = sorted((first.end(), second.end()))
    for run in (first, second):
        clean(run.text)
    promise(codes == ([0, 0] if over else [0, 1]), f"exit codes {codes}: {first.text[-300:]} / {second.text[-300:]}")
    if not over:
        lost = first.text + second.text
        promise("has appeared" in lost or "exists already" in lost, f"the loser says: {lost[-400:]}")
    trial.reference.same(trial.job, trial.notes)
    nothing_left(trial.job)


def old(trial: Trial) -> None:
    """-y over an older output, killed at a moment: the old file or the new one."""
    trial.told = "SIGKILL over an older output"
    trial.job.out.write_bytes(b"an older film")
    run = start(trial.job, "-y")
    trial.moment(run)
    run.process.kill()
    promise(run.end() in (0, -9), "killed, but it ended otherwise")
    if trial.job.out.read_bytes() != b"an older film":
        trial.reference.same(trial.job, trial.notes)
    again(trial.job, trial.reference, trial.notes)


def batch_killed(trial: Trial) -> None:
    """A batch is killed at a moment, and resumed at once, while its workers may still be ending."""
    trial.told = "SIGKILL of the batch"
    run = start(trial.job, batch=True)
    batch_moment(trial, run)
    run.process.kill()
    promise(run.process.wait(LIMIT) in (0, -9), f"killed, but it ended otherwise: {run.text[-500:]}")
    for out in trial.job.outs:
        if out.exists():
            trial.reference.same(trial.job, trial.notes, out)
    batch_again(trial)


def worker_killed(trial: Trial) -> None:
    """One of a batch's workers is killed at a moment, or several are one after the other."""
    import psutil

    count = trial.draw.choice((1, 1, 2, 3))
    trial.told = f"SIGKILL of {count} workers"
    run = start(trial.job, "--retries", "3", batch=True)
    batch_moment(trial, run)
    for _ in range(count):
        with suppress(psutil.Error):
            workers = psutil.Process(run.process.pid).children()
            if workers:
                trial.draw.choice(workers).kill()
        time.sleep(trial.draw.random())
    code = run.end()
    clean(run.text)
    promise(code == 0, f"a killed worker ends the batch with {code}: {run.text[-500:]}")
    for out in trial.job.outs:
        trial.reference.same(trial.job, trial.notes, out)
    batch_again(trial)


def batch_moment(trial: Trial, run: Run) -> None:
    events, delay = trial.draw.randrange(1, 50), trial.draw.random()
    trial.told += f" after event {events} and {delay:.2f} s"
    run.wait_for(events, delay)


def batch_again(trial: Trial) -> None:
    run = start(trial.job, "--resume", batch=True)
    code = run.end()
    promise(code == 0, f"the resumed batch ends with {code}: {run.text[-600:]}")
    for out in trial.job.outs:
        trial.reference.same(trial.job, trial.notes, out)
    # where all was done already nobody opens the cache: the note that a killed worker used it waits for the next one
    nothing_left(trial.job, tuple(mark for mark in UNFINISHED if mark != ".run-"))


KINDS: dict[str, Callable[[Trial], None]] = {
    "kill -9 at a moment": kill,
    "kill -9 at a change of a file": kill_at_change,
    "kill -9 over an older output": old,
    "SIGTERM, SIGINT": stop,
    "disk full": full,
    "input changed": changed,
    "cache entry damaged": damaged,
    "cache gone or read-only": without_cache,
    "two processes, one output": two,
    "batch killed, resumed": batch_killed,
    "a batch's worker killed": worker_killed,
}


def mountable() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["mount", "-t", "tmpfs", "faults", folder], capture_output=True)
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=True)
    return done.returncode == 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, action="append", help="Repeat these numbers only.")
    parser.add_argument("--kind", action="append", choices=sorted(KINDS), help="Only faults of these kinds.")
    parser.add_argument("--jobs", type=Path, help="Where the runs' folders go; a broken one stays.")
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args(arguments)
    if not mountable():
        if os.environ.get("FAULTS_UNSHARED") is None and unshared():
            os.environ["FAULTS_UNSHARED"] = "1"
            os.execvp("unshare", ["unshare", "-rm", sys.executable, "-m", "tests.faults",
                                  *(sys.argv[1:] if arguments is None else arguments)])  # fmt: skip
        print("no disk may be mounted here: nothing of full and read-only disks is run", file=sys.stderr)
        KINDS.pop("disk full")
        KINDS.pop("cache gone or read-only")
    with tempfile.TemporaryDirectory(prefix="faults-", dir=given.jobs) as folder:
        return trials(Path(folder), given)


def unshared() -> bool:
    try:
        return subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def trials(folder: Path, given: argparse.Namespace) -> int:
    known = list(KINDS) if importlib.util.find_spec("editalk.batch") else [k for k in KINDS if "batch" not in k]
    kinds = [kind for kind in known if not given.kind or kind in given.kind]
    references: dict[tuple[str, ...], Reference] = {}
    making = threading.Lock()

    def reference_of(extra: tuple[str, ...]) -> Reference:
        with making:
            if extra not in references:
                made = references[extra] = refer(folder / f"reference{len(extra)}", extra)
                print(f"undisturbed{' '.join(('', *extra))}: {made.seconds:.1f} s, {len(made.events)} events, "
                      f"{made.changes} changes of files, bytes needed: {made.need}", flush=True)  # fmt: skip
            return references[extra]

    prepare(folder / "other")
    noise = np.random.default_rng(7).bytes(4000)
    other = (folder / "other" / "talk.mp4").read_bytes() + noise
    done, notes, stopped = Counter[str](), dict[str, Counter[str]](), threading.Event()

    def one(number: int) -> str | None:
        if stopped.is_set():
            return None
        draw = random.Random(f"{given.seed}-{number}")
        kind = kinds[number % len(kinds)]
        extra = ("--review",) if draw.random() < 0.15 else ()
        job, reference = Job(folder / f"run{number}", extra), reference_of(extra)
        shutil.copytree(reference.job.work, job.work, copy_function=shutil.copy2)
        for made in (job.cache, job.temp, job.out.parent):
            made.mkdir()
        (job.folder / "other.mp4").write_bytes(other)
        have = draw.random()
        if have > 0.2:  # most of the time goes into looking at faces, and faults come late
            shutil.rmtree(job.cache)
            without = shutil.ignore_patterns("window", "proxy") if have < 0.7 else None
            shutil.copytree(reference.job.cache, job.cache, ignore=without)
        own = Counter[str]()
        trial = Trial(job, reference, draw, own)
        try:
            KINDS[kind](trial)
        except Exception as error:
            if not isinstance(error, BrokenError):
                import traceback

                traceback.print_exc()
            stopped.set()
            kept = Path(tempfile.mkdtemp(prefix="faults-broken-", dir=given.jobs))
            shutil.copytree(job.folder, kept / job.folder.name, symlinks=True, ignore_dangling_symlinks=True)
            return (f"run {number} of seed {given.seed}, {kind} ({trial.told}): {error}\n"
                    f"repeat: python -m tests.faults --seed {given.seed} --only {number}; left: {kept}")  # fmt: skip
        done[kind] += 1
        notes.setdefault(kind, Counter()).update(own)
        print(f"{number:4} {kind}: {trial.told}", flush=True)
        shutil.rmtree(job.folder)
        return None

    began = time.perf_counter()
    numbers = given.only if given.only is not None else range(given.runs)
    with ThreadPoolExecutor(given.workers) as pool:
        broken = [text for text in pool.map(one, numbers) if text]
    print(f"\n{'fault':32} runs")
    for kind in kinds:
        said = ", ".join(f"{n} {what}" for what, n in sorted(notes.get(kind, Counter()).items()))
        print(f"{kind:32} {done[kind]:4}  {said}")
    print(f"{'together':32} {sum(done.values()):4}  {time.perf_counter() - began:.0f} s; broken: {len(broken)}")
    for text in broken:
        print(f"\nBROKEN: {text}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
