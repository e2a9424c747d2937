"""Steps over items → edits of words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from editalk.diff.align import Op, Step
from editalk.diff.cost import JOIN
from editalk.diff.items import Item, same_display
from editalk.diff.moves import Block
from editalk.diff.sound import same_sound
from editalk.diff.types import Tag, WordEdit
from editalk.markup import Mark
from editalk.transcript import Word

MOST_MERGED = 2  # kept words between two replacements that are said anew with them
PAUSE = 0.15  # seconds: beside such a pause a join is cheap


class _Kept(NamedTuple):
    """Source items [source, source_end) that stay as script items [target, target_end)."""

    source: int
    source_end: int
    target: int
    target_end: int
    moved: bool = False
    extra: bool = False  # takes in events that are shown only


@dataclass(frozen=True)
class _Change:
    """Source items that go, script items that come in their place."""

    sources: tuple[int, ...]
    targets: tuple[int, ...]


def word_edits(
    words: Sequence[Word],
    sources: Sequence[Item],
    targets: Sequence[Item],
    steps: Sequence[Step],
    blocks: Sequence[Block],
) -> tuple[WordEdit, ...]:
    """The edits of all words, in the order of the script."""
    if not sources:
        everything = [WordEdit(Tag.DELETE, 0, len(words), 0, 0)] if words else []
        spoken = sum(item.first is not None for item in targets)
        return (*everything, *([WordEdit(Tag.INSERT, len(words), len(words), 0, spoken)] if spoken else []))
    stream = _show_events(list(_respell(_with_blocks(steps, blocks, targets), sources, targets)), targets)
    parts = _merge(list(_regions(stream)), words, sources, targets)
    edits: list[WordEdit] = []
    target = 0
    for part in parts:
        made = _kept(part, sources, targets) if isinstance(part, _Kept) else _changed(part, sources, targets)
        for edit in made:
            if edit.target_start < 0:
                edit = replace(edit, target_start=target, target_end=target)
            target = edit.target_end
            _append(edits, edit)
    return tuple(_place_empty(edits))


Piece = Step | _Kept


def _with_blocks(steps: Sequence[Step], blocks: Sequence[Block], targets: Sequence[Item]) -> Iterator[Piece]:
    """The steps in the script's order, with the moved passages at their new places."""
    waiting = list(blocks)
    for step in steps:
        while waiting and step.target_end > step.target and waiting[0].target < step.target:
            yield from _moved(waiting.pop(0), targets)
        yield step
    for block in waiting:
        yield from _moved(block, targets)


def _moved(block: Block, targets: Sequence[Item]) -> Iterator[Piece]:
    for s, t in block.pairs():
        if targets[t].deleted:
            yield Step(Op.STRIKE, s, s + 1, t, t + 1)
        else:
            yield _Kept(s, s + 1, t, t + 1, moved=True)


def _respell(pieces: Iterator[Piece], sources: Sequence[Item], targets: Sequence[Item]) -> Iterator[Piece]:
    """Words struck out and put in again in another spelling stay: {~~color~>colour~~} concerns the captions alone."""
    stream = list(pieces)
    index = 0
    while index < len(stream):
        struck = _run(stream, index, Op.STRIKE)
        made = _run(stream, struck, Op.MAKE) if struck > index else struck
        both = (stream[index:struck], stream[struck:made])
        if both[0] and both[1] and _is_respelling(*both, sources, targets):
            yield _Kept(both[0][0].source, both[0][-1].source_end, both[1][0].target, both[1][-1].target_end)
            index = made
        else:
            struck = max(struck, index + 1)
            yield from stream[index:struck]
            index = struck


def _run(stream: Sequence[Piece], start: int, op: Op) -> int:
    """The end of the run of steps of one kind; those that make words end at a word that stands apart."""
    end = start
    while end < len(stream) and _is(stream[end], op) and (end == start or _follows(stream[end - 1], stream[end])):
        end += 1
    return end


def _is(piece: Piece, op: Op) -> bool:
    return isinstance(piece, Step) and piece.op is op


