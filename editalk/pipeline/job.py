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
from editalk.pipeline.review import write_review
from editalk.reporting import KeepingReporter
from editalk.texts import check_text_target
from editalk.watermark import check_extra

CHECKS = ("join",)
"""Kinds of `--fail-on`."""


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
    timeline: str | None = None
    review: bool = False
    watermark: bool = False
    dry_run: bool = False
    fail_on: tuple[str, ...] = ()
    overwrite: bool = False

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
            voice_transcript=self.voice_transcript, watermark=self.watermark,
        )  # fmt: skip


def check(job: Job) -> None:
    """Raises UsageError where options do not fit together, DeviceError where `watermark` lacks its extra, MediaError
    where there is no such video.
    """
    if (job.edited is None) == (job.plan is None):
        raise UsageError("give either EDITED or --plan")
    for kind in job.fail_on:
        if kind not in CHECKS:
            raise UsageError(f"--fail-on {kind}: not one of {', '.join(CHECKS)}")
    for flag, given, what in (("--fail-on", job.fail_on, "checks"), ("--review", job.review, "shows")):
        if given and job.dry_run:
            raise UsageError(f"{flag} {what} what was rendered, and --dry-run renders nothing; leave out one of them")
    if job.watermark:
        check_extra()
    check_file(job.video)


def run_job(job: Job, cache: Cache, reporter: KeepingReporter) -> dict[str, Any] | None:
    """The object of `apply --json`, once all is written. None: of several processes another one reports.

    Raises EditalkError.
    """
    check(job)
    edit, target = job.edit, job.target
    texts = CaptionTexts.found(job.video, job.edited, target, job.captions, job.captions_out or "",
                               job.overwrite or job.dry_run)  # fmt: skip
    page = target.with_suffix(".review.html") if job.review else None
    if page is not None:
        check_text_target(page, job.overwrite, source=job.video)
    clock = Clock()
    if job.dry_run:
        with planned(edit, cache, clock, reporter) as ready:
            made = summary(ready.plan)
    else:
        result = run(edit, target, job.overwrite, cache, clock, reporter)
        if result is None:
            return None
        made = report(result, clock) if page is None else reviewed(edit, result, page, cache, clock, reporter)
        made["captions"] += texts.write(result.plan, result.words, reporter)
    return made | {"warnings": reporter.warnings}


def reviewed(
    edit: Edit, result: Result, page: Path, cache: Cache, clock: Clock, reporter: KeepingReporter
) -> dict[str, Any]:
    """The report once the page is written."""
    with clock.stage("review"):
        size = write_review(edit, result, report(result, clock) | {"warnings": reporter.warnings}, page, cache,
                            reporter)  # fmt: skip
    return report(result, clock) | {"review": str(page), "review_bytes": size}


def failed(kinds: tuple[str, ...], made: Mapping[str, Any]) -> QualityError | None:
    """What `--fail-on` says to a report."""
    if "join" not in kinds or "output" not in made:
        return None
    seen = [f"{j['at']:.2f} s (score {j['score']:.2f})" for j in made["joins"] if not j["ok"]]
    if not seen:
        return None
    return QualityError(f"{len(seen)} of {len(made['joins'])} joins may show, at {', '.join(seen)}; "
                        f"{made['output']} is written")  # fmt: skip
