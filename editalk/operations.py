"""What an edit does to the video: Addition, Removal, Retime, Re-render (EditYourself, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from editalk.timebase import FrameRange


class Kind(StrEnum):
    ADDITION = "addition"
    REMOVAL = "removal"
    RETIME = "retime"
    RERENDER = "rerender"
    MOVE = "move"


@dataclass(frozen=True)
class Operation:
    """One edit: `source` frames it concerns (empty at the place of an Addition), `timeline` frames it fills
    (empty at the place of a Removal), `text` the words.
    """

    kind: Kind
    text: str
    source: FrameRange
    timeline: FrameRange
    region: str | None = None
