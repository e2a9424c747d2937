"""Backends by name; each is imported only when it is used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from editalk import models
from editalk.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from editalk.backends.base import Backend, LipPass

NAMES = ("exemplar", "dit")
LIP_PASSES = ("musetalk",)
PRECISIONS = ("fp8", "bf16", "fp32")
PREFERRED = ("ltx-2.3-distilled", "ltx-2.3")  # weights that "auto" takes, the first that are here: those that hear


@dataclass(frozen=True)
class Choice:
    """Which backend, and what it is to run on. `device` None: left to the backend. `weights`: a name of models.toml or
    a folder; None: the first of PREFERRED that is on this machine. `precision` None: the backend's own.
    """

    name: str = "auto"
    device: str | None = None
    weights: str | None = None
    precision: str | None = None
    offload: bool = False
    lip_pass: str | None = None
    seed: int = 0


def choose(choice: Choice) -> tuple[Backend, str]:
    """A backend, and why it is this one; "auto" takes the best one whose needs this machine meets.

    Raises UsageError, ModelsError, DeviceError.
    """
    _check(choice)
    backend, why = _temporal(choice)
    if choice.lip_pass is None:
        return backend, why
    from editalk.backends.combined import Combined

    return Combined(backend, _lip_pass(choice)), why


def _check(choice: Choice) -> None:
    allowed = (("backend", choice.name, ("auto", *NAMES)), ("lip pass", choice.lip_pass, LIP_PASSES),
               ("precision", choice.precision, PRECISIONS))  # fmt: skip
    for what, name, names in allowed:
        if name is not None and name not in names:
            raise UsageError(f"no {what} is called “{name}”; there are: {', '.join(names)}")
    if choice.name == "exemplar":
        for flag, given in (("--weights", choice.weights), ("--precision", choice.precision)):
            if given is not None:
                raise UsageError(f"{flag} is for --backend dit; backend exemplar has no weights")
        if choice.device not in (None, "auto", "cpu") and choice.lip_pass is None:
            raise DeviceError(f"--device {choice.device}: backend exemplar runs on the CPU; leave --device out")


def _temporal(choice: Choice) -> tuple[Backend, str]:
    if choice.name == "dit" or (choice.name == "auto" and choice.weights is not None):
        return _dit(choice, _folder(choice.weights)), "its weights were asked for"
    if choice.name == "auto":
        found, reason = suitable(choice.device)
        if found is not None:
            return _dit(choice, found), reason
        if choice.device not in (None, "auto", "cpu") and choice.lip_pass is None:
            raise DeviceError(f"--device {choice.device}: {reason}, and backend exemplar runs on the CPU; leave "
                              "--device out, or see `editalk models list`")  # fmt: skip
    from editalk.backends.exemplar import Exemplar

    return Exemplar(), "it needs neither a GPU nor weights"


def _dit(choice: Choice, folder: Path) -> Backend:
    from editalk.backends.dit.backend import Dit

    return Dit(folder, choice.device, choice.precision, choice.offload)


def _folder(weights: str | None) -> Path:
    if weights is not None:
        return models.resolve(weights)
    here = [folder for name in PREFERRED if (folder := models.locate(models.find(name)))]
    if not here:
        raise DeviceError(f"backend dit needs weights: `editalk models pull {PREFERRED[0]}`, or --weights with a "
                          "folder of your own; --backend exemplar needs none")  # fmt: skip
    return here[0]


def suitable(device: str | None) -> tuple[Path | None, str]:
    """Weights that this machine's GPU can run, and why; None and what is missing where there are none."""
    if device == "cpu":
        return None, "the CPU was asked for"
    for name in PREFERRED:
        spec = models.find(name)
        folder = models.locate(spec)
        if folder is not None:
            return (folder, f"there are a GPU and weights ({name})") if _runs(spec) else (None, "no GPU can run it")
    return None, "no weights are here"


def _runs(spec: models.ModelSpec) -> bool:
    import torch

    if not torch.cuda.is_available() or torch.cuda.get_device_capability() < (8, 0):
        return False
    return torch.cuda.mem_get_info()[0] >= spec.memory_gib * 2**30


def _lip_pass(choice: Choice) -> LipPass:
    from editalk.backends.musetalk import MuseTalk

    device = "cpu" if choice.device in (None, "auto") and not _cuda() else choice.device or "cuda"
    return MuseTalk(models.resolve("musetalk-1.5"), "cuda" if device == "auto" else device)


def _cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())
