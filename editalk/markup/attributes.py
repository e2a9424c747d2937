"""What stands in the braces of `[words]{rerender=face retime=1.2s}` and in `[pause 0.5s]`."""

from __future__ import annotations

import re
from collections.abc import Callable

from editalk.errors import MarkupError
from editalk.reading import brief

REGIONS = ("mouth", "face", "head", "frame")
LONGEST_RETIME = 600.0  # seconds

DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|sec|seconds?)", re.IGNORECASE)
ATTRIBUTE = re.compile(r"""[\s,;]*([^\s,;=]+)\s*(?:=\s*("[^"]*"|'[^']*'|[^\s,;]*))?[\s,;]*""")

MakeError = Callable[[int, str], MarkupError]


def read_duration(text: str) -> float | None:
    """Seconds of "1.2s", ".5s" or "500ms"; None where it is no duration."""
    match = DURATION.fullmatch(text)
    if match is None or not match[1].isascii():
        return None
    return float(match[1]) / (1000 if match[2].lower() == "ms" else 1)


def read_attributes(text: str, start: int, end: int, error: MakeError) -> tuple[str | None, float | None]:
    """Region and seconds from `text[start:end]`, the inside of the braces; at least one of them is given."""
    rerender: str | None = None
    retime: float | None = None
    position = start
    while position < end and (match := ATTRIBUTE.match(text, position, end)):
        name, value, place = match[1].lower(), (match[2] or "").strip("\"'"), match.start(1)
        if name == "rerender" and rerender is None:
            rerender = _region(value, place, error)
        elif name == "retime" and retime is None:
            retime = _seconds(value, place, error)
        elif name in ("rerender", "retime"):
            raise error(place, f"{name} is given twice: keep one")
        else:
            raise error(place, f'unknown attribute "{brief(match[1])}": write rerender=face or retime=1.2s')
        position = match.end()
    if rerender is None and retime is None:
        raise error(start - 1, "no attribute in the braces: write {rerender=face} or {retime=1.2s}")
    return rerender, retime


def _region(value: str, place: int, error: MakeError) -> str:
    if value.lower() not in REGIONS:
        names = ", ".join(f"rerender={region}" for region in REGIONS[:-1])
        raise error(place, f'"{brief(value)}" is no region: write {names} or rerender={REGIONS[-1]}')
    return value.lower()


def _seconds(value: str, place: int, error: MakeError) -> float:
    seconds = read_duration(value)
    if seconds is None or not 0 < seconds <= LONGEST_RETIME:
        most = f"at most {LONGEST_RETIME:g} s"
        raise error(place, f'"{brief(value)}" is no duration: write retime=1.2s or retime=800ms, {most}')
    return seconds
