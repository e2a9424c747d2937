"""What a media file holds, found by reading its packets without decoding more than the first frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from editalk.errors import MediaError
from editalk.inputs import digest
from editalk.media.container import decodable, describe, opened
from editalk.media.fields import field_order
from editalk.media.grid import Ticks, constant_grid, phase
from editalk.media.image import working_colour
from editalk.media.info import AudioInfo, Chapter, Colour, Cover, MediaInfo, PacketMap, SubtitleInfo, VideoInfo
from editalk.media.limits import (
    MOST_CHAPTERS,
    MOST_COVER,
    MOST_FRAMES,
    check_count,
    check_duration,
    check_picture,
    check_rate,
    check_sound,
)
from editalk.media.sidedata import dynamic, light_level, mastering, mirrored, rotation
from editalk.timebase import nearest

_MISSING = 0.5  # seconds that a file may end before its announced end


def probe(path: Path, track: int = 1) -> MediaInfo:
    """What a video file with sound holds; its `track`-th sound stream, from 1, is the one that is edited.

    Raises MediaError that names the file, the fault and the way out.
    """
    path = Path(path)
    with opened(path) as container:
        video, audio = _picture(container, path), _sound(container, path, track)
        packets = _read_packets(container, path, video, audio)
        _check_complete(container, path, packets)
        first = _first_frame(path, video.index)
        info = _video_info(path, video, packets, first)
        return MediaInfo(
            path=path,
            container=container.format.name,
            video=info,
            audio=_audio_info(path, audio, packets.sound_start),
            duration=float(info.rate.seconds(info.frames)),
            metadata=tuple(container.metadata.items()),
            timecode=_tag(container, "timecode"),
            sha256=digest(path),
            reel=_tag(container, "reel_name", "com.apple.proapps.reel"),
            further=tuple(
                _audio_info(path, s, (s.start_time or 0) * (s.time_base or Fraction(1)))
                for s in decodable(container) if s.index != audio.index
            ),
            undecoded=len(container.streams.audio) - len(decodable(container)),
            subtitles=tuple(_subtitle_info(s) for s in container.streams.subtitles),
            chapters=_chapters(container, path, info.start),
            data=_data_streams(container),
            cover=_cover(container, path),
        )  # fmt: skip


def probe_audio(path: Path) -> AudioInfo:
    """What the first sound stream of any media file holds. Raises MediaError."""
    path = Path(path)
    with opened(path) as container:
        stream = _sound(container, path)
        try:
            frame = next(container.decode(stream), None)
        except av.error.FFmpegError as error:
            raise MediaError(f"{path}: its sound cannot be decoded ({describe(error)}); convert it to WAV") from error
        if frame is None:
            raise MediaError(f"{path} has a sound stream without a sound in it; export it again")
        start = Fraction(0) if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
        return _audio_info(path, stream, start)


def _picture(container: InputContainer, path: Path) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    if container.streams.audio:
        raise MediaError(f"{path} has sound but no picture; name a video (a voice goes to --voice)")
    raise MediaError(f"{path} has neither picture nor sound, or only its head is there; name a video, copied whole")


def _sound(container: InputContainer, path: Path, track: int = 1) -> AudioStream:
    held = decodable(container)
    if not held:
        raise MediaError(f"{path} has no sound, so nothing is said in it; name a file with its sound track")
    if not 1 <= track <= len(held):
        raise MediaError(f"{path} has no audio track {track}, only 1{f' to {len(held)}' if len(held) > 1 else ''}")
    return held[track - 1]


@dataclass
class _Packets:
    """What one pass over the packets of a file leaves."""

    shown: list[int] = field(default_factory=list)
    keys: list[tuple[int, int]] = field(default_factory=list)
    total: int = 0
    untimed: int = 0
    last_duration: int = 0
    sound_start: Fraction = Fraction(0)
    sound_packets: int = 0
    end: Fraction = Fraction(0)  # media time at which the last packet of any stream ends
    fault: str | None = None


def _read_packets(container: InputContainer, path: Path, video: VideoStream, audio: AudioStream) -> _Packets:
    found, last = _Packets(), None
    if container.format.name.startswith("mov"):  # there chapters are a track, which counts in the file's duration
        found.end = max((c["end"] * (c["time_base"] or Fraction(0)) for c in container.chapters()), default=found.end)
    try:
        for packet in container.demux(video, *container.streams.audio, *container.streams.subtitles):
            if not packet.size or packet.time_base is None:
                continue
            if packet.pts is not None:
                found.end = max(found.end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream_index == audio.index:
                if not found.sound_packets and not packet.is_discard and packet.pts is not None:
                    found.sound_start = packet.pts * packet.time_base
                found.sound_packets += not packet.is_discard
            if packet.stream_index != video.index:
                continue
            found.total += 1
            check_count(path, "frames", found.total, MOST_FRAMES)
            if packet.pts is None:
                found.untimed += 1
            elif not packet.is_discard:
                found.shown.append(packet.pts)
                if last is None or packet.pts >= last:
                    last, found.last_duration = packet.pts, packet.duration or 0
            if packet.is_keyframe and packet.pts is not None:
                found.keys.append((packet.pts, packet.dts if packet.dts is not None else packet.pts))
    except av.error.FFmpegError as error:
        found.fault = describe(error)
    return found


def _check_complete(container: InputContainer, path: Path, found: _Packets) -> None:
    """Raises MediaError for a file without frames or one that announces more than it holds."""
    announced = Fraction(container.duration or 0, 1_000_000)
    start = Fraction(container.start_time or 0, 1_000_000)
    size = path.stat().st_size
    cut = any(
        entry.pos + entry.size > size
        for stream in container.streams
        if stream.type in ("video", "audio")
        for entry in stream.index_entries
    )
    readable = float(max(Fraction(0), found.end - start))
    if cut or found.fault or (announced and float(announced) - readable > max(_MISSING, 0.02 * float(announced))):
        why = f" ({found.fault})" if found.fault else ""
        part = "its end is missing" if not found.fault and float(announced) - readable < _MISSING else (
            f"about {readable:.1f} of {float(announced):.1f} s can be read"
        )  # fmt: skip
        raise MediaError(f"{path} is truncated or damaged{why}: {part}; copy or export it again")
    if not found.total:
        raise MediaError(f"{path} has a picture stream without a frame in it; export it again")
    if not found.sound_packets:
        raise MediaError(f"{path} has a sound track without a sound in it; export it again")


def _first_frame(path: Path, index: int) -> VideoFrame:
    with opened(path) as container:
        try:
            frame = next(container.decode(container.streams[index]), None)
        except av.error.FFmpegError as error:
            raise MediaError(f"{path}: its picture cannot be decoded ({describe(error)}); convert it") from error
    if not isinstance(frame, VideoFrame):
        raise MediaError(f"{path}: no frame of its picture can be decoded; convert it to H.264 in mp4")
    return frame


def _counted_times(path: Path, index: int, time_base: Fraction, rate: Fraction) -> list[int]:
    """Timestamps by counting decoded frames."""
    step = 1 / (rate * time_base)
    with opened(path) as container:
        try:
            return [nearest(number * step) for number, _ in enumerate(container.decode(container.streams[index]))]
        except av.error.FFmpegError as error:
            raise MediaError(f"{path}: its picture cannot be decoded ({describe(error)}); export it again") from error


def _video_info(path: Path, stream: VideoStream, found: _Packets, first: VideoFrame) -> VideoInfo:
    time_base = stream.time_base or Fraction(1, 90_000)
    times = found.shown
    counted = bool(found.untimed) or stream.container.format.name == "avi"
    if counted:
        counting = _counted_times(path, stream.index, time_base, stream.guessed_rate or Fraction(25))
        # AVI's packets come in the order of decoding, each in a slot of its own; empty slots are dropped frames
        times = sorted(times) if not found.untimed and len(times) == len(counting) else counting
    source: Ticks = np.unique(np.asarray(times, np.int64))
    if first.pts is not None and not counted:  # leading pictures that refer to what is not in the file are never shown
        source = source[source >= first.pts] if (source == first.pts).any() else source
    if not len(source):
        raise MediaError(f"{path} has a picture stream without a frame to show; export it again")
    if len(source) == 1 and not found.last_duration:
        raise MediaError(f"{path} has no duration: a single picture; name a video")
    check_picture(path, first.width, first.height)
    duration = found.last_duration or int(np.median(np.diff(source)))
    lasts = (int(source[-1]) - int(source[0]) + duration) * time_base
    check_duration(path, float(lasts))
    try:
        rate, shown, variable = constant_grid(source, duration, time_base, stream.average_rate, stream.guessed_rate)
    except OverflowError as error:
        raise MediaError(f"{path}: {error} by its timestamps; at most {MOST_FRAMES} are edited, export it again at the "
                         "rate that it was made with") from error  # fmt: skip
    check_rate(path, float(rate.value))
    context = stream.codec_context
    tags = Colour(int(first.color_range), int(first.color_primaries), int(first.color_trc), int(first.colorspace))
    keys = np.asarray(sorted(found.keys), np.int64).reshape(-1, 2)
    return VideoInfo(
        codec=context.codec.canonical_name,
        width=first.width,
        height=first.height,
        pix_fmt=first.format.name,
        rate=rate,
        frames=len(shown),
        start=int(source[0]) * time_base + (phase(shown, rate, time_base) if variable else 0),
        colour=working_colour(first.format.name, tags),
        rotation=rotation(first),
        sample_aspect=stream.sample_aspect_ratio or Fraction(1),
        variable=variable,
        bit_rate=stream.bit_rate or None,
        index=stream.index,
        packets=PacketMap(time_base, shown, source, keys),
        profile=stream.profile,
        mastering=mastering(first),
        light=light_level(first),
        matrix=mirrored(first),
        dynamic=dynamic(first),
        fields=field_order(first),  # the last to look at the frame: it draws on it
    )


def _audio_info(path: Path, stream: AudioStream, start: Fraction) -> AudioInfo:
    context = stream.codec_context
    if not context.sample_rate or not context.channels:
        raise MediaError(f"{path}: its sound has no sample rate or no channels; convert it to WAV or AAC")
    check_sound(path, context.sample_rate, context.channels)
    return AudioInfo(
        codec=context.codec.canonical_name,
        sample_rate=context.sample_rate,
        channels=context.channels,
        layout=_layout(context.layout),
        start=start,
        bit_rate=context.bit_rate or None,
        language=_language(stream),
        index=stream.index,
        title=_title(stream),
        disposition=int(stream.disposition),
        bits=8 * context.format.bytes if context.format else 16,
    )


def _layout(layout: AudioLayout) -> str:
    """Its name; where the file leaves the places of the loudspeakers open, the usual ones."""
    return AudioLayout(f"{layout.nb_channels}c").name if layout.name.endswith("channels") else layout.name


def _subtitle_info(stream: SubtitleStream) -> SubtitleInfo:
    # PyAV's types do not know that a stream without a decoder has no context
    codec = getattr(stream.codec_context, "name", "unknown")
    return SubtitleInfo(codec, stream.index, _language(stream), _title(stream), int(stream.disposition))


def _language(stream: Stream) -> str | None:
    language = stream.metadata.get("language")
    return None if language == "und" else language


def _title(stream: Stream) -> str | None:
    return stream.metadata.get("title") or stream.metadata.get("name")  # "name": what QuickTime's box of it is called


def _chapters(container: InputContainer, path: Path, start: Fraction) -> tuple[Chapter, ...]:
    found, held = [], container.chapters()
    check_count(path, "chapters", len(held), MOST_CHAPTERS)
    for chapter in held:
        unit = chapter["time_base"] or Fraction(1)
        span = chapter["start"] * unit - start, chapter["end"] * unit - start
        found.append(Chapter(*span, tuple(chapter["metadata"].items())))
    return tuple(found)


def _cover(container: InputContainer, path: Path) -> Cover | None:
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic and stream.codec_context.name in ("png", "mjpeg"):
            with opened(path) as fresh:
                packet = next(fresh.demux(fresh.streams[stream.index]))
                check_count(path, "bytes of a cover", packet.size, MOST_COVER)
                return Cover(stream.codec_context.name, stream.width, stream.height, bytes(packet))
    return None


def _data_streams(container: InputContainer) -> tuple[str, ...]:
    """What cameras write beside picture and sound: places, motion, settings."""
    return tuple(
        stream.metadata.get("handler_name", "").strip() or stream.codec_tag.strip() or "unnamed"
        for stream in container.streams.data if "timecode" not in stream.metadata
    )  # fmt: skip


def _tag(container: InputContainer, *names: str) -> str | None:
    """The first of the tags, in any case, that the file or one of its streams has."""
    for metadata in (container.metadata, *(stream.metadata for stream in container.streams)):
        for key, value in metadata.items():
            if key.lower() in names and value:
                return value
    return None
