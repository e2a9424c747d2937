"""The plan made real: render, compose, mux; and what was done, as a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from editalk.analysis import Analysis
from editalk.backends.base import Backend
from editalk.backends.dit.parallel import writes
from editalk.cache import Cache
from editalk.compose import new_frames, timeline
from editalk.media import MediaInfo
from editalk.mux import Writer, check_sounds, form_of
from editalk.pipeline.behind import behind
from editalk.pipeline.candidates import Chosen, best
from editalk.pipeline.dub import figures
from editalk.pipeline.edit import spoken_ranges
from editalk.pipeline.inspection import Inspected, Inspection, Usual
from editalk.pipeline.render import RenderedWindow, check_strips, render
from editalk.pipeline.seal import UNSEALED, Made, Seal, Sealed, forget
from editalk.pipeline.source import Source
from editalk.pipeline.splicing import Splicing, encoded, spliced
from editalk.pipeline.subtitles import Subtitles, follow_subtitles
from editalk.pipeline.tracks import Track, by_turns, further_tracks, rows
from editalk.plan import EditPlan
from editalk.quality import ClickCheck, JoinCheck, JoinWatch
from editalk.quality.checks import KINDS, Check
from editalk.reporting import Reporter
from editalk.sidecars import Followed, follow_chapters
from editalk.soundtrack import Soundtrack
from editalk.splice import SpliceError, copies
from editalk.texts import beside
from editalk.timebase import FrameRange
from editalk.transcript import Word
from editalk.watermark import payload_of

CHUNK = 1.0  # seconds of sound that are handled at once


@dataclass
class Clock:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


@dataclass(frozen=True)
class Along:
    """What goes along with picture and speech; `words`: of the source's transcript."""

    words: tuple[Word, ...]
    tracks: tuple[Track, ...]
    chapters: Followed
    subtitles: Subtitles


@dataclass(frozen=True)
class Result:
    """What `apply` did. `rendered`: the timeline frames that have new pictures."""

    output: Path
    plan: EditPlan
    source: MediaInfo
    along: Along
    backend: str
    identical: int
    copied: int  # frames whose packets are the source's own
    why_not: str | None  # more of them
    joins: tuple[JoinCheck, ...]
    clicks: tuple[ClickCheck, ...]
    figures: dict[str, int]
    rendered: tuple[FrameRange, ...]
    checks: tuple[Check, ...]
    chosen: tuple[Chosen, ...]  # a rendering for every window
    timelines: tuple[Path, ...] = ()
    sealed: Sealed | None = None
    watermark: str | None = None  # the payload in the new pictures, in hex

    @property
    def words(self) -> tuple[Word, ...]:
        return self.along.words


def bring_along(
    info: MediaInfo, plan: EditPlan, words: tuple[Word, ...], out: Path, folder: Path, reporter: Reporter
) -> Along:
    """Further tracks decoded into the folder, chapters and subtitles mapped; what is lost is said.

    Raises OutputError for a track that cannot be written.
    """
    check_sounds(info.sounds, form_of(out))
    chapters = follow_chapters(plan, info.chapters)
    for gone in chapters.gone:
        reporter.warn(f"chapter “{gone.title}” is left out: its footage was taken out")
    tracks = further_tracks(info, plan, spoken_ranges(words), folder, reporter)
    return Along(words, tracks, chapters, follow_subtitles(info, plan, words, out, reporter))


Texts = Callable[[Result, Path], tuple[Result, dict[Path, str]]]
"""From what was done and the complete video, which is not in its place yet: the same, and the texts that go beside it.
"""


