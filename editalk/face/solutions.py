"""MediaPipe's solutions, each by itself."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """MediaPipe's C++ writes to the stream itself when a graph starts; errors still arrive as exceptions."""
    sys.stderr.flush()
    saved = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


class _Shell(ModuleType):
    """A package that runs its own `__init__` when it is asked for what that makes, and not when a module of it is."""

    def __getattr__(self, name: str) -> Any:
        self.__class__ = ModuleType  # type: ignore[assignment]
        assert self.__spec__ is not None
        assert self.__spec__.loader is not None
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def solution(name: str) -> Any:
    """A module of MediaPipe's solutions. Its packages would import all of them, Matplotlib and tools to record sound
    besides, which takes ten times as long as the rest; they do so when somebody else uses them.
    """
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_stderr():
        for package in ("mediapipe", "mediapipe.python.solutions"):
            if package not in sys.modules and (spec := importlib.util.find_spec(package)) is not None:
                shell = importlib.util.module_from_spec(spec)
                shell.__class__ = _Shell
                sys.modules[package] = shell
        return importlib.import_module(f"mediapipe.python.solutions.{name}")
