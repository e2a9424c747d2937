"""A video's transcript → the text without its fillers, repeats and long pauses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from editalk.cache import Cache
from editalk.clean import Cleaning, Kind, Wanted, clean, cleaned_text, listed
from editalk.pipeline.source import Listening, known_words
from editalk.reporting import Reporter
from editalk.transcript import Transcript

NAMES = {Kind.FILLER: "filler", Kind.REPEAT: "repeat", Kind.TAKE: "earlier take"}


@dataclass(frozen=True)
class Cleaned:
    """`duration`: of the source, seconds."""

    transcript: Transcript
    cleaning: Cleaning
    duration: float

    @property
    def text(self) -> str:
        return cleaned_text(self.transcript, self.cleaning)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What goes, in order: kind, text, start and end in seconds of the source; of a pause also what goes of it."""
        words = self.transcript.words
        rows: list[dict[str, Any]] = [
            {"kind": cut.kind.value, "text": " ".join(w.text for w in words[cut.first : cut.end]),
             "start": words[cut.first].start, "end": words[cut.end - 1].end}
            for cut in self.cleaning.cuts
        ]  # fmt: skip
        rows += [
            {"kind": "pause", "text": f"[pause {pause.seconds:g}s]", "start": words[pause.behind].end,
             "end": words[pause.before].start, "seconds": round(pause.quiet - pause.seconds, 3)}
            for pause in self.cleaning.pauses
        ]  # fmt: skip
        return sorted(rows, key=lambda row: (row["start"], row["end"]))

    @property
    def seconds(self) -> float:
        """About how much of the source goes."""
        return sum(map(_lasting, self.rows))

    def summary(self) -> str:
        """One line: how many of each kind, and how long they are."""
        counts = []
        for kind in (*Kind, "pause"):
            rows = [row for row in self.rows if row["kind"] == kind]
            if rows:
                name = "long pause" if kind == "pause" else NAMES[Kind(kind)]
                counts.append(f"{len(rows)} {name}{'s' * (len(rows) != 1)} ({sum(map(_lasting, rows)):.1f} s)")
        if not counts:
            return "nothing to clean"
        return f"{', '.join(counts)}: about {self.seconds:.1f} s of {self.duration:.1f} s go"


def cleaned(
    video: Path, given: Path | None, how: Listening, wanted: Wanted, cache: Cache, reporter: Reporter
) -> Cleaned:
    """What shall go of a video's words; its transcript is `given`, lies beside it or is made now."""
    info, transcript = known_words(video, given, how, cache, reporter)
    transcript = replace(transcript, language=how.language or transcript.language)
    made = Cleaned(transcript, clean(transcript, wanted), info.duration)
    if wanted.fillers and not listed(transcript.language):
        reporter.warn(f"of language {transcript.language!r} only hm and mm are known as fillers; name others: --filler")
    if wanted.fillers and not any(cut.kind is Kind.FILLER for cut in made.cleaning.cuts):
        reporter.say("no fillers are in the transcript; recognisers often leave them out")
    return made


def _lasting(row: Mapping[str, Any]) -> float:
    """Seconds of a row that go."""
    return float(row.get("seconds", row["end"] - row["start"]))
