"""`editalk cache`: what is kept for the next run, and what of it goes."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from editalk.cli import complete
from editalk.cli.options import Json, Quiet
from editalk.console import Console, print_json


def cache_show(as_json: Json = False) -> None:
    """Where the cache is, and how much of which stage lies there."""
    from editalk.upkeep import usage

    held = usage()
    if as_json:
        print_json({"path": str(held.root), "size": held.size, "stages": [asdict(stage) for stage in held.stages],
                     "unfinished": len(held.left)})  # fmt: skip
        return
    print(held.root)
    for stage in held.stages:
        print(f"{stage.name:12} {stage.entries:6} entries {_size(stage.size):>9}  last used {_ago(stage.newest)}, "
              f"the oldest {_ago(stage.oldest)}")  # fmt: skip
    print(f"{'together':12} {sum(s.entries for s in held.stages):6} entries {_size(held.size):>9}")
    if held.left:
        print(f"{len(held.left)} unfinished, of killed runs; `editalk cache clear` removes them, too")


def cache_clear(
    stage: Annotated[
        str | None,
        typer.Option("--stage", metavar="S", autocompletion=complete.stages, help="Only of this one; see cache show."),
    ] = None,
    older: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Not used for so long: 30d, 12h, 2w.")
    ] = None,
    larger: Annotated[
        str | None,
        typer.Option("--larger-than", metavar="SIZE", help="The least recently used, until 5GB or so are left."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Remove what stages left for the next run; models stay."""
    from editalk.upkeep import bytes_of, clear, seconds_of

    made = clear(stage=stage, older=seconds_of(older) if older else 0, limit=bytes_of(larger) if larger else None,
                 really=not dry_run)  # fmt: skip
    if as_json:
        print_json(asdict(made) | {"removed": not dry_run})
        return
    console = Console(quiet, as_json=as_json)
    console.say(f"{made.entries} entries, {_size(made.size)}, {'would go' if dry_run else 'are gone'}; "
                f"{_size(made.kept)} stay")  # fmt: skip
    if made.busy:
        console.say(f"{made.busy} that a running editalk uses stay")


def cache_path() -> None:
    """Print the folder of the cache."""
    from editalk.cache import default_root

    print(default_root())


def _size(size: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} B"


def _ago(at: float) -> str:
    seconds = max(time.time() - at, 0)
    for unit, scale in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= scale:
            return f"{seconds / scale:.0f} {unit} ago"
    return "just now"