def apply(
    plan: EditPlan, source: Source, speech: Soundtrack, along: Along, analysis: Analysis,
    backend: Backend, out: Path, overwrite: bool, texts_of: Texts, cache: Cache, seeds: Sequence[int],
    watermark: bool, lip_check: bool, clock: Clock, reporter: Reporter, seal: Seal | None = None,
) -> Result | None:  # fmt: skip
    """Render what the plan asks for, each window from every seed, and write the edited video of the best and what goes
    beside it; whole, or nothing. The video comes last: where it is, all is. `lip_check`: also whether new lips follow
    the sound. None: another process writes it.
    """
    with clock.stage("render"):
        made_of = render(plan, source, speech, analysis, backend, cache, seeds, watermark, reporter)
    if not writes():
        return None
    usual = Usual(source, analysis)
    with clock.stage("choose"):
        picked = [best(plan, usual, speech, candidates) for candidates in made_of]
    strips, chosen = [strip for strip, _ in picked], tuple(choice for _, choice in picked)
    info = replace(source.info, further=tuple(track.info for track in along.tracks))
    rendered = new_frames(strips)
    sign = None
    if seal is not None:
        used = tuple(choice.seed for choice in chosen)
        sign = partial(seal.sign, Made(out, plan, source.info, backend, used, rendered), reporter)

    def finish(made: _Written, splicing: Splicing, writer: Writer) -> Result:
        seen, complete = made.seen, writer.complete()
        sealed = seal.sealed(out, complete) if seal is not None else None
        result = Result(out, plan, info, along, backend.name, made.identical, splicing.frames, splicing.why_not,
                        seen.joins, seen.clicks, backend.figures(), rendered, seen.checks, chosen,
                        sealed=sealed, watermark=payload_of(info.sha256).hex() if watermark else None)  # fmt: skip
        result, others = texts_of(result, complete)
        texts: dict[Path, str | bytes] = {**others, **(sealed.texts if sealed is not None else {})}
        with clock.stage("mux"), beside(texts, overwrite, out):
            source.inputs.check()
            check_strips(strips, cache)
            writer.close()
        if overwrite:
            forget(out, texts)
        return result

    return _file(plan, source, strips, speech, along, usual, lip_check, info, out, overwrite, sign, finish, clock,
                 reporter)  # fmt: skip


@dataclass(frozen=True)
class _Written:
    seen: Inspected
    identical: int


def _file(
    plan: EditPlan, source: Source, strips: Sequence[RenderedWindow], speech: Soundtrack, along: Along,
    usual: Usual, lip_check: bool, info: MediaInfo, out: Path, overwrite: bool,
    sign: Callable[[tuple[FrameRange, ...], Path, Path], None] | None,
    finish: Callable[[_Written, Splicing, Writer], Result], clock: Clock, reporter: Reporter,
) -> Result:  # fmt: skip
    """The file, with the source's own packets where they can be taken, else without. `sign`: of the copied frames and
    the complete file makes the signed one. `finish`: sees it complete.
    """
    with clock.stage("mux"):
        splicing = spliced(plan, source.info, JoinWatch(plan, usual.motion).watches, reporter)
    while True:
        check = partial(splicing.check, source.reader) if splicing.source else None
        last = partial(sign, splicing.copied) if sign is not None else None
        try:
            with Writer(out, info, plan.source.rate, overwrite=overwrite, chapters=along.chapters.chapters,
                        subtitles=along.subtitles.tracks, source=splicing.source, check=check,
                        finish=last) as writer, \
                 Inspection(plan, usual, lip_check) as inspection:  # fmt: skip
                with clock.stage("mux"):
                    made = _write(plan, source, strips, speech, along, inspection, splicing, writer, reporter)
                    writer.complete()
                return finish(made, splicing, writer)
        except SpliceError as reason:
            splicing = encoded(plan, str(reason), reporter)


def _write(
    plan: EditPlan, source: Source, strips: Sequence[RenderedWindow], speech: Soundtrack, along: Along,
    inspection: Inspection, splicing: Splicing, writer: Writer, reporter: Reporter,
) -> _Written:  # fmt: skip
    rate, at = plan.source.rate, plan.source.sample_rate
    sound, further = speech.chunks(CHUNK), by_turns(along.tracks, CHUNK)
    written = identical = 0
    pictures = _pictures(plan, source, strips, splicing, inspection, writer)
    with reporter.stage("Writing", plan.frames) as advance, behind() as later:
        for frame, (write, own) in enumerate(pictures):
            if frame % rate.frames_to_cover(1) == 0:
                while written <= rate.sample(frame, at) and (chunk := next(sound, None)) is not None:
                    inspection.hear(chunk)
                    later(partial(writer.sound, chunk))
                    written += len(chunk.samples)
                    for track, part in next(further, ()):
                        later(partial(writer.sound, part, track))
            later(write)
            identical += own
            advance(1)
        for chunk in sound:
            inspection.hear(chunk)
            later(partial(writer.sound, chunk))
        for turn in further:
            for track, part in turn:
                later(partial(writer.sound, part, track))
    return _Written(inspection.found(), identical)


