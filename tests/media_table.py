"""The table of docs/media.md: every kind of file is made, edited through the command line, and looked at with PyAV and
FFmpeg's own program alone. `python tests/media_table.py [KIND]…` writes it anew, or its rows of some kinds; the README
has some of the rows.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import av
import imageio_ffmpeg
import numpy as np
from av.sidedata.sidedata import Type
from av.stream import Disposition
from media_kinds import BITS, KINDS, Kind, click, make

from editalk.cli import main
from editalk.face import FaceTracker

ROOT = Path(__file__).resolve().parent.parent
DOCS, README = ROOT / "docs" / "media.md", ROOT / "README.md"
SHOWN = ("variable", "turned90", "odd444", "tff", "hdr10", "hlg", "anamorphic", "tracks", "ac3", "edit_list",
         "late_sound", "prores", "dnxhd_i", "mkv", "vp9")  # fmt: skip
BEGIN, END = "<!-- table -->\n", "<!-- end of the table -->\n"
HEAD = "| source | is written as | kept | not kept |\n| --- | --- | --- | --- |\n"
SYNC = 0.001  # seconds
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
GONE = ("four", "five")
CODECS = {"h264": "H.264", "hevc": "HEVC", "prores": "ProRes", "dnxhd": "DNxHD", "ffv1": "FFV1", "aac": "AAC",
          "vp9": "VP9", "av1": "AV1", "opus": "Opus", "flac": "FLAC", "ac3": "AC-3", "eac3": "E-AC-3",
          "pcm_s24le": "PCM 24", "pcm_s16le": "PCM 16", "mp2": "MP2", "mp3": "MP3", "vorbis": "Vorbis", "vp8": "VP8",
          "mpeg1video": "MPEG-1", "mpeg2video": "MPEG-2", "mpeg4": "MPEG-4", "mjpeg": "Motion JPEG",
          "qtrle": "Animation", "dvvideo": "DV"}  # fmt: skip


@dataclass
class Facts:
    """What a file holds. `properties`: name → value, only those that it has. `luma`: [n, h, w] of 10 bits. `sync`: by
    how many seconds each click comes behind its flash."""

    properties: dict[str, str]
    frames: int
    start: float
    luma: list[np.ndarray[Any, Any]] = field(repr=False)
    sync: list[float]


def facts(path: Path, kind: Kind) -> Facts:
    with av.open(str(path)) as box:
        pictures = [s for s in box.streams.video if not s.disposition & Disposition.attached_pic]
        video, sounds = pictures[0], box.streams.audio
        frames = [(float(f.pts * f.time_base), f) for f in box.decode(video)]
        first = frames[0][1]
        sound = sounds[0]
        languages = [s.language for s in sounds if s.language not in (None, "und")]
        held = {
            "codec": _name(video.codec_context), "pixel format": first.format.name.replace("yuvj", "yuv"),
            "size": f"{first.width}×{first.height}", "frame rate": str(video.average_rate),
            **_shape(video, first), **_colour(first), **_marks(box, video),
            "sound": CODECS[sound.codec_context.codec.canonical_name], "sample rate": str(sound.sample_rate),
            "layout": "" if sound.layout.name.endswith("channels") else sound.layout.name,
            "audio tracks": str(len(sounds)) if len(sounds) > 1 or languages else "", "languages": " ".join(languages),
            "cover": "yes" if len(box.streams.video) > 1 else "",
        }  # fmt: skip
    if kind.fields:
        held["field order"] = _fields(path)
    luma = [_luma(f) for _, f in frames]
    held = {name: value for name, value in held.items() if value}
    flashing = _flashes([t for t, _ in frames], luma)
    clicks = _clicks(path)
    sync = [min(clicks, key=lambda c: abs(c - t)) - t for t in flashing]
    return Facts(held, len(frames), frames[0][0], luma, sync)


def _name(context: Any) -> str:
    name = CODECS[context.codec.canonical_name]
    if context.codec.canonical_name in ("prores", "dnxhd"):
        name += f" {context.profile}"
    return name.replace("DNxHD DNXHR", "DNxHR").replace("DNxHD DNXHD", "DNxHD")


def _shape(video: Any, first: Any) -> dict[str, str]:
    aspect = video.sample_aspect_ratio
    matrix = _data(first, Type.DISPLAYMATRIX)
    numbers = struct.unpack("=9i", matrix) if matrix else None
    turned = first.rotation % 360 if numbers and numbers[0] * numbers[4] >= numbers[1] * numbers[3] else 0
    mirror = numbers is not None and numbers[0] * numbers[4] < numbers[1] * numbers[3]
    return {"pixel aspect": str(aspect) if aspect not in (None, 1) else "", "rotation": str(turned or ""),
            "mirror": "yes" if mirror else ""}  # fmt: skip


def _colour(first: Any) -> dict[str, str]:
    tags = first.color_range or 1, first.color_primaries, first.color_trc, first.colorspace
    shown, light = _data(first, Type.MASTERING_DISPLAY_METADATA), _data(first, Type.CONTENT_LIGHT_LEVEL)
    numbers = struct.unpack_from("=20i", shown) if shown else ()
    return {
        "colour tags": "" if tags[1:3] == (2, 2) else "/".join(str(int(t)) for t in tags),
        "mastering display": " ".join(f"{a / b:.4f}" for a, b in zip(numbers[::2], numbers[1::2], strict=True)),
        "light level": "/".join(str(n) for n in struct.unpack_from("=2I", light)) if light else "",
    }


def _marks(box: Any, video: Any) -> dict[str, str]:
    code = box.metadata.get("timecode") or next(
        (s.metadata["timecode"] for s in box.streams if "timecode" in s.metadata), ""
    )
    return {"title": box.metadata.get("title", ""), "timecode": "" if code == "00:00:00:00" else code}


def _data(frame: Any, kind: Type) -> bytes | None:
    return next((bytes(d) for d in frame.side_data.keys() if d.type == kind), None)  # noqa: SIM118  # values by place


def _fields(path: Path) -> str:
    """By FFmpeg's own program: the flag of each frame."""
    done = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-vf", "showinfo", "-f", "null", "-"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    return "".join(sorted(set(re.findall(r"n: *\d+ pts:.* i:(\w)", done.stderr))))


