"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from editalk.console import Console, ProgressMode

if TYPE_CHECKING:
    from editalk.cache import Cache


class Covers(StrEnum):
    SCRIPT = "script"
    NEW_WORDS = "new-words"


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
BackendName = Annotated[str, typer.Option("--backend", envvar="EDITALK_BACKEND", help="auto, exemplar or dit.")]
WeightsName = Annotated[
    str | None,
    typer.Option("--weights", metavar="NAME|DIR", envvar="EDITALK_WEIGHTS", help="Of backend dit; see `models list`."),
]
PrecisionName = Annotated[
    str | None, typer.Option("--precision", envvar="EDITALK_PRECISION", help="Of backend dit: fp8, bf16 or fp32.")
]
Offload = Annotated[
    bool, typer.Option("--offload", envvar="EDITALK_OFFLOAD", help="Backend dit: weights wait in RAM, slower.")
]
LipPassName = Annotated[
    str | None, typer.Option("--lip-pass", envvar="EDITALK_LIP_PASS", help="Who draws the lips instead: musetalk.")
]
Seed = Annotated[int, typer.Option("--seed", envvar="EDITALK_SEED", help="For backends that draw lots.")]


def cache_of(console: Console) -> Cache:
    from editalk.cache import Cache, default_root

    cache = Cache()
    if not cache.lasting:
        console.warn(f"{default_root()} cannot be written, so nothing is kept for the next run; let EDITALK_CACHE name "
                     "another folder")  # fmt: skip
    return cache
