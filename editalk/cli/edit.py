"""From a video to its transcript, and from an edited one to a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from editalk.cli import complete
from editalk.cli.options import (
    AudioTrack,
    BackendName,
    CoversOption,
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
    WeightsName,
    cache_of,
    edited_path,
)
from editalk.console import Console, ProgressMode, print_json
from editalk.errors import UsageError


def transcribe_command(
    video: Video,
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
    formats: Annotated[str, typer.Option("-f", "--format", help="Of json, txt, srt, vtt.")] = "json,txt",
    folder: Annotated[
        Path | None, typer.Option("-o", "--output-dir", metavar="DIR", help="Instead of beside VIDEO.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Write the transcript of VIDEO: talk.transcript.json with word times and talk.txt to edit."""
    from editalk.media.container import check_file
    from editalk.pipeline import Listening, beside, opened, transcribe
    from editalk.texts import check_text_target, make_folder, write_texts
    from editalk.transcript import get_writer

    console = Console(quiet, progress)
    check_file(video)
    writers = [get_writer(name.strip()) for name in formats.split(",") if name.strip()]
    if not writers:
        raise UsageError("--format names none of json, txt, srt, vtt")
    base = (folder or video.parent) / beside(video).name
    targets = [base if w.suffix == ".json" else base.with_name(video.stem + w.suffix) for w in writers]
    for target in targets:
        check_text_target(target, overwrite, made=folder is not None)
        if script is not None and target.exists() and target.samefile(script):
            raise UsageError(f"{target} is the script itself; choose other formats (-f json) or another folder (-o)")
    with opened(video, console, audio_track) as source:
        made = transcribe(source, Listening(script, model, language), cache_of(console), console)
    if not made.words:
        console.warn(f"{video}: no speech was recognised")
    if folder is not None:
        make_folder(folder)
    write_texts({target: writer.write(made) for writer, target in zip(writers, targets, strict=True)})
    if as_json:
        print_json({"output": [str(t) for t in targets], "engine": made.engine, "language": made.language,
                     "words": len(made.words), "warnings": console.warnings})  # fmt: skip
    else:
        for target in targets:
            console.say(f"wrote {target}")


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
    """Show what EDITED changes: words kept, added, removed, replaced and moved."""
    from editalk.pipeline import Edit, edited_words
    from editalk.pipeline.changes import changes, painted

    console = Console(quiet, progress)
    edit = Edit(video, edited, transcript=transcript, language=language, audio_track=audio_track)
    words, script = edited_words(edit, cache_of(console), console)
    rows = changes(words.words, script)
    if as_json:
        print_json({"changes": rows})
        return
    from rich.console import Console as Rich

    Rich(highlight=False, soft_wrap=True).print(painted(words.words, script))


def plan_command(
    video: Video,
    edited: Edited,
    voice: VoiceFiles = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Instead of standard output.")
    ] = None,
    covers: CoversOption = None,
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
    from editalk.pipeline import Clock, Edit, check_timelines, planned, timelines
    from editalk.plan import to_json
    from editalk.texts import check_text_target, write_texts

    if out is not None:
        check_text_target(out, overwrite, source=video)
    writers = get_writers(timeline) if timeline is not None else ()
    base = out or edited_path(video)
    check_timelines(writers, base, overwrite, video)
    edit = Edit(video, edited, tuple(voice or ()), transcript, None, covers.value if covers else None,
                Choice(backend, weights=weights), face, language, timelines=writers,
                audio_track=audio_track)  # fmt: skip
    console = Console(quiet, progress)
    with planned(edit, cache_of(console), Clock(), console) as ready:
        text = to_json(ready.plan)
        spans = [window.span for window in ready.plan.windows]
        texts = timelines(writers, base, edited_path(video), ready.plan, spans, ready.source.info, ready.voices,
                          ready.transcript)  # fmt: skip
    if out is not None:
        texts = {out: text, **texts}
    if texts:
        write_texts(texts)
    for path in texts:
        console.say(f"wrote {path}")
    if out is None:
        print(text, end="")
