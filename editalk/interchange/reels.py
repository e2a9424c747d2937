"""Reel names as an edit decision list has them: eight letters and digits, another for every file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from editalk.interchange.types import Media

LENGTH = 8
RESERVED = ("AX", "BL", "BLACK", "BARS")  # mean no tape


def reels(files: Iterable[Media]) -> dict[Media, str]:
    """A reel for every file; where two would be alike, the later one ends in a number."""
    made: dict[Media, str] = {}
    for media in files:
        letters = unicodedata.normalize("NFKD", media.reel).encode("ascii", "ignore").decode()
        wanted = re.sub(r"[^A-Z0-9]", "", letters.upper())[:LENGTH] or "REEL"
        reel, number = wanted, 2
        while reel in made.values() or reel in RESERVED:
            reel = f"{wanted[: LENGTH - len(str(number))]}{number}"
            number += 1
        made[media] = reel
    return made
