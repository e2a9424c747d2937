"""Chapters of an output, as FFmpeg takes them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from editalk.media.info import Chapter
from editalk.timebase import nearest

if TYPE_CHECKING:
    from av.container.core import Chapter as Written

_UNIT = Fraction(1, 1000)  # seconds; the chapter track of mp4 and mov counts in these


def as_written(number: int, chapter: Chapter) -> Written:
    start, end = (nearest(seconds / _UNIT) for seconds in (chapter.start, chapter.end))
    return {"id": number + 1, "start": start, "end": end, "time_base": _UNIT, "metadata": dict(chapter.metadata)}
