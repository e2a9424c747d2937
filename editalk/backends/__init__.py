"""Backends by name; each is imported only when it is used."""

from __future__ import annotations

from editalk.backends.base import Backend
from editalk.errors import DeviceError, UsageError

NAMES = ("exemplar",)
WHY = {"exemplar": "it needs neither a GPU nor weights"}  # said when "auto" took it


def choose(name: str, device: str | None = None) -> Backend:
    """A backend by name; "auto" takes the best one whose needs this machine meets. `device`: None leaves it to the
    backend. Raises UsageError, DeviceError.
    """
    if name not in ("auto", *NAMES):
        raise UsageError(f"no backend is called “{name}”; there are: auto, {', '.join(NAMES)}")
    if device not in (None, "auto", "cpu"):
        raise DeviceError(f"--device {device}: backend exemplar runs on the CPU; leave --device out")
    from editalk.backends.exemplar import Exemplar

    return Exemplar()
