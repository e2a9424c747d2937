"""The plan → clips: the source where its footage and sound were kept, the edited file where they were made anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from editalk.interchange.timecode import read_timecode
from editalk.interchange.types import Clip, Content, Mark, Media, Picture, Timeline, Track, plain, short
from editalk.media.info import AudioInfo, MediaInfo
from editalk.operations import Kind
from editalk.plan import EditPlan, Origin, SoundPiece
from editalk.timebase import FrameRange
from editalk.transcript import Word

BRIDGE = 0.5  # seconds: shorter footage between new pictures is no clip of its own


@dataclass(frozen=True)
class VoiceFile:
    """`samples`: its length at the plan's sample rate."""

    path: Path
    audio: AudioInfo
    samples: int


@dataclass(frozen=True)
class Files:
    """What an edit's clips refer to. `drop`: their timecode is drop-frame."""

    source: Media
    edited: Media
    voices: tuple[Media, ...]
    picture: Picture
    drop: bool


def files_of(plan: EditPlan, info: MediaInfo, edited: Path, voices: Sequence[VoiceFile]) -> Files:
    """The source, the file `edited` that the plan makes of it, with the same timecode, and the voices."""
    start, drop = read_timecode(info.timecode, plan.source.rate)
    path, audio, video = _whole(info.path), info.audio, info.video
    edited = _whole(edited)
    sideways = video.turns % 2 == 1
    picture = Picture(
        video.height if sideways else video.width, video.width if sideways else video.height,
        1 / video.sample_aspect if sideways else video.sample_aspect, video.colour,
    )  # fmt: skip
    return Files(
        Media(path, plain(info.reel or path.stem), start, plan.source.frames, plan.source.samples, audio.sample_rate,
              audio.channels),
        Media(edited, plain(edited.stem), start, plan.frames, plan.samples, audio.sample_rate, audio.channels),
        tuple(_voice(voice) for voice in voices),
        picture,
        drop,
    )  # fmt: skip


def _whole(path: Path) -> Path:
    """Absolute; the file's own name is kept where it is a link."""
    return path.parent.resolve() / path.name


def _voice(voice: VoiceFile) -> Media:
    path = _whole(voice.path)
    return Media(path, plain(path.stem), 0, 0, voice.samples, voice.audio.sample_rate, voice.audio.channels)


def edited_timeline(plan: EditPlan, rendered: Sequence[FrameRange], files: Files) -> Timeline:
    """The edit: picture, the source's sound and what was made for it, the voices. `rendered`: the timeline frames with
    new pictures, in order; all of the plan's new content is among them.
    """
    heard = list(_heard(plan, files))
    own = [clip for clip in heard if clip.content is not Content.VOICE]
    said = [clip for clip in heard if clip.content is Content.VOICE]
    tracks = (
        Track("V1", True, plan.source.rate.value, tuple(_shown(plan, rendered, files))),
        Track("A1", False, Fraction(plan.source.sample_rate), tuple(own)),
        Track("A2", False, Fraction(plan.source.sample_rate), tuple(said)),
    )
    marks = tuple(_mark(plan, operation) for operation in range(len(plan.operations)))
    return _timeline(plan, files, files.edited.path.stem, plan.frames, tracks, marks)


def removed_timeline(plan: EditPlan, files: Files, words: Sequence[Word]) -> Timeline:
    """What was taken out, one clip a stretch, in source order: source frames whose picture or sound the edit lacks."""
    shots, sounds, marks = [], [], []
    at, rate, heard = 0, plan.source.rate, plan.source.sample_rate
    for span in taken_out(plan):
        seconds = span.seconds(rate)
        name = _name((w.text for w in words if seconds.start <= (w.start + w.end) / 2 < seconds.end), "no words")
        shots.append(Clip(at, len(span), files.source, Fraction(span.start), name, Content.REMOVED))
        begin, first = rate.sample(at, heard), rate.sample(span.start, heard)
        sounds.append(Clip(begin, rate.sample(at + len(span), heard) - begin, files.source, Fraction(first), name,
                           Content.REMOVED))  # fmt: skip
        marks.append(Mark(at, len(span), Kind.REMOVAL, name, span))
        at += len(span)
    tracks = (Track("V1", True, rate.value, tuple(shots)), Track("A1", False, Fraction(heard), tuple(sounds)))
    return _timeline(plan, files, f"{files.edited.path.stem}.removed", at, tracks, tuple(marks))


def taken_out(plan: EditPlan) -> tuple[FrameRange, ...]:
    """Source frames, in order and not adjoining, that are not shown or of which nothing is heard."""
    rate, at = plan.source.rate, plan.source.sample_rate
    shown = [(p.source, p.source_end) for p in plan.timeline if p.source is not None]
    heard = [(s.offset, s.offset + s.source_samples) for s in plan.sound if s.origin is Origin.SOURCE]
    gone = list(_between(shown, plan.source.frames))
    for start, end in _between(heard, plan.source.samples):
        first, last = rate.frames_to_cover(Fraction(start, at)), rate.frame_at(Fraction(end, at))
        if first < last:
            gone.append((first, last))
    made: list[FrameRange] = []
    for start, end in sorted(gone):
        if made and start <= made[-1].end:
            made[-1] = FrameRange(made[-1].start, max(made[-1].end, end))
        else:
            made.append(FrameRange(start, end))
    return tuple(made)


