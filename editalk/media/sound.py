"""The sound of a file as raw samples on disk, decoded once in constant memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from editalk.audio import Audio, Samples
from editalk.errors import MediaError, OutputError
from editalk.media.container import decodable, describe, opened
from editalk.media.limits import LOUDEST, check_lasting, check_room, check_sound
from editalk.timebase import nearest

_JITTER = Fraction(3, 2000)  # seconds: less is the timestamps' rounding, not a gap
_RAMP = Fraction(1, 50)  # seconds: a shorter gap is bridged by a line, not by silence
_CHUNK = 1 << 16  # samples
_BYTES = 4  # of a float32


@dataclass(frozen=True)
class SoundFile:
    """Raw float32 samples on disk, channels interleaved. Sample 0 is at the moment asked of `decode_sound`."""

    path: Path
    samples: int
    rate: int
    channels: int

    @property
    def seconds(self) -> float:
        return self.samples / self.rate

    def read(self, start: int, stop: int) -> Audio:
        """Samples [start, stop) as [stop - start, channels]; zeros where the file has none."""
        if stop < start:
            raise ValueError(f"samples {start} to {stop}")
        out = np.zeros((stop - start, self.channels), np.float32)
        first, last = max(0, start), min(self.samples, stop)
        if first < last:
            count = (last - first) * self.channels
            held = np.fromfile(self.path, "<f4", count, offset=first * self.channels * _BYTES)
            if len(held) != count:
                raise MediaError(f"{self.path} is shorter than it was; delete it and run again")
            out[first - start : last - start] = held.reshape(-1, self.channels)
        return Audio(out, self.rate)


def decode_sound(
    path: Path, raw: Path, rate: int | None = None, channels: int | None = None, start: Fraction = Fraction(0),
    index: int | None = None,
) -> SoundFile:  # fmt: skip
    """Decode a sound stream of a file into `raw`, written beside its place and renamed when complete.

    Sample 0 is media time `start` (for a video, that of its first frame): what lies before is dropped, a later
    beginning and gaps are filled. `rate`, `channels`: None keeps the file's own. `index`: of the stream among all of
    the file, None: the first one with sound. Raises MediaError.
    """
    part = raw.with_name(raw.name + ".part")
    try:
        with part.open("wb") as out:
            count, own_rate, own_channels = _write(_timed(path, raw.parent, start, channels, rate, index), out, path)
        sound = SoundFile(part, count, own_rate, own_channels)
        if rate is not None and rate != own_rate:
            sound = _resampled(sound, rate)
        os.replace(sound.path, raw)
        return SoundFile(raw, sound.samples, sound.rate, sound.channels)
    except av.error.FFmpegError as error:  # not always an OSError, too
        raise MediaError(
            f"{path}: its sound is damaged or cannot be decoded ({describe(error)}); export the file again"
        ) from error
    except OSError as error:
        raise _unwritten(raw, error) from error
    finally:
        part.unlink(missing_ok=True)


def converted(sound: SoundFile, raw: Path, rate: int, channels: int) -> SoundFile:
    """What `decode_sound` of the same file gives at another rate and with other channels, without decoding it again.

    Raises OutputError.
    """
    part = raw.with_name(raw.name + ".part")
    try:
        with part.open("wb") as out:
            for start in range(0, sound.samples, _CHUNK):
                block = sound.read(start, min(sound.samples, start + _CHUNK)).samples
                out.write(np.ascontiguousarray(_mixed(block, channels), "<f4").tobytes())
        made = SoundFile(part, sound.samples, sound.rate, channels)
        if rate != sound.rate:
            made = _resampled(made, rate)
        os.replace(made.path, raw)
        return SoundFile(raw, made.samples, made.rate, channels)
    except OSError as error:
        raise _unwritten(raw, error) from error
    finally:
        part.unlink(missing_ok=True)


def _unwritten(raw: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{raw.parent}: the decoded sound cannot be written ({describe(error)}); make room, or let TMPDIR name a "
        "folder elsewhere"
    )


@dataclass(frozen=True)
class _Block:
    at: int  # sample at which it begins
    samples: Samples  # [n, channels]
    rate: int


def _timed(
    path: Path, folder: Path, start: Fraction, channels: int | None, at_rate: int | None, index: int | None
) -> Iterator[_Block]:
    """Decoded blocks with the places that their timestamps give them, if `folder` has room for all of them."""
    with opened(path) as container:
        stream = next((s for s in decodable(container) if index in (None, s.index)), None)
        if stream is None:
            raise MediaError(f"{path} has no sound")
        context = stream.codec_context
        rate, layout = context.sample_rate, context.layout
        check_sound(path, rate, layout.nb_channels)
        wanted = channels or layout.nb_channels
        announced = max(0.0, (container.duration or 0) / 1_000_000)
        check_lasting(path, announced)
        check_room(path, folder, int(announced * (rate + (at_rate or 0)) * wanted * _BYTES))
        if 1 not in (wanted, layout.nb_channels) and wanted != layout.nb_channels:
            layout = AudioLayout("stereo" if wanted == 2 else f"{wanted}c")
        convert, form, at = AudioResampler("flt", layout, rate), None, 0
        for frame in container.decode(stream):
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if form not in (None, now):  # the stream changes its format on the way
                convert = AudioResampler("flt", layout, rate)
            form = now
            if frame.pts is not None and frame.time_base is not None:
                at = nearest((frame.pts * frame.time_base - start) * rate)
            block = _mixed(_array(convert.resample(_unstamped(frame)), layout.nb_channels), wanted)
            yield _Block(at, _trimmed(frame, block), rate)
            at += len(block)


def _mixed(samples: Samples, channels: int) -> Samples:
    """To or from one channel: the mean, or copies. (FFmpeg's own mix would make it 3 dB louder.)"""
    if samples.shape[1] == channels:
        return samples
    return np.repeat(samples.mean(axis=1, keepdims=True, dtype=np.float32), channels, axis=1)


def _unstamped(frame: AudioFrame) -> AudioFrame:
    """Without its time: the resampler must neither fill nor drop."""
    frame.pts = None
    return frame


def _trimmed(frame: AudioFrame, block: Samples) -> Samples:
    """Without the padding that the container says a codec's last frame ends with."""
    if frame.duration and frame.time_base is not None:
        lasts = nearest(frame.duration * frame.time_base * frame.sample_rate)
        slack = max(2, nearest(2 * frame.time_base * frame.sample_rate))
        if lasts < len(block) - slack and lasts > 0:
            return block[:lasts]
    return block


def _array(frames: list[AudioFrame], channels: int) -> Samples:
    """[n, channels] of packed float frames."""
    parts = [np.asarray(frame.to_ndarray(), np.float32).reshape(-1, channels) for frame in frames]
    made = np.concatenate(parts) if parts else np.zeros((0, channels), np.float32)
    return np.nan_to_num(made, copy=False, posinf=0, neginf=0).clip(-LOUDEST, LOUDEST)  # float files hold any number


def _write(blocks: Iterator[_Block], out: BinaryIO, path: Path) -> tuple[int, int, int]:
    """Lay blocks one after another at their places; (samples, rate, channels). `path`: where they are from."""
    end, rate, last = 0, 0, None
    for block in blocks:
        rate, samples, gap = block.rate, block.samples, block.at - end
        check_lasting(path, (block.at + len(samples)) / rate)
        if last is None:
            last = np.zeros(samples.shape[1], np.float32)
            if gap > 0:
                end += _fill(out, gap, last, last)
                gap = 0
        if gap < 0 and (end == 0 or -gap > _JITTER * rate):  # before the first picture, or an overlap
            samples = samples[-gap:]
        elif gap > _JITTER * rate and len(samples):
            short = gap <= _RAMP * rate
            end += _fill(out, gap, last if short else 0 * last, samples[0] if short else 0 * last)
        if len(samples):
            out.write(np.ascontiguousarray(samples, "<f4").tobytes())
            end, last = end + len(samples), samples[-1]
    if last is None:
        raise MediaError(f"{path}: a sound track without a sound in it; export it again")
    return end, rate, len(last)


def _fill(out: BinaryIO, count: int, left: NDArray[np.float32], right: NDArray[np.float32]) -> int:
    """Write `count` samples that lead from one value to another."""
    for start in range(0, count, _CHUNK):
        step = (np.arange(start, min(count, start + _CHUNK), dtype=np.float32)[:, None] + 1) / (count + 1)
        out.write(np.ascontiguousarray(left + (right - left) * step, "<f4").tobytes())
    return count


def _resampled(sound: SoundFile, rate: int) -> SoundFile:
    """The same at another rate, in place of the first file; its length is right to the sample."""
    length = nearest(Fraction(sound.samples * rate, sound.rate))
    layout = AudioLayout({1: "mono", 2: "stereo"}.get(sound.channels) or f"{sound.channels}c")
    convert = AudioResampler("flt", layout, rate)
    target = sound.path.with_name(sound.path.name + ".rate")
    written = 0
    try:
        with target.open("wb") as out:
            for frames in _convert(sound, convert, layout):
                block = _array(frames, sound.channels)[: length - written]
                out.write(np.ascontiguousarray(block, "<f4").tobytes())
                written += len(block)
            out.write(bytes((length - written) * sound.channels * _BYTES))
        os.replace(target, sound.path)
    finally:
        target.unlink(missing_ok=True)
    return SoundFile(sound.path, length, rate, sound.channels)


def _convert(sound: SoundFile, convert: AudioResampler, layout: AudioLayout) -> Iterator[list[AudioFrame]]:
    for start in range(0, sound.samples, _CHUNK):
        samples = sound.read(start, min(sound.samples, start + _CHUNK)).samples
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=layout.name)
        frame.sample_rate, frame.time_base, frame.pts = sound.rate, Fraction(1, sound.rate), start
        yield convert.resample(frame)
    yield convert.resample(None)
