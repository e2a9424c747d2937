"""Words against the edited text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from editalk.diff.align import Op, Step, align
from editalk.diff.cost import half_joins
from editalk.diff.edits import word_edits
from editalk.diff.items import Item, script_items, source_items
from editalk.diff.moves import Block, Pairs, in_order, moved_blocks, settle
from editalk.diff.script import read_script
from editalk.diff.types import WordEdit
from editalk.errors import MarkupError
from editalk.markup import EditedText
from editalk.reading import brief
from editalk.transcript import Word

MARGINS = (6, 2, 0)  # matching words beside a change that are aligned anew, so that it can slide along them
MOST_CELLS = 400_000  # of all alignment tables together
MOST_CELLS_OF_ONE = 40_000
ENOUGH_CELLS = 2_000


def diff(words: Sequence[Word], edited: EditedText) -> tuple[WordEdit, ...]:
    """What becomes of each word of a transcript in an edited text; see WordEdit for what holds of the result.

    Words are compared as they are said ("20" is "twenty") without regard to case and punctuation; fillers are words.
    As little new speech as possible is asked for; after that, as few joins as possible, at pauses where there is a
    choice. Raises MarkupError where the text strikes out words that the transcript does not have at that place.
    """
    script = read_script(edited)
    sources, targets = source_items(words), script_items(script)
    joins = half_joins(words)
    pairs = in_order(sources, targets)
    blocks = moved_blocks(sources, targets, pairs)
    if blocks:
        pairs, blocks = settle(sources, targets, blocks)
    steps = _aligned(pairs, blocks, sources, targets, joins)
    # the alignment may keep other words than the longest match did, which frees passages
    if more := moved_blocks(sources, targets, _matched(steps), blocks):
        pairs, blocks = settle(sources, targets, [*blocks, *more])
        steps = _aligned(pairs, blocks, sources, targets, joins)
    for step in steps:
        _check(step, targets)
    return word_edits(words, sources, targets, steps, blocks)


def _aligned(
    pairs: Pairs, blocks: Sequence[Block], sources: Sequence[Item], targets: Sequence[Item], joins: Sequence[float]
) -> list[Step]:
    """The steps for all that is not moved."""
    gone = {s for block in blocks for s, _ in block.pairs()}
    come = {t for block in blocks for _, t in block.pairs()}
    order = _Order([s for s in range(len(sources)) if s not in gone], [t for t in range(len(targets)) if t not in come])
    parts = _parts(order.inner(pairs), len(order.sources), len(order.targets))
    return [step for part in parts for step in _steps(part, order, sources, targets, joins)]


def _matched(steps: Sequence[Step]) -> Pairs:
    """Items that found something on the other side; in groups some stand for others."""
    pairs: Pairs = []
    for step in steps:
        if step.op in (Op.MATCH, Op.STRIKE):
            old, new = range(step.source, step.source_end), range(step.target, step.target_end)
            pairs += ((old[min(k, len(old) - 1)], new[min(k, len(new) - 1)]) for k in range(max(len(old), len(new))))
    return pairs


class _Order:
    """What is left of both sides when moved passages are taken out."""

    def __init__(self, sources: list[int], targets: list[int]) -> None:
        self.sources, self.targets = sources, targets

    def inner(self, pairs: Pairs) -> Pairs:
        """Pairs of items as pairs of places in this order."""
        sources = {item: place for place, item in enumerate(self.sources)}
        targets = {item: place for place, item in enumerate(self.targets)}
        return [(sources[s], targets[t]) for s, t in pairs]


# places [source, source_end) against [target, target_end); `same`: they pair one by one
Part = tuple[bool, int, int, int, int]


def _parts(pairs: Pairs, sources: int, targets: int) -> list[Part]:
    """Long matching stretches, and the changes between them with a margin."""
    parts = list(_split(pairs, (0, sources, 0, targets), MARGINS[0]))
    changes = sum(not part[0] for part in parts)
    limit = min(MOST_CELLS_OF_ONE, max(ENOUGH_CELLS, MOST_CELLS // max(changes, 1)))
    for margin in MARGINS[1:]:
        finer: list[Part] = []
        for part in parts:
            _, a, b, c, d = part
            if part[0] or (b - a + 1) * (d - c + 1) <= limit:
                finer.append(part)
            else:
                inside = [(s, t) for s, t in pairs if a <= s < b and c <= t < d]
                finer += _split(inside, (a, b, c, d), margin)
        parts = finer
    return parts


def _split(pairs: Pairs, within: tuple[int, int, int, int], margin: int) -> Iterator[Part]:
    s, s_end, t, t_end = within
    for first, last in _stretches(pairs):
        start = margin if first != (s, t) else 0
        end = margin if (last[0] + 1, last[1] + 1) != (s_end, t_end) else 0
        a, b = first[0] + start, last[0] + 1 - end
        if b <= a:
            continue
        c = first[1] + start
        if a > s or c > t:
            yield False, s, a, t, c
        yield True, a, b, c, c + b - a
        s, t = b, c + b - a
    if s_end > s or t_end > t:
        yield False, s, s_end, t, t_end


def _stretches(pairs: Pairs) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """First and last pair of each run without gaps."""
    start = 0
    for index in range(1, len(pairs) + 1):
        if index == len(pairs) or pairs[index] != (pairs[index - 1][0] + 1, pairs[index - 1][1] + 1):
            yield pairs[start], pairs[index - 1]
            start = index


def _steps(
    part: Part, order: _Order, sources: Sequence[Item], targets: Sequence[Item], joins: Sequence[float]
) -> Iterator[Step]:
    """The steps of a part, with indices of items."""
    same, a, b, c, d = part
    here, there = order.sources[a:b], order.targets[c:d]
    if same:
        for s, t in zip(here, there, strict=True):
            yield Step(Op.STRIKE if targets[t].deleted else Op.MATCH, s, s + 1, t, t + 1)
        return
    first, second = [sources[s] for s in here], [targets[t] for t in there]
    if len(first) * len(second) > MOST_CELLS_OF_ONE * 4:
        steps = [Step(Op.DROP, k, k + 1, 0, 0) for k in range(len(first))]
        steps += [Step(Op.MAKE, len(first), len(first), k, k + 1) for k in range(len(second))]
    else:
        steps = align(first, second, _joins_of(first, sources, order.sources[a - 1] if a else None, joins))
    yield from (_outer(step, here, there) for step in _whole(steps, here, there))


def _joins_of(part: Sequence[Item], sources: Sequence[Item], before: int | None, joins: Sequence[float]) -> list[float]:
    """The cost of a side of a join before each item of the part and behind its last."""
    if part:
        return [*(joins[item.first or 0] for item in part), joins[part[-1].end]]
    return [joins[0 if before is None else sources[before].end]]


def _whole(steps: Sequence[Step], here: Sequence[int], there: Sequence[int]) -> Iterator[Step]:
    """Groups across which a moved passage was taken out or put in fall apart into old words and new ones."""
    for step in steps:
        split = _scattered(here[step.source : step.source_end]) or _scattered(there[step.target : step.target_end])
        if step.op is Op.MATCH and split:
            yield from (Step(Op.DROP, s, s + 1, step.target, step.target) for s in range(step.source, step.source_end))
            places = range(step.target, step.target_end)
            yield from (Step(Op.MAKE, step.source_end, step.source_end, t, t + 1) for t in places)
        else:
            yield step


def _scattered(items: Sequence[int]) -> bool:
    return bool(items) and items[-1] - items[0] + 1 != len(items)


def _outer(step: Step, here: Sequence[int], there: Sequence[int]) -> Step:
    def bounds(items: Sequence[int], start: int, end: int) -> tuple[int, int]:
        return (items[start], items[end - 1] + 1) if end > start else (0, 0)

    source, source_end = bounds(here, step.source, step.source_end)
    target, target_end = bounds(there, step.target, step.target_end)
    return Step(step.op, source, source_end, target, target_end)


def _check(step: Step, targets: Sequence[Item]) -> None:
    """A word that is struck out must be there; so must an event that looks like an order."""
    token = targets[step.target].token if step.op is Op.MAKE else None
    if token is None:
        return
    if targets[step.target].deleted:
        message = (
            f'"{brief(token.text)}" is struck out, but the transcript does not have it here: '
            "name the words as it has them"
        )
        raise MarkupError(message, token.line, token.column)
    if token.event and token.text.lower().startswith("[pause"):
        raise MarkupError("a pause has a length: write [pause 0.5s]", token.line, token.column)
