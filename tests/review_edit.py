"""An edit and its review page, made through the command line."""

from __future__ import annotations

import base64
import json
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from conftest import ClipSpec, write_clip

from editalk.cli import main
from editalk.plan import EditPlan, from_json

NAME = """a <img src=x onerror=alert(1)> & "talk" 'one'"""
SECONDS = 6.0
FRAMES = 150
WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
EDITED = "One three [pause 0.8s] four nine ten eleven twelve five six seven eight.\n"


def talking(folder: Path, name: str = NAME) -> tuple[Path, Path]:
    """A clip whose pictures carry their numbers, with twelve words; and its edited text: a word out, a pause in, a
    passage moved.
    """
    video = write_clip(folder / f"{name}.mp4", ClipSpec(rate=Fraction(25), frames=FRAMES))
    step = SECONDS / len(WORDS)
    words = [{"word": f" {w}", "start": (k + 0.1) * step, "end": (k + 0.9) * step} for k, w in enumerate(WORDS)]
    segment = {"id": 0, "start": 0.0, "end": SECONDS, "text": " ".join(WORDS), "words": words}
    data = {"text": " ".join(WORDS), "language": "en", "segments": [segment]}
    (folder / f"{name}.transcript.json").write_text(json.dumps(data))
    (folder / "edited.txt").write_text(EDITED)
    return video, folder / "edited.txt"


@dataclass(frozen=True)
class Made:
    """`report`: of `apply --review --json`; `plan`: of `plan`, in `plan_file`."""

    page: Path
    report: dict[str, Any]
    plan: EditPlan
    plan_file: Path

    @property
    def cache(self) -> Path:
        return self.page.parent / "cache"


def make(folder: Path) -> Made:
    plan = folder / "plan.json"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out:
        patch.setenv("EDITALK_CACHE", str(folder / "cache"))
        video, edited = talking(folder)
        assert main(["plan", str(video), str(edited), "-o", str(plan)]) == 0
        assert main(["apply", str(video), str(edited), "--review", "--json"]) == 0
    report = json.loads(out.getvalue())
    return Made(Path(report["review"]), report, from_json(plan.read_text(), "plan"), plan)


def held(path: Path) -> tuple[dict[str, Any], bytes, bytes]:
    """The data, before and after of a page."""
    text = path.read_text("utf-8")
    data, before, after = (
        match[1] for name in ("data", "before-bytes", "after-bytes")
        if (match := re.search(rf'id="{name}">(.*?)</script>', text, re.DOTALL))
    )  # fmt: skip
    return json.loads(data), base64.b64decode(before), base64.b64decode(after)
