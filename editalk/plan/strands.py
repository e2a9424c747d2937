"""Word edits → strands: what the timeline is laid out of, in its order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from editalk.diff import Tag, WordEdit
from editalk.errors import PlanError
from editalk.markup import Attribute, Pause


@dataclass(frozen=True)
class Strand:
    """A run of the edited script.

    Source words [first, end) with their footage: kept, or replaced where `new`; empty: no footage. Script tokens
    [token, token_end). `pause` (seconds): no words at all, the pause that shall stand here. `retime`: seconds that the
    run shall last. `rerender`: the region that gets new pixels though the words stay.
    """

    first: int
    end: int
    token: int
    token_end: int
    new: bool = False
    retime: float | None = None
    rerender: str | None = None
    pause: float | None = None
    moved: bool = False

    @property
    def footage(self) -> bool:
        return self.end > self.first


def strands(
    edits: Sequence[WordEdit], attributes: Sequence[Attribute] = (), pauses: Sequence[Pause] = ()
) -> tuple[Strand, ...]:
    """Kept and new runs in the order of the script; deletions are what is missing between them.

    `attributes` and `pauses` count in the same tokens as the edits' targets.
    """
    result: list[Strand] = []
    for strand in _merged(edits):
        result += _split(strand, attributes, pauses)
    ending = [p for p in pauses if p.before >= (edits[-1].target_end if edits else 0)]
    result += [_pause(p) for p in ending]
    return tuple(_joined(result))


def _merged(edits: Sequence[WordEdit]) -> list[Strand]:
    """Neighbouring deletions, insertions and replacements are one replacement; moved words are kept words."""
    runs: list[Strand] = []
    changing: list[WordEdit] = []

    def flush() -> None:
        if changing and changing[-1].target_end > changing[0].target_start:
            sources = [e for e in changing if e.source_end > e.source_start]
            chain = all(a.source_end == b.source_start for a, b in zip(sources, sources[1:], strict=False))
            first, end = (sources[0].source_start, sources[-1].source_end) if sources and chain else (0, 0)
            runs.append(Strand(first, end, changing[0].target_start, changing[-1].target_end, new=True))
        changing.clear()

    for edit in edits:
        if edit.tag in (Tag.EQUAL, Tag.MOVE):
            flush()
            runs.append(
                Strand(
                    edit.source_start, edit.source_end, edit.target_start, edit.target_end, moved=edit.tag is Tag.MOVE
                )
            )
        else:
            changing.append(edit)
    flush()
    return runs


def _split(strand: Strand, attributes: Sequence[Attribute], pauses: Sequence[Pause]) -> list[Strand]:
    """A strand cut where a marked span begins or ends, and around the pauses that stand inside it."""
    edges = {strand.token, strand.token_end}
    for mark in attributes:
        edges |= {edge for edge in (mark.first, mark.end) if strand.token < edge < strand.token_end}
    inside = [p for p in pauses if strand.token <= p.before < strand.token_end]
    edges |= {p.before for p in inside}
    cuts = sorted(edges)
    parts: list[Strand] = []
    for token, token_end in zip(cuts, cuts[1:], strict=False):
        parts += [_pause(p) for p in inside if p.before == token]
        part = _cut(strand, token, token_end)
        for mark in attributes:
            if mark.first <= token and token_end <= mark.end:
                part = replace(part, retime=mark.retime or part.retime, rerender=mark.rerender or part.rerender)
        parts.append(part)
    return parts


def _cut(strand: Strand, token: int, token_end: int) -> Strand:
    if (token, token_end) == (strand.token, strand.token_end):
        return strand
    words, tokens = strand.end - strand.first, strand.token_end - strand.token
    if words != tokens and not strand.new:
        raise PlanError(
            "a mark begins or ends inside a number that is written otherwise than it was transcribed; mark all of it"
        )
    first, end = (strand.first + round((t - strand.token) * words / tokens) for t in (token, token_end))
    return replace(strand, first=first, end=end, token=token, token_end=token_end)


def _pause(pause: Pause) -> Strand:
    return Strand(0, 0, pause.before, pause.before, new=True, pause=pause.seconds)


def _joined(parts: Sequence[Strand]) -> list[Strand]:
    """Plain kept strands that follow each other in the source are one, as are pauses at one place."""
    result: list[Strand] = []
    for part in parts:
        last = result[-1] if result else None
        plain = last is not None and not (last.new or part.new or last.retime or part.retime)
        if last and last.pause is not None and part.pause is not None:
            result[-1] = replace(last, pause=last.pause + part.pause)
        elif last and plain and last.end == part.first and last.rerender == part.rerender:
            result[-1] = replace(last, end=part.end, token_end=part.token_end, moved=last.moved and part.moved)
        else:
            result.append(part)
    return result
