"""A sample of `tests.faults`: one run of each of some kinds of fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KINDS = ("kill -9 at a change of a file", "disk full", "input changed", "two processes, one output")
ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(sys.platform != "linux", reason="disks are mounted as on Linux")
def test_a_sample_of_faults(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--runs", str(len(KINDS)), "--seed", "20", "--jobs", str(tmp_path),
         *(word for kind in KINDS for word in ("--kind", kind))], cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    assert "broken: 0" in run.stdout
