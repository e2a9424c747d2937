"""What a media file may ask of this machine. More is a fault or a trap: a kilobyte can claim a picture of gigabytes or
a pause of years, so it is refused before memory or disk is given to it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from editalk.errors import MediaError, OutputError

MOST_PIXELS = 8192 * 8192  # of a picture: twice those of 8K television
MOST_HOURS = 12  # of picture or sound
MOST_FRAMES = 5_000_000  # 12 hours at 115 a second
MOST_RATE = 1000  # frames a second
MOST_CHANNELS = 64
RATES = 4000, 768_000  # samples a second, least and most
MOST_STREAMS = 100
MOST_TAGS = 4 << 20  # characters of metadata
MOST_COVER = 64 << 20  # bytes
MOST_SUBTITLES = 500_000  # in a stream
MOST_CHAPTERS = 10_000
LOUDEST = 8.0  # of full scale: what is beyond, +18 dB, is no recording
_SPARE = 64 << 20  # bytes of the scratch disk that stay free

DECODER = {"max_pixels": str(MOST_PIXELS)}
"""FFmpeg's options for decoders, which refuse a larger picture before they make room for it."""


def check_picture(path: Path, width: int, height: int) -> None:
    """Raises MediaError for a picture that is too large."""
    if width * height > MOST_PIXELS:
        raise MediaError(f"{path}: a picture of {width} × {height}; at most {MOST_PIXELS / 1e6:.0f} million pixels are "
                         "edited, make it smaller")  # fmt: skip


def check_duration(path: Path, seconds: float) -> None:
    """Raises MediaError for a video that is too long, or whose timestamps leap."""
    if seconds > MOST_HOURS * 3600:
        raise MediaError(
            f"{path}: lasts {_lasting(seconds)} by its timestamps; at most {MOST_HOURS} hours are edited, cut it into "
            "parts (if it is shorter, its timestamps are damaged: export it again)"
        )


def check_rate(path: Path, rate: float) -> None:
    """Raises MediaError for frames that follow one another too fast."""
    if rate > MOST_RATE:
        raise MediaError(f"{path}: {rate:.4g} frames a second; at most {MOST_RATE} are edited, export it again at the "
                         "rate that it was made with")  # fmt: skip


def check_sound(path: Path, rate: int, channels: int) -> None:
    """Raises MediaError for sound that nobody records."""
    if not RATES[0] <= rate <= RATES[1]:
        raise MediaError(
            f"{path}: sound at {rate} Hz; {RATES[0]} to {RATES[1]} Hz are read, convert it to WAV at 48000 Hz"
        )
    if channels > MOST_CHANNELS:
        raise MediaError(f"{path}: sound with {channels} channels; at most {MOST_CHANNELS} are read, mix it down")


def check_lasting(path: Path, seconds: float) -> None:
    """Raises MediaError for sound that is too long, or whose timestamps leap."""
    if seconds > MOST_HOURS * 3600:
        raise MediaError(f"{path}: its sound lasts {_lasting(seconds)} by its timestamps; at most {MOST_HOURS} hours "
                         "are read, cut it into parts (if it is shorter, it is damaged: export it again)")  # fmt: skip


def check_count(path: Path, what: str, count: int, most: int) -> None:
    """Raises MediaError for a file that has more of something than anybody put there."""
    if count > most:
        raise MediaError(f"{path}: {count} {what}, at most {most} are read; export it again without them")


def check_room(path: Path, folder: Path, size: int) -> None:
    """Raises OutputError where the disk of `folder` has no room for `size` bytes of decoded sound."""
    free = shutil.disk_usage(folder).free - _SPARE
    if size > free:
        raise OutputError(
            f"{path}: its decoded sound needs {size / 1e9:.2g} GB and {folder} has {max(0, free) / 1e9:.2g} GB free; "
            "make room, or let TMPDIR name a folder elsewhere"
        )


def _lasting(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds < 1e8 else f"{seconds / 31_556_952:.3g} years"
