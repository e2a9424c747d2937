"""The cores that this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterable


def cores() -> tuple[int, ...]:
    """Those that the system lets this process use, by its numbers."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def keep_to(chosen: Iterable[int]) -> None:
    """Uses these alone from now on, where the system can hold a process to cores; before any thread is made."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, chosen)


def share() -> int:
    """How many threads may work at once: OMP_NUM_THREADS, which a batch sets for its workers, else one a core."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(asked)) if asked.isdecimal() else len(cores())
