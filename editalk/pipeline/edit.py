"""Edited text and voices → the plan."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from editalk.analysis import Analysis
from editalk.asr.sound import RATE
from editalk.audio import Audio, Samples, join_offset, loudness_gain
from editalk.cache import scratch
from editalk.diff import Tag, attributes, diff, pauses, spoken_tokens
from editalk.errors import PlacedError, ReadError, VoiceError
from editalk.inputs import digest
from editalk.markup import EditedText, read_edited
from editalk.media import SoundFile, decode_sound, probe_audio
from editalk.pipeline.source import Source
from editalk.plan import (
    Caption,
    EditPlan,
    NewSound,
    Origin,
    Region,
    Script,
    SoundPiece,
    VoiceRef,
    build_plan,
    build_take,
)
from editalk.plan.strands import strands
from editalk.reading import read_text
from editalk.reporting import Reporter
from editalk.timebase import TimeRange, samples
from editalk.transcript import Transcript, Word
from editalk.voice import Voice, hear

AROUND = 3.0  # seconds on either side that an insert's loudness is matched to (design, section 5)
SLIDE = 0.02  # seconds by which a sound's join may lie beside the picture's


def read_edits(path: Path, transcript: Transcript) -> tuple[EditedText, Script]:
    """The edited text, plain, Markdown or captions as the file's suffix says, and what it makes of the transcript.

    Raises MarkupError and CaptionError with the file, line and column.
    """
    text = read_text(path, ReadError)
    speakers = frozenset(s.speaker for s in transcript.segments if s.speaker)
    try:
        edited = read_edited(text, path.suffix, speakers)
        edits = diff(transcript.words, edited)
    except PlacedError as error:
        raise error.inside(path) from error
    tokens = spoken_tokens(edited)
    if not tokens:
        raise ReadError(f"{path}: no words are left; an edit keeps or says at least one")
    said = tuple(  # an event that is new to the transcript ("[laughs]") is shown, never spoken
        e for e in edits if e.tag is not Tag.INSERT or not all(t.event for t in tokens[e.target_start : e.target_end])
    )
    return edited, Script(tuple(t.text for t in tokens), said, attributes(edited), pauses(edited))


def read_script(path: Path, transcript: Transcript) -> Script:
    """What the edited text makes of the transcript; see `read_edits`."""
    return read_edits(path, transcript)[1]


@dataclass(frozen=True)
class Voices:
    """Voice files decoded at the source's rate and channels, and what they say of the script."""

    refs: tuple[VoiceRef, ...]
    sounds: tuple[SoundFile, ...]
    voice: Voice | None


def decode_voices(paths: Sequence[Path], source: Source, folder: Path) -> tuple[tuple[VoiceRef, SoundFile], ...]:
    """Every voice file at the source's sample rate and channels; they are inputs, too."""
    decoded = []
    for k, path in enumerate(paths):
        source.inputs.add(path)
        probe_audio(path)
        sound = decode_sound(path, folder / f"voice{k}.f32", source.sound.rate, source.sound.channels)
        sha256 = digest(path)
        source.inputs.read(path, sha256)
        decoded.append((VoiceRef(str(path), sha256), sound))
    return tuple(decoded)


def listen(
    decoded: Sequence[tuple[VoiceRef, SoundFile]], script: Script, covers: str | None, language: str, reporter: Reporter
) -> Voices:
    """Find out what the voices say: the whole script or only its new words. Raises VoiceError."""
    runs = [(p.token, p.token_end) for p in strands(script.edits, script.attributes, script.pauses)
            if p.new and p.pause is None]  # fmt: skip
    refs, sounds = tuple(ref for ref, _ in decoded), tuple(sound for _, sound in decoded)
    if not decoded:
        if runs:
            texts = "\n".join(f"  {' '.join(script.tokens[a:b])}" for a, b in runs)
            raise VoiceError(f"no --voice says the new words:\n{texts}")
        return Voices((), (), None)
    if covers is None and runs == [(0, len(script.tokens))]:
        covers = "script"  # all words are new: the two are one, and a whole take needs no footage of old words
    with reporter.stage("Listening to the voice"):
        names = [Path(ref.path).name for ref in refs]
        voice = hear(heard_voices(refs), script.tokens, runs, covers, names=names, language=language)
    for doubt in voice.warnings:
        reporter.warn(doubt)
    return Voices(refs, sounds, voice)


