"""Caption files along with their words: kept cues where their footage went, changed ones with the new words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby

from editalk.plan import Caption, EditPlan
from editalk.sidecars.cuetext import CueText, StyledWord, fits, put_together, taken_apart
from editalk.sidecars.homes import ALONE, NOWHERE, SAME, Homes, homes
from editalk.sidecars.places import Placed, in_order, over_footage, retimed_within, span_of
from editalk.sidecars.words import Said, said, spoken_key
from editalk.transcript import Segment, Transcript, Word, cues
from editalk.transcript.captions import CaptionCue, CaptionFile
from editalk.transcript.cues import LONGEST
from editalk.transcript.types import ends_sentence


@dataclass(frozen=True)
class Retimed:
    """`translated`: the file does not say the transcript's words, so that only its times were changed. `untouched`:
    cues whose text stayed. `over`: cues of the source whose words changed under a text that could not follow. `gone`:
    those that nothing is left of. `unsaid`: new words that have no cue.
    """

    file: CaptionFile
    translated: bool
    untouched: int
    over: tuple[CaptionCue, ...]
    gone: tuple[CaptionCue, ...]
    unsaid: int


@dataclass(frozen=True)
class _Group:
    """Captions [start, end) of the plan that stand in one cue, of cue `home` of the file."""

    home: int
    start: int
    end: int


def retime(plan: EditPlan, file: CaptionFile, words: Sequence[Word]) -> Retimed:
    """A caption file of the source for the edited timeline; `words`: of the source's transcript."""
    return _Retiming(plan, file, words).made()


