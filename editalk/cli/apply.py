"""`editalk apply`: the edit, its report, and what it fails on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from editalk.cli import complete
from editalk.cli.options import (
    AudioTrack,
    BackendName,
    CaptionFiles,
    CaptionsOut,
    CoversOption,
    Device,
    Dub,
    Face,
    Json,
    Language,
    LipPassName,
    MaybeEdited,
    Mode,
    Offload,
    Overwrite,
    PlanFile,
    PrecisionName,
    Quiet,
    RegionName,
    Seed,
    TimelineFormats,
    TranscriptFile,
    Verbose,
    Video,
    VoiceFiles,
    VoiceTranscript,
    WeightsName,
    cache_of,
    edited_path,
)
from editalk.console import Console, ProgressMode, print_json
from editalk.errors import QualityError, UsageError

if TYPE_CHECKING:
    from editalk.cache import Cache
    from editalk.pipeline import Clock, Edit, Result

CHECKS = ("join",)
"""Kinds of `--fail-on`."""


def apply_command(
    video: Video,
    edited: MaybeEdited = None,
    voice: VoiceFiles = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT", help="Instead of talk.edited.mp4 beside VIDEO.")
    ] = None,
    plan: PlanFile = None,
    covers: CoversOption = None,
    dub: Dub = False,
    voice_transcript: VoiceTranscript = None,
    backend: BackendName = "auto",
    weights: WeightsName = None,
    precision: PrecisionName = None,
    offload: Offload = False,
    lip_pass: LipPassName = None,
    region: RegionName = None,
    face: Face = None,
    transcript: TranscriptFile = None,
    language: Language = None,
    audio_track: AudioTrack = 1,
    captions: CaptionFiles = None,
    captions_out: CaptionsOut = None,
    device: Device = None,
    seed: Seed = 0,
    timeline: TimelineFormats = None,
    review: Annotated[
        bool, typer.Option("--review", help="Also write OUT.review.html, a page that shows the edit; see `review`.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan and report; render nothing.")] = False,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on", metavar="KIND", autocompletion=complete.checks,
            help="Exit 6 where this shows, OUT is kept: join. Repeatable.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Make VIDEO say what EDITED says."""
    from editalk.backends import Choice
    from editalk.backends.dit.parallel import writes
    from editalk.interchange import get_writers
    from editalk.media.container import check_file
    from editalk.pipeline import Clock, Edit, planned, report, run, summary
    from editalk.pipeline.captions import CaptionTexts
    from editalk.texts import check_text_target

    if (edited is None) == (plan is None):
        raise UsageError("give either EDITED or --plan")
    _check_kinds(fail_on or [], dry_run)
    check_file(video)
    console = Console(quiet or not writes(), progress)
    choice = Choice(backend, device, weights, precision, offload, lip_pass, seed)
    edit = Edit(
        video, edited, tuple(voice or ()), transcript=transcript, plan=plan, covers=covers.value if covers else None,
        backend=choice, face=face, language=language, region=region, audio_track=audio_track, dub=dub,
        timelines=get_writers(timeline) if timeline is not None else (), voice_transcript=voice_transcript,
    )  # fmt: skip
    target = out or edited_path(video)
    texts = CaptionTexts.found(video, edited, target, captions, captions_out or "", overwrite or dry_run)
    page = target.with_suffix(".review.html") if review else None
    if page is not None:
        _check_review(dry_run)
        check_text_target(page, overwrite, source=video)
    cache, clock = cache_of(console), Clock()
    if dry_run:
        with planned(edit, cache, clock, console) as ready:
            made = summary(ready.plan)
    else:
        result = run(edit, target, overwrite, cache, clock, console)
        if result is None:
            return  # of several processes another one reports
        made = report(result, clock) if page is None else reviewed(edit, result, page, cache, clock, console)
        made["captions"] += texts.write(result.plan, result.words, console)
    made["warnings"] = console.warnings
    if as_json:
        print_json(made)
    else:
        _print_report(made, console)
    if fail_on and not dry_run:
        _fail_on(made)


def _check_kinds(kinds: list[str], dry_run: bool) -> None:
    for kind in kinds:
        if kind not in CHECKS:
            raise UsageError(f"--fail-on {kind}: not one of {', '.join(CHECKS)}")
    if kinds and dry_run:
        raise UsageError("--fail-on checks what was rendered, and --dry-run renders nothing; leave out one of them")


def _check_review(dry_run: bool) -> None:
    if dry_run:
        raise UsageError("--review shows what was rendered, and --dry-run renders nothing; leave out one of them")


def reviewed(
    edit: Edit, result: Result, page: Path, cache: Cache, clock: Clock, console: Console
) -> dict[str, Any]:
    """The report once the page is written."""
    from editalk.pipeline import report
    from editalk.pipeline.review import write_review

    with clock.stage("review"):
        size = write_review(edit, result, report(result, clock) | {"warnings": console.warnings}, page, cache, console)
    return report(result, clock) | {"review": str(page), "review_bytes": size}


def _fail_on(made: dict[str, Any]) -> None:
    """Raises QualityError where a join shows."""
    seen = [f"{j['at']:.2f} s (score {j['score']:.2f})" for j in made["joins"] if not j["ok"]]
    if seen:
        raise QualityError(f"{len(seen)} of {len(made['joins'])} joins may show, at {', '.join(seen)}; "
                           f"{made['output']} is written")  # fmt: skip


def _print_report(made: dict[str, Any], console: Console) -> None:
    for row in made["operations"]:
        start, end = row["timeline"]
        console.say(f"{row['kind']:9} {start:8.2f} s to {end:8.2f} s  {row['text'][:70]}")
    if "output" in made:
        console.say(
            f"wrote {made['output']}: {made['duration']:.2f} s, {made['frames']} frames, {made['frames_identical']} of "
            f"them the source's own ({made['frames_copied']} copied), {sum(made['seconds'].values()):.1f} s "
            f"with backend {made['backend']}"
        )
        for path in made["timelines"]:
            console.say(f"wrote {path}")
        if "review" in made:
            console.say(f"wrote {made['review']}: {made['review_bytes'] / 1e6:.1f} MB, the edit to look at")
        for join in made["joins"]:
            if not join["ok"]:
                console.warn(f"the join at {join['at']:.2f} s may show: {', '.join(join['reasons'])} "
                             f"(score {join['score']:.2f}, usual is 1); a word more or less may help")  # fmt: skip
