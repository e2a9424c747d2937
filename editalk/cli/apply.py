"""`editalk apply`: the edit, its report, and what it fails on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from editalk.cli import complete
from editalk.cli.options import (
    BACKEND,
    PROVENANCE,
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
)
from editalk.console import Console, ProgressMode, print_json


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
    watermark: Annotated[
        bool,
        typer.Option("--watermark", help="An invisible mark in new pictures: pip install 'editalk[watermark]'."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan and report; render, check, write nothing.")] = False,
    best_of: Annotated[
        int,
        typer.Option(
            "--best-of", metavar="N", min=1, rich_help_panel=BACKEND,
            help="Render each window from N seeds, take the best.",
        ),
    ] = 1,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on", metavar="KIND", autocompletion=complete.checks,
            help="Exit 6 where this fails, OUT is kept: join, click, sync, loudness, black, frozen, all. Repeatable.",
        ),
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option("--time-limit", metavar="SECONDS", help="Give up after so long; OUT is not written.")
    ] = None,
    sign: Annotated[
        bool, typer.Option("--sign/--no-sign", rich_help_panel=PROVENANCE, help="Sign OUT with a C2PA manifest.")
    ] = True,
    sign_key: Annotated[
        Path | None,
        typer.Option("--sign-key", metavar="FILE", rich_help_panel=PROVENANCE,
                     help="With this key in PEM; else a development certificate's."),
    ] = None,
    sign_cert: Annotated[
        Path | None,
        typer.Option("--sign-cert", metavar="FILE", rich_help_panel=PROVENANCE,
                     help="The key's certificate and those above it, PEM."),
    ] = None,
    ledger: Annotated[
        bool,
        typer.Option("--ledger/--no-ledger", rich_help_panel=PROVENANCE, help="Write OUT.ledger.json: what is whose."),
    ] = True,
    consent: Annotated[
        str | None,
        typer.Option("--consent", metavar="TEXT|FILE", rich_help_panel=PROVENANCE,
                     help="The speaker's consent, recorded in both."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Make VIDEO say what EDITED says."""
    from editalk.backends.dit.parallel import writes
    from editalk.pipeline.job import Job, failed, failures, run_job

    job = Job(
        video, edited, tuple(voice or ()), output=out, plan=plan, voice_covers=covers.value if covers else None,
        dub=dub, voice_transcript=voice_transcript, backend=backend, weights=weights, precision=precision,
        offload=offload, lip_pass=lip_pass, region=region, face=face, transcript=transcript, language=language,
        audio_track=audio_track, captions=None if captions is None else tuple(captions), captions_out=captions_out,
        device=device, seed=seed, best_of=best_of, timeline=timeline, review=review, dry_run=dry_run,
        fail_on=tuple(fail_on or ()), overwrite=overwrite, time_limit=time_limit, sign=sign, sign_key=sign_key,
        sign_cert=sign_cert, ledger=ledger, consent=consent, watermark=watermark,
    )  # fmt: skip
    console = Console(quiet or not writes(), progress, as_json)
    made = run_job(job, cache_of(console), console)
    if made is None:
        return  # of several processes another one reports
    if as_json:
        print_json(made)
    else:
        _print_report(made, failures(made), console)
    error = failed(job.fail_on, made)
    if error is not None:
        raise error


def _print_report(made: dict[str, Any], failures: list[tuple[str, str]], console: Console) -> None:
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
        if made["signature"] is not None and not made["signature"]["development"]:  # of that it was told
            console.say(f"signed by {made['signature']['signer']}, manifest in {made['signature']['manifest']}")
        if made["ledger"] is not None:
            console.say(f"wrote {made['ledger']}")
        if "review" in made:
            console.say(f"wrote {made['review']}: {made['review_bytes'] / 1e6:.1f} MB, the edit to look at")
        for kind, text in failures:
            way = "; a word more or less may help" if kind == "join" else ""
            console.warn(f"{kind} {text}{way}")
