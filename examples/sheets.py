"""What `make sheets` runs: every kind of edit on the example, one contact sheet each, into docs/sheets.

In each sheet the first row is the source around the place, the second the result, the third the result's mouths.
A red bar: footage that goes. A grey bar: the source's own picture. An orange bar: inside a render window.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
TALK, TRANSCRIPT = HERE / "talk.mp4", "talk.transcript.json"
COLUMNS, TILE, BAR, QUALITY = 12, 128, 6, 78
FACE = (96, 10, 336)  # left, top, side of the face in the example's pictures
MOUTH = (192, 225, 128)
RED, GREY, ORANGE = (60, 60, 220), (170, 170, 170), (30, 150, 255)  # BGR

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Edit:
    """An `apply` of the example and which of its operations are shown, by a word of them."""

    text: str
    voice: str | None
    shown: Mapping[str, tuple[str, str]]  # sheet → (kind of operation, a word in it)


EDITS = (
    Edit("edited.txt", "voice.wav", {
        "removal": ("removal", "moment"), "addition": ("addition", "editor"), "replaced-word": ("addition", "evening"),
        "move": ("move", "computer"),
    }),
    Edit("marked.txt", None, {
        "retime": ("retime", "Every"), "pause": ("addition", "pause"), "rerender": ("rerender", "welcome"),
    }),
    Edit("take.txt", "take.wav", {"take": ("rerender", "")}),
)  # fmt: skip


def editalk(*arguments: str | Path) -> str:
    made = subprocess.run([sys.executable, "-m", "editalk", *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    if made.returncode:
        sys.exit(made.returncode)
    return made.stdout


def pictures(path: Path, frames: Sequence[int]) -> dict[int, Picture]:
    """The wanted frames of a video, BGR."""
    found: dict[int, Picture] = {}
    with av.open(str(path)) as box:
        for number, frame in enumerate(box.decode(video=0)):
            if number in frames:
                found[number] = frame.to_ndarray(format="bgr24")
            if number >= max(frames):
                break
    return found


def row(found: Mapping[int, Picture], frames: Sequence[int], bars: Sequence[tuple[int, int, int]],
        crop: tuple[int, int, int]) -> Picture:  # fmt: skip
    """[TILE + BAR, COLUMNS · TILE, 3]: crops side by side, each with its frame number and its bar."""
    left, top, side = crop
    tiles = []
    for frame, bar in zip(frames, bars, strict=True):
        tile = np.full((TILE + BAR, TILE, 3), 255, np.uint8)
        if frame in found:
            part = found[frame][top : top + side, left : left + side]
            tile[:TILE] = cv2.resize(part, (TILE, TILE), interpolation=cv2.INTER_AREA)
            cv2.putText(tile, str(frame), (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 3, cv2.LINE_AA)
            cv2.putText(tile, str(frame), (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
            tile[TILE:, 1:-1] = bar
        tiles.append(tile)
    return np.hstack(tiles)


def around(span: Sequence[float], rate: float, frames: int) -> list[int]:
    """COLUMNS frames from a little before a span of seconds to a little behind it."""
    first, last = round(span[0] * rate) - 4, round(span[1] * rate) + 3
    spread = np.linspace(first, max(last, first + COLUMNS - 1), COLUMNS).round().astype(int)
    return [int(f) for f in np.clip(spread, 0, frames - 1)]


def sheet(operation: Mapping[str, Any], report: Mapping[str, Any], result: Path) -> Picture:
    rate, frames = float(report["frames"]) / float(report["duration"]), int(report["frames"])
    with av.open(str(TALK)) as box:
        length = box.streams.video[0].frames
    before, after = around(operation["source"], rate, length), around(operation["timeline"], rate, frames)
    gone = operation["kind"] == "removal"
    a, b = (round(t * rate) for t in operation["source"])
    old = [RED if gone and a <= f < b else GREY for f in before]
    new = [ORANGE if any(s <= f < e for s, e in report["windows"]) else GREY for f in after]
    shown = pictures(result, after)
    return np.vstack([row(pictures(TALK, before), before, old, FACE), row(shown, after, new, FACE),
                      row(shown, after, new, MOUTH)])  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="folder that gets the sheets")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        build = Path(temporary)
        editalk("transcribe", TALK, "--script", HERE / "talk.txt", "-o", build)
        for edit in EDITS:
            script, result = HERE / edit.text, build / f"{edit.text}.mp4"
            voice = ("--voice", HERE / edit.voice) if edit.voice else ()
            report = json.loads(editalk("apply", TALK, script, "--transcript", build / TRANSCRIPT, *voice,
                                        "-o", result, "--json"))  # fmt: skip
            for name, (kind, word) in edit.shown.items():
                operation = next(o for o in report["operations"] if o["kind"] == kind and word in o["text"])
                drawn = sheet(operation, report, result)
                cv2.imwrite(str(folder / f"{name}.jpg"), drawn, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
                print(folder / f"{name}.jpg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
