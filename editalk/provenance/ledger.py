"""The ledger of an edit: where every word, frame and sound of it comes from, as versioned JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from editalk.errors import LedgerError, PlanError
from editalk.models import Identity
from editalk.plan.serial import plain, read_plain
from editalk.provenance.consent import Consent, FileRef
from editalk.reading import parse_json, read_text
from editalk.timebase import FrameRate

VERSION = 1
FORMAT = "editalk.ledger"
LARGEST = 256 * 2**20  # bytes of a ledger that is read: that of a day's talk has a tenth
WORDS, FRAMES, SOUNDS = ("kept", "moved", "new"), ("copied", "kept", "generated"), ("source", "voice", "room_tone")


@dataclass(frozen=True)
class Output:
    """The edited video. `sha256` None: of the file before there is one."""

    name: str
    sha256: str | None
    frames: int
    rate: FrameRate


@dataclass(frozen=True)
class Renderer:
    """What drew the new pictures. `key`: names everything they depend on beside the seed, as the cache does. `trained`:
    all of them come out of a trained network, not new lips alone.
    """

    name: str
    key: str
    models: tuple[Identity, ...]
    trained: bool


@dataclass(frozen=True)
class EditRow:
    """An operation, see `editalk.operations`; `source` and `timeline` in seconds [start, end]."""

    kind: str
    text: str
    source: tuple[float, ...]
    timeline: tuple[float, ...]
    region: str | None


@dataclass(frozen=True)
class WordRow:
    """A word of the output, seconds [start, end). `state`: "kept" with the sound of the source, "moved" likewise from
    another place, "new" in a voice. `source`: seconds of the source at which it begins there.
    """

    text: str
    start: float
    end: float
    state: str
    source: float | None


@dataclass(frozen=True)
class FrameRow:
    """Frames [start, end) of the output. `state`: "copied" as the source's own packets, "kept" as its pictures, encoded
    anew, "generated". `source`: the source frame of the first of them. Of generated ones: `region`, the most of the
    picture that may be new, whether `lips` follow another sound, and the `seed` (None: no lots were drawn).
    """

    start: int
    end: int
    state: str
    source: int | None = None
    region: str | None = None
    lips: bool = False
    seed: int | None = None


@dataclass(frozen=True)
class SoundRow:
    """Sound of the output, seconds [start, end). `origin`: "source", "voice" or "room_tone"; `offset`: seconds into it;
    `voice`: index of the voice file.
    """

    start: float
    end: float
    origin: str
    offset: float
    voice: int | None


@dataclass(frozen=True)
class Ledger:
    """`editalk`: its version. `date`: UTC, ISO 8601. `edited`, `plan`: the text or plan that was asked for.
    `voice_covers`, `dubbed`: as in the plan; `language`: the source's, where it is known. `warnings`: what was said
    before the file was complete.
    """

    editalk: str
    date: str
    source: FileRef
    output: Output
    edited: FileRef | None
    plan: FileRef | None
    voices: tuple[FileRef, ...]
    voice_covers: str | None
    language: str | None
    dubbed: str | None
    consent: Consent | None
    renderer: Renderer
    operations: tuple[EditRow, ...]
    words: tuple[WordRow, ...]
    frames: tuple[FrameRow, ...]
    sounds: tuple[SoundRow, ...]
    warnings: tuple[str, ...]

    @property
    def generated(self) -> tuple[FrameRow, ...]:
        return tuple(row for row in self.frames if row.state == "generated")


def ledger_path(video: Path) -> Path:
    """Where the ledger of a video lies: `talk.edited.ledger.json`."""
    return video.with_suffix(".ledger.json")


def to_json(ledger: Ledger) -> str:
    """The ledger as text; one line a word, a range, an operation."""
    rows = {"format": FORMAT, "version": VERSION, **plain(ledger)}
    return "{\n" + ",\n".join(f' "{key}": {_shown(value)}' for key, value in rows.items()) + "\n}\n"


def _shown(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n  " + ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in value) + "\n ]"
    return json.dumps(value, ensure_ascii=False)


def digest(ledger: Ledger) -> str:
    """What a manifest says of its ledger: the sha256 of its JSON in UTF-8 with sorted keys, without spaces, the hash of
    the output null, as that is not known before the manifest is in it.
    """
    unsigned = replace(ledger, output=replace(ledger.output, sha256=None))
    text = json.dumps({"format": FORMAT, "version": VERSION, **plain(unsigned)}, sort_keys=True, ensure_ascii=False,
                      separators=(",", ":"))  # fmt: skip
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_ledger(path: Path) -> Ledger:
    """Raises LedgerError that says what cannot be read, and where."""
    data = parse_json(read_text(path, LedgerError, LARGEST), str(path), LedgerError)
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise LedgerError(f"{path}: not a ledger made by `editalk apply`")
    if (version := data.pop("version", None)) != VERSION:
        raise LedgerError(f"{path}: ledger version {str(version)[:20]}, this editalk reads {VERSION}")
    try:
        made = read_plain(Ledger, data, str(path))
    except (PlanError, RecursionError) as error:
        raise LedgerError(str(error)) from error
    assert isinstance(made, Ledger)
    _check(made, path)
    return made


def _check(ledger: Ledger, path: Path) -> None:
    at = 0
    for k, row in enumerate(ledger.frames):
        if row.start != at or row.end <= at or row.state not in FRAMES:
            raise LedgerError(f"{path}: frames[{k}] does not go on where the row before it ends")
        at = row.end
    if at != ledger.output.frames:
        raise LedgerError(f"{path}: its rows tell of {at} frames, the output has {ledger.output.frames}")
    for k, edit in enumerate(ledger.operations):
        if len(edit.source) != 2 or len(edit.timeline) != 2:
            raise LedgerError(f"{path}: operations[{k}] has a range without a start and an end")
