"""Lips for a sound: learn this mouth, then its shapes for what is heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.asr import Phone
from editalk.audio import Audio
from editalk.backends.exemplar.path import LipPath, plan_path
from editalk.backends.exemplar.predict import Predictor
from editalk.backends.exemplar.retrieve import Pool
from editalk.backends.exemplar.shape import MouthSpace
from editalk.face import FaceTrack
from editalk.timebase import FrameRate

Floats = NDArray[np.float64]

LEAST = 25  # frames with a face to learn from


@dataclass(frozen=True)
class LipSync:
    """This speaker's mouth, learnt."""

    space: MouthSpace
    predictor: Predictor
    pool: Pool
    rate: FrameRate

    @classmethod
    def fit(cls, track: FaceTrack, source_sound: Audio, source_sound_start: float, rate: FrameRate,
            source_phones: Sequence[Phone] = ()) -> LipSync | None:  # fmt: skip
        """Learn from footage whose frames, sound and phones, where known, share source time.

        None where there are too few faces.
        """
        end = source_sound_start + source_sound.seconds
        times = (track.frames + 0.5) / float(rate)
        usable = track.found & (times >= source_sound_start) & (times < end)
        if usable.sum() < LEAST:
            return None
        heard = FaceTrack(track.frames[usable], track.points[usable])
        space = MouthSpace.of(heard.points)
        predictor = Predictor.learn(
            space, space.shapes(heard.points), times[usable], source_sound, source_sound_start, source_phones
        )
        return cls(space, predictor, Pool.of(track, space), rate)

    def plan(self, sound: Audio, sound_start: float, times: Floats, points: NDArray[np.float32],
             weights: Floats | None = None, phones: Sequence[Phone] = ()) -> LipPath:  # fmt: skip
        """For frames shown at `times` (the middle of each frame, seconds on the sound's clock).

        `points`: [n, 478, 3] of the base pictures, NaN without a face; `weights`: [n] see `ramps`; `phones`: what
        is said, on the sound's clock, where it is known.
        """
        shapes = self.predictor(sound, sound_start, times, phones)
        weights = np.ones(len(times)) if weights is None else weights
        return plan_path(self.space, self.pool, shapes, points, weights)
