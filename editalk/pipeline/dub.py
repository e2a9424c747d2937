"""A dub's text and voice → the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from editalk.analysis import Analysis
from editalk.asr import understands
from editalk.asr.sound import RATE
from editalk.audio import Audio, Samples, activity, loudness_gain, runs
from editalk.diff import spoken_tokens
from editalk.dub import Line, Said, beads, build_dub, hearing, of_text, of_transcript
from editalk.dub.isochrony import NOTICED
from editalk.errors import MarkupError, PlacedError, ReadError
from editalk.markup import EditedText, read_edited
from editalk.media import SoundFile
from editalk.operations import Kind
from editalk.pipeline.edit import heard_voices
from editalk.pipeline.source import Source
from editalk.plan import EditPlan, Region, VoiceRef
from editalk.reading import read_text
from editalk.reporting import Reporter
from editalk.timebase import TimeRange
from editalk.transcript import Transcript, read_transcript

UNKNOWN = "und"  # BCP 47: a language that nobody has named
LEVELS = 300  # seconds of speech that levels are taken from
BLOCKS = 100  # of `activity`, a second


@dataclass(frozen=True)
class DubScript:
    """The text of a dub. `said_by`: the voice's own transcript, where there is one."""

    edited: EditedText
    texts: tuple[str, ...]
    language: str
    said_by: Path | None = None


def read_dub(path: Path, transcript: Transcript, language: str | None, said_by: Path | None) -> DubScript:
    """The text of a dub; what can only be asked of the source's own words is refused. Raises ReadError, PlacedError."""
    speakers = frozenset(s.speaker for s in transcript.segments if s.speaker)
    try:
        edited = read_edited(read_text(path, ReadError), path.suffix, speakers)
        places = [(mark.line, mark.column) for marks in (edited.attributes, edited.pauses) for mark in marks]
        if places:
            raise MarkupError("a dub has no marks for spans and pauses: its voice says how long all lasts", *places[0])
    except PlacedError as error:
        raise error.inside(path) from error
    texts = tuple(t.text for t in spoken_tokens(edited))
    if not texts:
        raise ReadError(f"{path}: no words; write what the dub says, a sentence for each sentence of the source")
    return DubScript(edited, texts, language or UNKNOWN, said_by)


def plan_dub(
    source: Source, transcript: Transcript, script: DubScript, decoded: Sequence[tuple[VoiceRef, SoundFile]],
    analysis: Analysis, grid_step: int, region: Region, reporter: Reporter,
) -> EditPlan:  # fmt: skip
    """The plan of a dub. Raises VoiceError where the voice cannot say the text."""
    refs, sounds = tuple(ref for ref, _ in decoded), [sound for _, sound in decoded]
    with reporter.stage("Listening to the voice"):
        waves = heard_voices(refs)
        said = _said(script, waves, [Path(r.path).name for r in refs], reporter)
    with reporter.stage("Planning"):
        lines = _lines(source, transcript, script, said)
        heard = _heard(source, transcript)
        plan = build_dub(
            source.ref, lines, script.texts, heard, analysis, refs, [s.samples for s in sounds], script.language,
            _gain(waves, source), grid_step, region,
        )  # fmt: skip
    _warn(plan, said, script.texts, reporter)
    return plan


def figures(plan: EditPlan) -> dict[str, Any]:
    """How a dub keeps to its source: onsets and lengths in seconds, stretch in times the footage's own length."""
    rate = plan.source.rate
    off = [float(rate.seconds(o.timeline.start - o.source.start)) for o in plan.operations if o.kind is Kind.RERENDER]
    stretch = [factor for _, factor in stretched(plan)]
    return {
        "language": plan.dubbed, "sentences": len(off),
        "onsets_off": [round(x, 3) for x in off],
        "onset_off_median": round(float(np.median(np.abs(off))), 3) if off else 0.0,
        "onset_off_max": round(max(map(abs, off), default=0.0), 3),
        "stretch": [round(x, 3) for x in (min(stretch, default=1.0), max(stretch, default=1.0))],
        "longer_by": round(float(rate.seconds(plan.frames - plan.source.frames)), 3),
    }  # fmt: skip


