"""From a video to an edited text without fillers, repeats and long pauses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from editalk.cli.options import (
    AudioTrack,
    Json,
    Language,
    Mode,
    Overwrite,
    Quiet,
    TranscriptFile,
    Verbose,
    Video,
    cache_of,
)
from editalk.console import Console, ProgressMode, print_json
from editalk.errors import UsageError


def clean_command(
    video: Video,
    fillers: Annotated[bool, typer.Option("--fillers", help="Strike out um, uh, erm, hm (by language).")] = False,
    filler: Annotated[
        list[str] | None, typer.Option("--filler", metavar="WORDS", help="These too: “you know”; repeat for several.")
    ] = None,
    pauses: Annotated[
        float | None, typer.Option("--pauses", metavar="S", help="Longer pauses shall last S seconds.")
    ] = None,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Strike out stutters, false starts and earlier takes of a sentence.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Instead of talk.clean.txt beside VIDEO.")
    ] = None,
    transcript: TranscriptFile = None,
    language: Language = None,
    audio_track: AudioTrack = 1,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Write an edited text that strikes out what VIDEO does not need: read it, change it, apply it."""
    from editalk.clean import LONGEST_PAUSE, Wanted
    from editalk.media.container import check_file
    from editalk.pipeline.cleaning import cleaned
    from editalk.pipeline.source import Listening
    from editalk.texts import check_text_target, write_texts

    wanted = Wanted(fillers or bool(filler), repeats, pauses, tuple(filler or ()))
    if not wanted.fillers and not wanted.repeats and pauses is None:
        raise UsageError("what shall be cleaned? give --fillers, --pauses S, --repeats, or several of them")
    if pauses is not None and not 0 < pauses <= LONGEST_PAUSE:
        raise UsageError(f"--pauses {pauses:g}: more than 0 and at most {LONGEST_PAUSE:g} seconds")
    target = out or video.with_name(f"{video.stem}.clean.txt")
    if target.suffix.lower() in (".md", ".markdown", ".srt", ".vtt", ".json"):
        raise UsageError(f"{target}: what is written is plain text; let its name end in .txt")
    check_file(video)
    check_text_target(target, overwrite, source=video)
    console = Console(quiet, progress, as_json)
    how = Listening(language=language, track=audio_track)
    made = cleaned(video, transcript, how, wanted, cache_of(console), console)
    write_texts({target: made.text}, overwrite)
    console.say(f"{video}: {made.summary()}")
    if as_json:
        print_json({"output": str(target), "seconds": round(made.seconds, 3), "duration": round(made.duration, 3),
                    "rows": made.rows, "warnings": console.warnings})  # fmt: skip
    else:
        console.say(f"wrote {target}")
