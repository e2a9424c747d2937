"""What is here and how good it is: eval, doctor."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from editalk.cli import complete
from editalk.cli.options import Face, Json, Mode, Quiet, Verbose, cache_of
from editalk.console import Console, ProgressMode, print_json
from editalk.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from editalk.doctor import Check


def eval_command(
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE", help="The true video.", show_default=False)],
    candidate: Annotated[Path, typer.Argument(metavar="CANDIDATE", help="The one to judge.", show_default=False)],
    region: Annotated[
        str,
        typer.Option(
            "--region", metavar="R", autocompletion=complete.regions,
            help="Where pixels are compared: mouth, face, head or frame.",
        ),
    ] = "mouth",
    start: Annotated[float, typer.Option("--from", metavar="T", min=0, help="Seconds.")] = 0.0,
    end: Annotated[float | None, typer.Option("--to", metavar="T", min=0, help="Seconds; to the end.")] = None,
    transcript: Annotated[
        Path | None, typer.Option("--transcript", metavar="FILE", help="What REFERENCE says: closures of p, b, m.")
    ] = None,
    face: Face = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Compare two videos of the same length: lips, pixels, sharpness, steadiness, identity."""
    from editalk.pipeline.figures import lines
    from editalk.pipeline.measure import Comparison, compare

    console = Console(quiet, progress, as_json)
    made = compare(Comparison(reference, candidate, region, start, end, transcript, face), cache_of(console), console)
    for note in made["notes"]:
        console.warn(note)
    if as_json:
        print_json(made)
        return
    for name, value in lines(made):
        print(f"{name:40} {value}")


def doctor_command(context: typer.Context, as_json: Json = False) -> None:
    """What this machine can do, and what is missing; exit 5 where the main job needs it."""
    from editalk.doctor import checks

    found = [*checks(), _settings(context)]
    if as_json:
        print_json([asdict(check) for check in found])
    else:
        for check in found:
            print(f"{'ok' if check.ok else 'missing' if check.needed else 'absent':7} {check.name}: {check.detail}")
            if not check.ok and check.remedy:
                print(f"        {check.remedy}")
    if lacking := [check.name for check in found if check.needed and not check.ok]:
        raise DeviceError(f"editalk's main job does not work here: {', '.join(lacking)}")


def _settings(context: typer.Context) -> Check:
    """Which files are read, and whether they can be."""
    from editalk.cli.config import held
    from editalk.doctor import Check

    try:
        files = held(context)[1].files
    except UsageError as error:
        return Check("settings", False, str(error), "correct it; `editalk help settings` says what may stand there")
    return Check("settings", True, ", ".join(map(str, files)) or "no files; every option has its default", needed=False)
