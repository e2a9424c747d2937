"""Settings: which files are read, what may stand in them, and what each command gets of them."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from editalk.errors import UsageError
from editalk.reading import LARGEST_SETTINGS, brief, brief_value, parse_toml, read_text

NAME = "editalk.toml"
PREFIX = "EDITALK_"
ONE_JOB = "it names a file or folder of one job"
OF_A_DESK = {"sign-key", "sign-cert", "trust"}
"""Paths that are the same for all jobs; in a file they are seen from its folder."""
NEVER = {
    "consent": "it is given for one job",
    "json": "it changes what other programs are given to read",
    "overwrite": "whoever lets files be replaced says so each time",
    "dry-run": "a command that silently does nothing helps nobody",
    "accept-licence": "a licence is accepted by whoever runs the command (or EDITALK_ACCEPT_LICENCE=1)",
    "from": "it is a place in one video",
    "to": "it is a place in one video",
    "config": "settings do not choose settings",
    "no-config": "settings do not choose settings",
}
"""Options that neither a file nor a derived variable sets, and why; those that take a path are never set, either."""


@dataclass(frozen=True)
class Option:
    """An option of a command. `key`: its name in a file; `hint`: its type; `never`: why it cannot be set there."""

    command: str
    key: str
    hint: Any
    never: str | None
    made_by: TyperOption
    owner: TyperCommand

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables that set it, the strongest first."""
        declared = self.made_by.envvar
        own = [declared] if isinstance(declared, str) else list(declared or ())
        if self.never is None:
            own = [PREFIX + _upper(f"{self.command}_{self.key}"), PREFIX + _upper(self.key), *own]
        return tuple(dict.fromkeys(own))


Options = Mapping[str, Mapping[str, Option]]
"""By command (“models pull”), then by key."""


@dataclass(frozen=True)
class Value:
    """A line of a file. `command`: empty where it is for every command that has the option."""

    command: str
    key: str
    value: Any
    path: Path
    line: int | None

    @property
    def place(self) -> str:
        return str(self.path) if self.line is None else f"{self.path}, line {self.line}"


@dataclass(frozen=True)
class Settings:
    """`files`: those that were read; `values`: of all of them; the strongest first."""

    files: tuple[Path, ...] = ()
    values: tuple[Value, ...] = ()

    def of(self, command: str) -> dict[str, Value]:
        """By key, for one command."""
        found: dict[str, Value] = {}
        for value in self.values:
            if value.command in (command, ""):
                found.setdefault(value.key, value)
        return found


def _upper(name: str) -> str:
    return re.sub(r"[ -]", "_", name).upper()


def commands(group: TyperGroup, before: str = "") -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    """Every command and group below a group, with its words."""
    for name, command in group.commands.items():
        words = f"{before} {name}".strip()
        if isinstance(command, TyperGroup):
            yield words, command
            yield from commands(command, words)
        elif isinstance(command, TyperCommand):
            yield words, command


def options(root: TyperGroup) -> Options:
    return {words: dict(_options(words, command)) for words, command in commands(root)
            if isinstance(command, TyperCommand)}  # fmt: skip


def _options(words: str, command: TyperCommand) -> Iterator[tuple[str, Option]]:
    assert command.callback is not None
    hints = get_type_hints(inspect.unwrap(command.callback))
    for made in command.params:
        if isinstance(made, TyperOption) and not made.hidden:
            key = next((o for o in made.opts if o.startswith("--")), made.opts[0]).lstrip("-")
            hint = hints.get(made.name, Path)  # those of every command: --config, --no-config
            never = NEVER.get(key) or (ONE_JOB if Path in _leaves(hint) and key not in OF_A_DESK else None)
            if words.startswith("config "):
                never = NEVER["config"]
            yield key, Option(words, key, hint, never, made, command)


def _leaves(hint: Any) -> set[Any]:
    return set().union(*map(_leaves, get_args(hint))) if get_args(hint) else {hint}


def user_file() -> Path:
    """The user's own settings; it need not exist."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "editalk" / NAME


def project_file(folder: Path) -> Path | None:
    """The nearest `editalk.toml` in a folder or above it, up to a repository's root, the home folder or the disk's.

    In a folder that everybody may write to only one's own counts: nobody else's file gives options.
    """
    for place in (folder, *folder.parents):
        if (place / NAME).is_file() and _trusted(place / NAME):
            return place / NAME
        if (place / ".git").exists() or place == Path.home():
            return None
    return None


def _trusted(path: Path) -> bool:
    open_to_all = os.name == "posix" and path.parent.stat().st_mode & 0o002
    return not open_to_all or path.stat().st_uid in (0, os.getuid())


def places(chosen: Path | None = None) -> list[tuple[str, Path]]:
    """(kind, file) of the settings files that there are, the strongest first; `chosen`: `--config`."""
    found = [("config", chosen)] if chosen else []
    project = project_file(Path.cwd())
    for kind, path in (("project", project), ("user", user_file())):
        if path is not None and path.is_file() and not any(path.samefile(p) for _, p in found if p.is_file()):
            found.append((kind, path))
    return found


def load(known: Options, chosen: Path | None = None) -> Settings:
    """All settings files, checked. Raises UsageError that names file, line and key."""
    files = tuple(path for _, path in places(chosen))
    return Settings(files, tuple(value for path in files for value in read(path, known)))


def read(path: Path, known: Options) -> list[Value]:
    """One file's values, those of its tables first. Raises UsageError."""
    return parse(read_text(path, UsageError, LARGEST_SETTINGS), path, known)


