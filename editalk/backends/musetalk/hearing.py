"""The sound of a window → what MuseTalk hears around each of its frames."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from editalk.audio import Audio
from editalk.backends.musetalk.network import RATE, SEGMENT, SOUND_RATE, Networks
from editalk.timebase import FrameRate, nearest, samples

AROUND = 10  # features of 20 ms that a frame is given: two frames of 25 a second on either side and its own
REMEMBERED = 2  # segments


class Hearing:
    """Whisper's features of a mono sound that begins at second `start`, 30 s at a time.

    Their 20 ms grid is laid so that frame `first` begins on it. Then a window of 25 frames a second is given what the
    authors' inference gives it, and what is drawn does not depend on where on the timeline the window lies.
    """

    def __init__(self, networks: Networks, sound: Audio, start: float, rate: FrameRate, first: int) -> None:
        self.networks, self.rate, self.first = networks, rate, first
        lead = rate.seconds(first) - Fraction(start)
        self.before = int(lead * RATE // 1)  # features before the first frame begins
        skipped = samples(lead - Fraction(self.before, RATE), SOUND_RATE)
        self.samples = sound.mono()[skipped:]
        self.length = len(self.samples) * RATE // SOUND_RATE
        self._segments: OrderedDict[int, Tensor] = OrderedDict()

    def around(self, frames: Sequence[int]) -> Tensor:
        """[n, 10 · levels, width]: the features around the middle of each frame, to the nearest 20 ms; zero beyond the
        sound. The network has learnt from features as they are: what lies between two of them it has never heard.
        """
        starts = [self.place(frame) - AROUND // 2 for frame in frames]
        rows = torch.stack([self._feature(start + k) for start in starts for k in range(AROUND)])
        return rows.reshape(len(frames), AROUND * self.networks.levels, self.networks.width)

    def place(self, frame: int) -> int:
        """The point of the grid next to the middle of a frame."""
        middle = self.rate.seconds(frame - self.first) + 1 / (2 * self.rate.value)
        return self.before + nearest(middle * RATE)

    def _feature(self, at: int) -> Tensor:
        if not 0 <= at < self.length:
            unet = self.networks.unet
            return torch.zeros(self.networks.levels, self.networks.width, device=unet.device, dtype=unet.dtype)
        return self._segment(at // (SEGMENT * RATE))[at % (SEGMENT * RATE)]

    def _segment(self, number: int) -> Tensor:
        if number not in self._segments:
            part = self.samples[number * SEGMENT * SOUND_RATE : (number + 1) * SEGMENT * SOUND_RATE]
            self._segments[number] = self.networks.heard(np.ascontiguousarray(part, np.float32))
            while len(self._segments) > REMEMBERED:
                self._segments.popitem(last=False)
        return self._segments[number]
