"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from editalk.cli import complete
from editalk.cli.sheet import EVERYWHERE
from editalk.console import Console, ProgressMode

if TYPE_CHECKING:
    from editalk.cache import Cache


class Covers(StrEnum):
    SCRIPT = "script"
    NEW_WORDS = "new-words"


Video = Annotated[Path, typer.Argument(metavar="VIDEO", help="A video of somebody talking.", show_default=False)]
Edited = Annotated[Path, typer.Argument(metavar="EDITED", help="The edited transcript.", show_default=False)]
MaybeEdited = Annotated[
    Path | None, typer.Argument(metavar="[EDITED]", help="The edited transcript.", show_default=False)
]
VoiceFiles = Annotated[
    list[Path] | None,
    typer.Option("--voice", metavar="FILE", help="Speech for the new words or the whole script; repeat for several."),
]
TranscriptFile = Annotated[
    Path | None, typer.Option("--transcript", metavar="FILE", help="The video's transcript (Whisper's JSON).")
]
PROVENANCE = "Provenance"
"""The heading of options that say what an edit leaves about itself."""
BACKEND = "Backend"
"""The heading of options that say who renders, and on what."""
Json = Annotated[
    bool,
    typer.Option("--json", rich_help_panel=EVERYWHERE,
                       help="One JSON object on standard output; on standard error one a line.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", rich_help_panel=EVERYWHERE, help="Errors only.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", rich_help_panel=EVERYWHERE, help="Say more; show tracebacks.")
]
Overwrite = Annotated[
    bool, typer.Option("-y", "--overwrite", rich_help_panel=EVERYWHERE, help="Replace existing files.")
]
Mode = Annotated[
    ProgressMode,
    typer.Option("--progress", rich_help_panel=EVERYWHERE, help="Of stages, on standard error; none: not even a line "
                 "for each that is done."),
]
CoversOption = Annotated[
    Covers | None, typer.Option("--voice-covers", help="What the voice says; found out where not given.")
]
Face = Annotated[int | None, typer.Option("--face", metavar="N", min=1, help="The N-th face from the left.")]
AudioTrack = Annotated[
    int, typer.Option("--audio-track", metavar="N", min=1, help="The N-th sound track of VIDEO is the one to edit.")
]
CaptionFiles = Annotated[
    list[Path] | None,
    typer.Option("--captions", metavar="FILE", help="Captions of VIDEO to bring along instead of talk.srt, talk.en.vtt "
                 "… beside it; repeatable; none: no captions."),
]  # fmt: skip
CaptionsOut = Annotated[
    str | None, typer.Option("--captions-out", metavar="LIST", help="New captions of the edited script: srt, vtt.")
]
Dub = Annotated[
    bool, typer.Option("--dub", help="EDITED and --voice are another language's: footage is retimed by sentence.")
]
VoiceTranscript = Annotated[
    Path | None, typer.Option("--voice-transcript", metavar="FILE", help="A dub's words in its voice (Whisper's JSON).")
]
Language = Annotated[
    str | None, typer.Option("--language", metavar="L", envvar="EDITALK_LANGUAGE", help="Spoken language, e.g. en.")
]
BackendName = Annotated[
    str,
    typer.Option("--backend", metavar="NAME", rich_help_panel=BACKEND, autocompletion=complete.backends,
                 help="auto, exemplar or dit."),
]  # fmt: skip
WeightsName = Annotated[
    str | None,
    typer.Option("--weights", metavar="NAME|DIR", rich_help_panel=BACKEND, autocompletion=complete.weights,
                 help="Of backend dit; see `models list`."),
]  # fmt: skip
PrecisionName = Annotated[
    str | None,
    typer.Option("--precision", metavar="P", rich_help_panel=BACKEND, autocompletion=complete.precisions,
                 help="Of backend dit: fp8, bf16 or fp32."),
]  # fmt: skip
Offload = Annotated[
    bool, typer.Option("--offload", rich_help_panel=BACKEND, help="Backend dit: weights wait in RAM, slower.")
]
LipPassName = Annotated[
    str | None,
    typer.Option("--lip-pass", metavar="NAME", rich_help_panel=BACKEND, autocompletion=complete.lip_passes,
                 help="Who draws the lips instead: musetalk."),
]  # fmt: skip
RegionName = Annotated[
    str | None,
    typer.Option("--region", metavar="R", rich_help_panel=BACKEND, autocompletion=complete.regions,
                 help="mouth, face, head or frame."),
]  # fmt: skip
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="D", rich_help_panel=BACKEND, autocompletion=complete.devices,
                 help="cpu or cuda."),
]  # fmt: skip
TimelineFormats = Annotated[
    str | None,
    typer.Option("--timeline", metavar="FORMATS", autocompletion=complete.timelines,
                 help="Timelines too: of otio, fcpxml, edl, xml."),
]  # fmt: skip
PlanFile = Annotated[Path | None, typer.Option("--plan", metavar="FILE", help="Start from a plan.")]
Seed = Annotated[int, typer.Option("--seed", rich_help_panel=BACKEND, help="For backends that draw lots.")]


def cache_of(console: Console) -> Cache:
    from editalk.cache import Cache, default_root

    cache = Cache(warn=console.warn)
    if not cache.lasting:
        console.warn(f"{default_root()} cannot be written, so nothing is kept for the next run; let EDITALK_CACHE name "
                     "another folder")  # fmt: skip
    return cache
