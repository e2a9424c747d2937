"""The cheapest alignment of a few words with a few tokens, in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from editalk.diff.items import Item, same_display
from editalk.diff.sound import same_sound, sound_keys

MAKING = 1000.0  # new speech against everything else: an edit never makes what is there
MISSING = 5.0  # a word struck out that is not there: less than to make another one anew in order to find it
CAPTION_COST = 0.002
SOUND_COST = 0.02
EVENT_COST = 0.01
LONGEST_GROUP = 6  # words that may be one word on the other side: "one hundred and twenty three"
MOST_SPELLINGS = 24

Groups = dict[tuple[int, int], list[tuple[int, int, float]]]


class Op(StrEnum):
    MATCH = "match"
    STRIKE = "strike"  # words that a token marked deleted names
    DROP = "drop"
    MAKE = "make"


class Step(NamedTuple):
    """Source items [source, source_end) and script items [target, target_end) are dealt with by `op`."""

    op: Op
    source: int
    source_end: int
    target: int
    target_end: int


def align(sources: Sequence[Item], targets: Sequence[Item], half_joins: Sequence[float]) -> list[Step]:
    """The steps from the words to the script, with indices into the two sequences.

    Makes as little speech as can be, then costs as few and as quiet joins as can be. `half_joins`: the cost of a side
    of a join before each source item and behind the last.
    """
    table = _Table(sources, targets, half_joins)
    table.fill()
    return table.path()


class _Table:
    """Costs of reaching (source, target) outside of an edit (`out`) and inside one (`edit`)."""

    def __init__(self, sources: Sequence[Item], targets: Sequence[Item], half_joins: Sequence[float]) -> None:
        self.sources, self.targets, self.joins = sources, targets, half_joins
        self.groups = _groups(sources, targets)
        self.width = len(targets) + 1
        self.size = (len(sources) + 1) * self.width
        self.out = [float("inf")] * self.size
        self.edit = [float("inf")] * self.size
        # how each cell was reached: the cell before, whether that was inside an edit, and the step
        self.out_from: list[tuple[int, bool, Op] | None] = [None] * self.size
        self.edit_from: list[tuple[int, bool, Op] | None] = [None] * self.size

    def fill(self) -> None:
        making = [self._making(item) for item in self.targets]
        events = [item.event and not item.deleted for item in self.targets]
        self.out[0] = 0.0
        for s in range(len(self.sources) + 1):
            join = self.joins[s]
            for t in range(self.width):
                cell = s * self.width + t
                self._leave_and_match(s, t, cell, join)
                out, edit = self.out[cell] + join, self.edit[cell]
                cost, inside = (edit, True) if edit <= out else (out, False)
                if s < len(self.sources):
                    self._reach_edit(cell + self.width, cost, (cell, inside, Op.DROP))
                if t < self.width - 1:
                    self._reach_edit(cell + 1, cost + making[t], (cell, inside, Op.MAKE))
                    if events[t]:
                        self._reach_out(cell + 1, self.out[cell] + EVENT_COST, (cell, False, Op.MAKE))

    @staticmethod
    def _making(item: Item) -> float:
        if item.deleted:
            return MISSING
        return EVENT_COST if item.event else MAKING * item.seconds

    def _leave_and_match(self, s: int, t: int, cell: int, join: float) -> None:
        for p, q, extra in self.groups.get((s, t), ()):
            to = cell + p * self.width + q
            out, edit = self.out[cell], self.edit[cell]
            if self.targets[t].deleted:
                cost, inside = (edit, True) if edit <= out + join else (out + join, False)
                self._reach_edit(to, cost, (cell, inside, Op.STRIKE))
            else:
                cost, inside = (out, False) if out <= edit + join else (edit + join, True)
                self._reach_out(to, cost + extra, (cell, inside, Op.MATCH))

    def _reach_out(self, cell: int, cost: float, how: tuple[int, bool, Op]) -> None:
        if cost < self.out[cell]:
            self.out[cell], self.out_from[cell] = cost, how

    def _reach_edit(self, cell: int, cost: float, how: tuple[int, bool, Op]) -> None:
        if cost < self.edit[cell]:
            self.edit[cell], self.edit_from[cell] = cost, how

    def path(self) -> list[Step]:
        cell = self.size - 1
        inside = self.edit[cell] + self.joins[-1] < self.out[cell]
        steps: list[Step] = []
        while cell:
            how = (self.edit_from if inside else self.out_from)[cell]
            assert how is not None, "every cell of the table can be reached through edits"
            before, inside, op = how
            s, t = divmod(before, self.width)
            steps.append(Step(op, s, cell // self.width, t, cell % self.width))
            cell = before
        return steps[::-1]


def _groups(sources: Sequence[Item], targets: Sequence[Item]) -> Groups:
    """For each pair of places the sizes of the groups there that are said the same, and what their match costs."""
    groups: Groups = defaultdict(list)
    for s, t, p, q in _said_alike(sources, targets):
        if _may_match(targets[t : t + q]):
            shown = same_display(sources[s : s + p], targets[t : t + q])
            groups[s, t].append((p, q, 0.0 if shown else CAPTION_COST))
    for s, t in _sounding_alike(sources, targets):
        if not any(size[:2] == (1, 1) for size in groups.get((s, t), ())):
            groups[s, t].append((1, 1, SOUND_COST))
    return groups


def _may_match(targets: Sequence[Item]) -> bool:
    if len({item.deleted for item in targets}) > 1:
        return False
    return not any(item.key.startswith(" ") for item in targets)


def _said_alike(sources: Sequence[Item], targets: Sequence[Item]) -> set[tuple[int, int, int, int]]:
    found = {(s, t, 1, q) for s, t, q in _one_to_many(sources, targets)}
    found |= {(s, t, p, 1) for t, s, p in _one_to_many(targets, sources)}
    return found


def _one_to_many(ones: Sequence[Item], many: Sequence[Item]) -> set[tuple[int, int, int]]:
    """(index of one, first of many, how many) that are said the same."""
    places: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(ones):
        for said in item.said:
            places[said].append(index)
    longest = max(map(len, places), default=0)
    found = set()
    for start in range(len(many)):
        spellings = {""}
        for count, item in enumerate(many[start : start + LONGEST_GROUP], 1):
            spellings = {s + said for s in spellings for said in item.said if len(s) + len(said) <= longest}
            if not spellings or len(spellings) > MOST_SPELLINGS:
                break
            found |= {(one, start, count) for spelling in spellings for one in places.get(spelling, ())}
    return found


def _sounding_alike(sources: Sequence[Item], targets: Sequence[Item]) -> set[tuple[int, int]]:
    left = Counter(item.key for item in sources)
    left.subtract(item.key for item in targets if not item.deleted)
    places: dict[str, list[int]] = defaultdict(list)
    for s, item in enumerate(sources):
        if not item.event and left[item.key] > 0:
            for key in sound_keys(item.key):
                places[key].append(s)
    return {
        (s, t)
        for t, item in enumerate(targets)
        if places and not item.event and not item.deleted and left[item.key] < 0
        for s in {s for key in sound_keys(item.key) for s in places.get(key, ())}
        if same_sound(sources[s].key, item.key)
    }
