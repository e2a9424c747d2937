"""How many workers a machine takes, and what each of them gets of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field

from editalk import models
from editalk.backends import PREFERRED
from editalk.cores import cores
from editalk.doctor.machine import MEMORY_GIB, gpus, memory


@dataclass(frozen=True)
class Place:
    """What a worker gets. `environment`: variables that differ from those of the process that starts it; `cores`: those
    it keeps to, by the system's numbers; empty: to none.
    """

    environment: dict[str, str] = field(default_factory=dict)
    cores: tuple[int, ...] = ()


def places(wanted: int | None, jobs: int, backends: Iterable[str], devices: Iterable[str]) -> tuple[Place, ...]:
    """One for each worker. `wanted` None: one for each GPU where the jobs run on GPUs, else one for each core, as far
    as memory goes; never more than jobs. `backends`, `devices`: what the jobs ask for.
    """
    cards = _cards(set(backends), set(devices))
    usual = len(cards) or max(1, min(len(cores()), int(memory()[1] / MEMORY_GIB)))
    size = min(jobs, wanted or usual)
    return tuple(_place(k, size, cards) for k in range(size))


def on_gpus(backends: Iterable[str], devices: Iterable[str]) -> bool:
    """Whether jobs that ask for these are to run on GPUs where there are some."""
    asked, names = set(devices), set(backends)
    if asked <= {"cpu"}:
        return False
    return any(device.startswith("cuda") for device in asked) or "dit" in names or ("auto" in names and _weights())


def _place(number: int, size: int, cards: list[str]) -> Place:
    """That of a worker, from 0. Whoever set a number of threads knows better; what feeds a GPU may run anywhere."""
    card = {"CUDA_VISIBLE_DEVICES": cards[number % len(cards)]} if cards else {}
    if "OMP_NUM_THREADS" in os.environ:
        return Place(card)
    held = cores()
    own = held[number * len(held) // size : (number + 1) * len(held) // size]
    if size > len(held):
        own = (held[number % len(held)],)
    return Place({"OMP_NUM_THREADS": str(len(own))} | card, () if cards or size == 1 else own)


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
