"""Do the lips close where the words say so: p, b and m."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.asr.types import Phone

Floats = NDArray[np.float64]

CLOSED_PHONES = frozenset({"P", "B", "M"})
REACH = 0.08  # seconds around the middle of a phone in which the lips may close
LOW = 15.0  # percentile of the aperture in speech that counts as closed
SHARE = 0.35  # of the median aperture in speech that counts as closed, too


@dataclass(frozen=True)
class Closures:
    """`events`: phones p, b, m at which the reference closes; `closed`: those at which the candidate does, too.

    `chance`: the share of other moments of speech at which the candidate would be found closed.
    """

    events: int
    closed: int
    chance: float

    @property
    def recall(self) -> float:
        """0…1; NaN without events."""
        return self.closed / self.events if self.events else float("nan")


def closed_below(aperture: Floats, speech: NDArray[np.bool_]) -> float:
    """The aperture under which the reference's lips [n] count as closed; `speech`: [n] when it is heard."""
    known = aperture[speech & np.isfinite(aperture)]
    known = known if len(known) else aperture[np.isfinite(aperture)]
    if not len(known):
        return float("nan")
    return max(float(np.percentile(known, LOW)), SHARE * float(np.median(known)))


def during(times: Floats, phones: Iterable[Phone]) -> NDArray[np.bool_]:
    """[n]: whether one of the phones is heard at `times` [n]."""
    heard = np.zeros(len(times), bool)
    for phone in phones:
        heard |= (times >= phone.start) & (times < phone.end)
    return heard


def closures(
    times: Floats, reference: Floats, candidate: Floats, phones: Iterable[Phone], limit: float
) -> Closures:
    """Of two apertures [n] at `times` [n] seconds; `limit`: see `closed_below`. Phones outside `times` do not count."""
    phones = tuple(phones)
    events = [
        middle for p in phones if p.name in CLOSED_PHONES and (middle := (p.start + p.end) / 2) >= times[0] - 1e-9
        and middle <= times[-1] + 1e-9 and is_closed(times, reference, middle, limit)
    ]  # fmt: skip
    found = sum(is_closed(times, candidate, middle, limit) for middle in events)
    moments = times[during(times, [p for p in phones if p.name not in CLOSED_PHONES])]
    chance = [is_closed(times, candidate, t, limit) for t in moments]
    return Closures(len(events), found, float(np.mean(chance)) if chance else float("nan"))


def is_closed(times: Floats, aperture: Floats, middle: float, limit: float) -> bool:
    """Whether the aperture [n] falls below `limit` within 80 ms of a moment."""
    near = aperture[np.abs(times - middle) <= REACH + 1e-9]
    near = near[np.isfinite(near)]
    return bool(len(near) and near.min() < limit)
