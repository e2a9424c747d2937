"""What the benchmarks are made of: clips of a folder with their faces and phones, and footage spliced from them."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from editalk.analysis import Analysis
from editalk.asr import Phone, align
from editalk.asr.sound import RATE
from editalk.audio import Audio
from editalk.backends.base import Area
from editalk.cache import Cache, scratch
from editalk.errors import EditalkError
from editalk.face import FaceTrack, square
from editalk.media import FrameReader, decode_sound, probe
from editalk.reporting import Silent
from editalk.timebase import FrameRange, FrameRate, samples
from editalk.transcript import read_transcript
from tests.bench.align import read_truth

VIDEOS = (".mp4", ".mpg", ".mov", ".mkv", ".m4v", ".avi")
HELD_BYTES = 700 * 2**20  # faces of frames in memory
ROOM = 0.25  # of the face's size around what is held

Picture = NDArray[np.uint8]


@dataclass
class Clip:
    """A clip with all that is known of it. `sound`: mono, 16 kHz, from the first frame on; `phones` may be empty."""

    name: str
    rate: FrameRate
    frames: int
    reader: FrameReader
    track: FaceTrack
    sound: Audio
    phones: tuple[Phone, ...]

    @property
    def seconds(self) -> float:
        return self.frames / float(self.rate)


def videos(folder: Path) -> list[Path]:
    """In the order of their names, without those that bad_clips.txt names."""
    bad = folder / "bad_clips.txt"
    lines = bad.read_text("utf-8").splitlines() if bad.exists() else []
    left_out = {line.split()[0] for line in lines if line.strip()}
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in VIDEOS and p.stem not in left_out)


def words_of(path: Path) -> list[str]:
    """The words of a clip from what lies beside it: a transcript, GRID's words.tsv or .align; [] where nothing does."""
    beside = path.with_name(f"{path.stem}.transcript.json")
    if beside.exists():
        return [w.text for w in read_transcript(beside).words]
    table = path.with_name("words.tsv")
    if table.exists():
        rows = [line.split("\t") for line in table.read_text("utf-8").splitlines()]
        if words := [r[1] for r in rows if len(r) >= 4 and r[0] == path.stem]:
            return words
    if path.with_suffix(".align").exists():
        return [w for w, _, _ in read_truth(path.with_suffix(".align"))]
    if path.with_suffix(".json").exists():
        data = json.loads(path.with_suffix(".json").read_text("utf-8"))
        return [str(row["w"]) for row in data.get("words", []) if "w" in row] if isinstance(data, dict) else []
    return []


@contextmanager
def opened(path: Path) -> Iterator[Clip]:
    """A clip, its face tracked (kept in the cache) and its words aligned. Raises EditalkError."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        info = probe(path)
        reader = stack.enter_context(FrameReader(info))
        heard = decode_sound(path, folder / "heard.f32", RATE, 1, info.video.start)
        analysis = Analysis(info, reader, heard, (), Cache(), Silent())
        stack.callback(analysis.close)
        track = analysis.track(FrameRange(0, reader.frames))
        sound = heard.read(0, samples(reader.frames / reader.rate.value, RATE))
        words = words_of(path)
        phones = tuple(p for w in align(words, sound).words for p in w.phones) if words else ()
        yield Clip(path.stem, reader.rate, reader.frames, reader, track, sound, phones)


def speakers(folder: Path) -> dict[str, str]:
    """Clip → speaker of speakers.tsv; empty without one."""
    table = folder / "speakers.tsv"
    rows = [line.split() for line in table.read_text("utf-8").splitlines()] if table.exists() else []
    return {row[0]: row[1] for row in rows if len(row) > 1}


class Spliced:
    """Stretches of clips one after another as one footage (see `editalk.backends.base.Footage`).

    Its frame numbers leave one out between two stretches, so that nothing is shown across.
    """

    def __init__(self, parts: Sequence[tuple[Clip, FrameRange]]) -> None:
        self.parts = [(clip, span) for clip, span in parts if len(span)]
        self.rate = self.parts[0][0].rate
        lengths = [len(span) + 1 for _, span in self.parts]
        self.starts = [int(n) for n in np.concatenate([[0], np.cumsum(lengths)])]
        self.frames = self.starts[-1] - 1
        self._held: OrderedDict[int, tuple[tuple[slice, slice], Picture, tuple[int, ...]]] = OrderedDict()
        self._bytes = 0

    def image(self, frame: int, within: Area | None = None) -> Picture:
        """The picture around the face; the rest is black: nothing but faces is borrowed."""
        if frame not in self._held:
            self._hold(frame)
        place, part, shape = self._held[frame]
        out = np.zeros(shape, np.uint8)
        out[place] = part
        return out

    def _hold(self, frame: int) -> None:
        k = int(np.searchsorted(self.starts, frame, side="right")) - 1
        clip, span = self.parts[k]
        own = span.start + frame - self.starts[k]
        image = clip.reader.image(own)
        points = clip.track.at(own)
        place = square(points, 2 * ROOM).within(image.shape).slices if points is not None else (slice(0), slice(0))
        part = image[place].copy()
        self._held[frame] = place, part, image.shape
        self._bytes += part.nbytes
        while self._bytes > HELD_BYTES and len(self._held) > 1:
            _, (_, gone, _) = self._held.popitem(last=False)
            self._bytes -= gone.nbytes

    @property
    def track(self) -> FaceTrack:
        tracks = [(clip.track.between(span.start, span.end), start - span.start)
                  for (clip, span), start in zip(self.parts, self.starts, strict=False)]  # fmt: skip
        return FaceTrack(np.concatenate([t.frames + by for t, by in tracks]),
                         np.concatenate([t.points for t, _ in tracks]))  # fmt: skip

    @property
    def sound(self) -> Audio:
        """Mono, 16 kHz; silent where a frame is left out."""
        out = np.zeros((samples(self.frames / self.rate.value, RATE) + 1, 1), np.float32)
        for (clip, span), start in zip(self.parts, self.starts, strict=False):
            a, b = (self.rate.sample(f, RATE) for f in (span.start, span.end))
            part = clip.sound.samples[a:b]
            at = self.rate.sample(start, RATE)
            out[at : at + len(part)] = part[: len(out) - at]
        return Audio(out, RATE)

    @property
    def phones(self) -> tuple[Phone, ...]:
        """Those that lie wholly inside a stretch."""
        out = []
        for (clip, span), start in zip(self.parts, self.starts, strict=False):
            low, high = (float(self.rate.seconds(f)) for f in (span.start, span.end))
            by = float(self.rate.seconds(start)) - low
            out += [Phone(p.name, p.start + by, p.end + by) for p in clip.phones if low <= p.start and p.end <= high]
        return tuple(out)


@dataclass(frozen=True)
class Case:
    """A window to draw anew: frames `span` of `clip`; `learn`: what may be learnt from and borrowed."""

    clip: Clip
    span: FrameRange
    learn: Spliced
    base: tuple[Clip, tuple[int, ...]]  # where the shifted base lies

    @property
    def times(self) -> NDArray[np.float64]:
        """The middles of the frames, seconds of the clip."""
        return (np.arange(self.span.start, self.span.end) + 0.5) / float(self.clip.rate)


def open_clip(path: Path, stack: ExitStack) -> tuple[Clip | None, str]:
    """A clip that stays open as long as the stack, or None and why it cannot be used."""
    try:
        return stack.enter_context(opened(path)), ""
    except EditalkError as error:
        return None, f"{path.name}: {error}"