def heard_voices(refs: Sequence[VoiceRef]) -> list[Samples]:
    """Every voice file mono at the recognisers' rate."""
    with scratch() as folder:
        heard = [decode_sound(Path(ref.path), folder / f"{k}.f32", RATE, 1) for k, ref in enumerate(refs)]
        return [h.read(0, h.samples).mono() for h in heard]


def plan_edit(
    source: Source, transcript: Transcript, script: Script, voices: Voices, analysis: Analysis, grid_step: int,
    region: Region, reporter: Reporter,
) -> EditPlan:  # fmt: skip
    """The plan of the edit, its sound placed and matched in level."""
    with reporter.stage("Planning"):
        if voices.voice is not None and voices.voice.covers == "script":
            return build_take(source.ref, script, _spoken(script, voices), voices.refs,
                              [sound.samples for sound in voices.sounds], grid_step, region)  # fmt: skip
        new = [] if voices.voice is None else [
            NewSound(r.token, r.token_end, r.file, r.start, r.end, words=tuple(
                TimeRange(w.start, w.end) for w in voices.voice.words if r.token <= w.token < r.token_end
            )) for r in voices.voice.runs
        ]  # fmt: skip
        plan = build_plan(source.ref, transcript.words, script, analysis, new, voices.refs, grid_step, region)
        return replace(plan, sound=_placed(_levelled(plan.sound, source, voices), source))


def _spoken(script: Script, voices: Voices) -> tuple[Caption, ...]:
    assert voices.voice is not None
    starts = [0.0]
    for sound in voices.sounds:
        starts.append(starts[-1] + sound.seconds)
    return tuple(
        Caption(script.tokens[w.token], starts[w.file] + w.start, starts[w.file] + w.end) for w in voices.voice.words
    )


def _levelled(pieces: Sequence[SoundPiece], source: Source, voices: Voices) -> tuple[SoundPiece, ...]:
    """Voices at the level of the source's speech around them."""
    levelled = []
    for k, piece in enumerate(pieces):
        if piece.origin is Origin.VOICE and piece.voice is not None:
            insert = voices.sounds[piece.voice].read(piece.offset, piece.offset + piece.source_samples)
            piece = replace(piece, gain_db=loudness_gain(insert, _around(pieces, k, source)))
        levelled.append(piece)
    return tuple(levelled)


def _around(pieces: Sequence[SoundPiece], k: int, source: Source) -> list[Audio]:
    """The source's own sound up to three seconds before and behind a piece."""
    reach = samples(AROUND, source.sound.rate)
    near = []
    before = next((p for p in reversed(pieces[:k]) if p.origin is Origin.SOURCE), None)
    behind = next((p for p in pieces[k + 1 :] if p.origin is Origin.SOURCE), None)
    if before is not None:
        end = before.offset + before.source_samples
        near.append(source.sound.read(max(0, end - reach), end))
    if behind is not None:
        near.append(source.sound.read(behind.offset, behind.offset + reach))
    return near


def _placed(pieces: Sequence[SoundPiece], source: Source) -> tuple[SoundPiece, ...]:
    """Joins of the source's own sound slid to where they are heard least: both sides alike, so that sync stays."""
    placed = list(pieces)
    slide = samples(SLIDE, source.sound.rate)
    for k in range(1, len(placed)):
        a, b = placed[k - 1], placed[k]
        plain = all(p.origin is Origin.SOURCE and p.samples == p.source_samples for p in (a, b))
        reach = min(slide, a.samples // 2, b.samples // 2)
        if plain and reach > 0:
            by, fade = join_offset(source.sound.read, a.offset + a.samples, b.offset, reach)
            placed[k - 1] = replace(a, samples=a.samples + by, source_samples=a.samples + by)
            placed[k] = replace(b, start=b.start + by, offset=b.offset + by, samples=b.samples - by,
                                source_samples=b.samples - by, fade=fade)  # fmt: skip
    return tuple(placed)


def spoken_ranges(words: Sequence[Word]) -> tuple[TimeRange, ...]:
    """Where the source speaks."""
    return tuple(TimeRange(w.start, max(w.start, w.end)) for w in words)


def open_voices(
    paths: Sequence[Path], source: Source, stack: ExitStack, reporter: Reporter
) -> tuple[tuple[VoiceRef, SoundFile], ...]:
    """`decode_voices` into a folder that lasts as long as the stack."""
    with reporter.stage("Decoding the voice", len(paths), "files") as advance:
        decoded = decode_voices(paths, source, stack.enter_context(scratch()))
        advance(len(paths))
    return decoded
