"""Nobody is told that editalk runs: an edit asks no other machine for anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dit_weights import ltx_video_folder
from test_cli import _own_cache, edited, talk  # noqa: F401

WATCHED = """
import json, sys
asked = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.sendmsg", "socket.gethostbyname"):
        asked.append([event, repr(arguments[-1])])
        raise OSError(101, "Network is unreachable")
sys.addaudithook(hook)
from editalk.cli import main
codes = [main(command) for command in json.loads(sys.argv[1])]
import huggingface_hub.constants
print(json.dumps({"codes": codes, "asked": asked, "quiet": huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY}))
"""


def watched(*commands: list[str], **environment: str) -> dict[str, object]:
    """What a process that runs these commands asks of the network; every answer is that there is none."""
    made = subprocess.run(
        [sys.executable, "-c", WATCHED, json.dumps(commands)], capture_output=True, text=True,
        env=os.environ | environment, check=True,
    )  # fmt: skip
    found: dict[str, object] = json.loads(made.stdout.splitlines()[-1])
    assert found.pop("quiet") is True
    return found


def test_an_edit_asks_nobody(talk: Path, tmp_path: Path) -> None:  # noqa: F811
    """With either backend, and were telemetry asked for."""
    text, weights = edited(tmp_path, "one two five six seven eight"), str(ltx_video_folder(tmp_path / "weights"))
    found = watched(
        ["apply", str(talk), text, "-q"],
        ["apply", str(talk), text, "-q", "--backend", "dit", "--weights", weights, "-y"],
        HF_HUB_DISABLE_TELEMETRY="0", RAY_USAGE_STATS_ENABLED="1",
    )  # fmt: skip
    assert found == {"codes": [0, 0], "asked": []}


def test_the_watch_sees_what_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download is a question, and is seen."""
    found = watched(["models", "pull", "ltx-2.3", "--accept-licence", "--to", str(tmp_path), "-q"], EDITALK_OFFLINE="")
    assert found["codes"] == [5]
    assert found["asked"]
