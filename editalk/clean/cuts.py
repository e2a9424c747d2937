"""A transcript → what goes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from editalk.clean.fillers import fillers
from editalk.clean.repeats import repeats, takes
from editalk.clean.types import Cleaning, Cut, ShorterPause
from editalk.transcript import Transcript, Word

LONGEST_PAUSE = 60.0  # seconds, that a mark can ask for


@dataclass(frozen=True)
class Wanted:
    """What shall go. `pause`: the seconds that a longer one shall last. `own`: further fillers, as the user says."""

    fillers: bool = False
    repeats: bool = False
    pause: float | None = None
    own: tuple[str, ...] = ()


def clean(transcript: Transcript, wanted: Wanted) -> Cleaning:
    """Fillers, takes and repeats, and the pauses between what stays; head and tail of the source are no pauses."""
    words = transcript.words
    speakers = [segment.speaker for segment in transcript.segments for _ in segment.words]
    found = fillers(words, transcript.language, wanted.own)
    cuts = list(found) if wanted.fillers else []
    if wanted.repeats:
        again = takes(words, speakers)
        aside = {k for cut in (*found, *again) for k in range(cut.first, cut.end)}
        cuts += [*again, *repeats(words, speakers, aside)]
    made = Cleaning(tuple(_apart(cuts)))
    if wanted.pause is None:
        return made
    return Cleaning(made.cuts, tuple(_pauses(words, made.gone, wanted.pause)))


def _apart(cuts: Sequence[Cut]) -> Iterator[Cut]:
    """Without overlap: a filler inside a take or a repeat goes with that."""
    order = sorted(cuts, key=lambda cut: (cut.first, -cut.end))
    last = 0
    for cut in order:
        if cut.end > last:
            yield Cut(cut.kind, max(cut.first, last), cut.end)
            last = cut.end


def _pauses(words: Sequence[Word], gone: frozenset[int], longest: float) -> Iterator[ShorterPause]:
    kept = [k for k in range(len(words)) if k not in gone]
    for behind, before in pairwise(kept):
        quiet = max(0.0, words[behind + 1].start - words[behind].end)
        if before > behind + 1:
            quiet += max(0.0, words[before].start - words[before - 1].end)
        if quiet > longest:
            yield ShorterPause(behind, before, quiet, longest)
