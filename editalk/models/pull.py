"""Models are downloaded here and nowhere else: every file is checked before it counts."""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import http.client
import logging
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from editalk.cache import abandoned, owner
from editalk.errors import DeviceError, EditalkError, OutputError
from editalk.models.hashes import git_blob, sha256, write_record
from editalk.models.places import home, hub_cache, locate, models_folder, offline, way_out, whisper_cache
from editalk.models.registry import SOURCE, ModelFile, ModelSpec
from editalk.reporting import Advance, Reporter

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
_PIECE = 1 << 20  # bytes
_WAIT = 30.0  # seconds without a byte


@dataclass(frozen=True)
class Remote:
    """A file as Hugging Face's metadata describes it: `path` in `repository` at `commit` becomes `name` in the model's
    folder; `sha256` of large files, git's `blob` name of small ones.
    """

    name: str
    repository: str
    commit: str
    path: str
    size: int
    sha256: str
    blob: str

    def is_right(self, path: Path) -> bool:
        """Whether a file that is there is this one, or nothing is known to tell."""
        if self.sha256:
            return sha256(path) == self.sha256
        return self.blob in ("", git_blob(path))


def pull(spec: ModelSpec, reporter: Reporter, to: Path | None = None) -> Path:
    """Gets what is missing of a model; the folder that holds it. `to`: a folder in which the model gets its own one;
    default: openai-whisper's own for its files; for others EDITALK_MODELS, else Hugging Face's cache. The licence is
    the caller's matter. Raises DeviceError (not to be had, or another file than it should be), OutputError (no room).
    """
    here = locate(spec)
    if here is not None and to is None:
        reporter.say(f"{spec.name} is already in {here}")
        return here
    if offline():
        raise DeviceError(f"{spec.name}: {way_out(spec)}")
    try:
        with _relayed(reporter):
            return _from_hub(spec, reporter, _place(spec, to)) if spec.on_hub else _from_urls(spec, reporter, to)
    except OSError as error:
        raise _unwritable(spec, error) from error


def _place(spec: ModelSpec, to: Path | None) -> Path | None:
    """A model's own folder; None: Hugging Face's cache."""
    if to is not None:
        return to / spec.name
    return models_folder() / spec.name if os.environ.get("EDITALK_MODELS") or spec.composed else None


def _from_hub(spec: ModelSpec, reporter: Reporter, folder: Path | None) -> Path:
    """Every wanted file, of each repository at one commit."""
    wanted = _wanted(spec)
    root = folder or _snapshot(wanted[0])
    _make_room(spec, folder or hub_cache(), sum(r.size for r in wanted if not (root / r.name).is_file()))
    with reporter.stage(f"Downloading {spec.name}", sum(r.size for r in wanted) or None, "bytes") as advance:
        for remote in wanted:
            meter = _Meter(advance, remote.size)
            if folder is None:
                _into_cache(spec, remote, meter)
            elif not ((folder / remote.name).is_file() and remote.is_right(folder / remote.name)):
                _into_folder(spec, remote, meter, folder)
            meter.finish()
    write_record(root, {remote.name: remote.sha256 or sha256(root / remote.name) for remote in wanted})
    return root


def _snapshot(remote: Remote) -> Path:
    return hub_cache() / f"models--{remote.repository.replace('/', '--')}" / "snapshots" / remote.commit


def _wanted(spec: ModelSpec) -> list[Remote]:
    """The files that models.toml lists, as their repositories have them; what models.toml says of a hash comes first.

    Raises DeviceError.
    """
    listings: dict[tuple[str, str], list[Remote]] = {}
    wanted: dict[str, Remote] = {}
    for file in sorted(spec.files, key=lambda file: file.glob):  # exact names first: they may know a hash
        match = SOURCE.fullmatch(file.source)
        repository, revision, path = match.groups() if match else (spec.repository, spec.revision, file.name)
        if (repository, revision) not in listings:
            listings[repository, revision] = _listing(spec, repository, revision)
        found = [remote for remote in listings[repository, revision] if _matches(remote.path, path)]
        if not found:
            raise DeviceError(
                f"{spec.name}: {repository} has no file {path} at revision {revision[:12]}; this editalk is too old "
                "for it, or the repository has changed"
            )
        for remote in found:
            name = file.name if match else remote.path
            known = {"sha256": file.sha256} if file.sha256 else {}
            wanted.setdefault(name, replace(remote, name=name, size=remote.size or file.size, **known))
    return list(wanted.values())


