"""`import editalk` and `editalk --help` are quick: nothing heavy is loaded before it is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "cv2",
    "mediapipe",
    "av",
    "whisper",
    "pocketsphinx",
    "scipy",
    "numba",
    "rapidfuzz",
    "pydub",
    "num2words",
    "jax",
    "opentimelineio",
)
LIMIT = 0.5  # seconds over an interpreter that does nothing
REPORT = f"; import json, sys; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]), file=sys.stderr)"
SHOW_HELP = "import editalk.cli; assert editalk.cli.main(['--help']) == 0"


def run(code: str) -> tuple[float, list[str]]:
    """Seconds of processor time of the quickest of three runs (other work on the machine does not count), and which
    heavy modules were loaded."""
    best, loaded = float("inf"), []
    for _ in range(3):
        before = os.times()
        made = subprocess.run([sys.executable, "-c", code + REPORT], capture_output=True, text=True, check=True)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        best = min(best, used)
        loaded = json.loads(made.stderr.strip().splitlines()[-1])
    return best, loaded


@pytest.mark.parametrize("code", ["import editalk", SHOW_HELP])
def test_quick_and_light(code: str) -> None:
    idle, _ = run("pass")
    seconds, loaded = run(code)
    assert loaded == []
    assert seconds - idle < LIMIT


@pytest.mark.parametrize("command", ["transcribe", "diff", "plan", "apply", "review", "models", "doctor"])
def test_help_of_a_command_is_light(command: str) -> None:
    made = subprocess.run(
        [sys.executable, "-c", SHOW_HELP.replace("['--help']", f"[{command!r}, '--help']") + REPORT],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(made.stderr.strip().splitlines()[-1]) == []
    assert "Usage" in made.stdout


def test_as_a_module() -> None:
    made = subprocess.run([sys.executable, "-m", "editalk", "--help"], capture_output=True, text=True, check=True)
    assert "transcript" in made.stdout
