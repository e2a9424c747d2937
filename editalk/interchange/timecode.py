"""Timecode: frames counted from midnight, written as hours, minutes, seconds and frames."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil

from editalk.timebase import FrameRate

DROPPING = (Fraction(30000, 1001), Fraction(60000, 1001))
COUNTED = (
    Fraction(24000, 1001), Fraction(24), Fraction(25), *DROPPING, Fraction(30), Fraction(48), Fraction(50), Fraction(60)
)  # fmt: skip
"""Frame rates that have timecode."""

_FORM = re.compile(r"\d\d:\d\d:\d\d[:;.,]\d\d")


def read_timecode(text: str | None, rate: FrameRate) -> tuple[int, bool]:
    """(frames from midnight, drop-frame) of a file's timecode; (0, False) where it has none that its rate can count."""
    if text is None or rate.value not in COUNTED or not _FORM.fullmatch(text.strip()):
        return 0, False
    import opentimelineio as otio

    text = text.strip()
    drop = text[8] in ";.," and rate.value in DROPPING
    try:
        # without dropped numbers the count is that of the whole rate
        at = float(rate) if drop else ceil(rate.value)
        return otio.opentime.from_timecode(f"{text[:8]}{';' if drop else ':'}{text[9:]}", at).to_frames(), drop
    except ValueError:  # more frames than the rate has
        return 0, False