def _follows(before: Piece, after: Piece) -> bool:
    if before.target_end != after.target:
        return False
    return not _is(before, Op.STRIKE) or before.source_end == after.source


def _is_respelling(
    struck: Sequence[Piece], made: Sequence[Piece], sources: Sequence[Item], targets: Sequence[Item]
) -> bool:
    if struck[-1].target_end != made[0].target:
        return False
    old = [sources[i] for piece in struck for i in range(piece.source, piece.source_end)]
    new = [targets[piece.target] for piece in made]
    named = [targets[i] for piece in struck for i in range(piece.target, piece.target_end)]
    if any(item.event or not item.key.startswith(" ") for item in new):
        return False
    if [item.text for item in named] == [item.text for item in new]:
        return False  # the very same words: somebody wants them said anew
    if _joined(old) & _joined(new):
        return True
    return len(old) == len(new) == 1 and any(same_sound(a, b) for a in old[0].said for b in new[0].said)


def _joined(items: Sequence[Item]) -> set[str]:
    spellings = {""}
    for item in items[:6]:
        spellings = {spelling + said for spelling in spellings for said in item.said}
    return spellings if len(items) <= 6 else {"".join(item.said[0] for item in items)}


def _show_events(stream: list[Piece], targets: Sequence[Item]) -> list[Piece]:
    """Events that the transcript does not have join the kept words beside them, so that nobody has to say them."""
    out: list[Piece] = []
    last = -1  # the last one that is no drop
    for piece in stream:
        before = out[last] if last >= 0 else None
        event = _is(piece, Op.MAKE) and targets[piece.target].event
        if event and isinstance(before, _Kept | Step) and (isinstance(before, _Kept) or before.op is Op.MATCH):
            out[last] = _grown(before, before.target, piece.target_end)
            continue
        if _stays(piece) and before is not None and _is(before, Op.MAKE) and targets[before.target].event:
            first = last
            while first >= 0 and (
                _is(out[first], Op.DROP) or _is(out[first], Op.MAKE) and targets[out[first].target].event
            ):
                first -= 1
            drops = [other for other in out[first + 1 :] if _is(other, Op.DROP)]
            events = [other for other in out[first + 1 :] if _is(other, Op.MAKE)]
            out[first + 1 :] = [*drops, _grown(piece, events[0].target, piece.target_end)]
        else:
            out.append(piece)
        last = last if _is(out[-1], Op.DROP) else len(out) - 1
    return out


def _stays(piece: Piece) -> bool:
    return isinstance(piece, _Kept) or piece.op is Op.MATCH


def _grown(piece: Piece, target: int, target_end: int) -> _Kept:
    moved = isinstance(piece, _Kept) and piece.moved
    return _Kept(piece.source, piece.source_end, target, target_end, moved, extra=True)


def _regions(stream: Sequence[Piece]) -> Iterator[_Kept | _Change]:
    """Steps between kept words as one change."""
    gone: list[int] = []
    come: list[int] = []
    for piece in stream:
        if isinstance(piece, Step) and piece.op is not Op.MATCH:
            gone += range(piece.source, piece.source_end)
            if piece.op is Op.MAKE:
                come += range(piece.target, piece.target_end)
            continue
        if gone or come:
            yield _Change(tuple(gone), tuple(come))
            gone, come = [], []
        if isinstance(piece, _Kept):
            yield piece
        else:
            yield _Kept(piece.source, piece.source_end, piece.target, piece.target_end)
    if gone or come:
        yield _Change(tuple(gone), tuple(come))


def _merge(
    parts: list[_Kept | _Change], words: Sequence[Word], sources: Sequence[Item], targets: Sequence[Item]
) -> list[_Kept | _Change]:
    """Two replacements with a short word between them become one where saying that word anew is cheaper than a join."""
    out: list[_Kept | _Change] = []
    for part in parts:
        out.append(part)
        for kept in range(1, MOST_MERGED + 1):
            run = out[-2 - kept :]
            if len(run) == kept + 2 and _worth_merging(run, words, sources, targets):
                out[-2 - kept :] = [_merged(run)]
                break
    return out


