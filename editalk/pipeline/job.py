"""One whole `apply`: what it takes, by the names of its options, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editalk.backends import Choice
from editalk.cache import Cache
from editalk.errors import QualityError, UsageError
from editalk.interchange import get_writers
from editalk.media.container import check_file
from editalk.mux import edited_path
from editalk.pipeline import Clock, Edit, Result, planned, report, run, summary
from editalk.pipeline.captions import CaptionTexts
from editalk.pipeline.review import review_page
from editalk.pipeline.seal import Seal, asked
from editalk.quality.checks import ALL, CHOICES
from editalk.reporting import KeepingReporter, Limited
from editalk.texts import check_text_target, withdraw
from editalk.watermark import check_extra

LISTENING = ("sync", ALL)
"""Those for which new lips are tracked and the sound is listened to, which takes time."""


@dataclass(frozen=True)
class Job:
    """What `apply` takes; a field is an option with its name. `captions` None: those beside the video."""

    video: Path
    edited: Path | None = None
    voice: tuple[Path, ...] = ()
    output: Path | None = None
    plan: Path | None = None
    voice_covers: str | None = None
    dub: bool = False
    voice_transcript: Path | None = None
    backend: str = "auto"
    weights: str | None = None
    precision: str | None = None
    offload: bool = False
    lip_pass: str | None = None
    region: str | None = None
    face: int | None = None
    transcript: Path | None = None
    language: str | None = None
    audio_track: int = 1
    captions: tuple[Path, ...] | None = None
    captions_out: str | None = None
    device: str | None = None
    seed: int = 0
    best_of: int = 1
    timeline: str | None = None
    review: bool = False
    watermark: bool = False
    dry_run: bool = False
    fail_on: tuple[str, ...] = ()
    overwrite: bool = False
    time_limit: float | None = None
    sign: bool = True
    sign_key: Path | None = None
    sign_cert: Path | None = None
    ledger: bool = True
    consent: str | None = None

    @property
    def target(self) -> Path:
        """Where the edit goes."""
        return self.output or edited_path(self.video)

    @property
    def edit(self) -> Edit:
        choice = Choice(self.backend, self.device, self.weights, self.precision, self.offload, self.lip_pass, self.seed)
        return Edit(
            self.video, self.edited, self.voice, transcript=self.transcript, plan=self.plan, covers=self.voice_covers,
            backend=choice, face=self.face, language=self.language, region=self.region, audio_track=self.audio_track,
            timelines=get_writers(self.timeline) if self.timeline is not None else (), dub=self.dub,
            voice_transcript=self.voice_transcript, best_of=self.best_of, watermark=self.watermark,
            lip_check=any(kind in LISTENING for kind in self.fail_on),
        )  # fmt: skip


def check(job: Job) -> None:
    """Raises UsageError where options do not fit together, DeviceError where `watermark` lacks its extra, MediaError
    where there is no such video.
    """
    if (job.edited is None) == (job.plan is None):
        raise UsageError("give either EDITED or --plan")
    for kind in job.fail_on:
        if kind not in CHOICES:
            raise UsageError(f"--fail-on {kind}: not one of {', '.join(CHOICES)}")
    if job.best_of < 1:
        raise UsageError(f"--best-of {job.best_of}: each window is rendered once at least")
    for flag, number in (("--face", job.face), ("--audio-track", job.audio_track)):
        if number is not None and number < 1:
            raise UsageError(f"{flag} {number}: they count from 1")
    if job.time_limit is not None and not job.time_limit > 0:
        raise UsageError(f"--time-limit {job.time_limit:g}: give seconds above 0, or leave it out")
    if job.watermark:
        check_extra()
    check_file(job.video)


def run_job(job: Job, cache: Cache, reporter: KeepingReporter) -> dict[str, Any] | None:
    """The object of `apply --json`, once all is written. None: of several processes another one reports.

    Raises EditalkError.
    """
    check(job)
    if job.time_limit is not None:
        reporter = Limited(reporter, job.time_limit)
    edit, target = job.edit, job.target
    if not job.dry_run:
        withdraw(target)
    texts = CaptionTexts.found(job.video, job.edited, target, job.captions, job.captions_out or "",
                               job.overwrite or job.dry_run)  # fmt: skip
    page = target.with_suffix(".review.html") if job.review and not job.dry_run else None
    if page is not None:
        check_text_target(page, job.overwrite, source=job.video)
    seal = None if job.dry_run else sealing(job, reporter)
    clock = Clock()
    if job.dry_run:
        with planned(edit, cache, clock, reporter) as ready:
            made = summary(ready.plan)
    else:
        rows: list[dict[str, Any]] = []

        def more(result: Result, video: Path) -> dict[Path, str]:
            captions, found = texts.made(result.plan, result.words, reporter)
            rows.extend(found)
            if page is None:
                return captions
            return captions | {page: reviewed(edit, result, video, cache, clock, reporter)}

        result = run(edit, target, job.overwrite, cache, clock, reporter, more, seal)
        if result is None:
            return None
        made = report(result, clock)
        made["captions"] += rows
        if page is not None:
            made |= {"review": str(page), "review_bytes": page.stat().st_size}
    return made | {"warnings": reporter.warnings}


def sealing(job: Job, reporter: KeepingReporter) -> Seal | None:
    """What the edit will leave about itself; all that can be wrong with it is found before the work. Raises
    UsageError, SigningError, OutputError.
    """
    text = job.edited or job.plan
    assert text is not None  # `check` has seen to that
    return asked(job.target, text, job.plan is not None, job.sign, job.sign_key, job.sign_cert, job.ledger, job.consent,
                 job.overwrite, job.video, reporter)  # fmt: skip


def reviewed(
    edit: Edit, result: Result, video: Path, cache: Cache, clock: Clock, reporter: KeepingReporter
) -> str:
    """The review page. `video`: the edited one, wherever it is now."""
    with clock.stage("review"):
        return review_page(edit, result, video, report(result, clock) | {"warnings": reporter.warnings}, cache,
                           reporter)  # fmt: skip


def failures(made: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(kind, place, figure and limit) of every check that a report says has failed."""
    if "output" not in made:
        return []
    seen = [("join", f"at {j['at']:.2f} s: {', '.join(j['reasons'])} (score {j['score']:.2f}, limit 1)")
            for j in made["joins"] if not j["ok"]]  # fmt: skip
    seen += [("click", f"at {c['at']:.2f} s: a step of {c['step']:.4f} (limit {c['natural_p999']:.4f})")
             for c in made["sound_joins"] if not c["ok"]]  # fmt: skip
    for kind, rows in made["checks"].items():
        seen += [(kind, f"at {r['from']:.2f} s: {r['what']} ({_figure(r)})") for r in rows if not r["ok"]]
    return seen


def _figure(row: Mapping[str, Any]) -> str:
    figure = "nothing" if row["figure"] is None else f"{row['figure']:.4g}"
    return f"{figure} {row['unit']}, limit {row['limit']:.4g}"


def failed(kinds: tuple[str, ...], made: Mapping[str, Any]) -> QualityError | None:
    """What `--fail-on` says to a report."""
    seen = [f"{kind} {text}" for kind, text in failures(made) if kind in kinds or ALL in kinds]
    if not seen:
        return None
    return QualityError(f"{len(seen)} check{'s' * (len(seen) > 1)} failed: {'; '.join(seen)}; "
                        f"{made['output']} is written")  # fmt: skip