class _Retiming:
    def __init__(self, plan: EditPlan, file: CaptionFile, words: Sequence[Word]) -> None:
        self.plan, self.file, self.words, self.cues = plan, file, words, file.cues
        self.said: Said = said(plan, words)
        self.texts = [taken_apart(cue.lines, file.form == "vtt") for cue in self.cues]
        self.homes: Homes = homes(self.cues, self.texts, words)
        self.under: dict[int, list[int]] = {}
        for word, home in enumerate(self.homes.of):
            self.under.setdefault(home, []).append(word)
        self.over: set[int] = set()
        self.unsaid = 0

    def made(self) -> Retimed:
        placed: list[Placed] = []
        for group in self._groups():
            placed += self._cues(group)
        for k, cue in enumerate(self.cues):
            if k not in self.under:
                placed += [Placed(replace(cue, start=a, end=b), k, False)
                           for a, b in over_footage(self.plan, cue.start, cue.end)]  # fmt: skip
        end = self.plan.source.rate.seconds(self.plan.frames)
        ordered = in_order(placed, self.cues, end)
        shown = {p.home for p in ordered}
        untouched = sum(not p.changed for p in ordered)
        gone = tuple(c for k, c in enumerate(self.cues) if k not in shown)
        over = tuple(self.cues[k] for k in sorted(self.over & shown))
        file = replace(self.file, blocks=_blocks(self.file, ordered))
        return Retimed(file, self.homes.translated, untouched, over, gone, self.unsaid)

    def _groups(self) -> list[_Group]:
        found = _runs(self._homes_of_captions())
        if not self.said.footage:
            of = [ALONE if self._little_is_left(g) else g.home for g in found for _ in range(g.start, g.end)]
            found = _runs(of)
        longest: dict[int, _Group] = {}
        for group in found:
            if group.home >= 0 and not self.homes.follows[group.home]:
                kept = longest.get(group.home)
                if kept is None or group.end - group.start > kept.end - kept.start:
                    longest[group.home] = group
        return [g for g in found if g.home not in longest or longest[g.home] is g]

    def _little_is_left(self, group: _Group) -> bool:
        """Whether a new take says so little of a cue that the rest had better be cut into cues anew."""
        kept = sum(bool(self.said.words[k]) for k in range(group.start, group.end))
        return group.home >= 0 and self.homes.follows[group.home] and kept < SAME * (group.end - group.start)

    def _homes_of_captions(self) -> list[int]:
        """The cue that each caption of the plan stands in."""
        kept = [self.homes.of[w[0]] if w else None for w in self.said.words]
        made: list[int] = []
        for k, home in enumerate(kept):
            if home is not None:
                made.append(home)
            elif k and kept[k - 1] is None:
                made.append(made[-1])
            else:
                made.append(self._home_of_new(k, kept))
        return made

    def _home_of_new(self, first: int, kept: Sequence[int | None]) -> int:
        """Where a run of new words goes: to the cue around it, the one whose words it replaces, the one that it goes
        on from or leads to; else to cues of its own.
        """
        end = next((k for k in range(first, len(kept)) if kept[k] is not None), len(kept))
        left = kept[first - 1] if first else None
        right = kept[end] if end < len(kept) else None
        replaced = self._replaced(first, end)
        around = [h for h in (left, right) if h is not None]
        beside = [h for h in around if h in replaced]
        if left is not None and left == right:
            return left
        if beside or replaced:
            return (beside or replaced)[0]
        if around and set(around) == {NOWHERE}:
            return NOWHERE
        captions = self.plan.captions
        if left is not None and left >= 0 and self.homes.follows[left] and not _ends(captions[first - 1]):
            return left
        if right is not None and right >= 0 and self.homes.follows[right] and not _ends(captions[end - 1]):
            return right
        return ALONE

    def _replaced(self, first: int, end: int) -> list[int]:
        """Homes of the source words that were taken out where new captions [first, end) stand."""
        before = self.said.words[first - 1][-1] + 1 if first else 0
        behind = self.said.words[end][0] if end < len(self.said.words) else len(self.words)
        out = []
        for word in range(before, len(self.words)):
            if self.said.by[word] is not None:
                break
            out.append(word)
        for word in range(behind - 1, -1, -1):
            if self.said.by[word] is not None or word in out:
                break
            out.append(word)
        return [self.homes.of[w] for w in sorted(out) if self.homes.of[w] != NOWHERE]

    def _cues(self, group: _Group) -> list[Placed]:
        if group.home == NOWHERE:
            return []
        if group.home == ALONE:
            return self._new(group)
        cue, follows = self.cues[group.home], self.homes.follows[group.home]
        whole = self._whole(group, follows)
        start, end, clipped = span_of(self.plan, self.said, self.words, cue, self.under[group.home],
                                      range(group.start, group.end))  # fmt: skip
        if whole or not follows:
            if not whole:
                self.over.add(group.home)
            lines = self._stamped(group, cue.lines)
            return [Placed(replace(cue, start=start, end=end, lines=lines), group.home, False, clipped or not whole)]
        return self._rebuilt(group, start, end)

    def _stamped(self, group: _Group, lines: tuple[str, ...]) -> tuple[str, ...]:
        """With the time stamps within a cue moved along with its words."""
        told = [k for k in range(group.start, group.end) if self.said.words[k]]
        if not told:
            return lines
        first, last = self.words[self.said.words[told[0]][0]], self.words[self.said.words[told[-1]][-1]]
        given = Fraction(first.start), Fraction(last.end)
        taken = Fraction(self.plan.captions[told[0]].start), Fraction(self.plan.captions[told[-1]].end)
        return tuple(retimed_within(line, given, taken) for line in lines)

    def _whole(self, group: _Group, displayed: bool) -> bool:
        """Whether a group is all that its cue said, in order; `displayed`: and as it was written."""
        told: list[int] = []
        for k in range(group.start, group.end):
            if not self.said.words[k] or (displayed and not self._as_displayed(k)):
                return False
            told += [w for w in self.said.words[k] if not told or w > told[-1]]
        return told == self.under[group.home]

    def _as_displayed(self, caption: int) -> bool:
        own = self.said.words[caption]
        text = self.plan.captions[caption].text
        return text == " ".join(self.words[w].text for w in own) or (
            len(own) == 1 and len(self._captions_of(own[0])) > 1
        )

    def _captions_of(self, word: int) -> list[int]:
        first = self.said.by[word]
        assert first is not None
        return [k for k in range(first, min(first + 8, len(self.said.words))) if word in self.said.words[k]]

    def _rebuilt(self, group: _Group, start: Fraction, end: Fraction) -> list[Placed]:
        """A changed cue: its words and the new ones, in as many cues as they need."""
        cue, text = self.cues[group.home], self.texts[group.home]
        shown = self._shown(group)
        longest = max(LONGEST, float(cue.end - cue.start))
        if fits([w for w, _ in shown], text) and end - start <= longest:
            lines = put_together([w for w, _ in shown], text)
            return [Placed(replace(cue, start=start, end=end, lines=lines), group.home, True)] if lines else []
        made = []
        for part in _parted([(w, self.plan.captions[k]) for w, k in shown]):
            lines = put_together([w for w, _ in part], text)
            times = Fraction(part[0][1].start), Fraction(part[-1][1].end)
            made.append(Placed(replace(cue, start=times[0], end=times[1], lines=lines), group.home, True))
        if not made:
            return []
        first, last = made[0].cue, made[-1].cue
        made[0] = replace(made[0], cue=replace(first, start=min(start, first.end)))
        made[-1] = replace(made[-1], cue=replace(made[-1].cue, end=max(end, last.start)))
        return made

    def _shown(self, group: _Group) -> list[tuple[StyledWord, int]]:
        """The styled words of a group, each with its caption. A new one is in the style and line of the word that it
        replaces, else of the one before.
        """
        made: list[tuple[StyledWord, int]] = []
        last: StyledWord | None = None
        before = self.said.words[group.start - 1] if group.start else range(0)
        word = before[-1] + 1 if before else self.under[group.home][0]  # the source's next
        for k in range(group.start, group.end):
            own, text = self.said.words[k], self.plan.captions[k].text
            if own:
                styled = [s for w in own if self.said.by[w] == k for s in self._styled(group.home, w)]
                made += [(s, k) for s in (styled if self._as_displayed(k) else _reworded(styled, text))]
                word = own[-1] + 1
            else:
                gone = word < len(self.words) and self.said.by[word] is None
                styled = self._styled(group.home, word) if gone else []
                style = last or next(iter(self._styles(group)), StyledWord("", (), 0))
                made += [(s, k) for s in _reworded(styled or [style], text)]
                word += gone
            last = made[-1][0] if made else None
        return made

    def _styled(self, home: int, word: int) -> list[StyledWord]:
        """What stands for a source word in a cue."""
        if self.homes.of[word] != home:
            return []
        return [self.texts[home].words[i] for i in self.homes.styled.get(word, ())]

    def _styles(self, group: _Group) -> Iterator[StyledWord]:
        for k in range(group.start, group.end):
            for word in self.said.words[k]:
                yield from self._styled(group.home, word)

    def _new(self, group: _Group) -> list[Placed]:
        """New words in cues of their own."""
        if self.homes.translated:
            self.unsaid += group.end - group.start
            return []
        settings = {c.settings for c in self.cues}
        cue = CaptionCue(None, Fraction(0), Fraction(0), (), settings.pop() if len(settings) == 1 else "",
                         line=0)  # fmt: skip
        like = CueText((), escaped=self.file.form == "vtt")
        told = [(StyledWord(c.text, (), 0), c) for c in self.plan.captions[group.start : group.end]]
        return [
            Placed(replace(cue, start=Fraction(part[0][1].start), end=Fraction(part[-1][1].end),
                           lines=put_together([w for w, _ in part], like)), ALONE, True)
            for part in _parted(told)
        ]  # fmt: skip


