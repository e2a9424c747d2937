"""Backends by name; each is imported only when it is used."""

from __future__ import annotations

from editalk.backends.base import Backend
from editalk.errors import UsageError
from editalk.reporting import Reporter

NAMES = ("exemplar",)
WHY = {"exemplar": "it needs neither a GPU nor weights"}  # said when "auto" took it


def choose(name: str, reporter: Reporter) -> Backend:
    """A backend by name; "auto" takes the best one whose needs this machine meets. Raises UsageError."""
    if name not in ("auto", *NAMES):
        raise UsageError(f"no backend is called “{name}”; there are: auto, {', '.join(NAMES)}")
    from editalk.backends.exemplar import Exemplar

    return Exemplar(reporter)
