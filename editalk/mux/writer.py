"""Frames and sound to a file that appears only when it is complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from editalk.audio import Audio
from editalk.cache import abandoned, owner
from editalk.errors import OutputError
from editalk.media.container import opened
from editalk.media.fields import FieldMarker
from editalk.media.image import to_working
from editalk.media.info import AudioInfo, Chapter, MediaInfo
from editalk.media.subtitles import SubtitleTrack
from editalk.mux.chapters import as_written
from editalk.mux.cover import cover_packet, cover_stream
from editalk.mux.sound import audio_stream, check_sounds
from editalk.mux.spliced import Spliced
from editalk.mux.subtitles import SubtitleWriter
from editalk.mux.target import check_target, explain, place
from editalk.mux.video import video_stream
from editalk.splice import Coded
from editalk.timebase import FrameRate

_OWN_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "timecode", "duration"}
_PLAIN_TAGS = {
    *("title", "artist", "album_artist", "album", "date", "comment", "genre", "copyright", "description", "synopsis"),
    *("composer", "show", "episode_id", "network", "lyrics", "track", "keywords", "creation_time", "location"),
    *("make", "model", "author", "grouping"),
}  # what MP4 has boxes for; others need key–value tags

_MATROSKA = ("matroska", "webm")  # they announce no number of frames


class Writer:
    """Writes a video like `like`; a context manager. Leaving it without an error completes the file, leaving it with
    one (or Ctrl-C) leaves what was there before. Give pictures and sound by turns: what runs ahead of the other by more
    than ten seconds is written as it comes.

    `crf`: constant rate factor, less is better; None: 16 or better, so that it is visually lossless. `preset`: of x264
    or x265. `chapters`, `subtitles`: in the timeline's order and seconds. `source`: whose packets `copied`
    takes. `check`: is shown the complete file before it takes its place. `finish`: makes what takes its place, at the
    second path, out of the complete file, at the first.

    Raises OutputError, and SpliceError where packets of `source` and new ones cannot stand in one file.
    """

    def __init__(
        self,
        out: Path,
        like: MediaInfo,
        rate: FrameRate,
        crf: float | None = None,
        preset: str | None = None,
        overwrite: bool = False,
        chapters: Sequence[Chapter] = (),
        subtitles: Sequence[SubtitleTrack] = (),
        source: Coded | None = None,
        check: Callable[[Path], None] | None = None,
        finish: Callable[[Path, Path], None] | None = None,
    ) -> None:
        self.out, self.like, self.rate, self.overwrite = Path(out), like, rate, overwrite
        self.frames, self.samples = 0, {sound.index: 0 for sound in like.sounds}
        self._crf, self._preset = crf, preset
        self._verify, self._finish = check, finish
        self._form = check_target(self.out, overwrite, like.path)
        check_sounds(like.sounds, self._form)
        begin, end = f".{self.out.stem[:40]}.", f".part{self.out.suffix}"
        for left in abandoned(self.out.parent, begin, end):
            left.unlink(missing_ok=True)
        self._part = self.out.with_name(f"{begin}{owner()}{secrets.token_hex(4)}{end}")
        self._finished = self._part.with_name(f"{self._part.name.removesuffix(end)}-finished{end}")
        self._fields = FieldMarker(like.video.fields) if like.video.fields else None
        self._container: OutputContainer | None = None
        try:
            self._container = self._opened()
            given = self._container, like.video, rate, self._form, crf, preset
            self._video = video_stream(*given) if source is None else Spliced(*given, source)
            self._audio = {s.index: audio_stream(self._container, s, self._form) for s in like.sounds}
            with opened(like.path) as held:
                self._titles = [SubtitleWriter(self._container, track, held) for track in subtitles]
            self._cover = cover_stream(self._container, like.cover, self._form)
            self._container.set_chapters([as_written(k, chapter) for k, chapter in enumerate(chapters)])
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
        if not self.frames:
            self._put_cover()
        picture = to_working(frame)
        if (picture.width, picture.height) != (self.like.video.width, self.like.video.height):
            raise ValueError(f"a picture of {picture.width}×{picture.height} in a video of another size")
        kept = picture.pts, picture.time_base, picture.pict_type
        picture.pts, picture.time_base = self.frames, 1 / self.rate.value
        picture.pict_type = PictureType.NONE  # else the encoder would repeat the source's choice of key frames
        try:
            self._mux(self._video, self._fields.marked(picture) if self._fields else picture)
        finally:
            picture.pts, picture.pict_type = kept[0], kept[2]
            if kept[1] is not None:
                picture.time_base = kept[1]
        self._counted()

    def copied(self, packet: Packet[Stream], frame: int) -> None:
        """The next packet of the source's own, in reading order, and the frame at which its picture is shown."""
        if not isinstance(self._video, Spliced):
            raise ValueError("packets are copied only where their source is known")
        if not self.frames:
            self._put_cover()
        self._put(partial(self._video.copied, packet, frame))
        self._counted()

    def _counted(self) -> None:
        self.frames += 1
        self._title(self.rate.seconds(self.frames) + 1)

    def sound(self, chunk: Audio, track: AudioInfo | None = None) -> None:
        """The next samples of a track, at its sample rate and channels; None: the one that is edited."""
        info = track or self.like.audio
        if chunk.rate != info.sample_rate or chunk.channels != info.channels:
            raise ValueError(f"sound of {chunk.rate} Hz × {chunk.channels} in a file of another kind")
        if not len(chunk.samples):
            return
        flat = np.ascontiguousarray(np.clip(chunk.samples, -1, 1), np.float32).reshape(1, -1)
        stream = self._audio[info.index]
        frame = AudioFrame.from_ndarray(flat, format="flt", layout=stream.codec_context.layout.name)
        frame.sample_rate, frame.time_base = info.sample_rate, Fraction(1, info.sample_rate)
        frame.pts = self.samples[info.index]
        self._mux(stream, frame)
        self.samples[info.index] += len(chunk.samples)

    def complete(self) -> Path:
        """The complete file, which is not in its place yet."""
        if self._container is None:
            return self._part
        try:
            self._mux(self._video, None)
            for sound in self._audio.values():
                self._mux(sound, None)
            self._title(None)
            self._container.close()
            self._container = None
            self._check()
            if self._verify is not None:
                self._verify(self._part)
            if self._finish is not None:
                self._finish(self._part, self._finished)
                os.replace(self._finished, self._part)
        except BaseException as error:
            self._discard()
            if isinstance(error, (OSError, av.error.FFmpegError, ValueError)):
                raise self._failed(error) from error
            raise
        return self._part

    def close(self) -> None:
        """Complete the file and put it in its place."""
        part = self.complete()
        try:
            if part.exists():  # else it is closed already
                check_target(self.out, True, self.like.path)
                place(part, self.out, self.overwrite)
        except OSError as error:
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
        if self._form in _MATROSKA:
            return {"cues_to_front": "1"}
        flags = "+faststart"
        if any(key.lower() not in _PLAIN_TAGS | _OWN_TAGS for key, _ in self.like.metadata):
            flags += "+use_metadata_tags"
        return {"movflags": flags}

    def _mux(self, stream: VideoStream | Spliced | AudioStream, frame: VideoFrame | AudioFrame | None) -> None:
        self._put(partial(stream.encode, frame))  # type: ignore[arg-type]  # each its own kind

    def _put(self, make: Callable[[], Iterable[Packet[Stream]]]) -> None:
        if self._container is None:
            raise ValueError("the file is closed")
        try:
            for packet in make():
                self._container.mux_one(packet)
        except (OSError, av.error.FFmpegError) as error:
            self._discard()
            raise self._failed(error) from error

    def _title(self, until: Fraction | None) -> None:
        try:
            for titles in self._titles:
                titles.until(until)
        except (OSError, av.error.FFmpegError) as error:
            self._discard()
            raise self._failed(error) from error

    def _put_cover(self) -> None:
        if self._container is not None and self._cover is not None and self.like.cover is not None:
            self._container.mux_one(cover_packet(self.like.cover, self._cover))

    def _check(self) -> None:
        """A disk that fills up while the trailer is written is not always reported: count what can be read."""
        with av.open(f"file:{self._part.resolve()}", "r", options={"protocol_whitelist": "file"}) as container:
            held = container.streams.video[0].frames if container.streams.video else 0
        if self._form not in _MATROSKA and held != self.frames:
            raise OutputError(f"{self.out}: {held} of {self.frames} frames arrived in the file; is the disk full?")

    def _discard(self) -> None:
        """Nothing half-written stays."""
        container, self._container = self._container, None
        if container is not None:
            # it is thrown away in any case, and what failed before is what counts
            with suppress(OSError, av.error.FFmpegError, ValueError):
                container.close()
        for left in (self._part, self._finished):
            left.unlink(missing_ok=True)

    def _failed(self, error: BaseException) -> OutputError:
        return error if isinstance(error, OutputError) else explain(self.out, error)