def _listing(spec: ModelSpec, repository: str, revision: str) -> list[Remote]:
    from huggingface_hub import HfApi

    with _explained(spec, repository, revision):
        info = HfApi(endpoint=_endpoint()).model_info(repository, revision=revision, files_metadata=True)
    return [
        Remote(
            s.rfilename, repository, info.sha or revision, s.rfilename, s.size or 0, s.lfs.sha256 if s.lfs else "",
            s.blob_id or "",
        ) for s in info.siblings or []
    ]  # fmt: skip


def _matches(name: str, pattern: str) -> bool:
    """As `Path.glob` matches: a star stays inside a folder."""
    path, wanted = PurePosixPath(name), PurePosixPath(pattern)
    return path.parent == wanted.parent and fnmatch.fnmatchcase(path.name, wanted.name)


def _into_cache(spec: ModelSpec, remote: Remote, meter: _Meter) -> None:
    """One file into Hugging Face's cache. What had lain there and is wrong is fetched anew, once."""
    for _ in range(2):
        path = _download(spec, remote, meter, None)
        if remote.is_right(path):
            return
        path.resolve().unlink(missing_ok=True)  # the blob behind the link
        path.unlink(missing_ok=True)
        if meter.done:
            break
    raise _another(spec, remote)


def _into_folder(spec: ModelSpec, remote: Remote, meter: _Meter, folder: Path) -> None:
    """One file into a plain folder; it gets its name when it is right."""
    for left in abandoned(folder, ".pulling-"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".pulling-{owner()}", dir=folder) as made:
        path = _download(spec, remote, meter, Path(made))
        if not remote.is_right(path):
            raise _another(spec, remote)
        (folder / remote.name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, folder / remote.name)


def _download(spec: ModelSpec, remote: Remote, meter: _Meter, folder: Path | None) -> Path:
    from huggingface_hub import hf_hub_download

    with _explained(spec, remote.repository, remote.commit):
        return Path(hf_hub_download(
            remote.repository, remote.path, revision=remote.commit, cache_dir=hub_cache(), local_dir=folder,
            endpoint=_endpoint(), tqdm_class=meter.bar(),
        ))  # fmt: skip


def _another(spec: ModelSpec, remote: Remote) -> DeviceError:
    return DeviceError(
        f"{spec.name}: {remote.path} from {remote.repository} has another content than it should (not "
        f"{(remote.sha256 or remote.blob)[:12]}…) and was removed; {way_out(spec)}, and if that happens again, do not "
        "use this source"
    )


class _Meter:
    """Bytes of one file towards the progress of all: hf_hub_download reports through a class like tqdm's."""

    def __init__(self, advance: Advance, size: int) -> None:
        self.advance, self.size, self.done = advance, size, 0

    def add(self, steps: float | None) -> None:
        """A second bar may count the same bytes, and a retry takes some back: never more than the file has."""
        done = min(max(self.done + int(steps or 0), 0), self.size)
        if done > self.done:
            self.advance(done - self.done)
            self.done = done

    def finish(self) -> None:
        self.add(self.size - self.done)

    def bar(self) -> Any:
        from huggingface_hub.utils.tqdm import tqdm

        meter = self

        class Bar(tqdm):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **{**options, "disable": True})  # type: ignore[no-untyped-call]

            def update(self, n: float | None = 1) -> bool | None:
                meter.add(n)
                return None

        return Bar


def _from_urls(spec: ModelSpec, reporter: Reporter, to: Path | None) -> Path:
    """openai-whisper's way: each file stands under its own sha256. They go where whisper looks for them."""
    folder = to / spec.name if to is not None else whisper_cache()
    _make_room(spec, folder, spec.size)
    with reporter.stage(f"Downloading {spec.name}", spec.size or None, "bytes") as advance:
        for file in spec.files:
            _fetch(spec, file, folder, advance)
    return folder


