"""Tolerant reading of caption files, SubRip and WebVTT, and writing them back.

Byte order mark, CRLF, missing blank lines, comma or dot, missing hours and milliseconds are taken as they come.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from editalk.errors import CaptionError
from editalk.reading import brief
from editalk.timebase import nearest

FORMS = ("srt", "vtt")
POINTS = {"srt": ",", "vtt": "."}

LINE_END = re.compile(r"\r\n|\r|\n")
CLOCK = r"(?:(\d{1,6})\s*:\s*)?(\d{1,3})\s*:\s*(\d{1,2})(?:\s*[.,]\s*(\d{1,9}))?"
TIMING = re.compile(rf"\s*{CLOCK}\s*-->\s*{CLOCK}(?!\S)(.*)", re.ASCII | re.DOTALL)
ALMOST = re.compile(r"\s*\d+\s*:[\d:.,;\s]*-+>", re.ASCII)  # what stands where time stamps are expected
NUMBER = re.compile(r"\s*\d+\s*", re.ASCII)
ASIDE = re.compile(r"NOTE(?:[ \t].*)?|(?:STYLE|REGION)[ \t]*")  # the first line of a block that is no cue


@dataclass(frozen=True)
class CaptionCue:
    """Text on the screen from `start` to `end`, seconds, exclusive; `end` is never before `start`.

    `identifier`: SubRip's number or WebVTT's name, as written. `lines`: the text as written, tags and all; SubRip's may
    hold empty lines. `settings`: what stands behind the time stamps. `line`: of the time stamps, from 1; that of
    `lines[k]` is `line + 1 + k`.
    """

    identifier: str | None
    start: Fraction
    end: Fraction
    lines: tuple[str, ...]
    settings: str = ""
    line: int = 1

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True)
class CaptionFile:
    """Cues in the order of the file, among WebVTT's other blocks (NOTE, STYLE, REGION: str, as written).

    `header`: WebVTT's first block, lines joined by newlines; empty in SubRip. `newline`, `bom`: as the file has them.
    """

    form: str  # srt or vtt
    blocks: tuple[CaptionCue | str, ...]
    header: str = ""
    newline: str = "\n"
    bom: bool = False

    @property
    def cues(self) -> tuple[CaptionCue, ...]:
        return tuple(block for block in self.blocks if isinstance(block, CaptionCue))


def read_captions(text: str, form: str) -> CaptionFile:
    """The cues of a file's text; `form` is srt or vtt. Raises CaptionError, with line and column."""
    newline = LINE_END.search(text)
    lines = LINE_END.split(text.removeprefix("\ufeff"))
    for k, line in enumerate(lines):  # files that were put together have more of these marks
        lines[k] = line.lstrip("\ufeff")
        if lines[k].strip():
            break
    first, header = _header(lines) if form == "vtt" else (0, 0)
    blocks: list[CaptionCue | str] = []
    at = header
    while at < len(lines):
        if not lines[at].strip():
            at += 1
        elif (timing := _timing_at(lines, at)) is not None:
            cue, at = _cue(lines, at, timing, form)
            blocks.append(cue)
        elif form == "vtt" and ASIDE.fullmatch(lines[at]):
            end = _block_end(lines, at)
            blocks.append("\n".join(lines[at:end]))
            at = end
        else:
            raise _no_cue(lines, at)
    return CaptionFile(form, tuple(blocks), "\n".join(lines[first:header]), newline[0] if newline else "\n",
                       text.startswith("\ufeff"))  # fmt: skip


def write_captions(file: CaptionFile) -> str:
    """The whole file; what `read_captions` took without tolerance comes back byte for byte, WebVTT with hours."""
    parts = [file.header] if file.header else []
    parts += [block if isinstance(block, str) else _written(block, file.form) for block in file.blocks]
    text = "\n\n".join(parts) + ("\n" if parts else "")
    return ("\ufeff" if file.bom else "") + text.replace("\n", file.newline)


def clock(seconds: Fraction | float, point: str) -> str:
    """A time stamp to the millisecond; `point` is SubRip's comma or WebVTT's dot."""
    whole, milli = divmod(nearest(Fraction(seconds) * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{milli:03}"


def _written(cue: CaptionCue, form: str) -> str:
    times = f"{clock(cue.start, POINTS[form])} --> {clock(cue.end, POINTS[form])}"
    head = [] if cue.identifier is None else [cue.identifier]
    return "\n".join([*head, f"{times} {cue.settings}".rstrip(), *cue.lines])


def _header(lines: list[str]) -> tuple[int, int]:
    """Where WebVTT's first block begins and ends; twice the same line where it is missing."""
    first = next((k for k, line in enumerate(lines) if line.strip()), 0)
    if not re.match(r"WEBVTT(?:\s|$)", lines[first]):
        return first, first
    return first, next((k for k in range(first + 1, len(lines))
                        if not lines[k].strip() or _timing_at(lines, k) is not None), len(lines))  # fmt: skip


def _timing_at(lines: list[str], at: int) -> int | None:
    """The line of the time stamps of a cue that begins at a line with them or with its identifier; else None."""
    if TIMING.fullmatch(lines[at]):
        return at
    if at + 1 < len(lines) and lines[at].strip() and TIMING.fullmatch(lines[at + 1]):
        return at + 1
    return None


def _cue(lines: list[str], at: int, timing: int, form: str) -> tuple[CaptionCue, int]:
    """The cue whose identifier or time stamps stand at `at`, and the line at which the file goes on."""
    match = TIMING.fullmatch(lines[timing])
    assert match is not None
    start, end = _seconds(match.group(1, 2, 3, 4)), _seconds(match.group(5, 6, 7, 8))
    stop = timing + 1
    while stop < len(lines) and not _ends(lines, stop, form):
        if ALMOST.match(lines[stop]):
            raise _no_times(lines, stop)
        stop += 1
    text = lines[timing + 1 : stop]
    while text and not text[-1].strip():
        text.pop()
    name = lines[at] if timing > at else None
    return CaptionCue(name, start, max(start, end), tuple(text), match[9].strip(), timing + 1), stop


def _ends(lines: list[str], at: int, form: str) -> bool:
    """Whether a cue's text is over at a line: another cue begins there, with or without a blank line before it."""
    if TIMING.fullmatch(lines[at]):
        return True
    blank = not lines[at - 1].strip()
    if _timing_at(lines, at) is not None and (blank or NUMBER.fullmatch(lines[at])):
        return True
    return form == "vtt" and blank and ASIDE.fullmatch(lines[at]) is not None


def _block_end(lines: list[str], at: int) -> int:
    return next((k for k in range(at, len(lines)) if not lines[k].strip()), len(lines))


def _seconds(parts: tuple[str | None, ...]) -> Fraction:
    hours, minutes, seconds, rest = parts
    return Fraction(int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)) + Fraction(f"0.{rest or 0}")


def _no_cue(lines: list[str], at: int) -> CaptionError:
    if at + 1 < len(lines) and NUMBER.fullmatch(lines[at]):
        at += 1
    if ALMOST.match(lines[at]):
        return _no_times(lines, at)
    return CaptionError("text before the first cue: write time stamps above it, 00:00:01,000 --> 00:00:02,500", at + 1,
                        _column(lines[at]))  # fmt: skip


def _no_times(lines: list[str], at: int) -> CaptionError:
    return CaptionError(f'"{brief(lines[at].strip())}" are no time stamps: write 00:00:01,000 --> 00:00:02,500', at + 1,
                        _column(lines[at]))  # fmt: skip


def _column(line: str) -> int:
    return len(line) - len(line.lstrip()) + 1
