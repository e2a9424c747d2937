"""Frames and sound to a file: the source's codec family, format and tags; the file appears only when it is complete."""

from editalk.mux.encoders import video_codec
from editalk.mux.losses import losses
from editalk.mux.sound import check_sounds
from editalk.mux.sound_encoders import audio_codec
from editalk.mux.subtitles import subtitle_codec
from editalk.mux.target import CONTAINERS, check_place, check_target, edited_path, explain, form_of, place, suffix_for
from editalk.mux.writer import Writer

__all__ = [
    "CONTAINERS",
    "Writer",
    "audio_codec",
    "check_place",
    "check_sounds",
    "check_target",
    "edited_path",
    "explain",
    "form_of",
    "losses",
    "place",
    "subtitle_codec",
    "suffix_for",
    "video_codec",
]
