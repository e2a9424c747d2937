"""Frames and sound to a file: the source's codec family, format and tags; the file appears only when it is complete."""

from __future__ import annotations

import errno
import math
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import ThreadType
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from editalk.audio import Audio
from editalk.cache import abandoned, owner
from editalk.errors import OutputError
from editalk.media.image import to_working, working_format
from editalk.media.info import AudioInfo, MediaInfo, VideoInfo
from editalk.timebase import FrameRate

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
CRF = 11
PRESETS = {"libx264": "veryfast", "libx265": "ultrafast"}
_WORST = 3  # quantisers above the CRF that noise may cost: a noisy MPEG-1 clip at CRF 14 fell to 41.9 dB
_SMALL = 2_228_224  # pixels of a picture at HEVC's levels below 5
_LOSSLESS = {"mov": ("pcm_", "alac"), "matroska": ("pcm_", "flac", "alac")}
_OWN_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "timecode", "duration"}
_PLAIN_TAGS = {
    *("title", "artist", "album_artist", "album", "date", "comment", "genre", "copyright", "description", "synopsis"),
    *("composer", "show", "episode_id", "network", "lyrics", "track", "keywords", "creation_time", "location"),
    *("make", "model", "author", "grouping"),
}  # what MP4 has boxes for; others need key–value tags
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


