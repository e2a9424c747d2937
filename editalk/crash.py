"""What is kept of an error that nobody foresaw: a text to send to whoever can mend it.

It holds nothing of what was edited. Names of files become kinds, other values that a person wrote are left out, and of
an error's message only those words stay that are in the code that raised it, or are terms of programming.
"""

from __future__ import annotations

import errno
import importlib.metadata
import os
import platform
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from editalk import __version__
from editalk.cache import default_root
from editalk.reporting import Meter

KEPT = 20  # reports
FRAMES = 60  # of a traceback: half of them its first, half its last
MENDER = "whoever supports editalk for you"
FORESEEN = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE,
    errno.EFBIG, errno.ESTALE, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT,
})  # fmt: skip
"""What the machine, and no mistake of the program's, is the reason of."""

_NAME = re.compile(r"editalk-report-\d{8}-\d{6}-\w+\.txt")
_SUFFIXES = frozenset(
    "3gp aac aif aiff avi bin cube edl fcpxml flac html json jsonl m2ts m4a m4v md mka mkv mov mp3 mp4 mpeg mpg mts "
    "mxf ogg opus otio pem png safetensors srt tar toml ts tsv txt vtt wav webm wmv xml".split()
)
_CHOICES = frozenset(
    "--audio-track --backend --captions-out --device --fail-on --format -f --language --lip-pass --model --older-than "
    "--larger-than --precision --progress --region --stage --timeline --voice-covers".split()
)
"""Options whose values are names out of the help, not of somebody's files."""
_GROUPS = ("cache", "config", "models")
_CHOICE = re.compile(r"[a-z0-9][a-z0-9:,_-]{0,30}")
_FLAG = re.compile(r"--?[a-z][a-z-]*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_WORD = re.compile(r"[^\W\d]+(?:_\w+)*|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”|`[^`]*`")
_TERMS = frozenset(
    "a an and are argument arguments array at attribute attributes axis be bool broadcast by byte bytes callable "
    "cannot cast complex convert could cpu cuda data decode decoder device dict dimension dimensional dimensions "
    "divide division does dtype element elements empty encode encoder end expected file float for from function given "
    "got greater has have id import in index indices int integer invalid is iterable item key keyword length less "
    "list long match matrix maximum memory method minimum missing mismatch mode module must nan name named negative "
    "no non none not null number object of on only operand operands operation or out overflow packet positional range "
    "recursion required result returned scalar sequence set shape shapes short size slice str string stream "
    "subscriptable support supported tensor than that the to together too tuple type types unexpected unhashable "
    "unknown unpack unsupported value values was with without zero exceeded depth bounds NoneType".split()
)


def write_report(error: BaseException, command: Sequence[str], stages: Iterable[Meter] = ()) -> Path | None:
    """Write what is known of an unforeseen error, for this user's eyes alone; None where nothing can be written.

    `command`: the words of the command line. Beside the cache's stages, else among temporary files.
    """
    written = report(error, command, stages)
    for folder in (default_root() / "reports", Path(tempfile.gettempdir())):
        name = f"editalk-report-{time.strftime('%Y%m%d-%H%M%S')}-"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            handle, path = tempfile.mkstemp(".txt", name, folder)  # mode 0600
            with open(handle, "w", encoding="utf-8") as file:
                file.write(written)
            _prune(folder)
            return Path(path)
    return None


def is_foreseen(error: BaseException) -> bool:
    """Whether it is no mistake of the program's: the disk is full, a folder is read-only."""
    return isinstance(error, OSError) and error.errno in FORESEEN


def in_words(error: Exception) -> str:
    """What a user is told of it in a line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"unexpected {type(error).__name__}: {error}"


def report(error: BaseException, command: Sequence[str], stages: Iterable[Meter] = ()) -> str:
    parts = {
        "command": " ".join(["editalk", *anonymous(command)]),
        "time": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "editalk": f"{__version__}, Python {platform.python_version()}, {platform.platform()}",
        "machine": "\n".join(_machine()),
        "stages": "\n".join(f"{stage}{'' if stage.finished else ', not finished'}" for stage in stages) or "none",
        "error": "\n".join(_chain(error)),
        "packages": "\n".join(_packages()),
    }
    head = (f"An error that editalk did not foresee. Send this file to {MENDER}, and say what you did.\n"
            "It holds no media, no transcript and no names of files; read it before you send it.\n")  # fmt: skip
    return head + "".join(f"\n{name}\n{_indented(text)}\n" for name, text in parts.items())


def anonymous(command: Sequence[str]) -> list[str]:
    """The command line with kinds for names of files, `<file 1>.mp4`, and without words that a person wrote."""
    made: list[str] = []
    names: dict[str, str] = {}
    flag = ""
    for position, word in enumerate(command):
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        if _FLAG.fullmatch(option or word):
            flag = option or word
            made.append(flag + equals + (_anonymous(value, flag, names) if equals else ""))
        else:
            plain = word.isalpha() and (position == 0 or (position == 1 and command[0] in _GROUPS))
            made.append(word if plain else _anonymous(word, flag, names))
    return made


def _anonymous(value: str, flag: str, names: dict[str, str]) -> str:
    if _NUMBER.fullmatch(value) or (flag in _CHOICES and _CHOICE.fullmatch(value)):
        return value
    suffix = value.rpartition(".")[2].lower()
    kind = f".{suffix}" if suffix in _SUFFIXES else ""
    return names.setdefault(value, f"<file {len(names) + 1}>{kind}" if kind or os.sep in value else "<…>")


def _chain(error: BaseException) -> Iterator[str]:
    """An error after those that it came from, with the lines of code and no values."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and before is not error:
        yield from _chain(before)
        yield "which led to"
    frames = list(traceback.extract_tb(error.__traceback__))
    known: set[str] = set()
    for k, frame in enumerate(frames):
        if FRAMES // 2 <= k < len(frames) - FRAMES // 2:
            continue
        yield f"{_module(frame.filename)}, line {frame.lineno}, in {frame.name}"
        if frame.line:
            yield f"  {frame.line}"
            known |= set(re.findall(r"[^\W\d]\w*", _statement(frame)))
    yield f"{type(error).__module__}.{type(error).__qualname__}: {_message(error, known)}"


def _statement(frame: traceback.FrameSummary) -> str:
    """All lines of the statement that raised: its message may begin on the second."""
    import linecache

    first, last = frame.lineno or 0, getattr(frame, "end_lineno", None) or frame.lineno or 0
    return "".join(linecache.getline(frame.filename, k) for k in range(first, last + 1))


def _message(error: BaseException, known: set[str]) -> str:
    """With … for words that are neither in the code that raised it nor terms, and for numbers among quotes."""
    if isinstance(error, OSError) and error.strerror:
        return f"[Errno {error.errno}] {os.strerror(error.errno or 0)}"
    try:
        text = str(error)[:1000]
    except Exception:  # an error in an error
        return "…"

    def kept(word: str, quoted: bool) -> str:
        if word[0].isdigit():
            return "…" if quoted else word
        if word[0].isalpha() or word[0] == "_":
            return word if word in known or (not quoted and word.lower() in _TERMS) or word in _TERMS else "…"
        return word if word.isascii() or word in "“”…–×" else "…"

    made, at = "", 0
    for found in _QUOTED.finditer(text):
        made += "".join(kept(word, False) for word in _WORD.findall(text[at : found.start()]))
        made += "".join(kept(word, True) for word in _WORD.findall(found[0]))
        at = found.end()
    made += "".join(kept(word, False) for word in _WORD.findall(text[at:]))
    return re.sub(r"…(?:[^\w…]*…)+", "…", made)


def _module(path: str) -> str:
    """A file of code without the folders that somebody keeps it in."""
    parts = Path(path).parts
    for marker in ("site-packages", "dist-packages", f"python{sys.version_info[0]}.{sys.version_info[1]}"):
        if marker in parts:
            return "/".join(parts[len(parts) - parts[::-1].index(marker) :])
    own = Path(__file__).resolve().parent.parent
    with suppress(ValueError):
        return Path(path).resolve().relative_to(own).as_posix()
    return parts[-1] if parts else path


def _machine() -> Iterator[str]:
    from editalk.doctor.machine import gpu, processor

    for check in (processor, gpu):
        with suppress(Exception):  # a report without a line is better than none
            yield f"{check.__name__}: {check().detail}"
    for what, folder in (("cache", default_root()), ("temporary files", Path(tempfile.gettempdir()))):
        with suppress(OSError):
            yield f"{what}: {_free(folder) / 1e9:.1f} GB free"
    yield f"text: {sys.getfilesystemencoding()}"


def _free(folder: Path) -> int:
    import shutil

    return shutil.disk_usage(next(p for p in (folder, *folder.absolute().parents) if p.exists())).free


def _packages() -> Iterator[str]:
    from packaging.requirements import Requirement

    with suppress(importlib.metadata.PackageNotFoundError):
        for text in importlib.metadata.requires("editalk") or ():
            name = Requirement(text).name
            with suppress(importlib.metadata.PackageNotFoundError):
                yield f"{name} {importlib.metadata.version(name)}"


def _prune(folder: Path) -> None:
    """The newest reports stay."""
    held = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    for path in held[:-KEPT]:
        with suppress(OSError):
            path.unlink()


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
