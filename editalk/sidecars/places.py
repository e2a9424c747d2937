"""When cues are shown on the edited timeline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from editalk.plan import EditPlan, Piece
from editalk.plan.mapping import shown_at
from editalk.sidecars.words import Said
from editalk.transcript import Word
from editalk.transcript.captions import CLOCK, CaptionCue, clock
from editalk.transcript.cues import SHORTEST

_WITHIN = re.compile(f"<{CLOCK}>", re.ASCII)
LEAST = Fraction(1, 25)  # seconds that every cue is shown
RATHER = Fraction(3, 10)  # seconds of footage below which a cue without words goes with it
AROUND = Fraction(1, 2)  # seconds that a cue may be shown before and behind words that were said anew


@dataclass(frozen=True)
class Placed:
    """A cue on the timeline, `home` its number in the source's file. `changed`: its text. `short`: it may have lost
    time to a cut, so that it may be shown longer where there is room.
    """

    cue: CaptionCue
    home: int
    changed: bool
    short: bool = True


def span_of(
    plan: EditPlan, said: Said, words: Sequence[Word], cue: CaptionCue, under: Sequence[int], captions: Sequence[int]
) -> tuple[Fraction, Fraction, bool]:
    """Seconds [start, end) at which a cue with the words `under` it is shown whose `captions` are what is left of it or
    new; whether a cut shortened it.

    A side that keeps its word keeps its distance from it, up to where the footage is cut or new words are heard; a new
    one is its word's.
    """
    first, last = plan.captions[captions[0]], plan.captions[captions[-1]]
    start, end = Fraction(first.start), Fraction(last.end)
    cut = False
    for side, caption in ((0, captions[0]), (1, captions[-1])):
        own = said.words[caption]
        if not own or (own[0], own[-1])[side] != (under[0], under[-1])[side]:
            continue
        word = words[(own[0], own[-1])[side]]
        edge = (cue.start, cue.end)[side]
        if said.footage:
            at, clipped = _along(plan, word, edge)
            near = _new_beside(plan, said, caption, side)
            if near is not None and (at < near, at > near)[side]:
                at, clipped = near, True
            cut = cut or clipped
        else:
            spare = edge - Fraction((word.start, word.end)[side])
            at = (start, end)[side] + min(max(spare, -AROUND), AROUND)
        start, end = (at, end) if side == 0 else (start, at)
    return max(Fraction(0), start), max(end, start, Fraction(0)), cut


def _new_beside(plan: EditPlan, said: Said, caption: int, side: int) -> Fraction | None:
    """When a new word before (side 0) or behind (1) a kept one ends or begins."""
    k = caption + (-1, 1)[side]
    if not 0 <= k < len(plan.captions) or said.words[k]:
        return None
    own, new = plan.captions[caption], plan.captions[k]
    return Fraction(min(new.end, own.start) if side == 0 else max(new.start, own.end))


def _along(plan: EditPlan, word: Word, edge: Fraction) -> tuple[Fraction, bool]:
    """Where the footage around a kept word shows a moment of the source; at the cut where it was taken out."""
    rate = plan.source.rate.value
    stretch = _stretch(plan.timeline, (word.start + word.end) / 2 * float(rate))
    if not stretch:
        return Fraction(0), True
    source = float(edge * rate)  # as rounded as what it is compared with
    first, last = stretch[0], stretch[-1]
    assert first.source is not None
    if source < first.source:
        return first.start / rate, True
    if source >= last.source_end:
        return last.end / rate, source > last.source_end
    at = shown_at(stretch, source)
    assert at is not None
    return Fraction(at) / rate, False


def _stretch(pieces: Sequence[Piece], source: float) -> Sequence[Piece]:
    """The pieces around the one that shows a source frame in which the footage plays on."""
    k = next((k for k, p in enumerate(pieces) if p.source is not None and p.source <= source < p.source_end), None)
    if k is None:
        return ()
    first, end = k, k + 1
    while first and pieces[first - 1].source is not None and pieces[first - 1].source_end == pieces[first].source:
        first -= 1
    while end < len(pieces) and pieces[end].source == pieces[end - 1].source_end:
        end += 1
    return pieces[first:end]


def retimed_within(line: str, given: tuple[Fraction, Fraction], taken: tuple[Fraction, Fraction]) -> str:
    """WebVTT's time stamps within a text whose words were heard in `given` seconds and now are in `taken`."""
    pace = (taken[1] - taken[0]) / (given[1] - given[0]) if given[1] > given[0] else Fraction(1)

    def moved(match: re.Match[str]) -> str:
        hours, minutes, seconds, rest = match.groups()
        at = Fraction(int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)) + Fraction(f"0.{rest or 0}")
        return f"<{clock(taken[0] + (at - given[0]) * pace, '.')}>"

    return _WITHIN.sub(moved, line)


