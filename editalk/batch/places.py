"""How many workers a machine takes, and what each of them gets of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable

from editalk import models
from editalk.backends import PREFERRED
from editalk.doctor.machine import MEMORY_GIB, cores, gpus, memory

Environment = dict[str, str]
"""Variables of a worker that differ from those of the process that starts it."""


def places(wanted: int | None, jobs: int, backends: Iterable[str], devices: Iterable[str]) -> tuple[Environment, ...]:
    """The environment of each worker. `wanted` None: one for each GPU where the jobs run on GPUs, else one for each
    core, as far as memory goes; never more than jobs. `backends`, `devices`: what the jobs ask for.
    """
    cards = _cards(set(backends), set(devices))
    usual = len(cards) or max(1, min(cores(), int(memory()[1] / MEMORY_GIB)))
    size = min(jobs, wanted or usual)
    shares = [_share(size) for _ in range(size)]
    return tuple(share | ({"CUDA_VISIBLE_DEVICES": cards[k % len(cards)]} if cards else {})
                 for k, share in enumerate(shares))  # fmt: skip


def on_gpus(backends: Iterable[str], devices: Iterable[str]) -> bool:
    """Whether jobs that ask for these are to run on GPUs where there are some."""
    asked, names = set(devices), set(backends)
    if asked <= {"cpu"}:
        return False
    return any(device.startswith("cuda") for device in asked) or "dit" in names or ("auto" in names and _weights())


def _share(workers: int) -> Environment:
    """Of the cores. Whoever set a number of threads knows better."""
    if "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, cores() // workers))}


def _cards(backends: set[str], devices: set[str]) -> list[str]:
    """The GPUs that workers are spread over; none where no job wants one, or a job names its own."""
    if devices <= {"cpu"} or any(device.startswith("cuda:") for device in devices):
        return []
    if "dit" not in backends and not ("auto" in backends and _weights()):
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [card.strip() for card in chosen.split(",") if card.strip()]
    try:
        return [str(k) for k in range(len(gpus()))]
    except (OSError, subprocess.SubprocessError):  # a driver that does not answer
        return []


def _weights() -> bool:
    return any(models.locate(models.find(name)) for name in PREFERRED)
