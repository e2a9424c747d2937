"""What an edit of a long clip costs, measured against encoding the clip again.

    python -m tests.bench.lossless CLIP [--minutes 10] [--codec h264|hevc] [--height N] [--sample SECONDS] [--both]
        [--json FILE]

CLIP is encoded once, with a key frame every five seconds, and repeated to so many minutes. Of its words, beside it in
CLIP.transcript.json, three stretches are removed. Encoding the long clip again is measured whole, or over `--sample`
seconds and multiplied. CPU seconds (user and system, of all threads) say more than wall seconds on a shared machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import av
from rich.console import Console
from rich.table import Table

from editalk.media import probe
from editalk.pipeline import beside

ENCODERS = {"h264": "libx264", "hevc": "libx265"}
KEYS = 5  # seconds between key frames
CUTS = (0.1, 0.5, 0.9)  # of the words: where stretches are removed
WORDS = 6  # in a stretch
ENCODE_ALL = """
import editalk.pipeline.splicing as splicing
from editalk.cli import main
from editalk.splice import SpliceError

def refused(info):
    raise SpliceError("a bench asks for it")

splicing.coded = refused
main()
"""


@dataclass(frozen=True)
class Row:
    what: str
    wall: float
    cpu: float
    report: dict[str, Any] | None = None


def timed(what: str, arguments: Sequence[str], cache: str) -> Row:
    """The cost of a run of Python; what it prints is its report, if anything."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen([sys.executable, *arguments], stdout=out,
                                 env={**os.environ, "EDITALK_CACHE": cache})  # fmt: skip
        _, status, used = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"{what}: exit {os.waitstatus_to_exitcode(status)}")
        out.seek(0)
        said = out.read()
    report = json.loads(said) if said.startswith(b"{") else None
    return Row(what, time.perf_counter() - begin, used.ru_utime + used.ru_stime, report)


def encode(source: Path, out: Path, codec: str, height: int | None, seconds: float | None) -> None:
    """What a desk would do otherwise: decode all, encode all; the sound goes with it as it is. `seconds`: no more."""
    with av.open(str(source)) as held, av.open(str(out), "w") as box:
        old, heard = held.streams.video[0], held.streams.audio[0]
        old.thread_type = "AUTO"
        options = {"crf": "18", "preset": "medium", "g": str(round(KEYS * old.average_rate))}
        if codec == "hevc":
            options["x265-params"] = "log-level=error"
        new = box.add_stream(ENCODERS[codec], rate=old.average_rate, options=options)
        high = height or old.height
        new.height, new.width, new.pix_fmt = high, round(old.width * high / old.height / 2) * 2, "yuv420p"
        copy = box.add_stream_from_template(heard)
        for packet in held.demux(old, heard):
            if seconds is not None and packet.pts is not None and packet.pts * packet.time_base >= seconds:
                break
            if packet.stream is heard:
                if packet.dts is not None:
                    packet.stream = copy
                    box.mux(packet)
                continue
            for frame in packet.decode():
                made = frame.reformat(new.width, new.height, "yuv420p", interpolation="AREA") if height else frame
                made.pict_type = 0
                box.mux(new.encode(made))
        box.mux(new.encode(None))


def repeat(clip: Path, out: Path, seconds: float) -> int:
    """The packets of a clip again and again; how often."""
    info = probe(clip)
    times = max(1, round(seconds / info.duration))
    length = info.video.frames / info.video.rate.value
    with av.open(str(out), "w") as box:
        streams: dict[str, Any] = {}
        last: dict[str, int] = {}
        for k in range(times):
            with av.open(str(clip)) as held:
                for packet in held.demux(video=0, audio=0):
                    if packet.dts is None:
                        continue
                    if packet.stream.type not in streams:
                        streams = {s.type: box.add_stream_from_template(s) for s in held.streams}
                    ticks = round(k * length / packet.time_base)
                    packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                    if packet.dts <= last.get(packet.stream.type, packet.dts - 1):
                        continue  # the sound's padding at either end
                    last[packet.stream.type] = packet.dts
                    packet.stream = streams[packet.stream.type]
                    box.mux(packet)
    return times


def transcribed(clip: Path, long: Path, times: int) -> list[str]:
    """The words of the clip, repeated with it, beside the long one."""
    info = probe(clip)
    words = [w for s in json.loads(beside(clip).read_text("utf-8"))["segments"] for w in s["words"]]
    segments = []
    for k in range(times):
        moved = [{**w, "start": w["start"] + k * info.duration, "end": w["end"] + k * info.duration} for w in words]
        segments.append({"id": k, "start": moved[0]["start"], "end": moved[-1]["end"], "words": moved,
                         "text": "".join(w["word"] for w in moved)})  # fmt: skip
    beside(long).write_text(json.dumps({"text": "", "segments": segments, "language": "en"}), "utf-8")
    return [w["word"].strip() for s in segments for w in s["words"]]


def measure(
    clip: Path, folder: Path, codec: str, height: int | None, minutes: float, sample: float, both: bool
) -> list[Row]:
    once, long, edited, out = (folder / name for name in ("once.mp4", "long.mp4", "edited.txt", "out.mp4"))
    encode(clip, once, codec, height, None)
    words = transcribed(clip, long, repeat(once, long, 60 * minutes))
    gone = {round(len(words) * c) + k for c in CUTS for k in range(WORDS)}
    edited.write_text(" ".join(w for k, w in enumerate(words) if k not in gone), "utf-8")
    share = min(1.0, sample / (60 * minutes))
    again = f"encode(P({str(long)!r}), P({str(out)!r}), {codec!r}, None, {sample})"
    again = f"from pathlib import Path as P; from tests.bench.lossless import encode; {again}"
    command = ["apply", str(long), str(edited), "-o", str(out), "-y", "--json", "-q", "--backend", "exemplar"]
    with tempfile.TemporaryDirectory() as cache:
        encoding = timed("encoding it again, preset medium, CRF 18", ["-c", again], cache)
        rows = [
            replace(encoding, wall=encoding.wall / share, cpu=encoding.cpu / share),
            timed("apply, first run", ["-m", "editalk", *command], cache),
            timed("apply, second run", ["-m", "editalk", *command], cache),
        ]
        if both:
            rows.append(timed("apply, second run, every frame encoded", ["-c", ENCODE_ALL, *command], cache))
        return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--codec", choices=sorted(ENCODERS), default="h264")
    parser.add_argument("--height", type=int, help="of the long clip (default: the clip's own)")
    parser.add_argument("--sample", type=float, default=1e9, help="seconds over which encoding again is measured")
    parser.add_argument("--both", action="store_true", help="run `apply` without copying too")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(args.clip, Path(folder), args.codec, args.height, args.minutes, args.sample,
                       args.both)  # fmt: skip
    table = Table("what", "wall s", "of encoding", "CPU s", "of encoding", "frames", "copied")
    for row in rows:
        shares = [f"{row.wall / rows[0].wall:.2f}", f"{row.cpu / rows[0].cpu:.2f}"]
        frames = [str(row.report[k]) if row.report else "" for k in ("frames", "frames_copied")]
        table.add_row(row.what, f"{row.wall:.1f}", shares[0], f"{row.cpu:.1f}", shares[1], *frames)
    Console(width=120).print(table)
    if args.json:
        args.json.write_text(json.dumps([asdict(r) for r in rows], indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