def _runs(of: Sequence[int]) -> list[_Group]:
    """Neighbouring captions of one home."""
    found, at = [], 0
    for home, run in groupby(of):
        count = len(list(run))
        found.append(_Group(home, at, at + count))
        at += count
    return found


def _reworded(styled: Sequence[StyledWord], text: str) -> list[StyledWord]:
    """With another word in place of the spoken ones; what is mere punctuation before it (a dash) stays."""
    said = [k for k, s in enumerate(styled) if spoken_key(s.text)] or list(range(len(styled)))
    return [*styled[: said[0]], replace(styled[said[0]], text=text)] if said else []


def _ends(caption: Caption) -> bool:
    return ends_sentence(caption.text)


def _parted(told: Sequence[tuple[StyledWord, Caption]]) -> list[list[tuple[StyledWord, Caption]]]:
    """Words by the rules for new captions: which stand on the screen together."""
    words = tuple(Word(styled.text, caption.start, caption.end) for styled, caption in told)
    left, parts = list(told), []
    for cue in cues(Transcript((Segment(words),))):
        room, part = sum(len(line.replace(" ", "")) for line in cue.lines), []
        while left and room > 0:
            room -= len(left[0][0].text)
            part.append(left.pop(0))
        parts.append(part)
    return [part for part in parts if part]


def _blocks(file: CaptionFile, ordered: Sequence[Placed]) -> tuple[CaptionCue | str, ...]:
    """Cues in the timeline's order, each behind the notes that stood before it; SubRip's numbers count anew."""
    asides: dict[int, list[str]] = {}
    shown = {p.home for p in ordered}
    waiting: list[str] = []
    number = 0
    head: list[CaptionCue | str] = []
    for block in file.blocks:
        if isinstance(block, str):
            waiting.append(block)
            continue
        if number == 0:
            head, waiting = list(waiting), []
        if number in shown:
            asides[number], waiting = waiting, []
        number += 1
    made = head
    named: set[int] = set()
    for count, placed in enumerate(ordered, 1):
        made += asides.pop(placed.home, [])
        name = placed.cue.identifier
        if file.form == "srt":
            name = str(count)
        elif placed.home in named:
            name = None
        named.add(placed.home)
        made.append(replace(placed.cue, identifier=name))
    return (*made, *waiting)
