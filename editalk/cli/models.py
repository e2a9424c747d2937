"""The registry of model weights: list, pull, verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from editalk.cli import complete
from editalk.cli.options import Json, Mode, Quiet, Verbose
from editalk.console import Console, ProgressMode, print_json
from editalk.errors import DeviceError

if TYPE_CHECKING:
    from editalk.models import FileState, ModelSpec

Names = Annotated[
    list[str],
    typer.Argument(metavar="NAME", help="As `models list` shows them.", show_default=False,
                   autocompletion=complete.models),
]  # fmt: skip
SomeNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="Default: all that are here.", show_default=False,
                   autocompletion=complete.models),
]  # fmt: skip


def models_list(as_json: Json = False) -> None:
    """Name, size, memory it needs, licence and place of every model that models.toml knows."""
    from editalk.models import load_registry, locate

    rows = [(spec, locate(spec)) for spec in load_registry().values()]
    if as_json:
        print_json([_row(spec, path) for spec, path in rows])
        return
    width = max(len(spec.name) for spec, _ in rows)
    for spec, path in rows:
        memory = f"{spec.memory_gib:>4g} GiB"
        print(f"{spec.name:{width}}  {_size(spec):>8}  {memory}  {spec.licence:22} {path or 'not here'}")
        print(f"{'':{width}}  {spec.purpose}")


def models_pull(
    names: Names,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Put each into DIR/NAME; EDITALK_MODELS=DIR finds them.")
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", envvar="EDITALK_ACCEPT_LICENCE", help="Accept the licences shown.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Download models and check every file; a licence that restricts use is shown and asked for first."""
    from editalk.models import find, pull

    console = Console(quiet, progress, as_json)
    specs = list({spec.name: spec for spec in map(find, names)}.values())
    for spec in specs:  # before the first long download
        _licence(spec, accept_licence, console)
    done = [(spec, pull(spec, console, to)) for spec in specs]
    if as_json:
        print_json([_row(spec, path) for spec, path in done])
        return
    for _, path in done:
        print(path)


def models_verify(
    names: SomeNames = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Hash every file of the models that are here, or of those named; exit 5 where one is missing or wrong."""
    from editalk.models import check, find, load_registry, partly

    console = Console(quiet, progress, as_json)
    specs = [find(name) for name in names] if names else [s for s in load_registry().values() if partly(s)]
    found: list[tuple[ModelSpec, Path | None, tuple[FileState, ...]]] = []
    for spec in specs:
        folder = partly(spec)
        with console.stage(f"Checking {spec.name}", spec.size or None, "bytes") as advance:
            found.append((spec, folder, check(spec, folder, advance) if folder else ()))
    if as_json:
        print_json([
            {"name": spec.name, "path": str(folder) if folder else None, "ok": not _broken(folder, states), "files": [
                {"name": row.name, "state": row.state.value, "detail": row.detail} for row in states
            ]} for spec, folder, states in found
        ])  # fmt: skip
    else:
        _print_states(found, quiet)
    if not found:
        console.say("none of the models that models.toml knows is on this machine")
    _raise_broken(found)


def _row(spec: ModelSpec, path: Path | None) -> dict[str, Any]:
    return {
        "name": spec.name, "purpose": spec.purpose, "backend": spec.backend, "repository": spec.repository,
        "revision": spec.revision, "licence": spec.licence, "licence_url": spec.licence_url, "terms": list(spec.terms),
        "size": spec.size or None, "memory_gib": spec.memory_gib, "path": str(path) if path else None,
    }  # fmt: skip


def _size(spec: ModelSpec) -> str:
    return "" if not spec.size else f"{spec.size / 1e9:.3g} GB" if spec.size >= 1e9 else f"{spec.size / 1e6:.3g} MB"


def _licence(spec: ModelSpec, accepted: bool, console: Console) -> None:
    """Shows and asks; raises DeviceError where the answer is no or nobody can answer."""
    from editalk.models import accept, asks

    if not asks(spec):
        return
    size = _size(spec)
    shown = [f"{spec.name}{f' ({size})' if size else ''} is under {spec.licence}, {spec.licence_url}", *spec.terms]
    if not accepted:
        for line in shown:  # also with -q: what is asked for must be seen
            typer.echo(line, err=True)
        if not sys.stdin.isatty():
            raise DeviceError(
                f"{spec.name}: its licence is not accepted; read {spec.licence_url} and repeat with --accept-licence "
                "(EDITALK_ACCEPT_LICENCE=1)"
            )
        if not typer.confirm("Do you accept this licence?", err=True):
            raise DeviceError(f"{spec.name}: its licence was not accepted, so nothing was downloaded")
    else:
        for line in shown:
            console.say(line)
    accept(spec)


def _broken(folder: Path | None, states: tuple[FileState, ...]) -> list[FileState]:
    from editalk.models import FileState, State

    if folder is None:
        return [FileState("", State.MISSING)]
    return [row for row in states if row.state in (State.MISSING, State.WRONG)]


def _print_states(found: list[tuple[ModelSpec, Path | None, tuple[FileState, ...]]], quiet: bool) -> None:
    from editalk.models import State

    for spec, folder, states in found:
        broken, unknown = _broken(folder, states), [row for row in states if row.state is State.UNKNOWN]
        if folder is None:
            print(f"{spec.name}: not here")
        elif not broken and not (quiet and not unknown):
            checked = len(states) - len(unknown)
            print(f"{spec.name}: {checked} of {len(states)} files are right ({folder})")
        for row in [*broken, *unknown] if folder else []:
            print(f"{spec.name}: {row.name}: {row.state.value}{f' ({row.detail})' if row.detail else ''}")


def _raise_broken(found: list[tuple[ModelSpec, Path | None, tuple[FileState, ...]]]) -> None:
    from editalk.models import way_out, what_is_missing

    for spec, folder, states in found:
        if broken := _broken(folder, states):
            if folder is None:
                raise DeviceError(f"{what_is_missing(spec)}; {way_out(spec)}")
            first = broken[0]
            detail = f" ({first.detail}); remove it, then" if first.detail else ";"
            raise DeviceError(f"{spec.name}: {folder / first.name} is {first.state.value}{detail} {way_out(spec)}")
