"""What is installed, and whether it loads."""

from __future__ import annotations

import importlib
import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

from editalk.doctor.check import Check

DECODERS = ("h264", "hevc", "aac")
ENCODERS = ("libx264", "libx265", "aac")
MORE_DECODERS = ("prores", "dnxhd", "vp9", "libdav1d", "opus")
MORE_ENCODERS = ("prores_ks", "dnxhd", "libvpx-vp9", "libopus", "flac", "pcm_s24le")
ADAPTERS = ("otio_json", "cmx_3600", "fcp_xml")
CODECS = "pip install --only-binary :all: av"


def python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = (3, 11) <= sys.version_info[:2] < (3, 13)
    return Check(
        "python",
        ok,
        f"{version} at {sys.executable}",
        None if ok else "use Python 3.11 or 3.12: MediaPipe has no wheel for others",
    )


def packages() -> Check:
    """Whether what editalk requires is there in the versions that it requires; none is loaded."""
    from packaging.requirements import Requirement

    wrong: list[Requirement] = []
    required = [Requirement(text) for text in importlib.metadata.requires("editalk") or ()]
    required = [one for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
    found: list[str] = []
    for one in required:
        try:
            version = importlib.metadata.version(one.name)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        if not version or not one.specifier.contains(version, prereleases=True):
            wrong.append(one)
            found.append(f"{one.name} {version or 'is not installed'} (wants {one.specifier})")
    if not wrong:
        return Check("packages", True, f"{len(required)}, all in the versions that editalk wants", needed=False)
    remedy = "pip install " + " ".join(f'"{one.name}{one.specifier}"' for one in wrong)
    return Check("packages", False, ", ".join(found), remedy, needed=False)


def codecs() -> Check:
    missing = _missing(DECODERS, ENCODERS)
    return Check("video codecs", not missing, _codecs(missing, ENCODERS), CODECS if missing else None)


def more_codecs() -> Check:
    """Of files that come from editing programs and the web."""
    missing = _missing(MORE_DECODERS, MORE_ENCODERS)
    return Check("more codecs", not missing, _codecs(missing, MORE_ENCODERS), CODECS if missing else None, needed=False)


def _codecs(missing: list[str], names: tuple[str, ...]) -> str:
    import av

    return f"PyAV {av.__version__}: " + (f"no {', '.join(missing)}" if missing else ", ".join(names))


def _missing(decoders: tuple[str, ...], encoders: tuple[str, ...]) -> list[str]:
    return [name for name in decoders if not has(name, "r")] + [name for name in encoders if not has(name, "w")]


def has(name: str, mode: Literal["r", "w"]) -> bool:
    """Whether PyAV decodes (“r”) or encodes (“w”) it."""
    import av

    try:
        codec = av.Codec(name, mode)
    except ValueError:
        return False
    return bool(codec.is_encoder if mode == "w" else codec.is_decoder)


def ffmpeg() -> Check:
    """Only openai-whisper's own loader and some of pydub want the program; editalk works through PyAV."""
    found = shutil.which("ffmpeg")
    if found is None:
        import imageio_ffmpeg

        found = imageio_ffmpeg.get_ffmpeg_exe()
    head = subprocess.run([found, "-version"], capture_output=True, text=True, check=True, timeout=20).stdout
    version = head.split()[2] if len(head.split()) > 2 else "unknown version"
    return Check("ffmpeg", True, f"{version} at {found}", needed=False)


def face_mesh() -> Check:
    import numpy as np

    from editalk.face import FaceTracker

    with FaceTracker() as tracker:
        tracker.track([(0, np.full((96, 96, 3), 128, np.uint8))])
    return Check("face mesh", True, f"MediaPipe {importlib.metadata.version('mediapipe')} runs on the CPU")


def pocketsphinx_model() -> Check:
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


def timelines() -> Check:
    """OpenTimelineIO and its adapters for EDL and Final Cut's XML."""
    opentimelineio = importlib.import_module("opentimelineio")  # without types
    missing = set(ADAPTERS) - set(opentimelineio.adapters.available_adapter_names())
    detail = f"OpenTimelineIO {opentimelineio.__version__}: "
    if missing:
        remedy = "pip install otio-cmx3600-adapter otio-fcp-adapter"
        return Check("timelines", False, f"{detail}no {', '.join(sorted(missing))}", remedy, needed=False)
    return Check("timelines", True, detail + ", ".join(ADAPTERS), needed=False)
