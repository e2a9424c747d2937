"""Transcripts of one video or of many, written in the formats that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from editalk.cache import Cache
from editalk.errors import EditalkError, MediaError, OutputError, UsageError
from editalk.inputs import Inputs
from editalk.media.container import check_file
from editalk.pipeline.source import Listening, beside, opened, transcribe
from editalk.reporting import Reporter
from editalk.texts import check_text_target, make_folder, write_texts
from editalk.transcript import Transcript, Writer

SUFFIXES = frozenset(
    ".mp4 .m4v .mov .qt .mkv .webm .avi .mpg .mpeg .ts .mts .m2ts .mxf .wmv .asf .flv .3gp .3g2 .dv .ogv".split()
)  # what a folder is searched for


@dataclass(frozen=True)
class Wish:
    """How to listen and what to write. `folder`: instead of beside each video."""

    how: Listening
    writers: tuple[Writer, ...]
    folder: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one of many: written, failed (`error`), or neither: everything was there."""

    video: Path
    outputs: tuple[Path, ...] = ()
    transcript: Transcript | None = None
    error: EditalkError | None = None


def targets_of(video: Path, wish: Wish) -> dict[Path, Writer]:
    """Where each format goes."""
    base = (wish.folder or video.parent) / beside(video).name
    return {base if w.suffix == ".json" else base.with_name(video.stem + w.suffix): w for w in wish.writers}


def check_targets(video: Path, targets: Mapping[Path, Writer], wish: Wish) -> None:
    """Before the work. Raises MediaError, OutputError, UsageError."""
    check_file(video)
    for target in targets:
        check_text_target(target, wish.overwrite, made=wish.folder is not None)
        if wish.how.script is not None and target.exists() and target.samefile(wish.how.script):
            raise UsageError(f"{target} is the script itself; choose other formats (-f json) or another folder (-o)")


def write_transcript(
    video: Path, targets: Mapping[Path, Writer], wish: Wish, cache: Cache, reporter: Reporter
) -> Transcript:
    """Listen to a video and write its transcript, in all formats or none."""
    inputs = Inputs([wish.how.script] if wish.how.script is not None else ())
    with opened(video, reporter, wish.how.track, inputs) as source:
        made = transcribe(source, wish.how, cache, reporter)
        source.inputs.check()
    if not made.words:
        reporter.warn(f"{video}: no speech was recognised")
    if wish.folder is not None:
        make_folder(wish.folder)
    write_texts({target: writer.write(made) for target, writer in targets.items()}, wish.overwrite)
    return made


def transcribe_all(
    paths: Sequence[Path], recursive: bool, wish: Wish, cache: Cache, reporter: Reporter
) -> Iterator[Outcome]:
    """One after the other, folders in the order of their names; what exists is left as it is, unless overwritten.

    An error of one stops no other; the recogniser is loaded once.
    """
    if wish.how.script is not None:
        raise UsageError("--script says the words of one video, not of several; name that one")
    for video, targets, error in list(_jobs(paths, recursive, wish)):
        if error is not None or not targets:
            yield Outcome(video, error=error)
            continue
        try:
            yield Outcome(video, tuple(targets), write_transcript(video, targets, wish, cache, reporter))
        except EditalkError as wrong:
            yield Outcome(video, error=wrong)


Job = tuple[Path, dict[Path, Writer], EditalkError | None]


def _jobs(paths: Sequence[Path], recursive: bool, wish: Wish) -> Iterator[Job]:
    """Every video with what is to be written of it, or with what is wrong."""
    taken: dict[Path, Path] = {}
    seen: set[Path] = set()
    for path in paths:
        try:
            videos = _videos(path, recursive)
        except MediaError as error:
            yield path, {}, error
            continue
        for video in videos:
            if video.resolve() not in seen:
                seen.add(video.resolve())
                yield _job(video, wish, taken)


def _job(video: Path, wish: Wish, taken: dict[Path, Path]) -> Job:
    targets = targets_of(video, wish)
    other = next((taken[target] for target in targets if target in taken), None)
    if other is not None:
        return video, {}, OutputError(
            f"{video}: its transcript would have the name of that of {other}; give it another name or another -o"
        )  # fmt: skip
    taken.update(dict.fromkeys(targets, video))
    wanted = {target: w for target, w in targets.items() if wish.overwrite or not target.exists()}
    try:
        check_targets(video, wanted, wish)
    except EditalkError as error:
        return video, {}, error
    return video, wanted, None


def _videos(path: Path, recursive: bool) -> list[Path]:
    """The file, or the videos of a folder by name; hidden files are none."""
    if not path.is_dir():
        return [path]
    inside = path.rglob("*") if recursive else path.iterdir()
    found = sorted(
        p for p in inside
        if p.suffix.lower() in SUFFIXES and p.is_file()
        and not any(part.startswith(".") for part in p.relative_to(path).parts)
    )  # fmt: skip
    if not found:
        raise MediaError(f"{path}: no videos in this folder{'' if recursive else '; --recursive looks further down'}")
    return found