def _between(spans: Iterable[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    """What of [0, end) none of the spans covers."""
    at = 0
    for start, stop in sorted(spans):
        if at < start:
            yield at, min(start, end)
        at = max(at, stop)
    if at < end:
        yield at, end


def _timeline(
    plan: EditPlan, files: Files, name: str, frames: int, tracks: tuple[Track, ...], marks: tuple[Mark, ...]
) -> Timeline:
    return Timeline(
        plain(name), plan.source.rate, files.source.start, files.drop, frames, plan.source.sample_rate,
        plan.source.channels, files.picture, tuple(t for t in tracks if t.clips or t.picture), marks,
    )  # fmt: skip


def _shown(plan: EditPlan, rendered: Sequence[FrameRange], files: Files) -> Iterator[Clip]:
    """A clip for every stretch of new pictures and for the footage between them."""
    at = 0
    for span in _bridged(rendered, plan.source.rate.frames(BRIDGE)):
        yield from _footage(plan, files, at, span.start)
        yield _made(plan, files, span)
        at = span.end
    yield from _footage(plan, files, at, plan.frames)


def _bridged(spans: Sequence[FrameRange], least: int) -> list[FrameRange]:
    """Stretches with at least so many frames between them."""
    made: list[FrameRange] = []
    for span in spans:
        if made and span.start - made[-1].end < least:
            made[-1] = FrameRange(made[-1].start, span.end)
        else:
            made.append(span)
    return made


def _footage(plan: EditPlan, files: Files, start: int, end: int) -> Iterator[Clip]:
    for piece in plan.timeline:
        low, high = max(start, piece.start), min(end, piece.end)
        if low >= high:
            continue
        if piece.source is None or piece.resampled:
            yield _made(plan, files, FrameRange(low, high))
            continue
        offset = Fraction(piece.source + low - piece.start)
        name = _said(plan, FrameRange(low, high), files.source.name)
        yield Clip(low, high - low, files.source, offset, name, Content.KEPT)


def _made(plan: EditPlan, files: Files, span: FrameRange) -> Clip:
    name = f"generated: {_said(plan, span, 'join')}"
    return Clip(span.start, len(span), files.edited, Fraction(span.start), name, Content.GENERATED)


def _heard(plan: EditPlan, files: Files) -> Iterator[Clip]:
    """Clips that tile the sound. What no file holds as it is heard is the edited file's."""
    for piece in plan.sound:
        fade = piece.fade / plan.source.sample_rate
        span = FrameRange(plan.source.rate.frame_at(Fraction(piece.start, plan.source.sample_rate)),
                          plan.source.rate.frame_at(Fraction(piece.end, plan.source.sample_rate)))  # fmt: skip
        if piece.samples != piece.source_samples:
            name = f"generated: {_said(plan, span, 'no words')}"
            yield Clip(piece.start, piece.samples, files.edited, Fraction(piece.start), name, Content.GENERATED,
                       fade=fade)  # fmt: skip
        elif piece.origin is Origin.SOURCE:
            yield Clip(piece.start, piece.samples, files.source, Fraction(piece.offset),
                       _said(plan, span, files.source.name), Content.KEPT, piece.gain_db, fade)  # fmt: skip
        elif piece.origin is Origin.VOICE and piece.voice is not None:
            yield from _spoken(piece, files, _said(plan, span, files.voices[piece.voice].name), fade)
        else:
            yield _tone(files, piece.start, piece.end, fade)


def _spoken(piece: SoundPiece, files: Files, name: str, fade: float) -> Iterator[Clip]:
    """What a voice file holds of a piece, and tone before and behind it where the file has not begun or has ended."""
    voice = files.voices[piece.voice or 0]
    start = min(piece.end, piece.start + max(0, -piece.offset))
    end = max(start, min(piece.end, piece.start + voice.samples - piece.offset))
    if piece.start < start:
        yield _tone(files, piece.start, start, fade)
    if start < end:
        offset = Fraction(piece.offset + start - piece.start)
        yield Clip(start, end - start, voice, offset, name, Content.VOICE, piece.gain_db,
                   fade if start == piece.start else 0.0)  # fmt: skip
    if end < piece.end:
        yield _tone(files, end, piece.end, 0.0)


def _tone(files: Files, start: int, end: int, fade: float) -> Clip:
    return Clip(start, end - start, files.edited, Fraction(start), "room tone", Content.ROOM_TONE, fade=fade)


def _mark(plan: EditPlan, index: int) -> Mark:
    operation = plan.operations[index]
    frame = min(operation.timeline.start, plan.frames - 1)
    frames = max(1, min(len(operation.timeline), plan.frames - frame))
    return Mark(frame, frames, operation.kind, plain(operation.text), operation.source, operation.region)


def _said(plan: EditPlan, span: FrameRange, otherwise: str) -> str:
    """The words heard in timeline frames."""
    seconds = span.seconds(plan.source.rate)
    return _name((c.text for c in plan.captions if seconds.start <= (c.start + c.end) / 2 < seconds.end), otherwise)


def _name(words: Iterable[str], otherwise: str) -> str:
    return short(plain(" ".join(words)) or otherwise)
