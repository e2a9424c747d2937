"""What this machine can do: checks as data, each with what to do where it fails."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from editalk.cache import default_root
from editalk.models import find, load_registry, locate, offline, way_out, whisper_cache

ENCODERS = ("libx264", "libx265", "aac")
FREE_GIB = 2.0  # a long edit's cached windows
INSTALL = "pip install editalk (in a fresh virtual environment)"
FAMILIES = {  # one model of each is enough; what else models.toml has for it is optional
    "ltx2": ("ltx-2.3-distilled", "ltx-2.3"),
    "ltx-video": ("ltx-video-0.9.7-distilled", "ltx-video-0.9.7"),
    "musetalk": ("musetalk-1.5",),
}


@dataclass(frozen=True)
class Check:
    """`ok`: it is there and works; `needed`: editalk's main job needs it; `remedy`: how to get it, None where ok."""

    name: str
    ok: bool
    detail: str
    remedy: str | None = None
    needed: bool = True


def checks() -> tuple[Check, ...]:
    """All checks, the basic ones first; a few seconds, since MediaPipe and PocketSphinx are really loaded."""
    every: list[tuple[str, Callable[[], Check]]] = [
        ("python", _python),
        ("video codecs", _codecs),
        ("ffmpeg", _ffmpeg),
        ("face mesh", _face_mesh),
        ("pocketsphinx", _pocketsphinx),
        ("whisper", _whisper),
        ("torch", _torch),
        *((f"{family} weights", partial(_weights, family)) for family in FAMILIES),
        ("cache", _cache),
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


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = (3, 11) <= sys.version_info[:2] < (3, 13)
    return Check(
        "python",
        ok,
        f"{version} at {sys.executable}",
        None if ok else "use Python 3.11 or 3.12: MediaPipe has no wheel for others",
    )


def _codecs() -> Check:
    import av

    missing = [name for name in ENCODERS if name not in av.codecs_available or not _encodes(name)]
    detail = f"PyAV {av.__version__}: " + (f"no {', '.join(missing)}" if missing else ", ".join(ENCODERS))
    return Check("video codecs", not missing, detail, "pip install --only-binary :all: av" if missing else None)


def _encodes(name: str) -> bool:
    import av

    try:
        return bool(av.Codec(name, "w").is_encoder)
    except ValueError:
        return False


def _ffmpeg() -> Check:
    """Only openai-whisper's own loader and some of pydub want the program; editalk works through PyAV."""
    found = shutil.which("ffmpeg")
    if found is None:
        import imageio_ffmpeg

        found = imageio_ffmpeg.get_ffmpeg_exe()
    head = subprocess.run([found, "-version"], capture_output=True, text=True, check=True, timeout=20).stdout
    version = head.split()[2] if len(head.split()) > 2 else "unknown version"
    return Check("ffmpeg", True, f"{version} at {found}", needed=False)


def _face_mesh() -> Check:
    import numpy as np

    from editalk.face import FaceTracker

    with FaceTracker() as tracker:
        tracker.track([(0, np.full((96, 96, 3), 128, np.uint8))])
    return Check("face mesh", True, f"MediaPipe {importlib.metadata.version('mediapipe')} runs on the CPU")


def _pocketsphinx() -> Check:
    import pocketsphinx

    model = Path(pocketsphinx.get_model_path("en-us"))
    parts = [model / "en-us", model / "en-us.lm.bin", model / "cmudict-en-us.dict"]
    missing = [part.name for part in parts if not part.exists()]
    detail = (
        f"English model, {importlib.metadata.version('pocketsphinx')}" if not missing else f"no {', '.join(missing)}"
    )
    return Check(
        "pocketsphinx", not missing, detail, "pip install --force-reinstall pocketsphinx==5.1.1" if missing else None
    )


def _whisper() -> Check:
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


def _weights(family: str) -> Check:
    """Of a family of --backend dit, or of its lip pass: what lies here and what is missing."""
    known = [spec for spec in load_registry().values() if spec.backend == family]
    here = [spec.name for spec in known if locate(spec)]
    enough = not set(FAMILIES[family]).isdisjoint(here)
    detail = f"here: {', '.join(here) or 'none'}; not here: {', '.join(s.name for s in known if s.name not in here)}"
    remedy = None if enough else way_out(find(FAMILIES[family][0]))
    return Check(f"{family} weights", enough, detail.removesuffix("; not here: "), remedy, needed=False)


def _torch() -> Check:
    """Without loading torch, which takes seconds: its version and whether there is a driver."""
    if find_spec("torch") is None:
        return Check("torch", False, "not installed", "pip install torch==2.13.0", needed=False)
    version = importlib.metadata.version("torch")
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    if driver and "+cpu" in version:
        remedy = "there is an NVIDIA driver: install torch 2.13.0 with CUDA to use it"
        return Check("torch", False, f"{version}: cannot use the GPU", remedy, needed=False)
    return Check(
        "torch",
        True,
        f"{version}, {'an NVIDIA GPU' if driver else 'CPU only (backend exemplar needs no more)'}",
        needed=False,
    )


def _cache() -> Check:
    root = default_root()
    place = root
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 2**30
    if not os.access(place, os.W_OK):
        return Check(
            "cache", False, f"{root} cannot be written", "set EDITALK_CACHE to a folder that can", needed=False
        )
    remedy = None if free >= FREE_GIB else "free some space, or set EDITALK_CACHE to a folder on another disk"
    return Check("cache", free >= FREE_GIB, f"{root}, {free:.1f} GiB free", remedy, needed=False)
