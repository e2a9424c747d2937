"""The plan as versioned JSON."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from enum import Enum
from fractions import Fraction
from typing import Any

from editalk.errors import PlanError
from editalk.plan.types import EditPlan
from editalk.timebase import FrameRate

VERSION = 1
FORMAT = "editalk.plan"


def to_json(plan: EditPlan) -> str:
    """The plan as text; `from_json` gives back an equal one."""
    return json.dumps({"format": FORMAT, "version": VERSION, **_plain(plan)}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str, name: str = "plan") -> EditPlan:
    """Read a plan. Raises PlanError with the place of what cannot be read; `name` is the file's."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise PlanError(f"{name}: not JSON: {error}") from error
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise PlanError(f"{name}: not a plan made by `editalk plan`")
    if (version := data.pop("version", None)) != VERSION:
        raise PlanError(f"{name}: plan version {version}, this editalk reads {VERSION}; make the plan anew")
    plan = _read(EditPlan, data, name)
    assert isinstance(plan, EditPlan)
    _check_tiling(plan, name)
    return plan


def plain(value: Any) -> Any:
    """Frozen data as values of JSON."""
    return _plain(value)


def read_plain(kind: Any, value: Any, place: str) -> Any:
    """`plain` backwards: frozen data of a kind. Raises PlanError that names the place of what does not fit."""
    return _read(kind, value, place)


def _check_tiling(plan: EditPlan, name: str) -> None:
    stretches = {"timeline": [(p.start, p.end) for p in plan.timeline], "sound": [(p.start, p.end) for p in plan.sound]}
    for what, spans in stretches.items():
        at = 0
        for k, (start, end) in enumerate(spans):
            if start != at or end <= at:
                raise PlanError(f"{name}: {what}[{k}] begins at {start}, the piece before it ends at {at}")
            at = end
    for k, shown in enumerate(plan.timeline):
        if shown.source is not None and not 0 <= shown.source < shown.source_end <= plan.source.frames:
            raise PlanError(f"{name}: timeline[{k}] shows frames that the source does not have")
    for k, heard in enumerate(plan.sound):
        if heard.voice is not None and not 0 <= heard.voice < len(plan.voices):
            raise PlanError(f"{name}: sound[{k}] is of voice {heard.voice}, the plan has {len(plan.voices)}")
    for k, window in enumerate(plan.windows):
        if not 0 <= window.span.start < window.span.end <= plan.frames:
            raise PlanError(f"{name}: windows[{k}] lies outside the timeline")


def _plain(value: Any) -> Any:
    if isinstance(value, FrameRate):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value


def _read(kind: Any, value: Any, place: str) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        options = [a for a in typing.get_args(kind) if a is not type(None)]
        return None if value is None and len(options) < len(typing.get_args(kind)) else _read(options[0], value, place)
    if origin is tuple:
        if not isinstance(value, list):
            raise PlanError(f"{place}: a list is expected")
        return tuple(_read(typing.get_args(kind)[0], v, f"{place}[{k}]") for k, v in enumerate(value))
    if kind is FrameRate:
        return _rate(value, place)
    if dataclasses.is_dataclass(kind):
        return _read_fields(kind, value, place)
    if isinstance(kind, type) and issubclass(kind, Enum):
        if value not in {m.value for m in kind}:
            raise PlanError(f"{place}: “{value}” is none of {', '.join(str(m.value) for m in kind)}")
        return kind(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise PlanError(f"{place}: {kind.__name__} expected, not {json.dumps(value)[:40]}")
    return value


def _rate(value: Any, place: str) -> FrameRate:
    try:
        return FrameRate(Fraction(str(value)))
    except (ValueError, ZeroDivisionError) as error:
        raise PlanError(f"{place}: “{value}” is no frame rate") from error


def _read_fields(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise PlanError(f"{place}: an object is expected")
    hints = typing.get_type_hints(kind)
    names = {f.name for f in dataclasses.fields(kind)}
    if unknown := sorted(set(value) - names):
        raise PlanError(f"{place}: unknown key “{unknown[0]}”")
    missing = [
        f.name
        for f in dataclasses.fields(kind)
        if f.name not in value and f.default is dataclasses.MISSING
    ]
    if missing:
        raise PlanError(f"{place}: “{missing[0]}” is missing")
    try:
        return kind(**{k: _read(hints[k], v, f"{place}.{k}") for k, v in value.items()})
    except ValueError as error:
        raise PlanError(f"{place}: {error}") from error
