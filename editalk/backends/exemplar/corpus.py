"""Footage of people who speak → what the prior learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from editalk.asr import Phone
from editalk.asr.phones import known_phones
from editalk.asr.sound import RATE
from editalk.audio import Audio
from editalk.backends.exemplar.hearing import HOP, SPEECH, Hearing
from editalk.backends.exemplar.phones import phone_costs, said
from editalk.backends.exemplar.shape import canonical, measures
from editalk.cache import scratch
from editalk.errors import MediaError, ReadError
from editalk.face import FaceTrack, FaceTracker
from editalk.face.geometry import template
from editalk.media import FrameReader, decode_sound, probe, to_image
from editalk.reporting import Reporter

Floats = NDArray[np.float64]

FILMS = (".mp4", ".mov", ".mkv", ".mpg", ".avi", ".webm")
LEAST = 25  # frames with a face that make an example
FACES = 5000  # of a speaker, that tell the mean face


@dataclass(frozen=True)
class Clip:
    """One recording: its face, its sound (mono, 16 kHz, both from second 0 on), frames per second, and its phones."""

    name: str
    track: FaceTrack
    sound: Audio
    rate: float
    phones: tuple[Phone, ...]


@dataclass(frozen=True)
class Example:
    """A clip in steps of 10 ms: `level`, `swell` [m] see `Hearing`; `costs` [m, phones] and `said` [m, classes] see
    `phones`; `wanted` [m, MEASURES] in the speaker's SDs from his mean; `weight` [m]: 0 where there is no face.
    """

    name: str
    level: Floats
    swell: Floats
    costs: Floats
    said: Floats
    wanted: Floats
    weight: Floats


def clips(folder: Path, reporter: Reporter) -> list[Clip]:
    """All films of a folder but those that its `bad_clips.txt` lists. Words from `transcripts.tsv` (name, tab, words)
    or from NAME.txt beside the film; without any the film is learnt from by ear alone. Raises ReadError.
    """
    films = sorted(p for p in folder.iterdir() if p.suffix.lower() in FILMS) if folder.is_dir() else []
    bad = folder / "bad_clips.txt"
    left_out = {line.split()[0] for line in bad.read_text("utf-8").splitlines() if line.strip()} if bad.exists() else ()
    films = [p for p in films if p.stem not in left_out]
    if not films:
        raise ReadError(f"{folder}: no films to learn from ({', '.join(FILMS)})")
    words, found = _words(folder), []
    with reporter.stage(f"Looking and listening: {folder.name}", len(films), "films") as advance:
        for path in films:
            try:
                found.append(_clip(path, words.get(path.stem, [])))
            except MediaError as error:
                reporter.warn(str(error))
            advance(1)
    return found


def _words(folder: Path) -> dict[str, list[str]]:
    table = folder / "transcripts.tsv"
    rows = [line.split("\t") for line in table.read_text("utf-8").splitlines()] if table.exists() else []
    words = {row[0]: row[1].split() for row in rows if len(row) > 1}
    return words | {p.stem: p.read_text("utf-8").split() for p in folder.glob("*.txt") if p.name != "bad_clips.txt"}


def _clip(path: Path, words: Sequence[str]) -> Clip:
    info = probe(path)
    with scratch() as folder, FrameReader(info) as reader, FaceTracker(
        info.video.rotation, aspect=float(info.video.sample_aspect)
    ) as tracker:
        heard = decode_sound(path, folder / "heard.f32", RATE, 1, info.video.start)
        sound = heard.read(0, heard.samples)
        track = tracker.track((i, to_image(frame)) for i, frame in reader.iterate(0, info.video.frames))
    return Clip(path.stem, track, sound, float(info.video.rate.value), known_phones(words, sound))


def examples(spoken: Sequence[Clip]) -> list[Example]:
    """The clips of one speaker as examples; those with hardly a face are left out."""
    seen = [c for c in spoken if c.track.found.sum() >= LEAST]
    if not seen:
        return []
    faces = np.concatenate([c.track.points[c.track.found] for c in seen])
    face = template(faces[:: -(-len(faces) // FACES)])
    shapes = [measures(canonical(c.track.points, face)) for c in seen]
    hearings = [Hearing(c.sound, 0.0) for c in seen]
    times = [(c.track.frames + 0.5) / c.rate for c in seen]
    awake = [h.loudness(t) > -SPEECH for h, t in zip(hearings, times, strict=True)]
    speech = np.concatenate([s[a & c.track.found] for s, a, c in zip(shapes, awake, seen, strict=True)])
    mean, spread = speech.mean(0), speech.std(0) + 1e-6
    return [
        _example(c, h, t, (s - mean) / spread) for c, h, t, s in zip(seen, hearings, times, shapes, strict=True)
    ]  # fmt: skip


def _example(clip: Clip, hearing: Hearing, times: Floats, wanted: Floats) -> Example:
    from scipy.interpolate import CubicSpline

    count, found = len(hearing.level), clip.track.found
    steps = (np.arange(count) + 0.5) / HOP
    smooth = CubicSpline(times[found], wanted[found])(steps.clip(times[found][0], times[found][-1]))
    seen = np.interp(steps, times, found.astype(float), left=0, right=0) > 0.99
    return Example(
        clip.name, hearing.level, hearing.swell, phone_costs(clip.sound, count), said(clip.phones, 0.0, count), smooth,
        seen.astype(np.float64),
    )  # fmt: skip
