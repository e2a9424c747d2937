"""Throughput of a batch on two workers beside one, and the memory of the process that gives out a long list.

    python -m tests.bench.batch VIDEO TRANSCRIPT [--edited TEXT [--voice FILE]] [--jobs 8] [--rounds 5] [--planned 1000]

The jobs make the edit, or leave out one word each, on an empty cache: of clips that show the same but are as many
files to editalk, which looks at each of them, and of one clip, which is looked at once. CPU seconds are of all
processes: on a busy machine, where wall clocks tell little, two workers may not take more of them than one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from editalk.inputs import digest


def words_of(transcript: Path) -> list[str]:
    data = json.loads(transcript.read_text("utf-8"))
    return [word["word"].strip() for segment in data["segments"] for word in segment["words"]]


def write_jobs(
    folder: Path, video: Path, transcript: Path, count: int, own: bool, edited: Path | None = None,
    voice: Path | str = "",
) -> Path:  # fmt: skip
    """A list of jobs, each of a clip of its `own` or all of `video`."""
    words, lines = words_of(transcript), ["id,video,edited,voice,transcript,output"]
    for k in range(count):
        left_out = k % (len(words) - 2) + 1
        text = edited or folder / f"{left_out}.txt"
        if edited is None:
            text.write_text(" ".join(words[:left_out] + words[left_out + 1 :]), "utf-8")
        clip, told = another(video, transcript, folder, k) if own else (video, transcript)
        lines.append(f"j{k},{clip},{text},{voice},{told},out{k}.mp4")
    path = folder / "jobs.csv"
    path.write_text("\n".join(lines), "utf-8")
    return path


def another(video: Path, transcript: Path, folder: Path, number: int) -> tuple[Path, Path]:
    """A file that shows the same and has another digest (an MP4 box that is skipped comes last), and its transcript."""
    clip, told = folder / f"talk{number}.mp4", folder / f"talk{number}.json"
    clip.write_bytes(video.read_bytes() + struct.pack(">I4sI", 12, b"free", number))
    told.write_text(transcript.read_text("utf-8").replace(digest(video), digest(clip)), "utf-8")
    return clip, told


def timed(jobs: Path, workers: int) -> tuple[float, float]:
    """Seconds by the wall and of CPU time."""
    with tempfile.TemporaryDirectory() as cache:
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "editalk", "batch", str(jobs), "--workers", str(workers), "-y", "-q"]
        subprocess.run(command, env={**os.environ, "EDITALK_CACHE": cache}, check=True)
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def memory(jobs: Path, count: int) -> list[tuple[float, float]]:
    """MiB of the process that gives out the list and of its largest worker, while the jobs are planned: when a tenth of
    them is done, and at most after that.
    """
    with tempfile.TemporaryDirectory() as cache:
        batch = subprocess.Popen(
            [sys.executable, "-m", "editalk", "batch", str(jobs), "--json", "--dry-run", "-q"],
            env={**os.environ, "EDITALK_CACHE": cache}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert batch.stdout is not None
        process, held, ended = psutil.Process(batch.pid), list[tuple[int, int]](), 0
        for line in batch.stdout:
            if '"job-done"' in line:
                ended += 1
                if ended % 20 == 0 and count // 10 <= ended < count - 20:
                    workers = [child.memory_info().rss for child in process.children()]
                    held.append((process.memory_info().rss, max(workers)))
        if batch.wait():
            raise SystemExit(f"the batch failed: exit code {batch.returncode}")
    return [(sizes[0] / 2**20, max(sizes) / 2**20) for sizes in zip(*held, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("transcript", type=Path)
    parser.add_argument("--edited", type=Path, help="What every job makes of VIDEO.")
    parser.add_argument("--voice", type=Path, help="Of the new words of --edited.")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--planned", type=int, nargs="*", default=[1000])
    given = parser.parse_args()
    video, transcript = given.video.resolve(), given.transcript.resolve()
    edit = given.edited and given.edited.resolve(), (given.voice and given.voice.resolve()) or ""
    for own, what in ((True, "a clip each"), (False, "one clip")) if given.rounds else ():
        with tempfile.TemporaryDirectory() as folder:
            jobs = write_jobs(Path(folder), video, transcript, given.jobs, own, *edit)
            took = []
            for _ in range(given.rounds):
                (one, cpu), (two, cpus) = timed(jobs, 1), timed(jobs, 2)
                took.append((one, two))
                print(f"{given.jobs} jobs, {what}: 1 worker {one:.1f} s ({cpu:.1f} s of CPU), 2 workers {two:.1f} s "
                      f"({cpus:.1f} s of CPU): {one / two:.2f} times the throughput", flush=True)
            ones, twos = map(sum, zip(*took, strict=True))
            print(f"{given.jobs} jobs, {what}: {ones / twos:.2f} times the throughput in all rounds", flush=True)
    for count in given.planned:
        with tempfile.TemporaryDirectory() as folder:
            jobs = write_jobs(Path(folder), video, transcript, count, False, *edit)
            begin = time.perf_counter()
            for who, (first, most) in zip(("given out by", "largest worker"), memory(jobs, count), strict=True):
                print(f"{count} plans, {who}: {first:.1f} MiB after a tenth of them, at most {most:.1f}", flush=True)
            print(f"{time.perf_counter() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
