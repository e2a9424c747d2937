"""Passages that stand elsewhere: blocks of words that were moved."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2

from rapidfuzz.distance import LCSseq

from editalk.diff.items import Item

SHORTEST = 4  # words of a passage that is no whole sentence
SHORTEST_SENTENCE = 2
MOVE_COST = 0.3  # seconds that a move must save
DISTANCE_COST = 0.12  # seconds for every doubling of its distance in words
SENTENCE_SHARE = 0.4  # of both, for whole sentences, which are hardly where they are by chance
MOST_PLACES = 24  # of one sequence of words: beyond it the words say nothing about where they come from
MOST_SLID = 6
NEAR_TARGET, NEAR_SOURCE = 3, 6  # words that may have come or gone inside a moved passage

Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class Block:
    """Items [source, source + length) of the words are [target, target + length) of the script."""

    source: int
    target: int
    length: int

    def pairs(self) -> Iterable[tuple[int, int]]:
        return ((self.source + k, self.target + k) for k in range(self.length))


def in_order(sources: Sequence[Item], targets: Sequence[Item]) -> Pairs:
    """The most items that match without a change of order."""
    numbers: dict[str, int] = {}
    first = [numbers.setdefault(item.key, len(numbers)) for item in sources]
    second = [numbers.setdefault(item.key, len(numbers)) for item in targets]
    pairs: Pairs = []
    for block in LCSseq.opcodes(first, second).as_matching_blocks():
        pairs += ((block.a + k, block.b + k) for k in range(block.size))
    return pairs


def moved_blocks(
    sources: Sequence[Item], targets: Sequence[Item], pairs: Pairs, taken: Sequence[Block] = ()
) -> list[Block]:
    """Passages that stand elsewhere, besides those already `taken`, given what matches in order."""
    return _Search(sources, targets, pairs, taken).run()


def settle(sources: Sequence[Item], targets: Sequence[Item], blocks: Sequence[Block]) -> tuple[Pairs, list[Block]]:
    """What matches in order beside the blocks, and the blocks that are truly moved, in the script's order."""
    gone = {s for block in blocks for s, _ in block.pairs()}
    come = {t for block in blocks for _, t in block.pairs()}
    kept_sources = [i for i in range(len(sources)) if i not in gone]
    kept_targets = [i for i in range(len(targets)) if i not in come]
    rest = in_order([sources[i] for i in kept_sources], [targets[i] for i in kept_targets])
    pairs = [(kept_sources[s], kept_targets[t]) for s, t in rest]
    moved = []
    for block in sorted(blocks, key=lambda block: -block.length):
        place = bisect_left(pairs, block.target, key=lambda pair: pair[1])
        after_last = place == 0 or pairs[place - 1][0] < block.source
        if after_last and (place == len(pairs) or pairs[place][0] >= block.source + block.length):
            pairs[place:place] = block.pairs()
        else:
            moved.append(block)
    return pairs, sorted(moved, key=lambda block: block.target)


