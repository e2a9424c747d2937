"""The numbers of a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from editalk.plan import EditPlan, source_of

_TAKEN = ("backend", "frames", "frames_identical", "operations", "windows", "joins", "sound_joins", "warnings")


def figures(plan: EditPlan, report: Mapping[str, Any], output: str) -> dict[str, Any]:
    """What a page shows of the report of `apply`, and the way from the timeline to the source.

    `runs`: [start, end, source, pace], timeline frames [start, end) that show the source from frame `source` on,
    `pace` source frames a frame; what lies between is new.
    """
    rate = plan.source.rate.value
    return {name: report.get(name, []) for name in _TAKEN} | {
        "source": plan.source.name, "output": output, "rate": [rate.numerator, rate.denominator],
        "source_frames": plan.source.frames,
        "runs": [[p.start, p.end, source_of(plan.timeline, p.start), p.source_frames / p.frames]
                 for p in plan.timeline if p.source is not None],
    }  # fmt: skip
