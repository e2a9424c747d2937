"""A picture stream of copied packets and encoded pictures by turns; both keep their own parameter sets."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from editalk.media import VideoInfo, working_format
from editalk.mux.encoders import encoding
from editalk.mux.video import video_stream
from editalk.splice import Coded, SpliceError, nal
from editalk.splice.nal import Kind
from editalk.timebase import FrameRate

_ENCODERS = {"h264": "libx264", "hevc": "libx265"}
_NUMBERS = range(1, 32)  # of H.264's parameter sets that x264 can be given


class Spliced:
    """Takes pictures and packets in the timeline's order, gives packets to mux.

    The encoder's parameter sets get numbers that the source does not use, so that the file's header holds both and the
    samples none (`avc1` and `hvc1` want it so). Every run of pictures is encoded by an encoder of its own: it begins
    with an instantaneous refresh, and nothing refers beyond it. Raises SpliceError where the two cannot stand together.
    """

    def __init__(
        self, container: OutputContainer, like: VideoInfo, rate: FrameRate, form: str, crf: float | None,
        preset: str | None, source: Coded,
    ) -> None:  # fmt: skip
        made = encoding(like, form, crf, preset)
        if made.name != _ENCODERS[like.codec] or made.pix_fmt != working_format(like.pix_fmt):
            raise SpliceError(f"{like.codec} in {like.pix_fmt} is written by {made.name} in {made.pix_fmt}")
        self._codec, self._rate, self._source = like.codec, rate, source
        self._numbers = _free(source)
        self._given = like, rate, form, crf, preset
        self._settings = self._own_settings()
        self._stream = video_stream(container, *self._given, self._settings)
        context = self._stream.codec_context
        context.open()
        self._sets = self._sets_of(self._stream)
        held = [list(source.sets), list(self._sets)]  # the header names the profile and level of the first
        held.sort(key=lambda sets: nal.level(self._codec, sets), reverse=True)
        context.extradata = nal.joined(sum(held, []))
        self._delay = max(source.delay, context.reorder_depth)
        self._session: tuple[OutputContainer, VideoStream] | None = None
        self._count = 0

    def encode(self, frame: VideoFrame | None) -> Iterator[Packet[Stream]]:
        """Packets of the next picture, whose `pts` is its frame; None: what the encoder still holds."""
        if frame is None:
            yield from self._ended()
            return
        if self._session is None:
            self._session = self._opened(self._settings)
            self._session[1].codec_context.open()
            if self._sets_of(self._session[1]) != self._sets:
                raise SpliceError("the encoder's parameter sets change")
        yield from self._numbered(self._session[1].encode(frame))

    def copied(self, packet: Packet[Stream], frame: int) -> Iterator[Packet[Stream]]:
        """Packets of a source's picture, see `editalk.splice.copies`, shown at timeline frame `frame`."""
        yield from self._ended()
        yield self._timed(bytes(packet), frame, packet.is_keyframe)

    def _ended(self) -> Iterator[Packet[Stream]]:
        if self._session is not None:
            packets = self._session[1].encode(None)
            self._session = None
            yield from self._numbered(packets)

    def _numbered(self, packets: Sequence[Packet[VideoStream]]) -> Iterator[Packet[Stream]]:
        for packet in packets:
            units = [u for u in nal.split(bytes(packet), None) if nal.kind(self._codec, u) is not Kind.SET]
            assert packet.pts is not None
            yield self._timed(nal.joined(self._named(units)), packet.pts, packet.is_keyframe)

    def _timed(self, data: bytes, frame: int, key: bool) -> Packet[Stream]:
        """One frame is read per tick, early enough for the longest reordering of either side."""
        made: Packet[Stream] = Packet(data)
        made.stream, made.time_base = self._stream, 1 / self._rate.value
        made.pts, made.dts, made.duration, made.is_keyframe = frame, self._count - self._delay, 1, key
        self._count += 1
        return made

    def _own_settings(self) -> tuple[str, ...]:
        if self._codec == "hevc":
            return ()
        settings = (f"sps-id={self._numbers[0]}",)
        _, stream = box = self._opened(settings)
        stream.codec_context.open()
        least, own = (nal.level(self._codec, sets)[1] for sets in (self._source.sets, self._sets_of(box[1])))
        return (*settings, f"level={least}") if least > own else settings

    def _opened(self, settings: Sequence[str]) -> tuple[OutputContainer, VideoStream]:
        """An encoder beside the file's own stream; the container is only there to hold it."""
        like, rate, form, crf, preset = self._given
        container = av.open(io.BytesIO(), "w", format=form)
        return container, video_stream(container, like, rate, form, crf, preset, settings)

    def _sets_of(self, stream: VideoStream) -> list[bytes]:
        units = nal.split(bytes(stream.codec_context.extradata or b""), None)
        return list(self._named(u for u in units if nal.kind(self._codec, u) is Kind.SET))

    def _named(self, units: Sequence[bytes] | Iterator[bytes]) -> Iterator[bytes]:
        for unit in units:
            try:
                yield nal.renumbered(unit, *self._numbers) if self._codec == "hevc" else unit
            except ValueError as error:
                raise SpliceError(f"the encoder's stream has {error}") from error


def _free(source: Coded) -> tuple[int, ...]:
    """Numbers that the source's parameter sets do not have: of H.264 for both kinds, of HEVC the video's and the
    picture's.
    """
    codec = source.info.video.codec
    used = {nal.identity(codec, unit) for unit in source.sets}
    if codec == "h264":
        both = [n for n in _NUMBERS if not {(7, n), (8, n)} & used]
        free = both[:1]
    else:
        videos = [n for n in range(15, -1, -1) if (32, n) not in used]
        pictures = [n for n in nal.HEVC_PPS if (34, n) not in used]
        free = [*videos[:1], *pictures[:1]] if (33, nal.HEVC_SPS) not in used else []
    if len(free) != (1 if codec == "h264" else 2):
        raise SpliceError("the source uses all numbers of parameter sets")
    return tuple(free)