def _pictures(
    plan: EditPlan, source: Source, strips: Sequence[RenderedWindow], splicing: Splicing,
    inspection: Inspection, writer: Writer,
) -> Iterator[tuple[Callable[[], None], bool]]:  # fmt: skip
    """What writes the timeline's frames, and whether each is the source's own; copied ones in reading order."""
    pictures = timeline(plan, source.reader, strips, splicing.copied)
    for segment in splicing.segments:
        if splicing.source is not None and segment.copy is not None:
            for packet, own in copies(splicing.source, segment.copy):
                frame = segment.span.start + own - segment.copy.source
                yield partial(writer.copied, packet, frame), True
                inspection.copied(frame, own)
            continue
        for shown in islice(pictures, len(segment.span)):
            yield partial(writer.video, shown.picture), shown.source is not None
            inspection.see(shown)


def report(result: Result, clock: Clock) -> dict[str, Any]:
    """The object of `apply --json` (design, section 7)."""
    plan = result.plan
    rate, at = plan.source.rate, plan.source.sample_rate
    return {
        "output": str(result.output),
        "timelines": [str(path) for path in result.timelines],
        "backend": result.backend,
        "backend_figures": result.figures,
        "frame_rate": str(rate),
        "frames": plan.frames,
        "duration": round(float(rate.seconds(plan.frames)), 6),
        "operations": operations(plan),
        "frames_identical": result.identical,
        "frames_copied": result.copied,
        "copy": result.why_not,
        "frames_rendered": plan.frames - result.identical,
        "windows": [[w.span.start, w.span.end] for w in plan.windows],
        "watermark": result.watermark,
        "joins": [
            {"frame": j.frame, "at": round(float(rate.seconds(j.frame)), 3), "score": round(j.score, 3),
             "ok": j.passed, "reasons": j.reasons, "step": round(j.step, 3), "natural_p99": round(j.natural.face, 3),
             "around": round(j.around, 3), "around_p99": round(j.natural.around, 3)}
            for j in result.joins
        ],
        "sound_joins": [
            {"at": round(c.sample / at, 4), "step": round(c.step, 5), "natural_p999": round(c.natural, 5),
             "ok": c.passed}
            for c in result.clicks
        ],
        "checks": {kind: [c.row for c in result.checks if c.kind == kind] for kind in KINDS[2:]},
        "seeds": [choice.row for choice in result.chosen],
        "voice_covers": plan.voice_covers,
        "audio_tracks": rows(result.source),
        "chapters": [
            {"title": c.title, "start": round(float(c.start), 3), "end": round(float(c.end), 3)}
            for c in result.along.chapters.chapters
        ],
        "captions": list(result.along.subtitles.rows),
        "seconds": {name: round(seconds, 3) for name, seconds in clock.seconds.items()},
        **(result.sealed.row if result.sealed else UNSEALED),
    } | ({"dub": figures(plan)} if plan.dubbed else {})  # fmt: skip


def operations(plan: EditPlan) -> list[dict[str, Any]]:
    """Kind, text, source and timeline ranges in seconds."""
    rows = []
    for operation in plan.operations:
        ranges = {}
        for name, span in (("source", operation.source), ("timeline", operation.timeline)):
            seconds = span.seconds(plan.source.rate)
            ranges[name] = [round(seconds.start, 4), round(seconds.end, 4)]
        rows.append({"kind": operation.kind.value, "text": operation.text, **ranges}
                    | ({"region": operation.region} if operation.region else {}))  # fmt: skip
    return rows
