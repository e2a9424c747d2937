"""The timelines of an edit beside its output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from editalk.errors import UsageError
from editalk.interchange import (
    VoiceFile,
    Writer,
    edited_timeline,
    files_of,
    removed_timeline,
    targets,
    write_timelines,
)
from editalk.media import MediaInfo, SoundFile, probe_audio
from editalk.plan import EditPlan
from editalk.texts import check_text_target
from editalk.timebase import FrameRange
from editalk.transcript import Transcript


def check_timelines(writers: tuple[Writer, ...], base: Path, overwrite: bool, source: Path) -> None:
    """Before the work, not after it. Raises OutputError, UsageError."""
    for writer in writers:
        for path in targets(writer, base):
            if path == base:
                raise UsageError(f"{path} would be written twice: as the output and as a timeline; give another name")
            check_text_target(path, overwrite, source)


def timelines(
    writers: tuple[Writer, ...], base: Path, output: Path, plan: EditPlan, rendered: Sequence[FrameRange],
    info: MediaInfo, voices: tuple[SoundFile, ...], transcript: Transcript,
) -> dict[Path, str]:  # fmt: skip
    """The text of every file. `output`: the edited video, which need not be there yet; `rendered`: those of its frames
    that are, or will be, new. Raises MediaError.
    """
    if not writers:
        return {}
    paths = [Path(ref.path) for ref in plan.voices]
    heard = [VoiceFile(p, probe_audio(p), sound.samples) for p, sound in zip(paths, voices, strict=True)]
    files = files_of(plan, info, output, heard)
    edited, removed = edited_timeline(plan, rendered, files), removed_timeline(plan, files, transcript.words)
    return write_timelines(writers, base, edited, removed)
