"""Sound as samples: levels, joins, stretching, room tone."""

from editalk.audio.join import crossfade, fade_weights, join_offset
from editalk.audio.level import activity, loudness_gain, rms_db, runs, soft_limit, speech_bounds, speech_level
from editalk.audio.samples import Audio, Samples, SoundReader, StoredSound, decibels, fit_channels
from editalk.audio.stretch import resample, stretch
from editalk.audio.tone import RoomTone, find_room_tone

__all__ = [
    "Audio",
    "RoomTone",
    "Samples",
    "SoundReader",
    "StoredSound",
    "activity",
    "crossfade",
    "decibels",
    "fade_weights",
    "find_room_tone",
    "fit_channels",
    "join_offset",
    "loudness_gain",
    "resample",
    "rms_db",
    "runs",
    "soft_limit",
    "speech_bounds",
    "speech_level",
    "stretch",
]