def parse(text: str, path: Path, known: Options) -> list[Value]:
    """`read` of a text; `path` is what messages call it."""
    data = parse_toml(text, str(path), UsageError)
    found: list[Value] = []
    tables = {words for command in known for words in (command, command.rpartition(" ")[0]) if words}
    _collect(data, "", path, lines_of(text), tables, found)
    for value in found:
        _check(value, known)
    found = [replace(v, value=str(path.parent / Path(v.value).expanduser())) if v.key in OF_A_DESK else v
             for v in found]  # fmt: skip
    return sorted(found, key=lambda value: value.command == "")


def _collect(data: dict[str, Any], before: str, path: Path, lines: Mapping[tuple[str, str | None], int],
             tables: set[str], found: list[Value]) -> None:  # fmt: skip
    for key, value in data.items():
        words = f"{before} {key}".strip()
        if not isinstance(value, dict):
            found.append(Value(before, key.replace("_", "-"), value, path, lines.get((before, key))))
        elif key.strip() and words in tables:
            _collect(value, words, path, lines, tables, found)
        else:
            place = lines.get((words, None))
            at = str(path) if place is None else f"{path}, line {place}"
            raise UsageError(f"{at}: there is no command “{brief(words)}”{_near(words, tables)}")


def lines_of(text: str) -> dict[tuple[str, str | None], int]:
    """Where each (table, key) stands and each (table, None), a table's head, counted from 1; what is not plain is left
    out.
    """
    found: dict[tuple[str, str | None], int] = {}
    here = ""
    for number, line in enumerate(text.splitlines(), 1):
        key, equals, _ = line.strip().partition("=")
        if head := re.match(r"\[([^\[\]]+)\]\s*(#|$)", line.strip()):
            here = " ".join(part.strip().strip("\"'") for part in head[1].split("."))
            found.setdefault((here, None), number)
        elif equals:
            found.setdefault((here, key.strip().strip("\"'")), number)
    return found


def _check(value: Value, known: Options) -> None:
    """Raises UsageError."""
    all_keys = {key: option for rows in known.values() for key, option in rows.items()}
    rows = known.get(value.command)
    if rows is None and value.command:  # a group: `[models]` alone
        names = ", ".join(f"[{name.replace(' ', '.')}]" for name in known if name.startswith(value.command + " "))
        raise UsageError(f"{value.place}: “{brief(value.key)}” belongs to one of {names}")
    if value.key not in (rows if rows is not None else all_keys):
        whose = f"“editalk {value.command}” has no option" if value.command else "no command has an option"
        near = _near(value.key, {k for k, o in (all_keys if rows is None else rows).items() if o.never is None})
        raise UsageError(f"{value.place}: {whose} “{brief(value.key)}”{near}")
    asked = [rows[value.key]] if rows is not None else [r[value.key] for r in known.values() if value.key in r]
    settable = [option for option in asked if option.never is None]
    if not settable:
        raise UsageError(f"{value.place}: “{value.key}” can only be given on the command line: {asked[0].never}")
    for option in settable:
        if not _fits(value.value, option.hint):
            raise UsageError(f"{value.place}: “{value.key}” must be {wanted(option.hint)}, not {_shown(value.value)}")
        if why := refused(option, value.value):
            raise UsageError(f"{value.place}: “{value.key}”: {why}")


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else brief_value(value)


def _near(name: str, names: set[str]) -> str:
    close = get_close_matches(name, sorted(names), 1)
    return f"; did you mean “{close[0]}”?" if close else ""


def _kind(hint: Any) -> Any:
    """A type without its None."""
    if get_origin(hint) in (Union, UnionType):
        return next(part for part in get_args(hint) if part is not NoneType)
    return hint


def _fits(value: Any, hint: Any) -> bool:
    kind = _kind(hint)
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_fits(part, get_args(kind)[0]) for part in value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return value in [member.value for member in kind]
    kind = str if kind is Path else kind
    return type(value) in ((int, float) if kind is float else (kind,))


def wanted(hint: Any) -> str:
    """What a value must be, in words."""
    kind = _kind(hint)
    if get_origin(kind) is list:
        return f"a list, each {wanted(get_args(kind)[0])}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(member.value) for member in kind)
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes",
             Path: "a path in quotes"}  # fmt: skip
    return names.get(kind, getattr(kind, "__name__", str(kind)))


def refused(option: Option, value: Any) -> str | None:
    """What the parser of options says to a value, e.g. about its range."""
    try:
        option.made_by.process_value(typer.Context(option.owner), value)
    except Exception as error:  # its own root of errors is not public in every version
        message = getattr(error, "message", None)
        if message is None:
            raise
        return str(message)
    return None


def idle_variables(known: Options, others: tuple[str, ...]) -> Iterator[str]:
    """What to say about variables that look like editalk's and have no effect."""
    rows = [option for row in known.values() for option in row.values()]
    live = {name for option in rows for name in option.variables} | set(others)
    dead = {PREFIX + _upper(o.key): o.never for o in reversed(rows) if o.never}
    for name in sorted(n for n in os.environ if n.startswith(PREFIX) and n not in live):
        if name in dead:
            yield f"{name} has no effect: {dead[name]}"
        elif close := get_close_matches(name, sorted(live), 1, 0.85):
            yield f"{name} has no effect; did you mean {close[0]}?"
