"""`editalk config`: which settings hold, where they come from, and a file to start with."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from editalk.cli import settings
from editalk.cli.options import Json, Overwrite
from editalk.console import Console, print_json
from editalk.errors import UsageError

if TYPE_CHECKING:
    from editalk.cli.settings import Option, Options, Settings


@dataclass(frozen=True)
class Effective:
    """`source`: variable, file or default; `place`: the variable's name or the file and line."""

    command: str
    option: str
    value: Any
    source: str
    place: str | None


def config_show(
    context: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="Default: every command.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Defaults, too.")] = False,
    as_json: Json = False,
) -> None:
    """Print the settings that hold, and where each comes from."""
    known, found = held(context)
    command = " ".join(words or [])
    if command and command not in known:
        raise UsageError(f"there is no command “{command}”; there are: {', '.join(known)}")
    rows = [row for name in known if command in ("", name) for row in effective(name, known, found)
            if every or row.source != "default"]  # fmt: skip
    if as_json:
        print_json({"files": [str(path) for path in found.files], "settings": [asdict(row) for row in rows]})
        return
    for row in rows:
        line = f"{row.command}: {row.option} = {_toml(row.value)}"
        print(f"{line:44} {row.place or row.source}")
    if not rows:
        Console().say("nothing is set: every option has its default (`editalk help settings`)")


def effective(command: str, known: Options, found: Settings) -> list[Effective]:
    """Of each option of a command that can be set."""
    values = found.of(command)
    rows = []
    for key, option in known[command].items():
        variable = next((name for name in option.variables if os.environ.get(name)), None)
        if option.never is not None:
            continue
        if variable is not None:
            rows.append(Effective(command, key, _from(variable, option), "variable", variable))
        elif key in values:
            rows.append(Effective(command, key, values[key].value, "file", values[key].place))
        else:
            rows.append(Effective(command, key, _default(option), "default", None))
    return rows


def _from(variable: str, option: Option) -> Any:
    """A variable's value as the command gets it. Raises UsageError."""
    context = typer.Context(option.owner)
    given = option.made_by.value_from_envvar(context)
    if why := settings.refused(option, given):
        raise UsageError(f"{variable}: {why}")
    value = option.made_by.process_value(context, given)
    return value.value if isinstance(value, Enum) else value


def config_path(context: typer.Context, as_json: Json = False) -> None:
    """Print the settings files that are read, the strongest first."""
    found = _places(context)
    if as_json:
        print_json([{"kind": kind, "path": str(path)} for kind, path in found])
        return
    for _, path in found:
        print(path)
    if not found:
        Console().say(f"there is none: neither {settings.NAME} here or above, nor {settings.user_file()}")


def config_init(
    context: typer.Context,
    path: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Default: editalk.toml here.", show_default=False)
    ] = None,
    user: Annotated[bool, typer.Option("--user", help="The user's own file.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a settings file with every option in it, each as a comment."""
    from editalk.texts import check_text_target, make_folder, write_texts

    if user and path is not None:
        raise UsageError("give either FILE or --user")
    target = settings.user_file() if user else path or Path(settings.NAME)
    check_text_target(target, overwrite, made=user)
    make_folder(target.parent)
    write_texts({target: template(_known(context))}, overwrite)
    Console().say(f"wrote {target}")


def template(known: Options) -> str:
    """Every option that a file may set, as a comment: at the top those of several commands."""
    rows = {name: {k: o for k, o in options.items() if o.never is None} for name, options in known.items()}
    count: dict[str, int] = {}
    for options in rows.values():
        for key in options:
            count[key] = count.get(key, 0) + 1
    shared = {key: option for options in rows.values() for key, option in options.items() if count[key] > 1}
    lines = ["# Settings of editalk; see `editalk help settings`.", "# For every command that has the option:", ""]
    for key, option in shared.items():
        lines += _lines(key, option)
    for name, options in rows.items():
        own = {key: option for key, option in options.items() if count[key] == 1}
        if own:
            lines += ["", f"[{name.replace(' ', '.')}]"]
            for key, option in own.items():
                lines += _lines(key, option)
    return "\n".join(lines) + "\n"


def _lines(key: str, option: Option) -> list[str]:
    default = _default(option)
    shown = _toml(default) if default not in (None, [], ()) else f"… ({settings.wanted(option.hint)})"
    return [f"# {option.made_by.help or ''}".rstrip(), f"# {key} = {shown}"]


def _default(option: Option) -> Any:
    value = option.made_by.default
    return value.value if isinstance(value, Enum) else value


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if value is None:
        return "none"
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list | tuple) else str(value)


def _known(context: typer.Context) -> Options:
    from editalk.cli.program import Group

    root = context.find_root().command
    assert isinstance(root, Group)
    return root.options


def _places(context: typer.Context) -> list[tuple[str, Path]]:
    from editalk.cli.program import CONFIG, NO_CONFIG

    chosen = context.meta.get(CONFIG) or (Path(own) if (own := os.environ.get("EDITALK_CONFIG")) else None)
    return [] if context.meta.get(NO_CONFIG) else settings.places(chosen)


def held(context: typer.Context) -> tuple[Options, Settings]:
    """All options, and what files say of them. Raises UsageError."""
    known = _known(context)
    files = tuple(path for _, path in _places(context))
    return known, settings.Settings(files, tuple(value for path in files for value in settings.read(path, known)))