def over_footage(plan: EditPlan, start: Fraction, end: Fraction) -> list[tuple[Fraction, Fraction]]:
    """When the footage of source seconds [start, end) is shown, new content between two stretches of it included."""
    rate = plan.source.rate.value
    low, high = float(start * rate), float(end * rate)
    found: list[tuple[Fraction, Fraction, int]] = []
    for k, piece in enumerate(plan.timeline):
        if piece.source is None:
            continue
        a, b = max(low, float(piece.source)), min(high, float(piece.source_end))
        if a >= b:
            continue
        begin = shown_at((piece,), a)
        assert begin is not None
        until = begin + (b - a) * piece.frames / piece.source_frames
        run = Fraction(begin) / rate, Fraction(until) / rate, k
        between = plan.timeline[found[-1][2] + 1 : k] if found else ()
        if found and all(p.source is None for p in between):
            run = found.pop()[0], run[1], k
        found.append(run)
    return [(a, b) for a, b, _ in found if b - a >= min(RATHER, (end - start) / 2)]


def in_order(placed: Sequence[Placed], source: Sequence[CaptionCue], end: Fraction) -> list[Placed]:
    """Cues by time, each shown at least LEAST and within [0, end]; no two at once, but those that were in the source.
    Where a cut or new words made one short it is shown longer, as far as there is room.
    """
    order = sorted(placed, key=lambda p: (p.cue.start, p.cue.end))
    made: list[Placed] = []
    for k, one in enumerate(order):
        room = order[k + 1].cue.start if k + 1 < len(order) else end
        start, until = one.cue.start, min(one.cue.end, end)
        if made and not _together(made[-1], one, source):
            start = max(start, made[-1].cue.end)
        if one.short:
            until = max(until, min(start + Fraction(SHORTEST), room))
        if k + 1 < len(order) and not _together(one, order[k + 1], source):
            until = min(until, room)
        made.append(replace(one, cue=replace(one.cue, start=start, end=max(until, start + LEAST))))
    return _within(made, end)


def _together(a: Placed, b: Placed, source: Sequence[CaptionCue]) -> bool:
    """Whether two cues were on the screen at once in the source."""
    if a.home == b.home or min(a.home, b.home) < 0:
        return False
    one, other = source[a.home], source[b.home]
    return one.start < other.end and other.start < one.end


def _within(ordered: Sequence[Placed], end: Fraction) -> list[Placed]:
    """From the end backwards, what was pushed beyond it pushed before it."""
    made: list[Placed] = []
    behind: Placed | None = None
    for one in reversed(ordered):
        apart = behind is not None and one.cue.end <= behind.cue.start
        until = min(one.cue.end, made[-1].cue.start if apart else end)
        start = min(one.cue.start, until - LEAST) if one.cue.end > until else one.cue.start
        made.append(replace(one, cue=replace(one.cue, start=max(Fraction(0), start), end=until)))
        behind = one
    return made[::-1]
