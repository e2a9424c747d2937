"""A finding of the doctor."""

from __future__ import annotations

from dataclasses import dataclass

INSTALL = "pip install editalk (in a fresh virtual environment)"


@dataclass(frozen=True)
class Check:
    """`ok`: it is there and works; `needed`: editalk's main job needs it; `remedy`: how to get it, None where ok."""

    name: str
    ok: bool
    detail: str
    remedy: str | None = None
    needed: bool = True
