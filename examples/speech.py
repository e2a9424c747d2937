"""The example's voice: espeak-ng from the wheel `espeakng-loader`, and when each of its phones is heard."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

VOICE, WORDS_PER_MINUTE, PITCH = "en-us+f5", 170, 42  # of espeak's voices one that PocketSphinx understands well
PAUSE, LEAD, TAIL = 0.42, 0.4, 0.5  # seconds between sentences, before the first, after the last
ROOM_TONE = 6e-4  # RMS of full scale: quiet, and never digital silence

_SYNCHRONOUS, _PHONE_EVENTS, _END, _PHONE, _UTF8 = 2, 1, 0, 7, 1  # of speak_lib.h
_RATE, _PITCH, _RANGE = 1, 3, 4


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Phone:
    """`symbol` in espeak's own alphabet without stress marks, "_" for silence; seconds, `end` exclusive."""

    symbol: str
    start: float
    end: float


@dataclass(frozen=True)
class Spoken:
    """`samples`: [n] float32 in -1…1 at `rate`; `phones` in order."""

    samples: NDArray[np.float32]
    rate: int
    phones: tuple[Phone, ...]

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


class Speaker:
    """espeak-ng; one a process, since the library keeps its state to itself."""

    def __init__(self, voice: str = VOICE) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONE_EVENTS))
        if self.rate <= 0 or self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"espeak-ng cannot speak with {voice}")
        for parameter, value in ((_RATE, WORDS_PER_MINUTE), (_PITCH, PITCH), (_RANGE, 45)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._blocks: list[NDArray[np.int16]] = []
        self._events: list[tuple[int, str]] = []
        self._callback = _Callback(self._take)  # kept: the library holds only a pointer
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples, count, events):  # type: ignore[no-untyped-def]
        if samples and count:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while events[i].type != _END:
            if events[i].type == _PHONE:
                self._events.append((events[i].sample, events[i].id.string.decode()))
            i += 1
        return 0

    def say(self, text: str) -> Spoken:
        """One sentence without the silence around it."""
        self._blocks.clear()
        self._events.clear()
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        samples = np.concatenate(self._blocks).astype(np.float32) / 32768
        loud = np.flatnonzero(np.abs(samples) > 0.004)
        first, last = int(loud[0]), int(loud[-1]) + 1
        phones = []
        ends = [at for at, _ in self._events[1:]] + [len(samples)]
        for (start, symbol), end in zip(self._events, ends, strict=True):
            start, end = max(start, first) - first, min(end, last) - first
            if end > start:
                bare = symbol.strip("',#:2") or "_"
                phones.append(Phone("_" if bare.startswith("_") else bare, start / self.rate, end / self.rate))
        return Spoken(samples[first:last], self.rate, tuple(phones))


def in_a_row(sentences: list[Spoken], pauses: list[float], lead: float, tail: float, seed: int) -> Spoken:
    """Sentences with `pauses` (seconds) between them, in one room."""
    rate, at, phones = sentences[0].rate, lead, []
    total = lead + sum(s.seconds for s in sentences) + sum(pauses[: len(sentences) - 1]) + tail
    samples = room_tone(round(total * rate), seed)
    for i, spoken in enumerate(sentences):
        start = round(at * rate)
        samples[start : start + len(spoken.samples)] += 0.6 * faded(spoken.samples, rate)
        phones += [replace(p, start=p.start + at, end=p.end + at) for p in spoken.phones]
        at += spoken.seconds + (pauses[i] if i < len(sentences) - 1 else 0)
    return Spoken(samples, rate, tuple(phones))


def faded(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """The same with 4 ms ramps: the voice was cut at a threshold."""
    n = rate // 250
    ramp = np.ones(len(samples), np.float32)
    ramp[:n] = np.linspace(0, 1, n)
    ramp[-n:] = np.linspace(1, 0, n)
    return samples * ramp


def room_tone(count: int, seed: int) -> NDArray[np.float32]:
    """[count] of noise with the falling spectrum of a quiet room."""
    white = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    shaped = np.fft.irfft(white / np.sqrt(np.arange(len(white)) + 40.0), count)
    return np.asarray(shaped * ROOM_TONE / shaped.std(), np.float32)
