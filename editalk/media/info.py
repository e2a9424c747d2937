"""What is known of a media file before anything of it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from editalk.timebase import FrameRate


class Colour(NamedTuple):
    """The stream's tags as FFmpeg's numbers (ITU-T H.273; range: 1 limited, 2 full; 2 elsewhere, 0 here: unknown)."""

    range: int
    primaries: int
    trc: int
    space: int


class FieldOrder(StrEnum):
    """Which lines of an interlaced picture are shown first; the values are FFmpeg's."""

    TOP = "tff"
    BOTTOM = "bff"


@dataclass(frozen=True)
class Mastering:
    """The display that an HDR picture was graded on (SMPTE ST 2086). `red`, `green`, `blue`, `white`: CIE 1931 x, y;
    None: not said. `least`, `most`: luminance, cd/m²; None: not said.
    """

    red: tuple[Fraction, Fraction] | None
    green: tuple[Fraction, Fraction] | None
    blue: tuple[Fraction, Fraction] | None
    white: tuple[Fraction, Fraction] | None
    least: Fraction | None
    most: Fraction | None


class LightLevel(NamedTuple):
    """Content light level (CTA-861.3), cd/m²: of the brightest pixel (MaxCLL) and of the brightest frame's mean."""

    most: int
    average: int


@dataclass(frozen=True)
class PacketMap:
    """Where the frames of a stream lie, in ticks of `time_base`.

    `shown`: [frames] int64, the timestamp of the source frame that each frame of the constant grid shows.
    `source`: [n] int64, the timestamps of all source frames, increasing. `keys`: [k, 2] int64, the timestamps at which
    decoding can begin, increasing: when the frame is shown, when its packet is read.
    """

    time_base: Fraction
    shown: NDArray[np.int64]
    source: NDArray[np.int64]
    keys: NDArray[np.int64]


@dataclass(frozen=True)
class VideoInfo:
    """A picture stream. `frames`: on the constant grid, where frame i is shown at i/rate after `start`, the media time
    of the first frame in seconds. `width`, `height`: as coded; `rotation`: degrees counter-clockwise by which a player
    turns the picture (0, 90, 180, 270). `variable`: the source's frames do not lie on the grid. `bit_rate`: bit/s.
    `profile`: the codec's, as FFmpeg names it. `fields`: None: progressive. `matrix`: FFmpeg's display matrix where it
    mirrors, too; `rotation` is then what turns the mirrored picture upright. `dynamic`: names of HDR metadata that
    changes from frame to frame.
    """

    codec: str
    width: int
    height: int
    pix_fmt: str
    rate: FrameRate
    frames: int
    start: Fraction
    colour: Colour
    rotation: int
    sample_aspect: Fraction
    variable: bool
    bit_rate: int | None
    index: int
    packets: PacketMap = field(repr=False, compare=False)
    profile: str | None = None
    fields: FieldOrder | None = None
    mastering: Mastering | None = None
    light: LightLevel | None = None
    matrix: tuple[int, ...] | None = None
    dynamic: tuple[str, ...] = ()

    @property
    def intra(self) -> bool:
        """Every frame is a key frame: footage made for editing."""
        return 1 < len(self.packets.source) <= len(self.packets.keys)

    @property
    def turns(self) -> int:
        """Quarter turns counter-clockwise from the coded picture to the upright one, 0 … 3."""
        return round(self.rotation / 90) % 4


@dataclass(frozen=True)
class AudioInfo:
    """A sound stream. `start`: media time of its first sample, seconds. `bit_rate`: bit/s. `language`: ISO 639-2.
    `index`: among all streams of the file. `disposition`: FFmpeg's flags. `bits`: of a sample as it is decoded.
    """

    codec: str
    sample_rate: int
    channels: int
    layout: str
    start: Fraction
    bit_rate: int | None
    language: str | None = None
    index: int = 0
    title: str | None = None
    disposition: int = 0
    bits: int = 16


@dataclass(frozen=True)
class SubtitleInfo:
    """A stream of subtitles. `codec`: of FFmpeg's decoder. `language`: ISO 639-2. `disposition`: FFmpeg's flags."""

    codec: str
    index: int
    language: str | None
    title: str | None
    disposition: int


@dataclass(frozen=True)
class Chapter:
    """A chapter of a container: seconds [start, end) from the first frame, `metadata` with its title."""

    start: Fraction
    end: Fraction
    metadata: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        return dict(self.metadata).get("title", "")


@dataclass(frozen=True)
class Cover:
    """The picture that stands for a file. `codec`: "png" or "mjpeg". `data`: the image file."""

    codec: str
    width: int
    height: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class MediaInfo:
    """A video file with sound. `duration`: of the picture, seconds. `sha256`: of the file's bytes. `reel`: the tape or
    card that it says it is of. `audio`: the sound stream that is edited; `further`: the others, but for `undecoded`
    ones that nothing here can decode. `data`: names of the streams that are neither picture, sound, text nor timecode.
    """

    path: Path
    container: str
    video: VideoInfo
    audio: AudioInfo
    duration: float
    metadata: tuple[tuple[str, str], ...]
    timecode: str | None
    sha256: str
    reel: str | None = None
    further: tuple[AudioInfo, ...] = ()
    subtitles: tuple[SubtitleInfo, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    undecoded: int = 0
    data: tuple[str, ...] = ()
    cover: Cover | None = None

    @property
    def sounds(self) -> tuple[AudioInfo, ...]:
        """All sound streams in the file's order."""
        return tuple(sorted((self.audio, *self.further), key=lambda sound: sound.index))
