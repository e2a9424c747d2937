"""What was measured on a result, beside its limit, in one form for all kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

KINDS = ("join", "click", "sync", "loudness", "black", "frozen")
"""What can be told apart; of the first two `quality.joins` tells."""
ALL = "all"
CHOICES = (*KINDS, ALL)
"""Of `--fail-on`."""


@dataclass(frozen=True)
class Check:
    """One measurement over timeline seconds [start, end). `figure` and `limit` are in `unit`; `limit` None: there is
    nothing to judge it by, and it passes.
    """

    kind: str
    what: str
    start: float
    end: float
    figure: float
    limit: float | None
    unit: str
    passed: bool

    @property
    def row(self) -> dict[str, Any]:
        """As JSON values."""
        return {"what": self.what, "from": round(self.start, 3), "to": round(self.end, 3),
                "figure": round(self.figure, 3) if self.figure == self.figure else None,
                "limit": None if self.limit is None else round(self.limit, 3), "unit": self.unit,
                "ok": self.passed}  # fmt: skip


def at_most(kind: str, what: str, start: float, end: float, figure: float, limit: float, unit: str) -> Check:
    """A check that passes up to its limit."""
    return Check(kind, what, start, end, figure, limit, unit, figure <= limit)


def at_least(kind: str, what: str, start: float, end: float, figure: float, limit: float, unit: str) -> Check:
    """A check that passes from its limit on; without a figure it does not."""
    return Check(kind, what, start, end, figure, limit, unit, figure >= limit)
