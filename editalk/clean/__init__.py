"""What an editor takes out of a talk first: fillers, repeated words, earlier takes, long pauses.

Nothing goes for good: the result is an edited text whose marks a person reads, changes and applies.
"""

from editalk.clean.cuts import LONGEST_PAUSE, Wanted, clean
from editalk.clean.fillers import fillers, listed
from editalk.clean.repeats import repeats, takes
from editalk.clean.text import cleaned_text
from editalk.clean.types import Cleaning, Cut, Kind, ShorterPause

__all__ = [
    "LONGEST_PAUSE", "Cleaning", "Cut", "Kind", "ShorterPause", "Wanted", "clean", "cleaned_text", "fillers", "listed",
    "repeats", "takes",
]  # fmt: skip