class _Search:
    """Takes the blocks that save most, one after another, out of what does not match well in order."""

    def __init__(self, sources: Sequence[Item], targets: Sequence[Item], pairs: Pairs, taken: Sequence[Block]) -> None:
        self.sources, self.targets, self.pairs = sources, targets, pairs
        self.partner_of_source = dict(pairs)
        self.partner_of_target = {t: s for s, t in pairs}
        solid = {pair for run in _runs(pairs) if len(run) >= SHORTEST for pair in run}
        solid.update(pair for block in taken for pair in block.pairs())
        taken_sources, taken_targets = {s for s, _ in solid}, {t for _, t in solid}
        self.free_sources = [i not in taken_sources for i in range(len(sources))]
        self.free_targets = [i not in taken_targets and not item.key.startswith(" ") for i, item in enumerate(targets)]
        self.found: list[Block] = []

    def run(self) -> list[Block]:
        heap = [(-self._gain(block), block.source, block.target, block.length) for block in self._candidates()]
        heapq.heapify(heap)
        while heap:
            gain, *place = heapq.heappop(heap)
            block = Block(*place)
            if gain >= 0:
                break
            free = self._free_part(block)
            if free == block:
                self._take(self._slid(block))
            elif free and self._long_enough(free):
                heapq.heappush(heap, (-self._gain(free), free.source, free.target, free.length))
        return self.found

    def _take(self, block: Block) -> None:
        new: Block | None = block
        while new is not None:
            self.found.append(new)
            for s, t in new.pairs():
                self.free_sources[s] = self.free_targets[t] = False
            new = self._continuation(new)

    def _slid(self, block: Block) -> Block:
        """The block with the words at its edge that a tie gave away.

        "[So we go.] So I" moved from before "So I" leaves "So", either one; where the wrong one was kept, the passage
        lacks a word and its like stands unused at the other edge.
        """
        for length in range(MOST_SLID, 0, -1):
            left = (block.source - length, block.target - length)
            right = (block.source + block.length, block.target + block.length)
            for edge, other in ((left, right), (right, left)):
                if self._can_slide(edge, other, length):
                    start = left if edge == left else (block.source, block.target)
                    return Block(*start, block.length + length)
        return block

    def _can_slide(self, edge: tuple[int, int], other: tuple[int, int], length: int) -> bool:
        """Whether the items at `edge` may join the block: taken on one side, where the like of them is at `other`."""
        s, t = edge
        if min(s, t) < 0 or s + length > len(self.sources) or t + length > len(self.targets):
            return False
        keys = self._keys(self.sources, s, length)
        if keys != self._keys(self.targets, t, length):
            return False
        taken_source = (
            s in self.partner_of_source and t not in self.partner_of_target and all(self.free_targets[t : t + length])
        )
        taken_target = (
            t in self.partner_of_target and s not in self.partner_of_source and all(self.free_sources[s : s + length])
        )
        if taken_source:
            return self._idle(self.sources, self.partner_of_source, self.free_sources, other[0], keys)
        return taken_target and self._idle(self.targets, self.partner_of_target, self.free_targets, other[1], keys)

    def _idle(
        self, items: Sequence[Item], partners: dict[int, int], free: Sequence[bool], start: int, keys: tuple[str, ...]
    ) -> bool:
        places = range(start, start + len(keys))
        if start < 0 or not all(place < len(items) and free[place] and place not in partners for place in places):
            return False
        return self._keys(items, start, len(keys)) == keys

    def _continuation(self, block: Block) -> Block | None:
        """The passage going on behind a few words that came or went."""
        for skipped in range(1, NEAR_SOURCE + NEAR_TARGET + 1):
            for in_target in range(min(skipped, NEAR_TARGET) + 1):
                if skipped - in_target > NEAR_SOURCE:
                    continue
                start = Block(
                    block.source + block.length + skipped - in_target, block.target + block.length + in_target, 0
                )
                more = self._extend(start)
                if more.length >= 2 and self._gain(more, charged=False) > 0:
                    return more
        return None

    def _candidates(self) -> Iterable[Block]:
        places: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for s in _starts(self.free_sources, SHORTEST):
            places[self._keys(self.sources, s, SHORTEST)].append(s)
        blocks: set[Block] = set()
        known: dict[int, Block] = {}  # the last block that was found with this distance between its two places
        for t in _starts(self.free_targets, SHORTEST):
            starts = places.get(self._keys(self.targets, t, SHORTEST), ())
            if len(starts) <= MOST_PLACES:
                for s in starts:
                    block = known.get(s - t)
                    if block is None or s >= block.source + block.length:
                        block = known[s - t] = self._maximal(s, t)
                    blocks.add(block)
        return blocks | set(self._short_sentences())

    def _short_sentences(self) -> Iterable[Block]:
        """Whole sentences of fewer words than a passage, where there is one of the kind on both sides."""
        here, there = (
            _sentences(items, free)
            for items, free in ((self.sources, self.free_sources), (self.targets, self.free_targets))
        )
        for keys, starts in there.items():
            if len(starts) == 1 and len(here.get(keys, ())) == 1:
                yield Block(here[keys][0], starts[0], len(keys))

    @staticmethod
    def _keys(items: Sequence[Item], start: int, length: int) -> tuple[str, ...]:
        return tuple(item.key for item in items[start : start + length])

    def _maximal(self, s: int, t: int) -> Block:
        while s and t and self._same(s - 1, t - 1):
            s, t = s - 1, t - 1
        return self._extend(Block(s, t, 0))

    def _extend(self, block: Block) -> Block:
        length = block.length
        while self._same(block.source + length, block.target + length):
            length += 1
        return Block(block.source, block.target, length)

    def _same(self, s: int, t: int) -> bool:
        if s >= len(self.sources) or t >= len(self.targets) or not (self.free_sources[s] and self.free_targets[t]):
            return False
        return self.sources[s].key == self.targets[t].key

    def _free_part(self, block: Block) -> Block | None:
        """The longest stretch of the block that no other block has taken."""
        best = Block(block.source, block.target, 0)
        start = Block(block.source, block.target, 0)
        for s, t in (*block.pairs(), (-1, -1)):
            if s >= 0 and self.free_sources[s] and self.free_targets[t]:
                start = Block(start.source, start.target, start.length + 1)
                best = max(best, start, key=lambda part: part.length)
            else:
                start = Block(s + 1, t + 1, 0)
        return best if best.length else None

    def _long_enough(self, block: Block) -> bool:
        return block.length >= SHORTEST

    def _gain(self, block: Block, charged: bool = True) -> float:
        """Seconds of speech that need not be made, less what is lost in order and the charge for the distance."""
        won = sum(self.targets[t].seconds for _, t in block.pairs() if t not in self.partner_of_target)
        # words struck out must be bound, wherever they are
        won += sum(0.25 for _, t in block.pairs() if self.targets[t].deleted and t not in self.partner_of_target)
        inside = range(block.target, block.target + block.length)
        partners = (self.partner_of_source.get(s) for s, _ in block.pairs())
        lost = sum(self.targets[t].seconds for t in partners if t is not None and t not in inside)
        if not charged:
            return won - lost
        charge = MOVE_COST + DISTANCE_COST * log2(1 + self._distance(block))
        return won - lost - charge * (SENTENCE_SHARE if self._is_sentence(block) else 1)

    def _is_sentence(self, block: Block) -> bool:
        """Whether the block is one sentence or more on both sides."""
        return all(
            items[start + block.length - 1].ends_sentence and (start == 0 or items[start - 1].ends_sentence)
            for items, start in ((self.sources, block.source), (self.targets, block.target))
        )

    def _distance(self, block: Block) -> int:
        place = bisect_left(self.pairs, block.target, key=lambda pair: pair[1])
        before = self.pairs[place - 1][0] + 1 if place else 0
        if before <= block.source:
            return block.source - before
        return max(before - block.source - block.length, 0)


def _runs(pairs: Pairs) -> Iterable[Pairs]:
    """Stretches in which both sides go on without a gap."""
    run: Pairs = []
    for pair in pairs:
        if run and pair != (run[-1][0] + 1, run[-1][1] + 1):
            yield run
            run = []
        run.append(pair)
    if run:
        yield run


def _starts(free: Sequence[bool], length: int) -> Iterable[int]:
    """Where `length` free items begin."""
    count = 0
    for index, is_free in enumerate(free):
        count = count + 1 if is_free else 0
        if count >= length:
            yield index - length + 1


def _sentences(items: Sequence[Item], free: Sequence[bool]) -> dict[tuple[str, ...], list[int]]:
    sentences: dict[tuple[str, ...], list[int]] = defaultdict(list)
    start = 0
    for index, item in enumerate(items):
        if item.ends_sentence:
            length = index + 1 - start
            if SHORTEST_SENTENCE <= length < SHORTEST:
                sentences[tuple(item.key for item in items[start : index + 1])].append(start)
                if not all(free[start : index + 1]):
                    sentences[tuple(item.key for item in items[start : index + 1])].append(start)  # not the only one
            start = index + 1
    return sentences
