"""A job from values by option name, and back; everything follows from the fields of `pipeline.job.Job`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from editalk.errors import JobsError
from editalk.pipeline.job import Job
from editalk.reading import brief

WRITTEN = ("output",)  # fields that name a file that is made
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a file name"}
SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Option:
    """`name`: the option's, without its dashes; `kind`: of a value, or of each where there are several."""

    name: str
    field: str
    kind: type
    several: bool
    required: bool


@cache
def options() -> dict[str, Option]:
    """Those of a job by name."""
    hints = get_type_hints(Job)
    return {option.name: option for one in fields(Job)
            for option in [_option(one.name, hints[one.name], one.default is MISSING)]}  # fmt: skip


def _option(field: str, hint: Any, required: bool) -> Option:
    if get_origin(hint) in (Union, UnionType):
        hint = next(part for part in get_args(hint) if part is not NoneType)
    several = get_origin(hint) is tuple
    return Option(field.replace("_", "-"), field, get_args(hint)[0] if several else hint, several, required)


def named(name: str) -> Option:
    """The option that a list calls so. Raises JobsError."""
    key = name.strip().removeprefix("--").replace("_", "-")
    if key not in options():
        close = get_close_matches(key, options(), 1)
        raise JobsError(f"“{name}” is no option of apply" + (f"; did you mean “{close[0]}”?" if close else ""))
    return options()[key]


def by_name(values: Mapping[str, Any]) -> dict[str, Any]:
    """By the options' own names, so that `fail_on` and `fail-on` are one. Raises JobsError."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = named(key).name
        if name in found:
            raise JobsError(f"“{name}” is given twice")
        found[name] = value
    return found


def parsed(option: Option, text: str) -> Any:
    """A value written as text, those of several parted by semicolons. Raises JobsError."""
    if option.several:
        return [_one(option, part.strip()) for part in text.split(";") if part.strip()]
    return _one(option, text.strip())


def _one(option: Option, text: str) -> Any:
    if option.kind is bool and text.lower() in SWITCH:
        return SWITCH[text.lower()]
    if option.kind in (int, float):
        try:
            return option.kind(text)
        except ValueError:
            pass
    return text  # what does not fit is told by `job_of`


def job_of(values: Mapping[str, Any], folder: Path) -> Job:
    """A job from typed values (JSON's, TOML's) by option name; null is as if left out. Paths are relative to `folder`,
    which is absolute. Raises JobsError.
    """
    given = {}
    for name, value in by_name(values).items():
        option = named(name)
        if value is not None:
            given[option.field] = _value(option, value, folder)
    lacking = [option.name for option in options().values() if option.required and option.field not in given]
    if lacking:
        raise JobsError(f"no {', no '.join(lacking)}; a job needs at least that")
    return Job(**given)


def _value(option: Option, value: Any, folder: Path) -> Any:
    if not option.several:
        return _fitting(option, value, folder)
    if not isinstance(value, list):
        raise JobsError(f"“{option.name}” must be a list, each {WORDS[option.kind]}, not {_shown(value)}")
    return tuple(_fitting(option, part, folder) for part in value)


def _fitting(option: Option, value: Any, folder: Path) -> Any:
    if option.kind is Path and isinstance(value, str) and value and "\0" not in value:
        # “none” (of --captions) is no file
        return Path(value) if value == "none" and option.several else folder / value
    if option.kind is float and type(value) is int:
        return float(value)
    if type(value) is not option.kind:
        raise JobsError(f"“{option.name}” must be {WORDS[option.kind]}, not {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    return brief(str(value).lower() if isinstance(value, bool) else repr(value))


def values_of(job: Job) -> dict[str, Any]:
    """What `job_of` takes: JSON's types, what is as by default left out."""
    return {option.name: _plain(getattr(job, option.field)) for option in options().values()
            if option.required or getattr(job, option.field) != default_of(option.name)}  # fmt: skip


def default_of(name: str) -> Any:
    """Of an option; MISSING where there is none."""
    return next(one.default for one in fields(Job) if one.name == options()[name].field)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def files(job: Job) -> Iterator[tuple[str, Path]]:
    """(option, path) of every file that a job names and reads."""
    for option in options().values():
        if option.kind is Path and option.field not in WRITTEN:
            value: Path | Sequence[Path] | None = getattr(job, option.field)
            for path in (value,) if isinstance(value, Path) else value or ():
                if path.is_absolute():
                    yield option.name, path
