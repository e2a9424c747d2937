"""Retime for dubbing: a translation's sentences on the footage of the sentences that they translate."""

from editalk.dub.beads import Bead, beads
from editalk.dub.hearing import Said
from editalk.dub.isochrony import Cell, Timed, isochronous
from editalk.dub.layout import Line, build_dub
from editalk.dub.sentences import Sentence, of_text, of_transcript

__all__ = [
    "Bead", "Cell", "Line", "Said", "Sentence", "Timed", "beads", "build_dub", "isochronous", "of_text",
    "of_transcript",
]  # fmt: skip
