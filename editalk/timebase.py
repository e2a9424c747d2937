"""Rational time: the only place that rounds between seconds, frames, samples and latent frames."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


def nearest(value: Fraction) -> int:
    """The nearest integer, halves up (Python's `round` would send them to the even side and make steps uneven)."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


@dataclass(frozen=True)
class FrameRate:
    """Frames per second as an exact fraction: 24000/1001 stays that."""

    value: Fraction

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise ValueError(f"a frame rate is positive, not {self.value}")

    @classmethod
    def parse(cls, text: str) -> FrameRate:
        """Read "25", "30000/1001" or "29.97"."""
        return cls(Fraction(text))

    def __str__(self) -> str:
        return str(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def seconds(self, frame: int) -> Fraction:
        """The time at which a frame begins."""
        return frame / self.value

    def frames(self, seconds: float | Fraction) -> int:
        """The nearest whole number of frames."""
        return nearest(Fraction(seconds) * self.value)

    def frame_at(self, seconds: float | Fraction) -> int:
        """The frame that is on screen at a time."""
        return int(Fraction(seconds) * self.value // 1)

    def frames_to_cover(self, seconds: float | Fraction) -> int:
        """The least number of frames that last at least so long."""
        return -int(-Fraction(seconds) * self.value // 1)

    def sample(self, frame: int, sample_rate: int) -> int:
        """The sample at which a frame begins."""
        return nearest(frame * sample_rate / self.value)


def samples(seconds: float | Fraction, sample_rate: int) -> int:
    """The nearest sample to a time."""
    return nearest(Fraction(seconds) * sample_rate)


@dataclass(frozen=True, order=True)
class TimeRange:
    """A stretch of seconds, `end` exclusive."""

    start: float
    end: float

    def __post_init__(self) -> None:
        if not self.start <= self.end:
            raise ValueError(f"a time range does not end ({self.end}) before it starts ({self.start})")

    @property
    def duration(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, order=True)
class FrameRange:
    """A stretch of frames, `end` exclusive; whether of the source or of the timeline its holder says."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not self.start <= self.end:
            raise ValueError(f"a frame range does not end ({self.end}) before it starts ({self.start})")

    def __len__(self) -> int:
        return self.end - self.start

    def __contains__(self, frame: int) -> bool:
        return self.start <= frame < self.end

    def seconds(self, rate: FrameRate) -> TimeRange:
        return TimeRange(float(rate.seconds(self.start)), float(rate.seconds(self.end)))