class Writer:
    """Writes a video like `like`; a context manager. Leaving it without an error completes the file, leaving it with
    one (or Ctrl-C) leaves what was there before. Give pictures and sound by turns: what runs ahead of the other by more
    than ten seconds is written as it comes.

    `crf`: constant rate factor, less is better; None: 16 or better, so that it is visually lossless. `preset`: of x264
    or x265. Raises OutputError.
    """

    def __init__(
        self,
        out: Path,
        like: MediaInfo,
        rate: FrameRate,
        crf: float | None = None,
        preset: str | None = None,
        overwrite: bool = False,
    ) -> None:
        self.out, self.like, self.rate, self.overwrite = Path(out), like, rate, overwrite
        self.frames, self.samples = 0, 0
        self._crf, self._preset = crf, preset
        self._form = check_target(self.out, overwrite, like.path)
        begin, end = f".{self.out.stem[:40]}.", f".part{self.out.suffix}"
        for left in abandoned(self.out.parent, begin, end):
            left.unlink(missing_ok=True)
        self._part = self.out.with_name(f"{begin}{owner()}{secrets.token_hex(4)}{end}")
        self._container: OutputContainer | None = None
        try:
            self._container = self._opened()
            self._video = _video_stream(self._container, like.video, rate, self._form, crf, preset)
            self._audio = _audio_stream(self._container, like.audio, self._form)
        except BaseException as error:
            self._discard()
            if isinstance(error, (OSError, av.error.FFmpegError, ValueError)):
                raise self._failed(error) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._discard()

    def video(self, frame: VideoFrame) -> None:
        """The next picture; the frame itself is left as it was."""
        picture = to_working(frame)
        if (picture.width, picture.height) != (self.like.video.width, self.like.video.height):
            raise ValueError(f"a picture of {picture.width}×{picture.height} in a video of another size")
        kept = picture.pts, picture.time_base, picture.pict_type
        picture.pts, picture.time_base = self.frames, 1 / self.rate.value
        picture.pict_type = PictureType.NONE  # else the encoder would repeat the source's choice of key frames
        try:
            self._mux(self._video, picture)
        finally:
            picture.pts, picture.pict_type = kept[0], kept[2]
            if kept[1] is not None:
                picture.time_base = kept[1]
        self.frames += 1

    def sound(self, chunk: Audio) -> None:
        """The next samples, at the source's sample rate and channels."""
        info = self.like.audio
        if chunk.rate != info.sample_rate or chunk.channels != info.channels:
            raise ValueError(f"sound of {chunk.rate} Hz × {chunk.channels} in a file of another kind")
        if not len(chunk.samples):
            return
        flat = np.ascontiguousarray(np.clip(chunk.samples, -1, 1), np.float32).reshape(1, -1)
        frame = AudioFrame.from_ndarray(flat, format="flt", layout=info.layout)
        frame.sample_rate, frame.time_base, frame.pts = info.sample_rate, Fraction(1, info.sample_rate), self.samples
        self._mux(self._audio, frame)
        self.samples += len(chunk.samples)

    def close(self) -> None:
        """Complete the file and put it in its place."""
        if self._container is None:
            return
        try:
            for stream in (self._video, self._audio):
                self._mux(stream, None)
            self._container.close()
            self._container = None
            self._check()
            _flush_to_disk(self._part)
            check_target(self.out, self.overwrite, self.like.path)
            os.replace(self._part, self.out)
        except (OSError, av.error.FFmpegError, ValueError) as error:
            raise self._failed(error) from error
        finally:
            self._discard()

    def _opened(self) -> OutputContainer:
        container = av.open(f"file:{self._part.resolve()}", "w", format=self._form, options=self._options())
        for key, value in self.like.metadata:
            if key.lower() not in _OWN_TAGS:
                container.metadata[key] = value
        if self.like.timecode:
            container.metadata["timecode"] = self.like.timecode
        return container

    def _options(self) -> dict[str, str]:
        if self._form == "matroska":
            return {"cues_to_front": "1"}
        flags = "+faststart"
        if any(key.lower() not in _PLAIN_TAGS | _OWN_TAGS for key, _ in self.like.metadata):
            flags += "+use_metadata_tags"
        return {"movflags": flags}

    def _mux(self, stream: VideoStream | AudioStream, frame: VideoFrame | AudioFrame | None) -> None:
        if self._container is None:
            raise ValueError("the file is closed")
        try:
            packets: Iterable[Packet[Stream]] = stream.encode(frame)  # type: ignore[arg-type]  # each its own kind
            for packet in packets:
                self._container.mux_one(packet)
        except (OSError, av.error.FFmpegError) as error:
            self._discard()
            raise self._failed(error) from error

    def _check(self) -> None:
        """A disk that fills up while the trailer is written is not always reported: count what can be read."""
        with av.open(f"file:{self._part.resolve()}", "r", options={"protocol_whitelist": "file"}) as container:
            held = container.streams.video[0].frames if container.streams.video else 0
        if self._form != "matroska" and held != self.frames:
            raise OutputError(f"{self.out}: {held} of {self.frames} frames arrived in the file; is the disk full?")

    def _discard(self) -> None:
        """Nothing half-written stays."""
        container, self._container = self._container, None
        if container is not None:
            # it is thrown away in any case, and what failed before is what counts
            with suppress(OSError, av.error.FFmpegError, ValueError):
                container.close()
        self._part.unlink(missing_ok=True)

    def _failed(self, error: BaseException) -> OutputError:
        return error if isinstance(error, OutputError) else explain(self.out, error)


def check_target(out: Path, overwrite: bool, source: Path | None = None) -> str:
    """FFmpeg's name of the container to write. Raises OutputError if OUT cannot be written there."""
    form = CONTAINERS.get(out.suffix.lower())
    if form is None:
        raise OutputError(f"{out}: the kind of file is not known; end the name in {', '.join(CONTAINERS)}")
    check_place(out, overwrite, source)
    return form


def check_place(out: Path, overwrite: bool, source: Path | None = None) -> None:
    """Raises OutputError if a file OUT cannot be written there, or may not be: it is `source`, or exists already."""
    folder = out.parent
    if not folder.is_dir():
        raise OutputError(f"{out}: there is no folder {folder}; make it first")
    if out.is_dir():
        raise OutputError(f"{out} is a folder; give a file name")
    if source is not None and out.exists() and source.exists() and out.samefile(source):
        raise OutputError(f"{out} is the source itself; give another name")
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists already; give another name or -y to overwrite it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{out}: the folder {folder} may not be written to; choose another or change its permissions")


