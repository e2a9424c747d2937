"""The command line: parse, call, print; errors become messages and exit codes here and nowhere else."""

from __future__ import annotations

import os
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from editalk import __version__
from editalk.console import Console, ProgressMode, print_json
from editalk.errors import EditalkError, UsageError

if TYPE_CHECKING:
    from editalk.cache import Cache

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Edit a talking-head video by editing its transcript.",
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
models_app = typer.Typer(no_args_is_help=True, help="The registry of model weights.")
app.add_typer(models_app, name="models")


STOPPED = {129: "hung up", 130: "interrupted", 143: "terminated"}


class Covers(StrEnum):
    SCRIPT = "script"
    NEW_WORDS = "new-words"


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"editalk {__version__}")
        raise typer.Exit


@app.callback()
def _general(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Edit a talking-head video by editing its transcript."""


Video = Annotated[Path, typer.Argument(metavar="VIDEO", help="A video of somebody talking.", show_default=False)]
Edited = Annotated[Path, typer.Argument(metavar="EDITED", help="The edited transcript.", show_default=False)]
VoiceFiles = Annotated[
    list[Path] | None,
    typer.Option("--voice", metavar="FILE", help="Speech for the new words or the whole script; repeat for several."),
]
TranscriptFile = Annotated[
    Path | None, typer.Option("--transcript", metavar="FILE", help="The video's transcript (Whisper's JSON).")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say more; show tracebacks.")]
Overwrite = Annotated[bool, typer.Option("-y", "--overwrite", help="Replace existing files.")]
Mode = Annotated[
    ProgressMode, typer.Option("--progress", envvar="EDITALK_PROGRESS", help="Progress on standard error.")
]
CoversOption = Annotated[
    Covers | None, typer.Option("--voice-covers", help="What the voice says; found out where not given.")
]
Face = Annotated[int | None, typer.Option("--face", metavar="N", min=1, help="The N-th face from the left.")]
Language = Annotated[
    str | None, typer.Option("--language", metavar="L", envvar="EDITALK_LANGUAGE", help="Spoken language, e.g. en.")
]
BackendName = Annotated[str, typer.Option("--backend", envvar="EDITALK_BACKEND", help="auto or exemplar.")]
Seed = Annotated[int, typer.Option("--seed", envvar="EDITALK_SEED", help="For backends that draw lots.")]


@app.command("transcribe")
def transcribe_command(
    video: Video,
    script: Annotated[
        Path | None, typer.Option("--script", metavar="FILE", help="The exact words; only their times are found.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", envvar="EDITALK_MODEL", help="auto, pocketsphinx or a Whisper model.")
    ] = "auto",
    language: Language = None,
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
    with opened(video, console) as source:
        made = transcribe(source, Listening(script, model, language), _cache(console), console)
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


@app.command("diff")
def diff_command(
    video: Video,
    edited: Edited,
    transcript: TranscriptFile = None,
    language: Language = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Show what EDITED changes: words kept, added, removed, replaced and moved."""
    from editalk.pipeline import Edit, edited_words
    from editalk.pipeline.changes import changes, painted

    console = Console(quiet, progress)
    edit = Edit(video, edited, transcript=transcript, language=language)
    words, script = edited_words(edit, _cache(console), console)
    rows = changes(words.words, script)
    if as_json:
        print_json({"changes": rows})
        return
    from rich.console import Console as Rich

    Rich(highlight=False, soft_wrap=True).print(painted(words.words, script))


@app.command("plan")
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
    face: Face = None,
    language: Language = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Write the plan of an edit as JSON; nothing is rendered."""
    from editalk.pipeline import Clock, Edit, planned
    from editalk.plan import to_json
    from editalk.texts import check_text_target, write_texts

    if out is not None:
        check_text_target(out, overwrite, source=video)
    edit = Edit(video, edited, tuple(voice or ()), transcript, None, covers.value if covers else None, backend, face,
                language=language)  # fmt: skip
    console = Console(quiet, progress)
    with planned(edit, _cache(console), Clock(), console) as ready:
        text = to_json(ready.plan)
    if out is None:
        print(text, end="")
    else:
        write_texts({out: text})
        console.say(f"wrote {out}")


@app.command("apply")
def apply_command(
    video: Video,
    edited: Annotated[
        Path | None, typer.Argument(metavar="[EDITED]", help="The edited transcript.", show_default=False)
    ] = None,
    voice: VoiceFiles = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT", help="Instead of talk.edited.mp4 beside VIDEO.")
    ] = None,
    plan: Annotated[Path | None, typer.Option("--plan", metavar="FILE", help="Start from a plan.")] = None,
    covers: CoversOption = None,
    backend: BackendName = "auto",
    region: Annotated[str | None, typer.Option("--region", help="mouth, face, head or frame.")] = None,
    face: Face = None,
    transcript: TranscriptFile = None,
    language: Language = None,
    device: Annotated[str | None, typer.Option("--device", envvar="EDITALK_DEVICE", help="cpu or cuda.")] = None,
    seed: Seed = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan and report; render nothing.")] = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Make VIDEO say what EDITED says."""
    from editalk.media.container import check_file
    from editalk.pipeline import Clock, Edit, planned, report, run, summary

    if (edited is None) == (plan is None):
        raise UsageError("give either EDITED or --plan")
    check_file(video)
    console = Console(quiet, progress)
    edit = Edit(video, edited, tuple(voice or ()), transcript, plan, covers.value if covers else None, backend, face,
                device, seed, language, region)  # fmt: skip
    target = out or video.with_name(f"{video.stem}.edited{_suffix(video)}")
    cache, clock = _cache(console), Clock()
    if dry_run:
        with planned(edit, cache, clock, console) as ready:
            made = summary(ready.plan)
    else:
        result = run(edit, target, overwrite, cache, clock, console)
        made = report(result, clock)
    made["warnings"] = console.warnings
    if as_json:
        print_json(made)
    else:
        _print_report(made, console)


@models_app.command("list")
def models_list(as_json: Json = False) -> None:
    """What models.toml knows and what of it lies on this machine."""
    from editalk.models import load_registry, locate

    rows = [(spec, locate(spec)) for spec in load_registry().values()]
    if as_json:
        print_json([
            {"name": s.name, "purpose": s.purpose, "licence": s.licence, "path": str(p) if p else None} for s, p in rows
        ])  # fmt: skip
        return
    for spec, path in rows:
        print(f"{spec.name:20} {'here' if path else '-':5} {spec.purpose} ({spec.licence})")


@app.command("doctor")
def doctor_command(as_json: Json = False) -> None:
    """What this machine can do, and what is missing."""
    from editalk.doctor import checks

    found = checks()
    if as_json:
        print_json([{"name": c.name, "ok": c.ok, "detail": c.detail, "remedy": c.remedy} for c in found])
        return
    for check in found:
        print(f"{'ok     ' if check.ok else 'missing'} {check.name}: {check.detail}")
        if not check.ok and check.remedy:
            print(f"        {check.remedy}")


def _cache(console: Console) -> Cache:
    from editalk.cache import Cache, default_root

    cache = Cache()
    if not cache.lasting:
        console.warn(f"{default_root()} cannot be written, so nothing is kept for the next run; let EDITALK_CACHE name "
                     "another folder")  # fmt: skip
    return cache


def _print_report(made: dict[str, Any], console: Console) -> None:
    for row in made["operations"]:
        start, end = row["timeline"]
        console.say(f"{row['kind']:9} {start:8.2f} s to {end:8.2f} s  {row['text'][:70]}")
    if "output" in made:
        console.say(
            f"wrote {made['output']}: {made['duration']:.2f} s, {made['frames']} frames, {made['frames_identical']} of "
            f"them the source's own, {sum(made['seconds'].values()):.1f} s with backend {made['backend']}"
        )
        for join in made["joins"]:
            if not join["ok"]:
                usual = f"step {join['step']:.1f}, usual {join['natural_p99']:.1f}"
                console.warn(f"the join at {join['at']:.2f} s may show ({usual})")


def _suffix(video: Path) -> str:
    return video.suffix if video.suffix.lower() in (".mp4", ".mov", ".mkv", ".m4v") else ".mp4"


def main(argv: list[str] | None = None) -> int:
    """Run a command; the process's exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    _catch_signals()
    try:
        code = app(args=arguments, prog_name="editalk", standalone_mode=False)
        sys.stdout.flush()
    except EditalkError as error:
        return _fail(error, error.exit_code, arguments)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except (typer.Exit, SystemExit) as done:
        code = int(getattr(done, "exit_code", getattr(done, "code", 0)) or 0)
    except MemoryError as error:
        return _fail(error, 5, arguments, "not enough memory")
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # the last line of defence: no traceback reaches a user without -v
        shown = getattr(error, "format_message", None)
        if shown is not None:  # the parser's own
            prefix = "" if shown().startswith("Usage:") else "editalk: "  # the help, where no command is named
            print(f"{prefix}{shown()}", file=sys.stderr)
            return 2
        return _fail(error, 1, arguments, _unexpected(error))
    if code in STOPPED:
        print(STOPPED[code], file=sys.stderr)
    return code if isinstance(code, int) else 0


def _catch_signals() -> None:
    """A polite kill and a closed terminal unwind like an error, so that nothing half-written stays."""
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores SIGHUP, and so it stays
            signal.signal(number, _terminated)


def _terminated(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one must not disturb the cleaning up
    raise SystemExit(128 + number)


def _unexpected(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror} (-v shows where)"
    return f"unexpected {type(error).__name__}: {error} (-v shows where)"


def _fail(error: BaseException, code: int, arguments: list[str], message: str | None = None) -> int:
    if "-v" in arguments or "--verbose" in arguments:
        import traceback

        traceback.print_exception(error)
    print(f"editalk: {message or error}", file=sys.stderr)
    return code
