"""Media files in: what a file holds, its frames on a constant grid, its sound in samples."""

from editalk.media.image import from_rgb, rgb, to_frame, to_image, upright, working_format
from editalk.media.info import AudioInfo, Colour, FieldOrder, LightLevel, Mastering, MediaInfo, VideoInfo
from editalk.media.probe import probe, probe_audio
from editalk.media.reader import FrameReader
from editalk.media.sound import SoundFile, decode_sound

__all__ = [
    "AudioInfo",
    "Colour",
    "FieldOrder",
    "FrameReader",
    "LightLevel",
    "Mastering",
    "MediaInfo",
    "SoundFile",
    "VideoInfo",
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