def explain(out: Path, error: BaseException) -> OutputError:
    """An OutputError for what went wrong while writing."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{out}: no space is left on the disk; free some or write elsewhere")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"{out}: the folder may not be written to; choose another")
    return OutputError(f"{out} cannot be written: {getattr(error, 'strerror', None) or error}")


def video_codec(like: VideoInfo) -> str:
    """The encoder of the source's codec family."""
    name = "libx265" if like.codec == "hevc" else "libx264"
    if name not in av.codecs_available:
        raise OutputError(f"this build of PyAV cannot encode {name[3:]}; install the wheel from PyPI: pip install av")
    return name


def audio_codec(like: AudioInfo, form: str) -> str:
    """The source's own codec where it is lossless and the container takes it, else AAC."""
    if like.codec.startswith(_LOSSLESS.get(form, ("\0",))) and like.codec in av.codecs_available:
        return like.codec
    return "aac"


def _video_stream(
    container: OutputContainer, like: VideoInfo, rate: FrameRate, form: str, crf: float | None, preset: str | None
) -> VideoStream:
    name = video_codec(like)
    options = {"crf": f"{CRF if crf is None else crf:g}", "preset": preset or PRESETS[name]}
    options[f"{name[3:]}-params"] = ":".join(_parameters(name, like, float(options["crf"])))
    stream = container.add_stream(name, rate=rate.value, options=options)
    if not isinstance(stream, VideoStream):
        raise OutputError(f"{name} is not a video encoder here")
    context = stream.codec_context
    stream.width, stream.height, stream.pix_fmt = like.width, like.height, working_format(like.pix_fmt)
    context.time_base = 1 / rate.value
    context.color_range, context.colorspace = like.colour.range, like.colour.space
    context.color_primaries, context.color_trc = like.colour.primaries, like.colour.trc
    context.sample_aspect_ratio = like.sample_aspect
    context.thread_type = ThreadType.AUTO
    if name == "libx265" and form != "matroska":
        context.codec_tag = "hvc1"  # the one that QuickTime plays
    if like.rotation:
        stream.set_display_rotation(like.rotation)
    return stream


def _parameters(name: str, like: VideoInfo, crf: float) -> list[str]:
    """Settings that only the encoder itself knows."""
    most = math.ceil(crf) + _WORST
    deep = working_format(like.pix_fmt).endswith("10le")
    found = [f"qpmax={most + 12 if deep and name == 'libx264' else most}"]  # x264 counts from -12 at 10 bits
    if name == "libx265":
        found += ["log-level=error", "psy-rd=0"]  # visibly lossless without: a tenth of the time
        if like.width * like.height <= _SMALL and like.rate.value <= 60:
            found += ["ctu=16", "max-tu-size=16"]  # another tenth; levels from 5 on want larger units
    if like.colour.range == 1:
        # "limited" is the default, so the encoders tag it only together with something else that they tag
        found.append("videoformat=component")
    return found


def _audio_stream(container: OutputContainer, like: AudioInfo, form: str) -> AudioStream:
    name = audio_codec(like, form)
    if name == "aac" and like.sample_rate not in _AAC_RATES:
        raise OutputError(f"AAC has no sample rate of {like.sample_rate} Hz; convert the source's sound to 48000 Hz")
    stream = container.add_stream(name, rate=like.sample_rate, layout=like.layout)
    if not isinstance(stream, AudioStream):
        raise OutputError(f"{name} is not a sound encoder here")
    if name == "aac":
        _set_bit_rate(stream.codec_context, like)
    stream.codec_context.time_base = Fraction(1, like.sample_rate)
    if like.language:
        stream.metadata["language"] = like.language
    return stream


def _set_bit_rate(context: AudioCodecContext, like: AudioInfo) -> None:
    least = 128_000 if like.channels == 1 else 96_000 * like.channels
    most = min(6 * like.sample_rate * like.channels, 256_000 * like.channels)  # AAC's own limit, then what is of use
    context.bit_rate = min(max(like.bit_rate or 0, least), most)


def _flush_to_disk(path: Path) -> None:
    """A rename that reached the disk before the bytes would leave an empty file after a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
