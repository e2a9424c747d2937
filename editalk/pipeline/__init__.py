"""The one place that joins the stages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from editalk.analysis import Analysis
from editalk.backends import Choice, choose
from editalk.backends.base import Backend
from editalk.cache import Cache, scratch
from editalk.errors import DeviceError, PlanError, SourceError, UsageError
from editalk.face import FaceTracker
from editalk.interchange import Writer, check_rate
from editalk.media import SoundFile
from editalk.mux import check_target, losses
from editalk.pipeline.apply import Clock, Result, apply, bring_along, operations, report
from editalk.pipeline.dub import figures, plan_dub, read_dub
from editalk.pipeline.edit import listen, open_voices, plan_edit, read_script, spoken_ranges
from editalk.pipeline.render import footage_of
from editalk.pipeline.source import Listening, Source, beside, opened, read_text, transcribe, words_of
from editalk.pipeline.timelines import check_timelines, timelines
from editalk.plan import EditPlan, Region, Script, VoiceRef, from_json
from editalk.reporting import Reporter
from editalk.soundtrack import Soundtrack
from editalk.texts import write_texts
from editalk.timebase import FrameRange
from editalk.transcript import Transcript

__all__ = [
    "Clock", "Edit", "Listening", "Prepared", "Result", "Source", "beside", "check_timelines", "opened", "operations",
    "planned", "report", "run", "summary", "timelines", "transcribe", "words_of",
]  # fmt: skip


@dataclass(frozen=True)
class Edit:
    """What the user asks for. `face`: the N-th from the left, None: the largest. `covers`: None: found out.
    `audio_track`: of the file's sound streams, from 1, the one that is edited; a plan has its own.
    `dub`: `edited` is another language's, and so is `language`. `voice_transcript`: the words of a dub's voice.
    """

    video: Path
    edited: Path | None
    voices: tuple[Path, ...] = ()
    transcript: Path | None = None
    plan: Path | None = None
    covers: str | None = None
    backend: Choice = field(default_factory=Choice)
    face: int | None = None
    language: str | None = None
    region: str | None = None
    timelines: tuple[Writer, ...] = ()
    audio_track: int = 1
    dub: bool = False
    voice_transcript: Path | None = None
    watermark: bool = False


@dataclass(frozen=True)
class Prepared:
    """An edit that only needs rendering."""

    source: Source
    transcript: Transcript
    plan: EditPlan
    voices: tuple[SoundFile, ...]
    analysis: Analysis
    backend: Backend
    why: str  # this backend


@contextmanager
def planned(edit: Edit, cache: Cache, clock: Clock, reporter: Reporter) -> Iterator[Prepared]:
    """The plan of an edit, for as long as its source stays open. Nothing is rendered."""
    _check_dub(edit)
    with ExitStack() as stack:
        with clock.stage("decode"):
            plan = from_json(read_text(edit.plan, PlanError), str(edit.plan)) if edit.plan is not None else None
            track = edit.audio_track if plan is None else plan.source.track
            source = stack.enter_context(opened(edit.video, reporter, track))
        check_rate(edit.timelines, source.info.video.rate, str(edit.video))
        backend, why = choose(edit.backend)
        plan = _of_source(plan, source, edit.plan) if plan is not None else None
        with clock.stage("transcript"):
            listening = Listening(language=None if edit.dub else edit.language)
            transcript = words_of(source, edit.transcript, listening, cache, reporter)
        analysis = Analysis(
            source.info, source.reader, source.heard, transcript.words, cache, reporter, edit.face
        )
        stack.callback(analysis.close)
        if edit.plan is not None and plan is not None:
            paths = edit.voices or _voices_of(plan, edit.plan)
            decoded = open_voices(paths, source, stack)
            _same_voices(plan, [ref for ref, _ in decoded], edit.plan)
            plan = replace(plan, voices=tuple(ref for ref, _ in decoded))  # where they lie now
            yield Prepared(source, transcript, plan, tuple(sound for _, sound in decoded), analysis, backend, why)
            return
        region = Region(edit.region) if edit.region else Region.MOUTH
        if edit.dub:
            text = read_dub(_edited(edit), transcript, edit.language, edit.voice_transcript)
            _check_regions(edit, Script(text.texts, ()), backend, reporter)
            with clock.stage("voice"):
                decoded = open_voices(edit.voices, source, stack)
            with clock.stage("plan"):
                plan = plan_dub(source, transcript, text, decoded, analysis, backend.grid_step, region, reporter)
            yield Prepared(source, transcript, plan, tuple(sound for _, sound in decoded), analysis, backend, why)
            return
        script = read_script(_edited(edit), transcript)
        _check_regions(edit, script, backend, reporter)
        with clock.stage("voice"):
            decoded = open_voices(edit.voices, source, stack)
            voices = listen(decoded, script, edit.covers, edit.language or transcript.language, reporter)
        with clock.stage("plan"):
            plan = plan_edit(
                source, transcript, script, voices, analysis, backend.grid_step, region, reporter
            )
        yield Prepared(source, transcript, plan, voices.sounds, analysis, backend, why)


def run(edit: Edit, out: Path, overwrite: bool, cache: Cache, clock: Clock, reporter: Reporter) -> Result | None:
    """Transcript to finished file; `out` is written whole or not at all. None: of several processes another writes it.
    """
    form = check_target(out, overwrite, edit.video)
    check_timelines(edit.timelines, out, overwrite, edit.video)
    with planned(edit, cache, clock, reporter) as ready:
        for loss in losses(ready.source.info, form):
            reporter.warn(loss)
        if edit.backend.name == "auto":
            reporter.say(f"backend {ready.backend.name}: {ready.why}")
        _check_lips(ready)
        with clock.stage("face"):
            ready.analysis.prepare(_footage(ready))
            _warn_without_face(ready, edit.face, reporter)
        words = ready.transcript.words
        speech = Soundtrack(ready.plan, ready.source.sound, ready.voices, spoken_ranges(words))
        with scratch() as folder:
            with clock.stage("decode"):
                along = bring_along(ready.source.info, ready.plan, words, out, folder, reporter)
            made = apply(ready.plan, ready.source, speech, along, ready.analysis, ready.backend, out, overwrite,
                         cache, edit.backend.seed, edit.watermark, clock, reporter)  # fmt: skip
        if made is None or not edit.timelines:
            return made
        texts = timelines(edit.timelines, out, out, ready.plan, made.rendered, ready.source.info, ready.voices,
                          ready.transcript)  # fmt: skip
        write_texts(texts)
        return replace(made, timelines=tuple(texts))


def _check_lips(ready: Prepared) -> None:
    count = sum(bool(window.lips) for window in ready.plan.windows)
    if count and not ready.backend.capabilities.lips:
        raise DeviceError(
            f"backend {ready.backend.name} with these weights makes additions and removals, but no lips: they have no "
            f"trained audio layers (audio_adapter), and {count} of {len(ready.plan.windows)} windows need lips; add "
            "--lip-pass musetalk, or take --weights ltx-2.3-distilled or --backend exemplar"
        )


def _check_regions(edit: Edit, script: Script, backend: Backend, reporter: Reporter) -> None:
    """What the backend cannot draw is refused where it was asked for by a flag, said where a mark asks for it."""
    can = backend.capabilities.regions
    names = ", ".join(sorted(can))
    if edit.region is not None and edit.region not in can:
        raise UsageError(f"--region {edit.region}: backend {backend.name} draws only {names}")
    for mark in script.attributes:
        if mark.rerender is not None and mark.rerender not in can:
            text = " ".join(script.tokens[mark.first : mark.end])
            reporter.warn(f"“{text}”: backend {backend.name} draws only {names}, not {mark.rerender}")


def _check_dub(edit: Edit) -> None:
    if edit.voice_transcript is not None and not edit.dub:
        raise UsageError("--voice-transcript is for --dub")
    if not edit.dub:
        return
    if edit.plan is not None:
        raise UsageError("--dub makes a plan, --plan starts from one; leave out one of them")
    if not edit.voices:
        raise UsageError("--dub needs the dub's voice: --voice FILE, one for all or one for each sentence")
    if edit.covers == "new-words":
        raise UsageError("--dub: the voice says the whole script; leave out --voice-covers")
    if edit.voice_transcript is not None and len(edit.voices) > 1:
        raise UsageError("--voice-transcript is of one --voice FILE that says all")


def _edited(edit: Edit) -> Path:
    if edit.edited is None:
        raise UsageError("which edited text? give EDITED or --plan")
    return edit.edited


def _footage(ready: Prepared) -> list[FrameRange]:
    """The footage whose face matters: around every window."""
    ref = ready.plan.source
    return [footage_of(window, ref.rate, ref.frames) for window in ready.plan.windows]


def _warn_without_face(ready: Prepared, face: int | None, reporter: Reporter) -> None:
    spans = _footage(ready)
    if not spans or any(ready.analysis.track(s).found.any() for s in spans):
        return
    if face is not None:
        video = ready.source.info.video
        with FaceTracker(video.rotation, face, float(video.sample_aspect)) as tracker:
            count = tracker.count(ready.source.reader.image(spans[0].start))
        reporter.warn(f"--face {face}: {count or 'no'} face{'s' * (count != 1)} found; the edit is made without one")
    elif any(w.lips for w in ready.plan.windows):
        reporter.warn("no face was found: the edit is made without new lips")


def _of_source(plan: EditPlan, source: Source, path: Path | None) -> EditPlan:
    if plan.source.sha256 != source.info.sha256:
        raise SourceError(
            f"{path}: made for another file, {plan.source.name} as it was then, not for this {source.info.path.name}; "
            "make the plan anew"
        )
    return replace(plan, source=replace(plan.source, name=source.info.path.name))


def _voices_of(plan: EditPlan, path: Path) -> tuple[Path, ...]:
    """Where the plan says, else beside it."""
    found = []
    for ref in plan.voices:
        near = path.with_name(Path(ref.path).name)
        found.append(Path(ref.path) if Path(ref.path).exists() else near)
        if not found[-1].exists():
            raise SourceError(f"{path}: its voice {ref.path} is not there; name where it is with --voice")
    return tuple(found)


def _same_voices(plan: EditPlan, refs: Sequence[VoiceRef], path: Path) -> None:
    if [r.sha256 for r in refs] != [r.sha256 for r in plan.voices]:
        raise SourceError(f"{path}: made for other voice files, or they have changed since; make the plan anew")


def summary(plan: EditPlan) -> dict[str, Any]:
    """The object of `apply --dry-run --json`."""
    rate = plan.source.rate
    return {
        "frame_rate": str(rate), "frames": plan.frames, "duration": round(float(rate.seconds(plan.frames)), 6),
        "operations": operations(plan), "frames_to_render": sum(len(w.span) for w in plan.windows),
        "windows": [[w.span.start, w.span.end] for w in plan.windows], "voice_covers": plan.voice_covers,
    } | ({"dub": figures(plan)} if plan.dubbed else {})  # fmt: skip
