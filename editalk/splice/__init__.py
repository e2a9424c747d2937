"""Which of a source's coded pictures an output takes as they are, and how they go beside newly encoded ones."""

from editalk.splice.coded import Coded, SpliceError, coded, copies
from editalk.splice.segments import Copy, Segment, kept, segments

__all__ = ["Coded", "Copy", "Segment", "SpliceError", "coded", "copies", "kept", "segments"]
