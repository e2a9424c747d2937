"""The machine: GPU, processor, memory, disks, text."""

from __future__ import annotations

import locale
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from editalk.cache import default_root
from editalk.cores import cores
from editalk.doctor.check import Check

FREE_GIB = 2.0  # a long edit's cached windows
MEMORY_GIB = 2.0  # a 1080p edit takes 1.3
FP8 = (8, 9)  # compute capability of the first GPUs that multiply it
LEAST = (8, 0)  # of bfloat16
_QUERY = ("name", "memory.total", "memory.free", "driver_version", "compute_cap")


@dataclass(frozen=True)
class Gpu:
    """`memory`, `free`: GiB; `capability`: CUDA's compute capability. None where the driver does not say."""

    name: str
    memory: float | None
    free: float | None
    driver: str
    capability: tuple[int, int] | None

    def __str__(self) -> str:
        parts = [self.name]
        if self.memory is not None:
            parts.append(f"{self.memory:.0f} GiB" + (f" ({self.free:.0f} free)" if self.free is not None else ""))
        parts.append(f"driver {self.driver}")
        if self.capability is not None:
            able = [kind for kind, least in (("fp8", FP8), ("bf16", LEAST)) if self.capability >= least]
            kinds = ", ".join(able) or "neither fp8 nor bf16"
            parts.append(f"compute capability {self.capability[0]}.{self.capability[1]}: {kinds}")
        return ", ".join(parts)


def gpus() -> list[Gpu]:
    """NVIDIA's, as nvidia-smi tells them; none where it is missing or finds none. Raises OSError, SubprocessError."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    asked = [program, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    made = subprocess.run(asked, capture_output=True, text=True, timeout=30)
    return parsed(made.stdout) if made.returncode == 0 else []


def parsed(table: str) -> list[Gpu]:
    """Of lines “name, MiB, MiB, driver, 9.0”; fields that are not known there are in brackets."""
    found = []
    for line in table.splitlines():
        fields = [field.strip() for field in line.rsplit(",", len(_QUERY) - 1)]  # a name may hold a comma
        if len(fields) == len(_QUERY):
            name, memory, free, driver, capability = fields
            major, _, minor = capability.partition(".")
            able = (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None
            found.append(Gpu(name, _gib(memory), _gib(free), driver, able))
    return found


def _gib(mebibytes: str) -> float | None:
    return int(mebibytes) / 1024 if mebibytes.isdecimal() else None


def gpu() -> Check:
    found = gpus()
    if not found:
        if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
            why = "nvidia-smi must list it: is it passed into this container, is its driver of this kernel?"
            return Check("gpu", False, "an NVIDIA driver, but no GPU that answers", why, needed=False)
        return Check("gpu", True, "none; backend exemplar needs none", needed=False)
    able = any(one.capability is None or one.capability >= LEAST for one in found)
    remedy = None if able else "backend dit wants compute capability 8.0 (Ampere) or newer; exemplar needs no GPU"
    return Check("gpu", able, "; ".join(map(str, found)), remedy, needed=False)


def processor() -> Check:
    """Cores and memory that this process may use."""
    total, usable = memory()
    remedy = None if usable >= MEMORY_GIB else "close other programs: an edit at 1080p takes 1.3 GiB"
    detail = f"{len(cores())} cores, {total:.1f} GiB, {usable:.1f} of them free"
    return Check("processor and memory", usable >= MEMORY_GIB, detail, remedy, needed=False)


def memory() -> tuple[float, float]:
    """GiB that this process may use: in all, and free."""
    import psutil

    held, allowed = psutil.virtual_memory(), _allowed()
    return min(held.total, allowed) / 2**30, min(held.available, allowed) / 2**30


def _allowed() -> float:
    """Bytes that a container may use; infinity outside one."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text("ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            return float(text)
    return float("inf")


def cache() -> Check:
    return _place("cache", default_root(), "set EDITALK_CACHE to a folder")


def temporary() -> Check:
    return _place("temporary files", Path(tempfile.gettempdir()), "set TMPDIR to a folder")


def here() -> Check:
    """Results go beside the video: mostly here."""
    return _place("working folder", Path.cwd(), "use -o with a file")


def _place(name: str, folder: Path, other: str) -> Check:
    place = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free / 2**30
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Check(name, False, f"{folder} cannot be written", f"{other} that can", needed=False)
    remedy = None if free >= FREE_GIB else f"free some space, or {other} on another disk"
    return Check(name, free >= FREE_GIB, f"{folder}, {free:.1f} GiB free", remedy, needed=False)


def text() -> Check:
    """Whether names and words in every script can be read, written and shown."""
    kinds = {"files": sys.getfilesystemencoding(), "output": sys.stdout.encoding or "", "locale": locale.getencoding()}
    odd = [f"{what} {kind or 'unknown'}" for what, kind in kinds.items() if kind.lower().replace("-", "") != "utf8"]
    remedy = "set PYTHONUTF8=1, or LANG to a UTF-8 locale such as C.UTF-8" if odd else None
    return Check("text", not odd, ", ".join(odd) if odd else "UTF-8", remedy, needed=False)
