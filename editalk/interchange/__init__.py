"""The edit as a timeline for editing programs: OpenTimelineIO, Final Cut Pro, EDL, Premiere Pro."""

from editalk.interchange.layout import (
    Files,
    VoiceFile,
    edited_timeline,
    files_of,
    removed_timeline,
    taken_out,
)
from editalk.interchange.types import Clip, Content, Mark, Media, Picture, Timeline, Track
from editalk.interchange.writing import Writer, check_rate, get_writer, get_writers, targets, write_timelines

__all__ = [
    "Clip", "Content", "Files", "Mark", "Media", "Picture", "Timeline", "Track", "VoiceFile", "Writer", "check_rate",
    "edited_timeline", "files_of", "get_writer", "get_writers", "removed_timeline", "taken_out", "targets",
    "write_timelines",
]  # fmt: skip