def _luma(frame: Any) -> np.ndarray[Any, Any]:
    """[h, w] of 10 bits."""
    if frame.format.is_rgb:
        frame = frame.reformat(format="yuv444p10le", dst_colorspace="ITU709", dst_color_range="MPEG")
    bits = frame.format.components[0].bits
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), "u1" if bits == 8 else "<u2").reshape(plane.height, -1)
    return rows[:, : frame.width].astype(np.float32) * 2.0 ** (10 - bits)


def number(luma: np.ndarray[Any, Any]) -> int:
    """The number of the frame that a picture carries."""
    h, w = luma.shape
    step = w // BITS
    return sum(int(luma[h // 16 : h // 5, b * step + 4 : (b + 1) * step - 4].mean() > 500) << b for b in range(BITS))


def _flashes(times: list[float], luma: list[np.ndarray[Any, Any]]) -> list[float]:
    """When a flash begins."""
    h, w = luma[0].shape
    bright = [image[7 * h // 8 : -4, 4 : w // 5].mean() > 500 for image in luma]
    return [times[k] for k in range(len(bright)) if bright[k] and (k == 0 or not bright[k - 1])]


def _clicks(path: Path) -> list[float]:
    """When the clicks begin, by the two best places of their shape in the first channel."""
    with av.open(str(path)) as box:
        stream = box.streams.audio[0]
        rate = stream.sample_rate
        parts = []
        for frame in box.decode(stream):
            plain = av.AudioResampler("flt", stream.layout, rate).resample(frame)[0]
            first = plain.to_ndarray().reshape(-1, stream.layout.nb_channels)[:, 0].copy()
            parts.append((float(frame.pts * frame.time_base), first))
    start = parts[0][0]
    whole = np.zeros(round((parts[-1][0] - start) * rate) + len(parts[-1][1]) + 8, np.float32)
    for at, samples in parts:
        place = round((at - start) * rate)
        whole[place : place + len(samples)] = samples[: len(whole) - place]
    score = np.abs(np.correlate(whole, click(rate).astype(np.float32), "valid"))
    found = []
    for _ in range(2):
        best = int(score.argmax())
        found.append(start + best / rate)
        score[max(0, best - rate // 10) : best + rate // 10] = 0
    return sorted(found)


@dataclass
class Outcome:
    """An edit of one kind. `worst`: the least PSNR of a frame that the report calls the source's own."""

    kind: Kind
    source: Facts
    result: Facts
    suffix: str
    report: dict[str, Any]
    worst: float


def edit(name: str, folder: Path) -> Outcome:
    """Make a file of a kind, take two of its eight words out, look at both."""
    kind = KINDS[name]
    source = make(kind, folder / f"{name}{kind.suffix}")
    step = float(kind.frames / kind.rate) / len(WORDS)
    words = [{"word": f" {w}", "start": (k + 0.1) * step, "end": (k + 0.9) * step} for k, w in enumerate(WORDS)]
    whole = {"id": 0, "start": 0.0, "end": step * len(WORDS), "text": " ".join(WORDS), "words": words}
    (folder / f"{name}.transcript.json").write_text(
        json.dumps({"text": " ".join(WORDS), "language": "en", "segments": [whole]})
    )
    (folder / "edited.txt").write_text(" ".join(w for w in WORDS if w not in GONE))
    out, err = io.StringIO(), io.StringIO()
    no_face = mock.patch.object(FaceTracker, "_detect", return_value=[])  # there is none, and looking takes longest
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), no_face:
        code = main(["apply", str(source), str(folder / "edited.txt"), "--json", "--backend", "exemplar"])
    if code:
        raise RuntimeError(f"{name}: exit {code}: {err.getvalue()}")
    report = json.loads(out.getvalue())
    result = Path(report["output"])
    before, behind = facts(source, kind), facts(result, kind)
    return Outcome(kind, before, behind, result.suffix, report, _worst(before, behind, report))


def _worst(before: Facts, behind: Facts, report: dict[str, Any]) -> float:
    by_number = {number(image): image for image in before.luma}
    drawn = {f for start, end in report["windows"] for f in range(start, end)}
    errors = [
        float(((image - by_number[number(image)]) ** 2).mean())
        for k, image in enumerate(behind.luma) if k not in drawn
    ]  # fmt: skip
    return 10 * float(np.log10(1023**2 / max(1e-9, *errors)))


def drift(made: Outcome) -> float:
    """Seconds by which sound and picture have moved against each other."""
    return max(abs(a - b) for a, b in zip(made.source.sync, made.result.sync, strict=True))


def row(made: Outcome) -> str:
    """A line of the table."""
    kept, lost = [], []
    for name, value in made.source.properties.items():
        now = made.result.properties.get(name)
        if now == value:
            kept.append(name)
        else:
            lost.append(f"{name}: {value} → {now or 'none'}")
    off = drift(made)
    (kept if off <= SYNC else lost).append("sync" if off <= SYNC else f"sync: within {1000 * off:.0f} ms")
    now = made.result.properties
    written = f"`{made.suffix}`: {now['codec']}, {now['pixel format']}, {now['sound']}"
    return f"| {made.kind.title} | {written} | {', '.join(kept)} | {'; '.join(lost)} |\n"


def table(held: str, names: list[str]) -> str:
    """The table with the rows of `names` made anew, the others as `held` has them."""
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in held.splitlines(keepends=True)}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            made = edit(name, Path(folder))
        rows[made.kind.title] = row(made)
        sums = f"worst {made.worst:.1f} dB, sync {made.source.sync} {made.result.sync}"
        print(name, sums, *made.report["warnings"], row(made), sep="\n  ", file=sys.stderr, flush=True)
    return HEAD + "".join(rows.get(kind.title, "") for kind in KINDS.values())


def held(page: Path) -> str:
    """The table of a page."""
    text = page.read_text("utf-8")
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)]


def write(names: list[str]) -> None:
    """The tables in their places in docs/media.md and in the README."""
    whole = table(held(DOCS), names)
    for page, rows in ((DOCS, whole), (README, chosen(whole))):
        text = page.read_text("utf-8")
        start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
        page.write_text(text[:start] + rows + text[end:], "utf-8")


def chosen(whole: str) -> str:
    """The rows that the README has, of the whole table."""
    titles = {f"| {KINDS[name].title} | " for name in SHOWN}
    return HEAD + "".join(line for line in whole.splitlines(keepends=True) if line.startswith(tuple(titles)))


if __name__ == "__main__":
    write(sys.argv[1:] or list(KINDS))
