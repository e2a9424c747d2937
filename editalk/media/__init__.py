"""Media files in: what a file holds, its frames on a constant grid, its sound in samples."""

from editalk.media.image import from_rgb, rgb, to_frame, to_image, upright, working_format
from editalk.media.info import (
    AudioInfo,
    Chapter,
    Colour,
    FieldOrder,
    LightLevel,
    Mastering,
    MediaInfo,
    SubtitleInfo,
    VideoInfo,
)
from editalk.media.probe import probe, probe_audio
from editalk.media.reader import FrameReader
from editalk.media.sound import SoundFile, converted, decode_sound

__all__ = [
    "AudioInfo",
    "Chapter",
    "Colour",
    "FieldOrder",
    "FrameReader",
    "LightLevel",
    "Mastering",
    "MediaInfo",
    "SoundFile",
    "SubtitleInfo",
    "VideoInfo",
    "converted",
    "decode_sound",
    "from_rgb",
    "probe",
    "probe_audio",
    "rgb",
    "to_frame",
    "to_image",
    "upright",
    "working_format",
]
