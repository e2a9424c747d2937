"""Does what is heard go with what is seen: kept footage to the frame, new lips as far as speech tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Audio, activity, resample
from editalk.backends.exemplar import prior
from editalk.backends.exemplar.hearing import Hearing
from editalk.backends.exemplar.phones import heard, said
from editalk.backends.exemplar.shape import APERTURE
from editalk.face import aperture, pearson
from editalk.plan import EditPlan, Origin
from editalk.quality.checks import Check, at_least, at_most
from editalk.timebase import FrameRange, FrameRate

Floats = NDArray[np.float64]

HEARD = 16000  # samples per second that the listener takes
HOP = 100  # values per second that it gives
BESIDE = 0.5  # seconds of sound on either side that it hears, too
LONGEST = 10.0  # seconds of lips that are judged at once
SHORTEST = 0.6  # seconds of lips below which nothing can be told
SPOKEN = 0.5  # share of a stretch in which somebody must speak
REACH = 0.3  # seconds of lag that are looked at on either side
STEP = 0.02  # seconds
LAG = 0.08  # seconds: two pictures at 25 a second
MARGIN = 0.05  # of r, over what the source itself leaves open
SURE = 98.0  # percentile of the source's stretches that may not fail
FEWEST = 6  # stretches of the source that tell what it does
BELOW = 0.2  # of r, under the worst of the source's own stretches
FOUND = 0.5  # of the frames of new lips in which a face must be found


def opening(sound: Audio) -> Floats:
    """[m] how far any mouth would open for a sound at 16 kHz, by ear alone, every 10 ms, in SDs of an opening."""
    hearing = Hearing(sound, 0.0)
    count = len(hearing.level)
    seen = prior.inputs(hearing.level, hearing.swell, heard(sound, count), said((), 0.0, count))
    return np.asarray(prior.load()(seen)[0][:, APERTURE], np.float64)


@dataclass(frozen=True)
class Seen:
    """Lips and what is heard with them: `aperture` [n] at `times` [n], NaN without a face; `wanted` [m] is what
    `opening` says, `spoken` [m] whether somebody speaks, of every 10 ms from second `start` on.
    """

    times: Floats
    aperture: Floats
    wanted: Floats
    spoken: NDArray[np.bool_]
    start: float

    def part(self, first: int, last: int) -> Seen:
        """Of the frames [first, last)."""
        return Seen(self.times[first:last], self.aperture[first:last], self.wanted, self.spoken, self.start)

    @property
    def speaks(self) -> bool:
        low, high = (round((t - self.start) * HOP) for t in (self.times[0], self.times[-1]))
        within = self.spoken[max(0, low) : max(0, high)]
        return bool(len(within)) and float(within.mean()) >= SPOKEN

    @property
    def spoken_part(self) -> Seen:
        """From the first frame at which somebody speaks to the last."""
        places = ((self.times - self.start) * HOP).astype(int).clip(0, max(0, len(self.spoken) - 1))
        speaking = np.flatnonzero(self.spoken[places]) if len(self.spoken) else np.zeros(0, int)
        return self.part(int(speaking[0]), int(speaking[-1]) + 1) if len(speaking) else self.part(0, 0)

    @property
    def fits(self) -> tuple[Floats, Floats]:
        """(lags [k] in seconds, r [k]): positive where the lips come late."""
        lags = np.arange(-round(REACH / STEP), round(REACH / STEP) + 1) * STEP
        clock = self.start + (np.arange(len(self.wanted)) + 0.5) / HOP
        return lags, np.array([pearson(self.aperture, np.interp(self.times - lag, clock, self.wanted)) for lag in lags])


@dataclass(frozen=True)
class Usual:
    """What stretches of some length do where the source itself speaks. `lag`: of all of it, seconds; `open`: by how
    much r at a wrong lag may exceed that at the right one; `least`: r below which nothing of the source's falls.
    """

    lag: float
    open: float
    least: float


@dataclass(frozen=True)
class OwnSpeech:
    """The source's own lips and sound, in stretches of footage."""

    parts: tuple[Seen, ...]
    _known: dict[int, Usual | None] = field(default_factory=dict, compare=False)

    @cached_property
    def lag(self) -> float:
        """The one at which all of it fits best, seconds; 0 without speech."""
        spoken = [p.spoken_part for p in self.parts]
        fits = [(len(p.times), *p.fits) for p in spoken if len(p.times) > 1 and p.speaks]
        if not fits:
            return 0.0
        weighed = np.sum([n * np.nan_to_num(r) for n, _, r in fits], axis=0)
        return float(fits[0][1][int(np.argmax(weighed))])

    def usual(self, frames: int) -> Usual | None:
        """Of stretches of so many frames, shorter ones where the source has too few; None where nothing tells."""
        if frames not in self._known:
            self._known[frames] = self._usual(frames)
        return self._known[frames]

    def _usual(self, frames: int) -> Usual | None:
        stretches = [
            stretch for part in self.parts for first in range(0, len(part.times) - frames + 1, max(1, frames // 4))
            if np.isfinite((stretch := part.part(first, first + frames)).aperture).mean() > 0.9 and stretch.speaks
        ]  # fmt: skip
        if len(stretches) < FEWEST:
            shorter = frames * 3 // 4
            rate = 1 / float(np.median(np.diff(self.parts[0].times))) if self.parts else 1.0
            return self._usual(shorter) if shorter >= SHORTEST * rate else None
        near = [judged(stretch, self.lag) for stretch in stretches]
        away = [max(0.0, j.elsewhere - j.r) for j in near]
        return Usual(self.lag, float(np.percentile(away, SURE)) + MARGIN,
                     float(np.percentile([j.r for j in near], 100 - SURE)) - BELOW)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """`r`: the best within 80 ms of the usual lag, `elsewhere`: the best at others."""

    r: float
    elsewhere: float
    lags: Floats
    fits: Floats

    def lag(self, usual: float, left_open: float) -> float:
        """The least lag, against the usual one, that explains the lips as well as any, seconds."""
        good = self.lags[self.fits >= np.nanmax(self.fits) - left_open] - usual
        return float(good[np.argmin(np.abs(good))]) if len(good) else float("nan")


def judged(seen: Seen, usual: float) -> Judged:
    """Of a stretch; `usual`: the source's own lag."""
    lags, fits = seen.fits
    near = np.abs(lags - usual) <= LAG + 1e-9
    return Judged(float(fits[near].max()), float(fits[~near].max()), lags, fits)


@dataclass(frozen=True)
class LipFit:
    """How new lips over timeline frames `span` go with the sound: the share of frames with a face, and, where somebody
    speaks and the source tells what is usual, r and the lag in seconds, the usual one taken off.
    """

    span: FrameRange
    found: float
    r: float = float("nan")
    lag: float = float("nan")
    usual: Usual | None = None

    def checks(self, rate: FrameRate) -> tuple[Check, ...]:
        where = self.span.seconds(rate)
        made = [at_least("sync", "frames of new lips with a face", where.start, where.end, self.found, FOUND, "share")]
        if self.usual is not None:
            lag = Check("sync", "new lips come after the sound", where.start, where.end, 1e3 * self.lag, 1e3 * LAG,
                        "ms", abs(self.lag) <= LAG + 1e-9)  # fmt: skip
            made += [lag, at_least("sync", "new lips follow the sound", where.start, where.end, self.r,
                                   self.usual.least, "r")]  # fmt: skip
        return tuple(made)


class LipWatch:
    """Watches the new lips of the timeline and listens to its sound; call `see` with the faces of all frames that are
    `wanted`, and `hear` with the sound in chunks from the timeline's beginning, or from sample `at` on.
    """

    def __init__(self, plan: EditPlan, own: OwnSpeech, at: int = 0) -> None:
        self._rate, self._heard_at, self._own, self._at = plan.source.rate, plan.source.sample_rate, own, at
        self._spans = [s for w in plan.windows for lips in w.lips for s in _split(lips, self._rate)]
        self._apertures = [np.full(len(s), np.nan) for s in self._spans]
        self._sounds: list[tuple[Floats, NDArray[np.bool_], float]] = []
        self._held: list[NDArray[np.float32]] = []
        self._held_from = at

    def wanted(self, frame: int) -> bool:
        return any(frame in span for span in self._spans)

    def see(self, frame: int, points: NDArray[np.float32] | None) -> None:
        """[478, 3] of the face in what is written; None where no face is found."""
        for span, openings in zip(self._spans, self._apertures, strict=True):
            if frame in span and points is not None:
                openings[frame - span.start] = aperture(points[None])[0]

    def hear(self, chunk: Audio) -> None:
        self._held.append(chunk.mono())
        self._at += len(chunk.samples)
        while (place := self._next()) is not None and place[1] <= self._at:
            self._listen(*place)
        place = self._next()
        while self._held and (place is None or self._held_from + len(self._held[0]) <= place[0]):
            self._held_from += len(self._held.pop(0))

    def fits(self) -> tuple[LipFit, ...]:
        """How all new lips follow the sound, once all is seen and heard."""
        while (place := self._next()) is not None:
            self._listen(*place)
        return tuple(self._fit(k) for k in range(len(self._spans)))

    def _next(self) -> tuple[int, int] | None:
        """Samples of the next stretch to listen to."""
        if len(self._sounds) == len(self._spans):
            return None
        span, beside = self._spans[len(self._sounds)], round((BESIDE + REACH) * self._heard_at)
        start, end = (self._rate.sample(f, self._heard_at) for f in (span.start, span.end))
        return start - beside, end + beside

    def _listen(self, start: int, end: int) -> None:
        wave = np.concatenate(self._held or [np.zeros(0, np.float32)])
        first = max(start, self._held_from)
        part = wave[first - self._held_from : max(0, end - self._held_from)]
        sound = resample(Audio(part[:, None], self._heard_at), HEARD)
        self._sounds.append((*_heard(sound), first / self._heard_at))

    def _fit(self, k: int) -> LipFit:
        span, openings = self._spans[k], self._apertures[k]
        wanted, spoken, start = self._sounds[k]
        times = (np.arange(span.start, span.end) + 0.5) / float(self._rate)
        seen = Seen(times, openings, wanted, spoken, start).spoken_part
        found = float(np.isfinite(openings).mean())
        if found < FOUND or len(seen.times) < SHORTEST * float(self._rate) or not seen.speaks:
            return LipFit(span, found)
        usual = self._own.usual(len(seen.times))
        if usual is None:
            return LipFit(span, found)
        made = judged(seen, usual.lag)
        return LipFit(span, found, made.r, made.lag(usual.lag, usual.open), usual)


def _heard(sound: Audio) -> tuple[Floats, NDArray[np.bool_]]:
    if len(sound.samples) < HEARD // 10:
        return np.zeros(0), np.zeros(0, bool)
    return opening(sound), activity(sound.mono(), sound.rate)


def own_part(times: Floats, points: NDArray[np.float32], sound: Audio, start: float) -> Seen:
    """A stretch of footage: faces [n, 478, 3], NaN without one, shown at `times`, and its sound from second `start` on.
    """
    return Seen(times, aperture(points), *_heard(sound), start)


def _split(lips: FrameRange, rate: FrameRate) -> Sequence[FrameRange]:
    count = max(1, -(-len(lips) // max(1, rate.frames(LONGEST))))
    edges = [lips.start + len(lips) * k // count for k in range(count + 1)]
    return [FrameRange(a, b) for a, b in zip(edges, edges[1:], strict=False) if a < b]


class KeptWatch:
    """Watches which source frame every written frame is, and how much sound there is."""

    def __init__(self, plan: EditPlan) -> None:
        self._rate, self._at = plan.source.rate, plan.source.sample_rate
        self._pieces: list[Any] = [p for p in plan.sound if p.origin is Origin.SOURCE
                                   and p.samples == p.source_samples and p.samples]  # fmt: skip
        self._worst = [0.0] * len(self._pieces)
        self._k = 0
        self._frames = self._samples = 0

    def see(self, frame: int, source: int | None) -> None:
        """In the order of the timeline or near it: what is copied comes in reading order.

        Sound is cut to the sample, so while a frame shows two sounds may be heard: it belongs to the one that it fits.
        """
        self._frames += 1
        if source is None:
            return
        now, then = (self._rate.sample(k, self._at) for k in (frame, frame + 1))
        while self._k > 0 and now < self._pieces[self._k - 1].end:
            self._k -= 1
        while self._k < len(self._pieces) and now >= self._pieces[self._k].end:
            self._k += 1
        heard = [*takewhile(lambda p: p.start < then, self._pieces[self._k :])]
        if sum(min(then, p.end) - max(now, p.start) for p in heard) < then - now:
            return  # it may belong to another sound
        shown = float(self._rate.seconds(source))
        apart, k = min((abs(shown - (now - p.start + p.offset) / self._at), self._k + j) for j, p in enumerate(heard))
        self._worst[k] = max(self._worst[k], apart)

    def hear(self, chunk: Audio) -> None:
        self._samples += len(chunk.samples)

    def checks(self) -> tuple[Check, ...]:
        """The worst of all kept stretches and all that fail, and the end of both streams."""
        limit = 1e3 * (float(self._rate.seconds(1)) + 1 / self._at)  # to the sample
        end = self._samples / self._at
        apart = 1e3 * abs(end - float(self._rate.seconds(self._frames)))
        made = [at_most("sync", "picture and sound end together", 0.0, end, apart, limit, "ms")]
        kept = [at_most("sync", "kept words", p.start / self._at, p.end / self._at, 1e3 * worst, limit, "ms")
                for p, worst in zip(self._pieces, self._worst, strict=True)]  # fmt: skip
        worst = max(kept, key=lambda check: check.figure, default=None)
        return (*made, *(c for c in kept if c is worst or not c.passed))
