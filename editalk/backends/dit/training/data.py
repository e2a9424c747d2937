"""Films of talking heads → what the lip pass would see of them: crops, landmarks, sound."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.asr.sound import RATE
from editalk.audio import Audio
from editalk.backends.crops import Crop, around_faces
from editalk.cache import scratch
from editalk.errors import EditalkError, ReadError
from editalk.face import FaceTrack, FaceTracker
from editalk.face.geometry import Box
from editalk.media import FrameReader, MediaInfo, decode_sound, probe, to_image
from editalk.reporting import Reporter

FILMS = (".mp4", ".mov", ".mkv", ".mpg", ".avi", ".webm")
HELD = 7  # one film in so many is held out
SHIFT = 0.05  # of a crop's side, by which its other view is moved, grown or shrunk at most


@dataclass(frozen=True)
class Take:
    """One view of one film. `pictures`: [n, rows, columns, 3] uint8 red, green, blue; `points`: [n, 478, 2] in their
    pixels, NaN without a face; `sound`: mono, 16 kHz, from the first frame on; `rate`: frames per second.
    """

    name: str
    pictures: NDArray[np.uint8]
    points: NDArray[np.float32]
    sound: Audio
    rate: float

    def __len__(self) -> int:
        return len(self.pictures)

    def floats(self, start: int, stop: int) -> NDArray[np.float32]:
        """[stop − start, 3, rows, columns] in −1 … 1."""
        return self.pictures[start:stop].transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1


def is_held(name: str) -> bool:
    """Whether a film is held out: by the hash of its name, so that it does not depend on the others."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD == 0


def films(folder: Path) -> list[Path]:
    """All films of a folder but those that its `bad_clips.txt` lists. Raises ReadError where there are none."""
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in FILMS) if folder.is_dir() else []
    bad = folder / "bad_clips.txt"
    left_out = {line.split()[0] for line in bad.read_text("utf-8").splitlines() if line.strip()} if bad.exists() else ()
    found = [p for p in found if p.stem not in left_out]
    if not found:
        raise ReadError(f"{folder}: no films to learn from ({', '.join(FILMS)})")
    return found


def takes(
    paths: Sequence[Path], cell: int, side: int, views: int, cache: Path, reporter: Reporter
) -> list[list[Take]]:
    """`views` takes of each film: the first is the crop of the lip pass, the others are moved and scaled a little.

    What was made is kept in the folder `cache` and used again. Films without a face are left out with a warning.
    """
    cache.mkdir(parents=True, exist_ok=True)
    made = []
    with reporter.stage("Looking and listening", len(paths), "films") as advance:
        for path in paths:
            try:
                made.append(_film(path, cell, side, views, cache))
            except (EditalkError, ValueError) as error:
                reporter.warn(f"{path.name}: {error}")
            advance(1)
    return made


def _film(path: Path, cell: int, side: int, views: int, cache: Path) -> list[Take]:
    kept = [cache / f"{path.stem}.{side}.{view}.npz" for view in range(views)]
    if not all(file.exists() for file in kept):
        info = probe(path)
        track = _track(path, info, cache)
        with scratch() as folder:
            heard = decode_sound(path, folder / "heard.f32", RATE, 1, info.video.start)
            sound = heard.read(0, heard.samples).mono()
        first = around_faces(track.points, info.video, cell, side)
        crops = [first] + [_moved(first, cell, _chance(path.stem, view)) for view in range(1, views)]
        pictures = _cut(info, crops)
        for crop, file, cut in zip(crops, kept, pictures, strict=True):
            points = crop.points(track.points)
            values = {"pictures": cut, "points": points, "sound": sound, "rate": float(info.video.rate.value)}
            _written(file, values)
    return [_loaded(path.stem, file) for file in kept]


def _track(path: Path, info: MediaInfo, cache: Path) -> FaceTrack:
    kept = cache / f"{path.stem}.track.npz"
    if kept.exists():
        return FaceTrack.load(kept)
    with FrameReader(info) as reader, FaceTracker(
        info.video.rotation, aspect=float(info.video.sample_aspect)
    ) as tracker:
        track = tracker.track((i, to_image(frame)) for i, frame in reader.iterate(0, info.video.frames))
    track.save(kept)
    return track


def _cut(info: MediaInfo, crops: Sequence[Crop]) -> list[NDArray[np.uint8]]:
    made: list[list[NDArray[np.uint8]]] = [[] for _ in crops]
    with FrameReader(info) as reader:
        for _, frame in reader.iterate(0, info.video.frames):
            image = to_image(frame)
            for crop, pictures in zip(crops, made, strict=True):
                pictures.append(np.round(127.5 * (crop.cut(image).clip(-1, 1) + 1)).astype(np.uint8))
    return [np.stack(pictures) for pictures in made]


def _moved(crop: Crop, cell: int, rng: np.random.Generator) -> Crop:
    """The crop as another stretch of the film could have had it."""
    box = crop.box
    wide, high = box.right - box.left, box.bottom - box.top
    size = 1 + rng.uniform(-SHIFT, SHIFT)
    x = (box.left + box.right) / 2 + rng.uniform(-SHIFT, SHIFT) * wide
    y = (box.top + box.bottom) / 2 + rng.uniform(-SHIFT, SHIFT) * high
    left, top = round(x - size * wide / 2), round(y - size * high / 2)
    moved = Box(left, top, left + round(size * wide), top + round(size * high))
    rows = crop.rows + cell * int(rng.integers(-1, 2))
    inside = moved.within((crop.video.height, crop.video.width))
    return Crop(inside, min(crop.columns, max(cell, rows)), crop.columns, crop.video)


def _chance(name: str, view: int) -> np.random.Generator:
    return np.random.default_rng([view, *hashlib.sha256(name.encode()).digest()[:8]])


def _written(path: Path, values: Mapping[str, Any]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez(file, **values)
    part.replace(path)


def _loaded(name: str, path: Path) -> Take:
    with np.load(path, allow_pickle=False) as file:
        sound = Audio(file["sound"][:, None], RATE)
        return Take(name, file["pictures"], file["points"], sound, float(file["rate"]))
