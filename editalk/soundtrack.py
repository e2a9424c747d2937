"""The sound of the edited timeline: its pieces read from their origins, joined, on room tone; in constant memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from editalk.audio import (
    Audio,
    RoomTone,
    Samples,
    SoundReader,
    fade_weights,
    find_room_tone,
    fit_channels,
    resample,
    rms_db,
    soft_limit,
    stretch,
)
from editalk.plan.types import EditPlan, Origin, SoundPiece
from editalk.timebase import TimeRange, nearest, samples

CLEANER_DB = 10.0  # a voice whose floor is that far below the take's room tone gets the tone under it
FLOOR_SECONDS = 60  # of a voice that its floor is found from
EDGE = 0.01  # seconds over which a voice file that ends early is faded into the room tone
BLOCK = 1 << 20  # samples of a time-stretched piece that are held at once


@dataclass(frozen=True)
class _Atom:
    """Timeline samples [start, end): of piece `into` alone, or on the way to it from the piece before."""

    start: int
    end: int
    into: int
    fading: bool


class Soundtrack:
    """The sound of an `EditPlan`. `source` and `voices` are at the plan's sample rate; `speech` says where the source
    speaks, in its seconds: the room tone is taken from elsewhere.
    """

    def __init__(
        self, plan: EditPlan, source: SoundReader, voices: Sequence[SoundReader], speech: Sequence[TimeRange]
    ) -> None:
        self._track = _Track(plan.sound, source, voices, speech=speech)

    @classmethod
    def along(cls, plan: EditPlan, track: SoundReader, speech: Sequence[TimeRange]) -> Soundtrack:
        """A further track of the source, at a rate of its own, cut along: the same stretches and crossfades, its own
        room tone where the plan's sound is new.
        """
        pieces = _at_rate(plan.sound, plan.source.sample_rate, track.rate)
        return cls(replace(plan, sound=pieces), track, (), speech)

    @property
    def samples(self) -> int:
        return self._track.samples

    @property
    def tone(self) -> RoomTone:
        return self._track.tone

    def read(self, start: int, stop: int) -> Audio:
        """Timeline samples [start, stop) as [stop - start, channels]; zeros beyond the timeline's ends."""
        return self._track.read(start, stop)

    def mono(self, start: float, end: float, rate: int) -> Audio:
        """[n, 1]: the mean of the channels over timeline seconds [start, end) at another sample rate."""
        own = self._track.rate
        heard = self.read(samples(start, own), samples(end, own))
        length = samples(end, rate) - samples(start, rate)
        made = resample(Audio(heard.mono()[:, None], own), rate).samples
        out = np.zeros((length, 1), np.float32)
        out[: len(made)] = made[:length]
        return Audio(out, rate)

    def chunks(self, seconds: float = 1.0) -> Iterator[Audio]:
        """The whole timeline in order, so many seconds at a time."""
        step = max(1, samples(seconds, self._track.rate))
        for start in range(0, self.samples, step):
            yield self.read(start, min(self.samples, start + step))


def assemble(
    pieces: Sequence[SoundPiece], source: SoundReader, voices: Sequence[SoundReader], tone: RoomTone,
    seconds: float = 1.0,
) -> Iterator[Audio]:  # fmt: skip
    """The sound of pieces that tile [0, n), in chunks of `seconds` that tile it too."""
    track = _Track(pieces, source, voices, tone)
    step = max(1, samples(seconds, track.rate))
    for start in range(0, track.samples, step):
        yield track.read(start, min(track.samples, start + step))


