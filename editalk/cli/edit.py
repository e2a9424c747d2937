"""From a video to its transcript, and from an edited one to a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from editalk.cli import complete
from editalk.cli.options import (
    AudioTrack,
    BackendName,
    CoversOption,
    Dub,
    Edited,
    Face,
    Json,
    Language,
    Mode,
    Overwrite,
    Quiet,
    TimelineFormats,
    TranscriptFile,
    Verbose,
    Video,
    VoiceFiles,
    VoiceTranscript,
    WeightsName,
    cache_of,
)
from editalk.console import Console, ProgressMode, print_error, print_json
from editalk.errors import UsageError

if TYPE_CHECKING:
    from editalk.pipeline.transcripts import Wish
    from editalk.transcript import Transcript


def transcribe_command(
    videos: Annotated[
        list[Path], typer.Argument(metavar="VIDEO", help="Videos of somebody talking, or folders of them.",
                                   show_default=False),
    ],
    script: Annotated[
        Path | None, typer.Option("--script", metavar="FILE", help="The exact words; only their times are found.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model", metavar="NAME", autocompletion=complete.transcribers,
            help="auto, pocketsphinx or a Whisper model.",
        ),
    ] = "auto",
    language: Language = None,
    audio_track: AudioTrack = 1,
    formats: Annotated[str, typer.Option("-f", "--format", help="Of json, txt, md, srt, vtt.")] = "json,txt",
    folder: Annotated[
        Path | None, typer.Option("-o", "--output-dir", metavar="DIR", help="Instead of beside VIDEO.")
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", help="Folders with all folders in them.")] = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Write the transcript of each VIDEO: talk.transcript.json with word times and talk.txt to edit."""
    from editalk.pipeline.source import Listening
    from editalk.pipeline.transcripts import Wish, check_targets, targets_of, write_transcript
    from editalk.transcript import get_writer

    console = Console(quiet, progress, as_json)
    writers = tuple(get_writer(name.strip()) for name in formats.split(",") if name.strip())
    if not writers:
        raise UsageError("--format names none of json, txt, md, srt, vtt")
    wish = Wish(Listening(script, model, language, audio_track), writers, folder, overwrite)
    if len(videos) > 1 or videos[0].is_dir():
        _transcribe_several(videos, recursive, wish, as_json, console)
        return
    targets = targets_of(videos[0], wish)
    check_targets(videos[0], targets, wish)
    made = write_transcript(videos[0], targets, wish, cache_of(console), console)
    if as_json:
        print_json({**_row(tuple(targets), made), "warnings": console.warnings})
    else:
        for target in targets:
            console.say(f"wrote {target}")


def _transcribe_several(videos: list[Path], recursive: bool, wish: Wish, as_json: bool, console: Console) -> None:
    """A line and a row for each; the exit code is the worst."""
    from editalk.pipeline.transcripts import transcribe_all

    rows: list[dict[str, Any]] = []
    worst = 0
    for outcome in transcribe_all(videos, recursive, wish, cache_of(console), console):
        row: dict[str, Any] = {"video": str(outcome.video)}
        if outcome.error is not None:
            worst = max(worst, outcome.error.exit_code)
            print_error(str(outcome.error), outcome.error.exit_code, console.rows)
            row |= {"error": str(outcome.error), "exit_code": outcome.error.exit_code}
        elif outcome.transcript is None:
            console.say(f"{outcome.video}: skipped, its transcript exists already (-y makes it anew)")
            row |= {"skipped": True}
        else:
            console.say(f"{outcome.video}: wrote {', '.join(path.name for path in outcome.outputs)}")
            row |= _row(outcome.outputs, outcome.transcript)
        rows.append(row)
    if as_json:
        print_json({"files": rows, "warnings": console.warnings})
    if worst:
        raise typer.Exit(worst)


def _row(outputs: tuple[Path, ...], made: Transcript) -> dict[str, Any]:
    return {"output": [str(t) for t in outputs], "engine": made.engine, "language": made.language,
            "words": len(made.words)}  # fmt: skip


def diff_command(
    video: Video,
    edited: Edited,
    transcript: TranscriptFile = None,
    language: Language = None,
    audio_track: AudioTrack = 1,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Show what EDITED changes, word by word, and about what that costs. Nothing is rendered or listened to."""
    from editalk.cli.painting import show
    from editalk.pipeline.changes import compared
    from editalk.pipeline.source import Listening

    console = Console(quiet, progress, as_json)
    how = Listening(language=language, track=audio_track)
    made = compared(video, edited, transcript, how, cache_of(console), console)
    if as_json:
        print_json(made.report)
    else:
        show(made)


def plan_command(
    video: Video,
    edited: Edited,
    voice: VoiceFiles = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Instead of standard output.")
    ] = None,
    covers: CoversOption = None,
    dub: Dub = False,
    voice_transcript: VoiceTranscript = None,
    transcript: TranscriptFile = None,
    backend: BackendName = "auto",
    weights: WeightsName = None,
    face: Face = None,
    language: Language = None,
    audio_track: AudioTrack = 1,
    timeline: TimelineFormats = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Write the plan of an edit as JSON; nothing is rendered."""
    from editalk.backends import Choice
    from editalk.interchange import get_writers
    from editalk.mux import edited_path
    from editalk.pipeline import Clock, Edit, check_timelines, planned, timelines
    from editalk.plan import to_json
    from editalk.texts import check_text_target, write_texts

    if out is not None:
        check_text_target(out, overwrite, source=video)
    writers = get_writers(timeline) if timeline is not None else ()
    base = out or edited_path(video)
    check_timelines(writers, base, overwrite, video)
    edit = Edit(
        video, edited, tuple(voice or ()), transcript=transcript, covers=covers.value if covers else None,
        backend=Choice(backend, weights=weights), face=face, language=language, timelines=writers,
        audio_track=audio_track, dub=dub, voice_transcript=voice_transcript,
    )  # fmt: skip
    console = Console(quiet, progress)
    with planned(edit, cache_of(console), Clock(), console) as ready:
        text = to_json(ready.plan)
        spans = [window.span for window in ready.plan.windows]
        texts = timelines(writers, base, edited_path(video), ready.plan, spans, ready.source.info, ready.voices,
                          ready.transcript)  # fmt: skip
        ready.source.inputs.check()
    if out is not None:
        texts = {out: text, **texts}
    if texts:
        write_texts(texts, overwrite)
    for path in texts:
        console.say(f"wrote {path}")
    if out is None:
        print(text, end="")
