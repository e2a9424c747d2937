"""Lips for a sound: learn this mouth, plan its shapes and exemplars, draw them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Audio
from editalk.backends.base import Footage, Image
from editalk.backends.exemplar.paste import Crop, lower_box, paste
from editalk.backends.exemplar.predict import Predictor
from editalk.backends.exemplar.retrieve import Pool, retrieve
from editalk.backends.exemplar.shape import MouthSpace
from editalk.face import FaceTrack
from editalk.timebase import FrameRate

Floats = NDArray[np.float64]

LEAST = 25  # frames with a face to learn from
SMOOTH = 0.6  # frames: sigma over the time of where landmarks go
BLEND = 0.5  # the prediction's share against the exemplar's own shape
RAMP = 3  # frames over which the base's own mouth gives way
HELD_BYTES = 150 * 2**20  # exemplars in memory
CHUNK = 10.0  # seconds planned to be drawn together
SHARP = 0.6  # of the median: blurred exemplars are replaced


@dataclass(frozen=True)
class LipPath:
    """What is drawn on n output frames: `wanted` [n, k, 2] pixels (NaN: no face, the picture stays), `rows` [n] of the
    pool, `weights` [n] 0…1 from the base's own mouth to the new one; `shapes` [n, k, 3] as predicted.
    """

    wanted: Floats
    points: NDArray[np.float32]
    rows: NDArray[np.int64]
    weights: Floats
    shapes: Floats

    @property
    def drawn(self) -> NDArray[np.bool_]:
        """[n]: whether the frame gets a new mouth."""
        return np.asarray(np.isfinite(self.wanted[:, 0, 0]) & (self.weights > 0))


@dataclass(frozen=True)
class LipSync:
    """This speaker's mouth, learnt."""

    space: MouthSpace
    predictor: Predictor
    pool: Pool
    rate: FrameRate

    @classmethod
    def fit(cls, track: FaceTrack, source_sound: Audio, source_sound_start: float, rate: FrameRate) -> LipSync | None:
        """Learn from footage whose frames and sound share source time. None where there are too few faces."""
        end = source_sound_start + source_sound.seconds
        times = (track.frames + 0.5) / float(rate)
        usable = track.found & (times >= source_sound_start) & (times < end)
        if usable.sum() < LEAST:
            return None
        heard = FaceTrack(track.frames[usable], track.points[usable])
        space = MouthSpace.of(heard.points)
        predictor = Predictor.learn(space, space.shapes(heard.points), times[usable], source_sound, source_sound_start)
        return cls(space, predictor, Pool.of(track, space), rate)

    def plan(self, sound: Audio, sound_start: float, times: Floats, points: NDArray[np.float32],
             weights: Floats | None = None) -> LipPath:  # fmt: skip
        """For frames shown at `times` (the middle of each frame, seconds on the sound's clock).

        `points`: [n, 478, 3] of the base pictures, NaN without a face; `weights`: [n] see `ramps`.
        """
        shapes = self.predictor(sound, sound_start, times)
        return self.plan_shapes(shapes, points, np.ones(len(times)) if weights is None else weights)

    def plan_shapes(self, shapes: Floats, points: NDArray[np.float32], weights: Floats) -> LipPath:
        """As `plan`, for known shapes [n, k, 3]."""
        from scipy.ndimage import gaussian_filter1d

        pose = self.space.pose(points)
        rows = retrieve(self.pool, self.space.coordinates(shapes), pose.turn())
        target = (1 - BLEND) * self.pool.shapes[rows] + BLEND * shapes
        if len(target):
            target = gaussian_filter1d(target, SMOOTH, axis=0, mode="nearest")
        own = self.space.shapes(points)
        target = own + weights[:, None, None] * (target - own)
        return LipPath(pose.forward(target)[..., :2], np.asarray(points, np.float32), rows, weights, shapes)


def ramps(runs: list[tuple[int, int]], count: int, ramp: int = RAMP) -> Floats:
    """[count]: 1 inside the runs [start, end), rising and falling over `ramp` frames at their ends, 0 outside."""
    out = np.zeros(count)
    for start, end in runs:
        i = np.arange(max(0, start), min(count, end))
        near = np.minimum(i - start + 1, end - i) / (ramp + 1)
        x = near.clip(0, 1)
        out[i] = np.maximum(out[i], x * x * (3 - 2 * x))
    return out


class LipRenderer:
    """Draws a path's mouths; frames in ascending order. Exemplars are decoded in order, a few seconds at a time."""

    def __init__(self, sync: LipSync, path: LipPath, footage: Footage) -> None:
        self.sync, self.path, self.footage = sync, path, footage
        self._held: dict[int, Crop] = {}
        self._rows = path.rows.copy()
        self._until = 0

    def draw(self, i: int, base: Image) -> tuple[Image, NDArray[np.uint8]] | None:
        """The base picture of output frame i with its new mouth, and the mask; None where it keeps its own."""
        if not self.path.drawn[i]:
            return None
        if i >= self._until:
            self._load(i)
        crop = self._held[int(self._rows[i])]
        if not crop.image.size:
            return None
        return paste(base, self.path.points[i], self.path.wanted[i], crop, min(1.0, float(self.path.weights[i])))

    def _load(self, first: int) -> None:
        """Decode the exemplars from frame `first` on, as many as fit."""
        longest = max(1, round(CHUNK * float(self.sync.rate)))
        pool, wanted, size = self.sync.pool, set[int](), 0
        i = first
        while i < min(len(self._rows), first + longest):
            row = int(self._rows[i])
            if row not in wanted and self.path.drawn[i]:
                area = 3 * lower_box(pool.points[row]).area
                if wanted and size + area > HELD_BYTES:
                    break
                wanted.add(row)
                size += area
            i += 1
        self._until = i
        self._held = {row: crop for row, crop in self._held.items() if row in wanted}
        for row in sorted(wanted - set(self._held)):
            self._held[row] = Crop.of(self.footage.image(int(pool.frames[row])), pool.points[row])
        self._replace_blurred(first)

    def _replace_blurred(self, first: int) -> None:
        sharp = {row: sharpness(crop) for row, crop in self._held.items()}
        limit = SHARP * float(np.median(list(sharp.values())))
        good = np.array([row for row, value in sharp.items() if value >= max(limit, 0.0)])
        if not len(good):
            return
        for i in range(first, self._until):
            row = int(self._rows[i])
            if sharp.get(row, limit) < limit:
                near = np.square(self.sync.pool.at[good] - self.sync.pool.at[row]).sum(1)
                self._rows[i] = good[near.argmin()]


def sharpness(crop: Crop) -> float:
    """Variance of the lower face's Laplacian; negative where the picture does not show it."""
    import cv2

    if not crop.image.size:
        return -1.0
    return float(cv2.Laplacian(crop.image[..., 0], cv2.CV_32F).var())
