"""Any frame of a video by its number on the constant grid, exact after any order of seeks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Lock
from types import TracebackType
from typing import Self

import av.error
import numpy as np
from av.codec.context import ThreadType
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from editalk.errors import MediaError
from editalk.media.container import describe, opened
from editalk.media.image import Area, Image, to_image
from editalk.media.info import MediaInfo
from editalk.timebase import FrameRate

_READ_ON = 60  # frames: nearer than that, decoding on is cheaper than a seek
_REMEMBERED = 16
_REMEMBERED_BYTES = 160 * 2**20
_INDEXED = {"mov", "mp4", "matroska", "webm", "mpegts", "flv"}  # elsewhere a seek may land on a frame it misnames


class FrameReader:
    """The frames of a source; a context manager, for one thread. Implements `editalk.backends.base.Footage`.

    Closing waits for a frame that another thread is at: a signal may end the first thread while a second one decodes.
    """

    frames: int
    rate: FrameRate

    def __init__(self, info: MediaInfo) -> None:
        self.info, self.frames, self.rate = info, info.video.frames, info.video.rate
        packets = info.video.packets
        self._order = np.searchsorted(packets.source, packets.shown)  # [frames] → source frame
        self._source, self._keys = packets.source, packets.keys
        self._seekable = bool(_INDEXED & set(info.container.split(",")))
        self._cache: OrderedDict[int, VideoFrame] = OrderedDict()
        self._stack = ExitStack()
        self._busy = Lock()
        self._container: InputContainer | None = None
        self._decoded: Iterator[VideoFrame] | None = None
        self._next = 0  # source frame that the decoder gives next

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._busy:
            self._decoded = None
            self._cache.clear()
            self._stack.close()
            self._container = None

    def image(self, frame: int, within: Area | None = None) -> Image:
        """[h, w, 3] Y, U, V of a grid frame, 8 bits, coded orientation; the caller's own copy. See `to_image`."""
        return to_image(self.frame(frame), within)

    def frame(self, frame: int) -> VideoFrame:
        """The decoded source frame that a grid frame shows, untouched; it may be shared with other calls."""
        if not 0 <= frame < self.frames:
            raise IndexError(f"frame {frame} of {self.frames}")
        wanted = int(self._order[frame])
        with self._busy:
            if wanted not in self._cache:
                self._fetch(wanted)
            self._cache.move_to_end(wanted)
            return self._cache[wanted]

    def iterate(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, VideoFrame]]:
        """Grid frames [start, stop) with their numbers, in order."""
        for frame in range(start, self.frames if stop is None else stop):
            yield frame, self.frame(frame)

    def _fetch(self, wanted: int) -> None:
        if self._decoded is not None and 0 <= wanted - self._next <= _READ_ON and self._decode_to(wanted):
            return
        if self._seekable:
            for timestamp, key in self._entries(wanted):
                self._seek(timestamp)
                if self._decode_to(wanted, key):
                    return
        self._restart()
        if not self._decode_to(wanted):
            seconds = float(int(self._source[wanted]) * self.info.video.packets.time_base)
            raise MediaError(f"{self.info.path}: the frame at {seconds:.2f} s cannot be decoded; export the file again")

    def _entries(self, wanted: int) -> Iterator[tuple[int, int]]:
        """(timestamp to seek to, timestamp of the key frame by which decoding must have begun), best first.

        A frame shown before its key frame refers to what lies before that: only the key frame at or before the wanted
        frame's time will do. Containers order by reading time or by showing time, hence two tries.
        """
        pts = int(self._source[wanted])
        at = int(np.searchsorted(self._keys[:, 0], pts, side="right")) - 1
        if at < 0:
            return
        shown, read = (int(tick) for tick in self._keys[at])
        yield shown, shown
        if read != shown:
            yield read, shown
        if at > 0:
            yield int(self._keys[at - 1, 1]), shown

    def _open(self) -> tuple[InputContainer, VideoStream]:
        fresh = self._container is None
        if self._container is None:
            self._container = self._stack.enter_context(opened(self.info.path))
        stream = self._container.streams[self.info.video.index]
        if not isinstance(stream, VideoStream):
            raise MediaError(f"{self.info.path} has changed while it was being read; start again")
        if fresh:
            stream.codec_context.thread_type = ThreadType.AUTO
        return self._container, stream

    def _seek(self, timestamp: int) -> None:
        container, stream = self._open()
        try:
            container.seek(timestamp, stream=stream, backward=True)
        except av.error.FFmpegError:
            self._decoded = None
            return
        self._decoded, self._next = container.decode(stream), -1

    def _restart(self) -> None:
        """Begin again at the first frame, by opening the file anew: no demuxer fails at that."""
        self._decoded = None
        self._stack.close()
        self._container = None
        container, stream = self._open()
        self._decoded, self._next = container.decode(stream), 0

    def _decode_to(self, wanted: int, key: int | None = None) -> bool:
        """Decode until the wanted source frame is remembered; False if the decoder is past it or at its end."""
        if self._decoded is None:
            return False
        try:
            for frame in self._decoded:
                at = self._number(frame)
                if at is None:
                    continue
                if key is not None and (frame.pts is None or frame.pts > key):
                    return False  # decoding began too late: what follows may refer to what was not decoded
                self._next = at + 1
                if key is not None and frame.pts is not None and frame.pts < key:
                    continue  # it may refer to what lies before the key frame
                key = None
                self._remember(at, frame)
                if at >= wanted:
                    return at == wanted
        except av.error.FFmpegError as error:
            self._decoded = None
            raise MediaError(f"{self.info.path}: its picture cannot be decoded ({describe(error)})") from error
        self._decoded = None
        return False

    def _number(self, frame: VideoFrame) -> int | None:
        """Which source frame this is: by count where timestamps are not to be trusted, else by timestamp."""
        if not self._seekable:
            return self._next if self._next < len(self._source) else None
        if frame.pts is None:
            return self._next if self._next >= 0 else None
        at = int(np.searchsorted(self._source, frame.pts))
        return at if at < len(self._source) and self._source[at] == frame.pts else None

    def _remember(self, number: int, frame: VideoFrame) -> None:
        self._cache[number] = frame
        self._cache.move_to_end(number)
        size = sum(plane.buffer_size for plane in frame.planes)
        most = max(2, min(_REMEMBERED, _REMEMBERED_BYTES // max(1, size)))
        while len(self._cache) > most:
            self._cache.popitem(last=False)