class _Track:
    def __init__(
        self, pieces: Sequence[SoundPiece], source: SoundReader, voices: Sequence[SoundReader],
        tone: RoomTone | None = None, speech: Sequence[TimeRange] = (),
    ) -> None:  # fmt: skip
        self.pieces, self.source, self.voices = _with_fades(pieces), source, tuple(voices)
        self.given, self.speech = tone, speech
        self.rate, self.channels = source.rate, source.channels
        self.samples = self.pieces[-1].end if self.pieces else 0
        self.atoms = _atoms(self.pieces)
        self.starts = [a.start for a in self.atoms]
        self.floors: dict[int, float] = {}
        self.stretched: tuple[tuple[int, int], Samples] | None = None

    @cached_property
    def tone(self) -> RoomTone:
        if self.given is not None:
            return self.given
        if self._in_its_room or not self.voices:
            return find_room_tone(self.source.read, self.source.samples, self.rate, self.speech)
        return find_room_tone(self.voices[0].read, self.voices[0].samples, self.rate, ())  # a new take: its own room

    @property
    def _in_its_room(self) -> bool:
        """Whether the source is heard, if only its room tone: a new take that is voices alone brings its own room."""
        return any(p.origin is not Origin.VOICE for p in self.pieces)

    def read(self, start: int, stop: int) -> Audio:
        out = np.zeros((max(0, stop - start), self.channels), np.float32)
        k = max(0, bisect_right(self.starts, start) - 1)
        while k < len(self.atoms) and self.atoms[k].start < stop:
            atom = self.atoms[k]
            low, high = max(start, atom.start), min(stop, atom.end)
            if low < high:
                out[low - start : high - start] = self._atom(atom, low, high)
            k += 1
        return Audio(out, self.rate)

    def _atom(self, atom: _Atom, low: int, high: int) -> Samples:
        if not atom.fading:
            return self._origin(atom.into, low, high)
        left = self._origin(atom.into - 1, atom.start, atom.end)
        right = self._origin(atom.into, atom.start, atom.end)
        down, up = fade_weights(left, right)
        mixed = np.clip(left * down + right * up, -1, 1)
        return np.asarray(mixed[low - atom.start : high - atom.start], np.float32)

    def _origin(self, index: int, low: int, high: int) -> Samples:
        """Timeline samples [low, high) of a piece, beyond its edges what its origin goes on with."""
        piece = self.pieces[index]
        if piece.origin is Origin.ROOM_TONE:
            return fit_channels(self.tone.make(high - low, start=low).samples, self.channels)
        if piece.origin is Origin.VOICE:
            return self._voice(piece, low, high)
        return self._gained(self._plain(piece, self.source, low, high), piece.gain_db)

    def _plain(self, piece: SoundPiece, reader: SoundReader, low: int, high: int) -> Samples:
        if piece.samples == piece.source_samples:
            at = piece.offset - piece.start
            return self._held(reader, low + at, high + at)
        parts = []
        if low < piece.start:
            at = piece.offset - piece.start
            parts.append(self._held(reader, low + at, min(high, piece.start) + at))
        inner = max(low, piece.start), min(high, piece.end)
        if inner[0] < inner[1]:
            parts += self._blocks(piece, reader, *inner)
        if high > piece.end:
            at = piece.offset + piece.source_samples - piece.end
            parts.append(self._held(reader, max(low, piece.end) + at, high + at))
        return np.concatenate(parts)

    def _blocks(self, piece: SoundPiece, reader: SoundReader, low: int, high: int) -> list[Samples]:
        """Of a stretched piece, block after block: a block begins and ends with the sound's own samples."""
        count = -(-max(piece.samples, piece.source_samples) // BLOCK)
        to = [piece.samples * k // count for k in range(count + 1)]
        of = [piece.source_samples * k // count for k in range(count + 1)]
        parts = []
        for k in range(count):
            a, b = max(low, piece.start + to[k]), min(high, piece.start + to[k + 1])
            if a < b:
                key = (piece.start, k)
                if self.stretched is None or self.stretched[0] != key:
                    given = self._held(reader, piece.offset + of[k], piece.offset + of[k + 1])
                    self.stretched = key, stretch(Audio(given, self.rate), to[k + 1] - to[k]).samples
                parts.append(self.stretched[1][a - piece.start - to[k] : b - piece.start - to[k]])
        return parts

    def _voice(self, piece: SoundPiece, low: int, high: int) -> Samples:
        assert piece.voice is not None
        reader = self.voices[piece.voice]
        said = soft_limit(self._gained(self._plain(piece, reader, low, high), piece.gain_db))
        outside = self._outside(piece, reader, low, high)
        clean = self._clean(piece.voice, piece.gain_db)
        if outside is None and not clean:
            return said
        tone = fit_channels(self.tone.make(high - low, start=low).samples, self.channels)
        if outside is None:
            return soft_limit(said + tone)
        # the file has ended: on into the room tone
        under = tone if clean else tone * np.sqrt(outside)
        return soft_limit(np.asarray(said * np.sqrt(1 - outside) + under, np.float32))

    def _outside(self, piece: SoundPiece, reader: SoundReader, low: int, high: int) -> Samples | None:
        """[n, 1] 0 inside a voice file, 1 beyond its ends, a ramp within them; None where all is inside."""
        edge = max(1, round(EDGE * self.rate))
        ratio = piece.source_samples / max(1, piece.samples)
        at = piece.offset + (np.arange(low, high) - piece.start + 0.5) * ratio
        room = np.minimum(at, reader.samples - at)
        if not len(room) or room.min() >= edge or self._fills(piece, reader):
            return None
        return np.asarray(1 - np.clip(room / edge, 0, 1), np.float32)[:, None]

    def _fills(self, piece: SoundPiece, reader: SoundReader) -> bool:
        """Whether a new take stands here from end to end: then its own edges are the timeline's."""
        return piece.offset == 0 and piece.source_samples == reader.samples and len(self.pieces) == 1

    def _clean(self, voice: int, gain: float) -> bool:
        """Whether a voice is much quieter between its words than the take that it stands in."""
        if not self._in_its_room:
            return False
        if voice not in self.floors:
            reader = self.voices[voice]
            heard = reader.read(0, min(reader.samples, FLOOR_SECONDS * self.rate)).mono()
            level = rms_db(heard, self.rate, 0.01)
            self.floors[voice] = float(np.percentile(level, 5)) if len(level) else -180.0
        return self.floors[voice] + gain < self.tone.level - CLEANER_DB

    def _held(self, reader: SoundReader, low: int, high: int) -> Samples:
        """[high - low, channels] of a file, zeros where it has nothing."""
        a, b = max(0, low), min(reader.samples, high)
        if a == low and b == high:
            return fit_channels(reader.read(a, b).samples, self.channels)
        out = np.zeros((high - low, self.channels), np.float32)
        if a < b:
            out[a - low : b - low] = fit_channels(reader.read(a, b).samples, self.channels)
        return out

    @staticmethod
    def _gained(sound: Samples, gain_db: float) -> Samples:
        return sound if gain_db == 0 else np.asarray(sound * np.float32(10 ** (gain_db / 20)), np.float32)


def _at_rate(pieces: Sequence[SoundPiece], given: int, rate: int) -> tuple[SoundPiece, ...]:
    """Pieces at another sample rate, new sound as room tone. Each edge is within half a sample of its place."""

    def at(sample: int) -> int:
        return nearest(Fraction(sample * rate, given))

    made = []
    for piece in pieces:
        start, offset = at(piece.start), at(piece.offset)
        length = at(piece.end) - start
        stretched = at(piece.offset + piece.source_samples) - offset
        if piece.origin is not Origin.SOURCE:
            piece = replace(piece, origin=Origin.ROOM_TONE, offset=0, voice=None, gain_db=0.0)
            offset, stretched = 0, length
        elif piece.samples == piece.source_samples:
            stretched = length
        made.append(replace(piece, start=start, samples=length, offset=offset, source_samples=stretched,
                            fade=at(piece.fade)))  # fmt: skip
    return tuple(made)


def _with_fades(pieces: Sequence[SoundPiece]) -> tuple[SoundPiece, ...]:
    """Pieces without empty ones, with no fade where the sound goes on and none longer than the pieces it joins."""
    made: list[SoundPiece] = []
    for piece in pieces:
        if piece.samples <= 0:
            continue
        last = made[-1] if made else None
        fade = 0 if last is None or _goes_on(last, piece) else min(piece.fade, last.samples, piece.samples)
        made.append(replace(piece, fade=fade))
    return tuple(made)


def _goes_on(a: SoundPiece, b: SoundPiece) -> bool:
    if (a.origin, a.voice, a.gain_db) != (b.origin, b.voice, b.gain_db):
        return False
    return a.origin is Origin.ROOM_TONE or a.offset + a.source_samples == b.offset


def _atoms(pieces: Sequence[SoundPiece]) -> list[_Atom]:
    """Stretches that tile the timeline: every crossfade, and what lies between them. A crossfade of n samples at t
    fills [t - n // 2, t + n - n // 2).
    """
    atoms, at = [], 0
    for k, piece in enumerate(pieces):
        if piece.fade:
            begin = max(at, piece.start - piece.fade // 2)
            atoms.append(_Atom(at, begin, k - 1, False))
            at = piece.start + piece.fade - piece.fade // 2
            atoms.append(_Atom(begin, at, k, True))
        elif k:
            atoms.append(_Atom(at, piece.start, k - 1, False))
            at = piece.start
    if pieces:
        atoms.append(_Atom(at, pieces[-1].end, len(pieces) - 1, False))
    return [a for a in atoms if a.start < a.end]
