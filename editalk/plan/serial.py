"""The plan as versioned JSON."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from enum import Enum
from typing import Any

from editalk.errors import PlanError
from editalk.plan.checks import Check
from editalk.plan.types import EditPlan
from editalk.reading import brief, brief_value, parse_json
from editalk.timebase import FrameRate

VERSION = 1
FORMAT = "editalk.plan"
MOST = 1 << 48  # no number of a plan is larger: samples of a century
RATE = re.compile(r"\d{1,10}(?:/\d{1,10})?", re.ASCII)


def to_json(plan: EditPlan) -> str:
    """The plan as text; `from_json` gives back an equal one."""
    return json.dumps({"format": FORMAT, "version": VERSION, **plain(plan)}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str, name: str = "plan") -> EditPlan:
    """Read a plan. Raises PlanError with the place of what cannot be read; `name` is the file's."""
    data = parse_json(text, name, PlanError)
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise PlanError(f"{name}: not a plan made by `editalk plan`")
    if (version := data.pop("version", None)) != VERSION:
        raise PlanError(
            f"{name}: plan version {brief_value(version)}, this editalk reads {VERSION}; make the plan anew"
        )
    plan = read_plain(EditPlan, data, name)
    assert isinstance(plan, EditPlan)
    Check(plan, name)()
    return plan


def plain(value: Any) -> Any:
    """Frozen data as values of JSON."""
    if isinstance(value, FrameRate):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    return value


def read_plain(kind: Any, value: Any, place: str) -> Any:
    """`plain` backwards: frozen data of a kind. Raises PlanError that names the place of what does not fit."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        options = [a for a in typing.get_args(kind) if a is not type(None)]
        if value is None and len(options) < len(typing.get_args(kind)):
            return None
        return read_plain(options[0], value, place)
    if origin is tuple:
        if not isinstance(value, list):
            raise PlanError(f"{place}: a list is expected")
        return tuple(read_plain(typing.get_args(kind)[0], v, f"{place}[{k}]") for k, v in enumerate(value))
    if kind is FrameRate:
        return _rate(value, place)
    if dataclasses.is_dataclass(kind):
        return _read_fields(kind, value, place)
    if isinstance(kind, type) and issubclass(kind, Enum):
        if not isinstance(value, str) or value not in {m.value for m in kind}:
            raise PlanError(f"{place}: {brief_value(value)} is none of {', '.join(str(m.value) for m in kind)}")
        return kind(value)
    if kind is bool and isinstance(value, bool):
        return value
    numbers: tuple[type, ...] = (int, float) if kind is float else (kind,)
    if not isinstance(value, numbers) or isinstance(value, bool):
        raise PlanError(f"{place}: {kind.__name__} expected, not {brief_value(value)}")
    if isinstance(value, str):
        return _text(value, place)
    assert isinstance(value, int | float)
    if not -MOST <= value <= MOST:  # NaN neither
        raise PlanError(f"{place}: {brief_value(value)} is no number of a plan")
    return float(value) if kind is float else value


def _text(value: str, place: str) -> str:
    """A string that can be written again; half of a character stands for a byte of a file's name, or for nothing."""
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise PlanError(f"{place}: {brief_value(value)} has half of a character") from error
    if "\0" in value:
        raise PlanError(f"{place}: {brief_value(value)} has a NUL character")
    return value


def _rate(value: Any, place: str) -> FrameRate:
    if not isinstance(value, str) or not RATE.fullmatch(value):
        raise PlanError(f"{place}: {brief_value(value)} is no frame rate")
    try:
        return FrameRate.parse(value)
    except (ValueError, ZeroDivisionError) as error:
        raise PlanError(f"{place}: {brief_value(value)} is no frame rate") from error


def _read_fields(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise PlanError(f"{place}: an object is expected")
    hints = typing.get_type_hints(kind)
    names = {f.name for f in dataclasses.fields(kind)}
    if unknown := sorted(set(value) - names):
        raise PlanError(f"{place}: unknown key “{brief(unknown[0])}”")
    missing = [
        f.name
        for f in dataclasses.fields(kind)
        if f.name not in value and f.default is dataclasses.MISSING
    ]
    if missing:
        raise PlanError(f"{place}: “{missing[0]}” is missing")
    try:
        return kind(**{k: read_plain(hints[k], v, f"{place}.{k}") for k, v in value.items()})
    except ValueError as error:
        raise PlanError(f"{place}: {error}") from error
