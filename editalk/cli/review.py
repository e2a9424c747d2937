"""`editalk review`: the edit as a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from editalk.cli.options import (
    AudioTrack,
    BackendName,
    CoversOption,
    Device,
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
    TranscriptFile,
    Verbose,
    Video,
    VoiceFiles,
    WeightsName,
    cache_of,
)
from editalk.console import Console, ProgressMode, print_json
from editalk.errors import UsageError


def review_command(
    video: Video,
    edited: MaybeEdited = None,
    voice: VoiceFiles = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="HTML", help="Instead of talk.review.html beside VIDEO.")
    ] = None,
    plan: PlanFile = None,
    covers: CoversOption = None,
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
    device: Device = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Make the edit and show it on one HTML page: before and after, words, sound, joins. No video is left."""
    from editalk.backends import Choice
    from editalk.backends.dit.parallel import writes
    from editalk.cache import scratch
    from editalk.media.container import check_file
    from editalk.mux import edited_path
    from editalk.pipeline import Clock, Edit, report, run
    from editalk.pipeline.job import reviewed
    from editalk.texts import check_text_target, write_texts

    if (edited is None) == (plan is None):
        raise UsageError("give either EDITED or --plan")
    check_file(video)
    page = out or video.with_name(f"{video.stem}.review.html")
    check_text_target(page, overwrite, source=video)
    console = Console(quiet or not writes(), progress, as_json)
    choice = Choice(backend, device, weights, precision, offload, lip_pass, seed)
    edit = Edit(
        video, edited, tuple(voice or ()), transcript=transcript, plan=plan, covers=covers.value if covers else None,
        backend=choice, face=face, language=language, region=region, audio_track=audio_track,
    )  # fmt: skip
    cache, clock = cache_of(console), Clock()
    with scratch() as folder:
        result = run(edit, folder / edited_path(video).name, False, cache, clock, console)
        if result is None:
            return  # of several processes another one reports
        text = reviewed(edit, result, result.output, cache, clock, console)
    write_texts({page: text}, overwrite)
    made = report(result, clock) | {"review": str(page), "review_bytes": page.stat().st_size}
    made |= {"warnings": console.warnings}
    del made["output"]  # it is gone
    if as_json:
        print_json(made)
        return
    seen = sum(not join["ok"] for join in made["joins"])
    console.say(f"wrote {page}: {made['review_bytes'] / 1e6:.1f} MB; {seen} of {len(made['joins'])} joins may show")
