"""openai-whisper with word timestamps."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editalk.audio import Samples
from editalk.errors import DeviceError
from editalk.models.places import offline
from editalk.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    from whisper import Whisper

FILES = {"large": "large-v3", "turbo": "large-v3-turbo"}  # names whose file is called otherwise
PREFERRED = ("turbo", "large-v3", "large-v2", "medium", "small", "base", "tiny")
DOWNLOADED = "base"  # 140 MB, faster than real time on a CPU
NAMES = (*PREFERRED, "large", "large-v1", "large-v3-turbo", *(f"{n}.en" for n in ("tiny", "base", "small", "medium")))
HOST = "https://openaipublic.azureedge.net"
PATIENCE = 5.0  # seconds to find out whether there is a network
HOW_TO_GET = (
    f"for Whisper, `pip install openai-whisper` and put its weights (for example {DOWNLOADED}.pt) into "
    "~/.cache/whisper, or be online once"
)


class UnavailableError(DeviceError):
    """Whisper cannot be had here; the message says why."""


def weights_folder(download_root: Path | None = None) -> Path:
    """Where openai-whisper keeps its weights."""
    if download_root is not None:
        return download_root
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"


def whisper_available(name: str, download_root: Path | None = None) -> bool:
    """Whether a model (one of Whisper's names, or a checkpoint file) can be loaded without a download."""
    if find_spec("whisper") is None:
        return False
    return Path(name).is_file() or (weights_folder(download_root) / f"{FILES.get(name, name)}.pt").is_file()


def choose(model: str, language: str | None, download_root: Path | None = None) -> str:
    """The name of the model to load: what was asked for, else the best one present, else the one to download.

    Raises UnavailableError.
    """
    if find_spec("whisper") is None:
        raise UnavailableError("openai-whisper is not installed")
    if model not in ("auto", "whisper"):
        if model not in NAMES and not Path(model).is_file():
            raise UnavailableError(
                f"there is no model {model!r}; choose auto, pocketsphinx, a checkpoint or {', '.join(NAMES)}"
            )
        names = [model]
    else:
        names = [n for name in PREFERRED for n in ((f"{name}.en", name) if language == "en" else (name,))]
    for name in names:
        if whisper_available(name, download_root):
            return name
    if offline() or not _online():
        what = f"the weights of Whisper {model}" if len(names) == 1 else "Whisper's weights"
        raise UnavailableError(f"{what} are not in {weights_folder(download_root)} and cannot be downloaded")
    return names[0] if len(names) == 1 else DOWNLOADED


@lru_cache(maxsize=1)
def _online() -> bool:
    request = urllib.request.Request(HOST, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE):
            return True
    except urllib.error.HTTPError:  # the host answers, if only that it has no such page
        return True
    except OSError:
        return False


@lru_cache(maxsize=1)
def _model(name: str, download_root: Path | None) -> Whisper:
    import whisper

    try:
        return whisper.load_model(name, download_root=str(weights_folder(download_root)))
    except OSError as error:
        raise UnavailableError(f"the weights of Whisper {name} cannot be read or downloaded: {error}") from error
    except Exception as error:  # a broken checkpoint shows as almost anything: torch, pickle and key errors
        raise UnavailableError(f"the weights of Whisper {name} cannot be loaded: {error}") from error


def recognise(samples: Samples, name: str, language: str | None, download_root: Path | None = None) -> Transcript:
    """The words of samples [n] at 16 kHz. Raises UnavailableError where the weights cannot be loaded."""
    model = _model(name, download_root)
    engine = f"whisper-{Path(name).stem if Path(name).is_file() else name}"
    if not len(samples):
        return Transcript((), language or "en", engine=engine)
    if not model.is_multilingual:
        language = "en"
    result: dict[str, Any] = model.transcribe(
        samples, language=language, word_timestamps=True, verbose=None, fp16=model.device.type != "cpu"
    )
    segments = (_segment(segment, len(samples) / 16000) for segment in result["segments"])
    return Transcript(tuple(s for s in segments if s.words), str(result["language"]), engine=engine)


def _segment(segment: dict[str, Any], seconds: float) -> Segment:
    """Whisper splits words at hyphens: a part that has no space before it belongs to the word before."""
    words: list[Word] = []
    for found in segment.get("words", ()):
        text = str(found["word"])
        start, end = float(found["start"]), min(seconds, float(found["end"]))
        chance = min(1.0, max(0.0, float(found["probability"])))
        if words and text.strip() and not text.startswith(" "):
            last = words.pop()
            words.append(
                Word(last.text + text.strip(), last.start, max(last.end, end), min(last.probability or 0.0, chance))
            )
        elif text.strip():
            words.append(Word(text.strip(), min(start, end), end, chance))
    return Segment(tuple(words))
