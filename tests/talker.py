"""A made-up face whose mouth opens with a made-up voice: landmarks, pictures, sound."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Audio
from editalk.backends.base import Area
from editalk.backends.exemplar.lips import LipSync
from editalk.backends.exemplar.shape import MOVING
from editalk.face import FaceTrack
from editalk.face.geometry import JAW, LIPS_INNER, LIPS_OUTER
from editalk.timebase import FrameRate

RATE = FrameRate(Fraction(25))
SOUND_RATE = 16000
SIZE = (300, 260)
Floats = NDArray[np.float64]


def face() -> Floats:
    """[478, 3]: landmarks at plausible places, 60 pixels between the eyes, the middle of the mouth at (130, 190)."""
    rng = np.random.default_rng(3)
    points = np.stack([130 + rng.uniform(-70, 70, 478), rng.uniform(50, 170, 478), rng.uniform(-10, 10, 478)], 1)
    points[[33, 133], :2], points[[263, 362], :2] = [(88, 110), (112, 110)], [(172, 110), (148, 110)]
    points[10, :2], points[[1, 2, 4], :2] = (130, 40), (130, 160)
    for ring, wide, high in ((LIPS_OUTER, 28, 11), (LIPS_INNER, 20, 2)):
        angle = np.pi - np.arange(20) / 20 * 2 * np.pi
        points[list(ring), :2] = np.stack([130 + wide * np.cos(angle), 190 + high * np.sin(angle)], 1)
    angle = np.linspace(np.pi * 0.95, np.pi * 0.05, len(JAW))
    points[list(JAW), :2] = np.stack([130 + 68 * np.cos(angle), 180 + 62 * np.sin(angle)], 1)
    points[[207, 427], :2] = (95, 175), (165, 175)
    points[[98, 327], :2] = (115, 162), (145, 162)
    return np.asarray(points, np.float64)


def talking(opening: Floats, sway: float = 4.0) -> NDArray[np.float32]:
    """[n, 478, 3]: the face swaying, its lower lip and jaw down by `opening` pixels."""
    points = np.repeat(face()[None], len(opening), 0)
    low = np.array([points[0, i, 1] > 190 for i in MOVING])
    rows = np.array(MOVING)[low]
    points[:, rows, 1] += opening[:, None] * (1 - 0.4 * (points[:, rows, 1] > 215))
    points[..., 0] += sway * np.sin(np.arange(len(opening)) / 9)[:, None]
    return points.astype(np.float32)


def voice(seconds: float, seed: int = 0) -> tuple[Audio, Floats]:
    """Noise in syllables and how loud it is at each frame, with a second's pause in the middle."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SOUND_RATE)
    knots = rng.uniform(0.05, 1, int(seconds * 5) + 2)
    t = np.arange(n) / SOUND_RATE
    loud = np.interp(t * 5, np.arange(len(knots)), knots)
    loud[(t > seconds / 2 - 0.5) & (t < seconds / 2 + 0.5)] = 0.0
    wave = (0.2 * loud * rng.standard_normal(n) + 1e-5 * rng.standard_normal(n)).astype(np.float32)
    frames = (np.arange(int(seconds * 25)) + 0.5) / 25
    return Audio(wave[:, None], SOUND_RATE), np.interp(frames, t, loud)


def learnt(seconds: float = 8.0) -> tuple[LipSync, FaceTrack, Audio]:
    sound, loud = voice(seconds)
    track = FaceTrack(np.arange(len(loud)), talking(14 * loud))
    sync = LipSync.fit(track, sound, 0.0, RATE)
    assert sync is not None
    return sync, track, sound


def picture(points: NDArray[np.float32], light: float = 0.0) -> NDArray[np.uint8]:
    """Skin with texture, red lips, a dark mouth."""
    import cv2

    rng = np.random.default_rng(5)
    noise = cv2.GaussianBlur(rng.normal(0, 20, (*SIZE, 3)).astype(np.float32), (0, 0), 1.2)
    image = np.clip(np.array([150 + light, 120, 140]) + noise, 0, 255).astype(np.uint8)
    for ring, colour in ((LIPS_OUTER, (110, 115, 175)), (LIPS_INNER, (30, 128, 130))):
        polygon = np.round(points[list(ring), :2] * 16).astype(np.int32)
        cv2.fillPoly(image, [polygon], colour, cv2.LINE_AA, 4)
    return image


class Pictures:
    """Footage drawn on demand."""

    rate = RATE

    def __init__(self, track: FaceTrack) -> None:
        self.track, self.frames, self.asked = track, len(track.frames), list[int]()

    def image(self, frame: int, within: Area | None = None) -> NDArray[np.uint8]:
        self.asked.append(frame)
        return picture(self.track.points[frame])
