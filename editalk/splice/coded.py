"""The coded pictures of a source: in what order they are read, where decoding can begin, their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import av.error
import numpy as np
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from editalk.errors import MediaError
from editalk.media import MediaInfo, working_format
from editalk.media.container import describe, opened
from editalk.splice import nal
from editalk.splice.nal import Kind
from editalk.splice.segments import Copy

CODECS = ("h264", "hevc")
CONTAINERS = {"mov", "mp4", "matroska", "mpegts", "flv"}  # whose packets are pictures with their own timestamps
_KEPT = (Kind.PICTURE, Kind.ENTRY, Kind.LEADING, Kind.MESSAGE)
_PLAIN = {"yuvj420p": "yuv420p", "yuvj422p": "yuv422p", "yuvj444p": "yuv444p"}


class SpliceError(Exception):
    """Why no packet of a source can be copied beside new ones; the message is the reason alone."""


@dataclass(frozen=True)
class Coded:
    """The pictures of a stream in the order in which they are read.

    `shown`: [n] int64, the source frame that each is, -1: none. `pts`: [n] int64, in the stream's ticks. `entry`: [n],
    decoding can begin there. `leading`: [n], shown before the entry that it is read behind. `sets`: the parameter sets
    that the pictures need. `length`: bytes of the length before each unit of a packet; None: start codes. `delay`:
    frames by which a picture may be read later than its place among the shown ones. `closed`: every key frame is an
    entry; H.264 also has those behind which pictures of an earlier group still count.
    """

    info: MediaInfo
    shown: NDArray[np.int64]
    pts: NDArray[np.int64]
    entry: NDArray[np.bool_]
    leading: NDArray[np.bool_]
    sets: tuple[bytes, ...]
    length: int | None
    delay: int
    closed: bool


def coded(info: MediaInfo) -> Coded:
    """Read through the packets of a source. Raises SpliceError, MediaError."""
    video = info.video
    if video.codec not in CODECS:
        raise SpliceError(f"the source is {video.codec}")
    if not CONTAINERS & set(info.container.split(",")):
        raise SpliceError(f"{info.container.split(',')[0]} does not say which packet is which picture")
    if video.fields:
        raise SpliceError("the source is interlaced or codes fields")
    if video.variable or not np.array_equal(video.packets.shown, video.packets.source):
        raise SpliceError("the source's frames do not lie on a constant grid")
    if _PLAIN.get(video.pix_fmt, video.pix_fmt) != working_format(video.pix_fmt):
        raise SpliceError(f"{video.pix_fmt} is written as {working_format(video.pix_fmt)}")
    try:
        return _scanned(info)
    except ValueError as error:
        raise SpliceError(f"{error} in the source's picture stream") from error


def copies(source: Coded, copy: Copy) -> Iterator[tuple[Packet[Stream], int]]:
    """(packet, source frame) in reading order: units with start codes, no parameter sets among them, no timestamps.

    Raises MediaError.
    """
    codec, first = source.info.video.codec, copy.first
    for k, packet in _packets_from(source, first):
        if k > copy.last:
            return
        if source.shown[k] < copy.source:
            continue  # leads up to the first picture
        units = [u for u in nal.split(bytes(packet), source.length) if nal.kind(codec, u) in _KEPT]
        if k == first and codec == "hevc":
            units = [nal.alone(u) if nal.kind(codec, u) is Kind.ENTRY else u for u in units]
        made: Packet[Stream] = Packet(nal.joined(units))
        made.is_keyframe = packet.is_keyframe
        yield made, int(source.shown[k])


def _packets_from(source: Coded, first: int) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """(place in the reading order, packet) from an entry on."""
    for seek in (True, False):  # a demuxer that cannot find the place begins at the first packet
        with opened(source.info.path) as container:
            stream = container.streams[source.info.video.index]
            assert isinstance(stream, VideoStream)
            if seek:
                try:
                    container.seek(int(source.pts[first]), stream=stream, backward=True)
                except av.error.FFmpegError:
                    continue
            at = None if seek else 0
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                if at is None and packet.pts == source.pts[first]:
                    at = first
                if at is not None:
                    if at >= len(source.pts) or packet.pts != source.pts[at]:
                        raise MediaError(f"{source.info.path} has changed while it was being read; start again")
                    yield at, packet
                    at += 1
            if at is not None:
                return


@dataclass
class _Sets:
    """Parameter sets by what they are called; a stream that calls two of them the same cannot be spliced."""

    codec: str
    held: dict[tuple[int, int], bytes]

    def add(self, unit: bytes) -> None:
        if self.held.setdefault(nal.identity(self.codec, unit), unit) != unit:
            raise SpliceError("the source's parameter sets change on the way")


def _scanned(info: MediaInfo) -> Coded:
    codec, frames = info.video.codec, info.video.packets.source
    pts, shown, entry, leading, closed = [], [], [], [], True
    with opened(info.path) as container:
        stream = container.streams[info.video.index]
        length, units = nal.configured(codec, bytes(stream.codec_context.extradata or b""))
        sets = _Sets(codec, {})
        for unit in units:
            if nal.kind(codec, unit) is Kind.SET:
                sets.add(unit)
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                kinds = {_seen(codec, unit, sets) for unit in nal.split(bytes(packet), length)}
                if packet.pts is None or packet.is_corrupt or Kind.LAYER in kinds:
                    raise SpliceError("the source has layers or pictures without a timestamp")
                at = int(np.searchsorted(frames, packet.pts))
                found = at < len(frames) and frames[at] == packet.pts and not packet.is_discard
                pts.append(packet.pts)
                shown.append(at if found else -1)
                entry.append(Kind.ENTRY in kinds)
                leading.append(Kind.LEADING in kinds)
                closed = closed and entry[-1] >= packet.is_keyframe
        except av.error.FFmpegError as error:
            raise MediaError(f"{info.path}: its picture cannot be read ({describe(error)}); copy it again") from error
    order = np.asarray(shown, np.int64)
    seen = order[order >= 0]
    if nal.interlaced(codec, tuple(sets.held.values())) or len(np.unique(seen)) != len(seen):
        raise SpliceError("the source is interlaced or codes fields")
    if len(seen) != len(frames):
        raise SpliceError("the source has pictures without a packet of their own")
    delay = max(0, int((np.arange(len(seen)) - seen).max()))
    return Coded(info, order, np.asarray(pts, np.int64), np.asarray(entry, bool), np.asarray(leading, bool),
                 tuple(sets.held.values()), length, delay, closed)  # fmt: skip


def _seen(codec: str, unit: bytes, sets: _Sets) -> Kind:
    found = nal.kind(codec, unit)
    if found is Kind.SET:
        sets.add(unit)
    return found
