"""What this machine can do: checks as data, each with what to do where it fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from editalk.doctor import machine, software, weights
from editalk.doctor.check import INSTALL, Check

__all__ = ["Check", "checks"]


def checks() -> tuple[Check, ...]:
    """All checks, the basic ones first; a few seconds, since MediaPipe and PocketSphinx are really loaded."""
    every: list[tuple[str, Callable[[], Check]]] = [
        ("python", software.python),
        ("packages", software.packages),
        ("video codecs", software.codecs),
        ("more codecs", software.more_codecs),
        ("ffmpeg", software.ffmpeg),
        ("face mesh", software.face_mesh),
        ("pocketsphinx", software.pocketsphinx_model),
        ("whisper", weights.whisper),
        ("timelines", software.timelines),
        ("processor and memory", machine.processor),
        ("gpu", machine.gpu),
        ("torch", weights.torch),
        *((f"{family} weights", partial(weights.weights, family)) for family in weights.FAMILIES),
        ("backend", weights.auto),
        ("cache", machine.cache),
        ("temporary files", machine.temporary),
        ("working folder", machine.here),
        ("text", machine.text),
    ]
    return tuple(_guarded(name, check) for name, check in every)


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """A library that cannot even be loaded is a finding, not a crash of the doctor."""
    try:
        return check()
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        return Check(name, False, f"{type(error).__name__}: {reason}", _remedy(reason))


def _remedy(reason: str) -> str:
    for library, package in (
        ("libGL.so", "libgl1"),
        ("libEGL.so", "libegl1"),
        ("libglib", "libglib2.0-0"),
        ("libgthread", "libglib2.0-0"),
    ):
        if library in reason:
            return f"install the system library: apt-get install {package}"
    return INSTALL
