"""What is here and how good it is: eval, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from editalk.cli import complete
from editalk.cli.options import Face, Json, Mode, Quiet, Verbose, cache_of
from editalk.console import Console, ProgressMode, print_json


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

    console = Console(quiet, progress)
    made = compare(Comparison(reference, candidate, region, start, end, transcript, face), cache_of(console), console)
    for note in made["notes"]:
        console.warn(note)
    if as_json:
        print_json(made)
        return
    for name, value in lines(made):
        print(f"{name:40} {value}")


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
