"""Weights that are here, what runs them, and what `--backend auto` takes."""

from __future__ import annotations

import importlib.metadata
from importlib.util import find_spec

from editalk.backends import PREFERRED, suitable
from editalk.doctor.check import INSTALL, Check
from editalk.doctor.machine import gpus
from editalk.models import find, load_registry, locate, offline, way_out, whisper_cache

FAMILIES = {  # one model of each is enough; what else models.toml has for it is optional
    "ltx2": ("ltx-2.3-distilled", "ltx-2.3"),
    "ltx-video": ("ltx-video-0.9.7-distilled", "ltx-video-0.9.7"),
    "musetalk": ("musetalk-1.5",),
}


def whisper() -> Check:
    specs = [spec for spec in load_registry().values() if spec.backend == "whisper"]
    here = [spec.name.removeprefix("whisper-") for spec in specs if locate(spec)]
    installed = find_spec("whisper") is not None
    if here and installed:
        return Check("whisper", True, f"weights here: {', '.join(here)}", needed=False)
    sizes = ", ".join(f"{s.name.removeprefix('whisper-')} {s.size / 1e9:.2g} GB" for s in specs)
    remedy = INSTALL if not installed else (
        f"put a model's file into {whisper_cache()}" if offline()
        else "editalk transcribe VIDEO --model small downloads one"
    ) + f" ({sizes}); until then PocketSphinx transcribes, or use --script"  # fmt: skip
    detail = (
        "no weights here" + (", and downloads are off" if offline() else "")
        if installed
        else "openai-whisper is missing"
    )
    return Check("whisper", False, detail, remedy, needed=False)


def weights(family: str) -> Check:
    """Of a family of --backend dit, or of its lip pass: what lies here and what is missing."""
    known = [spec for spec in load_registry().values() if spec.backend == family]
    here = [spec.name for spec in known if locate(spec)]
    enough = not set(FAMILIES[family]).isdisjoint(here)
    detail = f"here: {', '.join(here) or 'none'}; not here: {', '.join(s.name for s in known if s.name not in here)}"
    remedy = None if enough else way_out(find(FAMILIES[family][0]))
    return Check(f"{family} weights", enough, detail.removesuffix("; not here: "), remedy, needed=False)


def torch() -> Check:
    """Without loading torch, which takes seconds: its version and whether it can use the GPU that is here."""
    if find_spec("torch") is None:
        return Check("torch", False, "not installed", "pip install torch==2.13.0", needed=False)
    version = importlib.metadata.version("torch")
    if gpus() and "+cpu" in version:
        remedy = "there is an NVIDIA GPU: install torch 2.13.0 with CUDA to use it"
        return Check("torch", False, f"{version}: cannot use the GPU", remedy, needed=False)
    return Check("torch", True, version, needed=False)


def auto() -> Check:
    """What `--backend auto` takes; torch is loaded only where weights are."""
    folder, why = suitable(None)
    if folder is None and any(locate(find(name)) for name in PREFERRED):
        remedy = "see `gpu` and `torch`; --backend dit --offload needs less GPU memory"
        return Check("backend", False, f"auto takes exemplar: {why}", remedy, needed=False)
    return Check("backend", True, f"auto takes {'dit' if folder else 'exemplar'}: {why}", needed=False)