def _worth_merging(
    run: Sequence[_Kept | _Change], words: Sequence[Word], sources: Sequence[Item], targets: Sequence[Item]
) -> bool:
    for part in (run[0], run[-1]):
        if not isinstance(part, _Change) or not part.sources or not part.targets:
            return False
        if any(targets[t].mark is Mark.INSERTED for t in part.targets):
            return False  # marks say exactly which words are to be made
    between = run[1:-1]
    if not all(isinstance(part, _Kept) and not part.moved and not part.extra for part in between):
        return False
    kept = [part for part in between if isinstance(part, _Kept)]
    first, last = sources[kept[0].source], sources[kept[-1].source_end - 1]
    start, end = first.first or 0, last.end
    before = words[start].start - words[start - 1].end if start else PAUSE
    after = words[end].start - words[end - 1].end if end < len(words) else PAUSE
    return words[end - 1].end - words[start].start < JOIN and max(before, after) < PAUSE


def _merged(run: Sequence[_Kept | _Change]) -> _Change:
    gone: list[int] = []
    come: list[int] = []
    for part in run:
        if isinstance(part, _Kept):
            gone += range(part.source, part.source_end)
            come += range(part.target, part.target_end)
        else:
            gone += part.sources
            come += part.targets
    return _Change(tuple(gone), tuple(come))


def _kept(part: _Kept, sources: Sequence[Item], targets: Sequence[Item]) -> list[WordEdit]:
    old, new = sources[part.source : part.source_end], targets[part.target : part.target_end]
    caption = not same_display(old, new)
    indices = [item.first for item in new if item.first is not None]
    tag = Tag.MOVE if part.moved else Tag.EQUAL
    return [WordEdit(tag, old[0].first or 0, old[-1].end, indices[0], indices[-1] + 1, caption)]


def _changed(part: _Change, sources: Sequence[Item], targets: Sequence[Item]) -> list[WordEdit]:
    """A replacement takes the longest stretch of words that go; the others are deletions beside it."""
    spans: list[tuple[int, int]] = []
    for item in (sources[index] for index in part.sources):
        if spans and spans[-1][1] == item.first:
            spans[-1] = (spans[-1][0], item.end)
        else:
            spans.append((item.first or 0, item.end))
    if not part.targets:
        return [WordEdit(Tag.DELETE, start, end, -1, -1) for start, end in spans]
    indices = [index for index in (targets[t].first for t in part.targets) if index is not None]
    first, end = indices[0], indices[-1] + 1
    if not spans:
        return [WordEdit(Tag.INSERT, -1, -1, first, end)]
    longest = max(spans, key=lambda span: span[1] - span[0])
    return [
        WordEdit(Tag.REPLACE, span[0], span[1], first, end)
        if span is longest
        else WordEdit(Tag.DELETE, span[0], span[1], -1, -1)
        for span in spans
    ]


def _append(edits: list[WordEdit], edit: WordEdit) -> None:
    """Adds an edit, to the last one where it continues that word by word."""
    last = edits[-1] if edits else None
    if last is not None and _continues(last, edit):
        edits[-1] = WordEdit(
            last.tag, last.source_start, edit.source_end, last.target_start, edit.target_end, last.caption
        )
    else:
        edits.append(edit)


def _continues(last: WordEdit, edit: WordEdit) -> bool:
    if (last.tag, last.caption) != (edit.tag, edit.caption) or edit.tag not in (Tag.EQUAL, Tag.MOVE):
        return False
    if last.source_end != edit.source_start or last.target_end != edit.target_start:
        return False
    return _one_by_one(last) and edit.source_end - edit.source_start == edit.target_end - edit.target_start == 1


def _one_by_one(edit: WordEdit) -> bool:
    return edit.source_end - edit.source_start == edit.target_end - edit.target_start


def _place_empty(edits: Sequence[WordEdit]) -> Iterator[WordEdit]:
    """An INSERT's empty source range stands where the footage before it ends."""
    place = 0
    for edit in edits:
        if edit.tag is Tag.INSERT:
            edit = replace(edit, source_start=place, source_end=place)
        place = edit.source_end
        yield edit