def _fetch(spec: ModelSpec, file: ModelFile, folder: Path, advance: Callable[[int], None]) -> None:
    """One file by its URL, hashed on the way; it gets its name when all of it is right."""
    url = f"{spec.repository}/{file.sha256}/{file.name}"
    for left in abandoned(folder, f".{file.name}."):
        left.unlink(missing_ok=True)
    part, digest = folder / f".{file.name}.{owner()}part", hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=_WAIT) as answer, part.open("wb") as out:
            while piece := answer.read(_PIECE):
                out.write(piece)
                digest.update(piece)
                advance(len(piece))
        if digest.hexdigest() != file.sha256:
            raise DeviceError(
                f"{spec.name}: {url} gave {part.stat().st_size} bytes with sha256 {digest.hexdigest()[:12]}…, not "
                f"{file.sha256[:12]}…; nothing was kept, try again"
            )
        os.replace(part, folder / file.name)
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _unreachable(spec, url, str(getattr(error, "reason", "") or error)) from error
    finally:
        part.unlink(missing_ok=True)


def _make_room(spec: ModelSpec, folder: Path, size: int) -> None:
    """Raises OutputError where the folder cannot be written or its disk has no room for `size` bytes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(spec, error, folder) from error
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OutputError(
            f"{spec.name} needs {size / 1e9:.3g} GB and {folder} has {free / 1e9:.3g} GB free; make room, use --to, or "
            "let EDITALK_MODELS or HF_HOME name a folder on another disk"
        )


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None  # now, not when the library was loaded


@contextmanager
def _relayed(reporter: Reporter) -> Iterator[None]:
    """Hugging Face's library logs to standard error, which is the command line's: it goes through the reporter."""

    class Relay(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            reporter.warn(" ".join(record.getMessage().split()))

    logger = logging.getLogger("huggingface_hub")
    kept = logger.handlers
    logger.handlers = [Relay(logging.WARNING)]
    try:
        yield
    finally:
        logger.handlers = kept


@contextmanager
def _explained(spec: ModelSpec, repository: str, revision: str) -> Iterator[None]:
    """What Hugging Face's library raises, as what a user can do about it."""
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    page = f"https://huggingface.co/{repository}"
    try:
        yield
    except EditalkError:
        raise
    except Exception as error:  # its HTTP library has changed twice, and with it what it raises
        status, full = _status(error), _errno(error)
        if status in (401, 403):
            raise DeviceError(
                f"{spec.name}: {repository} is gated (or gone): accept its conditions at {page}, then set "
                "HF_TOKEN to a token of that account (https://huggingface.co/settings/tokens) and try again"
            ) from error
        if full in _FULL:
            raise _unwritable(spec, error) from error
        gone = isinstance(error, RepositoryNotFoundError | RevisionNotFoundError) or status == 404
        if gone and not (isinstance(error, LocalEntryNotFoundError) and status is None):
            raise DeviceError(
                f"{spec.name}: {page} has nothing at revision {revision[:12]}: this editalk is too old for it, or "
                "the repository has moved"
            ) from error
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _unreachable(spec, page, f"HTTP {status}" if status else reason) from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    """The HTTP status behind an error."""
    for link in _chain(error):
        status = getattr(getattr(link, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
    return None


def _errno(error: BaseException) -> int | None:
    return next((link.errno for link in _chain(error) if isinstance(link, OSError) and link.errno in _FULL), None)


def _unreachable(spec: ModelSpec, where: str, reason: str) -> DeviceError:
    return DeviceError(
        f"{spec.name}: {where} cannot be read ({reason.strip() or 'connection lost'}); check the network and try again "
        "(files that are complete are kept), or copy the files from a machine that has them into "
        f"{home(spec)}"
    )


def _unwritable(spec: ModelSpec, error: Exception, folder: Path | None = None) -> OutputError:
    link = next((link for link in _chain(error) if isinstance(link, OSError) and link.errno), None)
    where = folder or (link.filename if link is not None and link.filename else hub_cache())
    reason = link.strerror if link is not None and link.strerror else str(error)
    return OutputError(
        f"{spec.name}: {where}: {reason}; make room, use --to, or let EDITALK_MODELS or HF_HOME name another folder"
    )
