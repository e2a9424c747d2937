"""Frames and sound to a file: the source's codec family, format and tags; the file appears only when it is complete."""

from editalk.mux.sound import audio_codec, check_sounds
from editalk.mux.subtitles import subtitle_codec
from editalk.mux.target import CONTAINERS, check_place, check_target, explain
from editalk.mux.video import video_codec
from editalk.mux.writer import Writer

__all__ = [
    "CONTAINERS",
    "Writer",
    "audio_codec",
    "check_place",
    "check_sounds",
    "check_target",
    "explain",
    "subtitle_codec",
    "video_codec",
]
