"""A page that shows an edit: before and after in step, transcript, waveform, joins; one HTML file, no network."""

from editalk.review.data import figures
from editalk.review.page import page
from editalk.review.peaks import peaks
from editalk.review.proxy import SOUND_RATE, VERSION, Shape, near_edits, shape_of, write_proxy
from editalk.review.words import edits_of, spans

__all__ = [
    "SOUND_RATE", "VERSION", "Shape", "edits_of", "figures", "near_edits", "page", "peaks", "shape_of", "spans",
    "write_proxy",
]  # fmt: skip