def stretched(plan: EditPlan) -> list[tuple[str, float]]:
    """Every sentence that was retimed and how many times as long its footage became."""
    onsets = {o.timeline.start for o in plan.operations if o.kind is Kind.RERENDER}
    return [(o.text, len(o.timeline) / len(o.source)) for o in plan.operations
            if o.kind is Kind.RETIME and o.timeline.start in onsets]  # fmt: skip


def _said(script: DubScript, waves: Sequence[Samples], names: Sequence[str], reporter: Reporter) -> tuple[Said, ...]:
    """The dub's sentences in the voice: by its transcript, by alignment where it is English, else by its pauses."""
    sentences = of_text(spoken_tokens(script.edited), len(waves))
    hearing.check_pace(waves, sentences, names)
    if script.said_by is not None:
        words = read_transcript(script.said_by).words
        return hearing.by_transcript(words, script.edited, script.texts, sentences, str(script.said_by))
    if understands(script.language):
        aligned = hearing.by_alignment(waves, script.texts, sentences)
        if aligned is not None:
            return aligned
        reporter.warn("the voice does not sound like the English text: its sentences are found by its pauses")
    return hearing.by_pauses(waves, script.texts, sentences)


def _lines(source: Source, transcript: Transcript, script: DubScript, said: Sequence[Said]) -> list[Line]:
    words, sentences = transcript.words, of_transcript(transcript)
    lines = []
    for bead in beads(sentences, [s.sentence for s in said]):
        mine, theirs = said[bead.dub_first : bead.dub_end], sentences[bead.first : bead.end]
        span = TimeRange(words[theirs[0].first].start, words[theirs[-1].end - 1].end) if theirs else None
        if not words:
            span = TimeRange(0.0, source.info.duration)
        text = " ".join(script.texts[mine[0].sentence.first : mine[-1].sentence.end]) if mine else " ".join(
            w.text for w in words[theirs[0].first : theirs[-1].end]
        )  # fmt: skip
        lines.append(Line(text, span, tuple(mine)))
    return lines


def _heard(source: Source, transcript: Transcript) -> list[TimeRange]:
    """Where somebody speaks in the source: its words, and what no word was found for."""
    wave = source.heard.read(0, source.heard.samples).mono()
    spoken = [TimeRange(a / BLOCKS, b / BLOCKS) for a, b in runs(activity(wave, RATE))]
    return [*spoken, *(TimeRange(w.start, w.end) for w in transcript.words)]


def _gain(waves: Sequence[Samples], source: Source) -> float:
    """dB that bring the whole voice to the level of the source's speech; its own dynamics stay."""
    most = LEVELS * RATE
    voice = np.concatenate(waves)[:most, None]
    return loudness_gain(Audio(voice, RATE), [source.heard.read(0, min(most, source.heard.samples))])


def _warn(plan: EditPlan, said: Sequence[Said], texts: Sequence[str], reporter: Reporter) -> None:
    for text, factor in stretched(plan):
        if not 1 / NOTICED <= factor <= NOTICED:
            reporter.warn(f"“{text}”: its footage plays {1 / factor:.2f} times as fast, which may show; a "
                          f"{'shorter' if factor > 1 else 'longer'} translation would help")  # fmt: skip
    for odd in hearing.doubtful(said):
        text = " ".join(texts[odd.sentence.first : odd.sentence.end])
        reporter.warn(f"“{text}” would be said from {odd.start:.2f} to {odd.end:.2f} s of the voice, at quite another "
                      "pace than the rest: if that is wrong, give a file for each sentence")  # fmt: skip
    longer = figures(plan)["longer_by"]
    reporter.say(f"the dub is {abs(longer):.2f} s {'shorter' if longer < 0 else 'longer'} than its source")
