"""The one place that joins the stages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
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
from editalk.inputs import Inputs, digest
from editalk.interchange import Writer, check_rate
from editalk.media import SoundFile
from editalk.mux import check_target, losses
from editalk.pipeline.apply import Clock, Result, apply, bring_along, operations, report
from editalk.pipeline.dub import figures, plan_dub, read_dub
from editalk.pipeline.edit import listen, open_voices, plan_edit, read_script, spoken_ranges
from editalk.pipeline.render import footage_of
from editalk.pipeline.seal import Seal
from editalk.pipeline.source import Listening, Source, beside, opened, transcribe, words_of
from editalk.pipeline.timelines import check_timelines, timelines
from editalk.plan import EditPlan, Region, Script, VoiceRef, from_json
from editalk.reading import LARGEST_DATA, brief, read_text
from editalk.reporting import Reporter
from editalk.soundtrack import Soundtrack
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
    `best_of`: renderings of every window, of which the best is taken; `lip_check`: whether new lips are tracked and
    compared with the sound.
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
    best_of: int = 1
    lip_check: bool = False
    watermark: bool = False

    @property
    def texts(self) -> tuple[Path, ...]:
        """What is read besides media: all there may be."""
        given = self.edited, self.plan, self.transcript or beside(self.video), self.voice_transcript
        return tuple(path for path in given if path is not None)


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
    inputs = Inputs(edit.texts)
    with ExitStack() as stack:
        with clock.stage("decode"):
            plan = _read_plan(edit.plan) if edit.plan is not None else None
            track = edit.audio_track if plan is None else plan.source.track
            source = stack.enter_context(opened(edit.video, reporter, track, inputs))
        check_rate(edit.timelines, source.info.video.rate, str(edit.video))
        backend, why = choose(edit.backend)
        plan = _of_source(plan, source, edit.plan) if plan is not None else None
        with clock.stage("transcript"):
            listening = Listening(language=None if edit.dub else edit.language)
            transcript = words_of(source, edit.transcript, listening, cache, reporter)
        analysis = Analysis(
            source.info, source.reader, source.heard, transcript.words, cache, reporter, edit.face, inputs
        )
        stack.callback(analysis.close)
        if edit.plan is not None and plan is not None:
            paths = edit.voices or _voices_of(plan, edit.plan)
            decoded = open_voices(paths, source, stack, reporter)
            _same_voices(plan, [ref for ref, _ in decoded], edit.plan)
            plan = replace(plan, voices=tuple(ref for ref, _ in decoded))  # where they lie now
            yield Prepared(source, transcript, plan, tuple(sound for _, sound in decoded), analysis, backend, why)
            return
        region = Region(edit.region) if edit.region else Region.MOUTH
        if edit.dub:
            text = read_dub(_edited(edit), transcript, edit.language, edit.voice_transcript)
            _check_regions(edit, Script(text.texts, ()), backend, reporter)
            with clock.stage("voice"):
                decoded = open_voices(edit.voices, source, stack, reporter)
            with clock.stage("plan"):
                plan = plan_dub(source, transcript, text, decoded, analysis, backend.grid_step, region, reporter)
            yield Prepared(source, transcript, plan, tuple(sound for _, sound in decoded), analysis, backend, why)
            return
        script = read_script(_edited(edit), transcript)
        _check_regions(edit, script, backend, reporter)
        with clock.stage("voice"):
            decoded = open_voices(edit.voices, source, stack, reporter)
            voices = listen(decoded, script, edit.covers, edit.language or transcript.language, reporter)
        with clock.stage("plan"):
            plan = plan_edit(
                source, transcript, script, voices, analysis, backend.grid_step, region, reporter
            )
        yield Prepared(source, transcript, plan, voices.sounds, analysis, backend, why)


def _none(result: Result, video: Path) -> dict[Path, str]:
    return {}


def run(
    edit: Edit, out: Path, overwrite: bool, cache: Cache, clock: Clock, reporter: Reporter,
    more: Callable[[Result, Path], dict[Path, str]] = _none, seal: Seal | None = None,
) -> Result | None:  # fmt: skip
    """Transcript to finished file; `out` is written whole or not at all, and what goes beside it just before. `more`:
    of that, from the result and the complete video. None: of several processes another writes it.
    """
    form = check_target(out, overwrite, edit.video)
    check_timelines(edit.timelines, out, overwrite, edit.video)
    with planned(edit, cache, clock, reporter) as ready:
        for loss in losses(ready.source.info, form):
            reporter.warn(loss)
        if edit.backend.name == "auto":
            reporter.say(f"backend {ready.backend.name}: {ready.why}")
        _check_lips(ready)
        if edit.best_of > 1 and not ready.backend.capabilities.seeded:
            reporter.say(f"--best-of {edit.best_of}: backend {ready.backend.name} draws no lots, so each window is "
                         "rendered once")  # fmt: skip
        with clock.stage("face"):
            ready.analysis.prepare(_footage(ready))
            _warn_without_face(ready, edit.face, reporter)
        words = ready.transcript.words
        speech = Soundtrack(ready.plan, ready.source.sound, ready.voices, spoken_ranges(words))
        with scratch() as folder:
            with clock.stage("decode"):
                along = bring_along(ready.source.info, ready.plan, words, out, folder, reporter)

            def texts_of(made: Result, video: Path) -> tuple[Result, dict[Path, str]]:
                texts = timelines(edit.timelines, out, out, ready.plan, made.rendered, ready.source.info, ready.voices,
                                  ready.transcript)  # fmt: skip
                made = replace(made, timelines=tuple(texts))
                return made, texts | more(made, video)

            seeds = range(edit.backend.seed, edit.backend.seed + edit.best_of)
            return apply(ready.plan, ready.source, speech, along, ready.analysis, ready.backend, out, overwrite,
                         texts_of, cache, seeds, edit.watermark, edit.lip_check, clock, reporter,
                         replace(seal, language=ready.transcript.language) if seal else None)  # fmt: skip


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


def _read_plan(path: Path) -> EditPlan:
    return from_json(read_text(path, PlanError, LARGEST_DATA), str(path))


def _of_source(plan: EditPlan, source: Source, path: Path | None) -> EditPlan:
    if plan.source.sha256 != source.info.sha256:
        raise SourceError(
            f"{path}: made for another file, {plan.source.name} as it was then, not for this {source.info.path.name}; "
            "make the plan anew"
        )
    if replace(plan.source, name=source.info.path.name) != source.ref:
        raise SourceError(f"{path}: says other things of {source.info.path.name} than the file itself (frames, rate or "
                          "sound); make the plan anew")  # fmt: skip
    return replace(plan, source=source.ref)


def _voices_of(plan: EditPlan, path: Path) -> tuple[Path, ...]:
    """Where the plan says, else beside it; a file that is not the one that the plan was made with is not opened as
    media, whatever it is.
    """
    found = []
    for ref in plan.voices:
        near = path.parent / re.split(r"[\\/]", ref.path)[-1]  # the plan's machine may have had others
        voice = next((p for p in (Path(ref.path), near) if _holds(p, ref.sha256)), None)
        if voice is None:
            raise SourceError(f"{path}: its voice {brief(ref.path)} is not there, or has changed since; name where it "
                              "is with --voice, or make the plan anew")  # fmt: skip
        found.append(voice)
    return tuple(found)


def _holds(path: Path, sha256: str) -> bool:
    """Whether a path is a file of these bytes."""
    try:
        return path.is_file() and digest(path) == sha256
    except OSError:
        return False


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
