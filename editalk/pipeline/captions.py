"""Caption files beside a video, read, retimed and written beside the edit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editalk.errors import CaptionError, ReadError, UsageError
from editalk.plan import EditPlan
from editalk.reading import read_text
from editalk.reporting import Reporter
from editalk.sidecars import Retimed, retime
from editalk.texts import check_text_target
from editalk.transcript import Segment, Transcript, Word, get_writer
from editalk.transcript.captions import FORMS, CaptionCue, CaptionFile, clock, read_captions, write_captions

NONE = "none"
_LANGUAGE = re.compile(r"(\.[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*)?(\.(forced|sdh|cc|hi|default))*", re.I)
_NAMED = 5  # places that a message names


@dataclass(frozen=True)
class _Captions:
    path: Path
    target: Path
    file: CaptionFile


@dataclass(frozen=True)
class CaptionTexts:
    """Caption files that go along with an edit, and where new ones of its script go."""

    captions: tuple[_Captions, ...]
    fresh: tuple[Path, ...]

    @classmethod
    def found(
        cls, video: Path, edited: Path | None, out: Path, given: Sequence[Path] | None, fresh: str, overwrite: bool
    ) -> CaptionTexts:
        """Those that were given, else those named like the video beside it; all targets checked.

        Raises UsageError, CaptionError, OutputError.
        """
        forms = [f.strip() for f in fresh.split(",") if f.strip()]
        for form in forms:
            if form not in FORMS:
                raise UsageError(f"--captions-out {form}: not one of {', '.join(FORMS)}")
        paths = beside(video, edited) if given is None else [p for p in given if str(p) != NONE]
        captions = tuple(_Captions(p, _target(p, video, out), _read(p)) for p in paths)
        news = tuple(dict.fromkeys(out.with_suffix(f".{form}") for form in forms))
        targets = [(c.target, c.path) for c in captions] + [(path, edited) for path in news]
        for target, source in targets:
            if [t for t, _ in targets].count(target) > 1:
                raise UsageError(f"{target} would be written twice; name captions with --captions, or --captions none")
            check_text_target(target, overwrite, source=source)
        return cls(captions, news)

    def made(
        self, plan: EditPlan, words: Sequence[Word], reporter: Reporter
    ) -> tuple[dict[Path, str], list[dict[str, Any]]]:
        """Retimed and new files; what `apply --json` says of them."""
        made = [(c, retime(plan, c.file, words)) for c in self.captions]
        texts = {c.target: write_captions(retimed.file) for c, retimed in made}
        spoken = Transcript((Segment(tuple(Word(c.text, c.start, c.end) for c in plan.captions)),))
        texts |= {path: get_writer(path.suffix[1:]).write(spoken) for path in self.fresh}
        for captions, retimed in made:
            say(str(captions.path), retimed, reporter)
        rows = [{"source": str(c.path), "output": str(c.target)} | row(c.file, r) for c, r in made]
        return texts, rows + [{"source": None, "output": str(path)} for path in self.fresh]


def row(file: CaptionFile, retimed: Retimed) -> dict[str, Any]:
    """Figures of a file that was retimed."""
    return {
        "cues": len(retimed.file.cues), "source_cues": len(file.cues), "untouched": retimed.untouched,
        "dropped": len(retimed.gone), "translated": retimed.translated,
        "over_changed_words": [round(float(cue.start), 3) for cue in retimed.over], "words_without_cue": retimed.unsaid,
    }  # fmt: skip


def say(name: str, retimed: Retimed, reporter: Reporter) -> None:
    """What could not follow."""
    if retimed.over:
        reporter.warn(f"{name}: only the times of these cues follow, their text stands over changed words: "
                      f"{_places(retimed.over)}")  # fmt: skip
    if retimed.unsaid:
        reporter.warn(f"{name}: does not say what the transcript says, a translation? {retimed.unsaid} new words have "
                      "no cue in it")  # fmt: skip


def _places(cues: Sequence[CaptionCue]) -> str:
    named = [f"{clock(cue.start, '.')} “{' '.join(cue.lines)[:40]}”" for cue in cues[:_NAMED]]
    more = len(cues) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def beside(video: Path, edited: Path | None) -> list[Path]:
    """talk.srt, talk.vtt and the same with a language; not the edited text itself."""
    found = []
    for path in sorted(video.parent.iterdir()):
        form, name = path.suffix[1:].lower(), path.stem
        own = name.startswith(video.stem) and _LANGUAGE.fullmatch(name.removeprefix(video.stem))
        if form in FORMS and own and path.is_file() and not (edited and edited.exists() and path.samefile(edited)):
            found.append(path)
    return found


def _target(path: Path, video: Path, out: Path) -> Path:
    own = path.name.startswith(f"{video.stem}.")
    return out.with_name(out.stem + (path.name.removeprefix(video.stem) if own else f".{path.name}"))


def _read(path: Path) -> CaptionFile:
    form = path.suffix[1:].lower()
    if form not in FORMS:
        raise UsageError(f"{path}: captions are read from {', '.join(FORMS)}; name such a file")
    try:
        return read_captions(read_text(path, ReadError), form)
    except CaptionError as error:
        raise error.inside(path) from error
