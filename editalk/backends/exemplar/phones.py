"""Phones as lips show them: what the acoustic model hears, and what is known of a wording."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from editalk.asr import Phone
from editalk.audio import Audio
from editalk.voice.acoustic import RATE, STATES, phone_model, score

Floats = NDArray[np.float64]

VISEMES = (
    ("SIL",), ("P", "B", "M"), ("F", "V"), ("TH", "DH"), ("T", "D", "N"), ("S", "Z"), ("SH", "ZH", "CH", "JH"),
    ("K", "G", "NG", "HH"), ("L",), ("R", "ER"), ("W",), ("Y", "IY"), ("IH",), ("UW", "UH"), ("OW", "OY"), ("AO",),
    ("AA", "AY", "AW"), ("AE", "EH"), ("EY",), ("AH",),
)  # fmt: skip  # phones that look alike; silence first
CLASS = {phone: k for k, phones in enumerate(VISEMES) for phone in phones}
STEPS = 100  # per second
SHARPNESS = 0.02  # of a cost, which is in tenths of a nat: frames of speech are no independent witnesses
SMOOTH = 1.0  # steps
BEHIND, NEAR = 0.015, 0.06  # seconds that a closure lies behind its phone's middle; how far from there it may lie
SHORTEST, LONGEST, ONSET = 0.01, 0.03, 0.04  # seconds: half of a closure at least and at most, how fast it comes
LEAST = RATE // 25  # samples that the recogniser needs
BEYOND = 500.0  # cost of speech where there is no sound


@lru_cache(maxsize=1)
def _senones() -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """The senones ordered by phone, where each phone's begin, and which class each phone is of [phones, classes]."""
    model = phone_model()
    keys = np.array([(phone, row) for (phone, *_), row in model.triphones.items()])
    pairs = np.unique(np.stack([np.repeat(keys[:, 0], STATES), model.senones[keys[:, 1]].reshape(-1)], 1), axis=0)
    alone = np.array(model.alone)
    own = np.stack([np.repeat(np.arange(len(alone)), STATES), model.senones[alone].reshape(-1)], 1)
    pairs = np.unique(np.concatenate([pairs, own]), axis=0)
    known = np.array([not model.names[phone].startswith("+") for phone in pairs[:, 0]])
    pairs = pairs[known]
    phones, first = np.unique(pairs[:, 0], return_index=True)
    classes = np.zeros((len(phones), len(VISEMES)))
    classes[np.arange(len(phones)), [CLASS[model.names[p]] for p in phones]] = 1
    return pairs[:, 1], first, classes


def phone_costs(sound: Audio, count: int) -> Floats:
    """[count, phones] what each phone costs, in tenths of a nat, in every 10 ms of a sound at 16 kHz.

    Of all its states in all contexts the cheapest counts. Beyond the sound everything but silence is dear.
    """
    assert sound.rate == RATE
    costs = score(sound.mono())[:count] if len(sound.samples) >= LEAST else np.zeros((0, 0), np.float32)
    order, first, classes = _senones()
    out = np.where(classes[:, 0] > 0, 0.0, BEYOND) * np.ones((count, 1))
    if len(costs):
        out[: len(costs)] = np.minimum.reduceat(costs[:, order], first, axis=1)
    return out


def likely(costs: Floats, sharpness: float = SHARPNESS) -> Floats:
    """`phone_costs` → [count, classes]: how likely each class is, smoothed; rows sum to 1."""
    from scipy.ndimage import gaussian_filter1d

    shares = np.exp(sharpness * (costs.min(1, keepdims=True) - costs))
    return np.asarray(gaussian_filter1d(shares @ _senones()[2] / shares.sum(1, keepdims=True), SMOOTH, axis=0))


def heard(sound: Audio, count: int) -> Floats:
    """[count, classes]: how likely each class is in every 10 ms of a sound at 16 kHz.

    The recogniser's model was made from many speakers, so this depends little on the voice.
    """
    return likely(phone_costs(sound, count))


def said(phones: Sequence[Phone], start: float, count: int) -> Floats:
    """[count, classes]: the class that is said in every 10 ms from second `start` on, silence between; all 0 where
    nothing is known, that is further than a second from any phone.
    """
    out, known = np.zeros((count, len(VISEMES))), np.zeros(count, bool)
    for phone in phones:
        a, b = (round((t - start) * STEPS) for t in (phone.start, phone.end))
        out[max(0, a) : max(0, b), CLASS.get(phone.name, 0)] = 1
        known[max(0, a - STEPS) : max(0, b + STEPS)] = True
    out[known & (out.sum(1) == 0), 0] = 1
    return np.asarray(out / np.maximum(1, out.sum(1, keepdims=True)))


def closing(phones: Sequence[Phone], times: Floats, gape: Floats) -> tuple[Floats, Floats]:
    """How much the lips must be closed, and the lower lip at the teeth, at `times` of the sound: two times [n], 0…1.

    `gape`: [n] the aperture without this, over its mean. A closure is where the lips are closest anyway near the middle
    of the phone; it lasts about as long as the phone and comes and goes within 40 ms more.
    """
    marks = np.zeros((2, len(times)))
    for mark, names in zip(marks, (("P", "B", "M"), ("F", "V")), strict=True):
        for phone in (p for p in phones if p.name in names):
            off = times - (phone.start + phone.end) / 2 - BEHIND
            near = np.flatnonzero(np.abs(off) <= NEAR)
            if len(near):
                closest = near[np.argmin(gape[near] + np.square(off[near] / NEAR))]
                half = np.clip((phone.end - phone.start) / 2, SHORTEST, LONGEST)
                away = np.abs(times - times[closest]) - half
                mark[:] = np.maximum(mark, (1 - away / ONSET).clip(0, 1))
    return marks[0], marks[1]
