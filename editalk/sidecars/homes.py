"""Which cue of a caption file the words of a transcript stand in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from editalk.sidecars.cuetext import CueText
from editalk.sidecars.words import pairs, spoken_key
from editalk.transcript import Word
from editalk.transcript.captions import CaptionCue

NOWHERE = -1  # words that no cue shows
ALONE = -2  # new words that need a cue of their own
SAME = 0.5  # of the words of a file, or of a cue, by which it says what the transcript says


@dataclass(frozen=True)
class Homes:
    """`of`: for each source word its cue, or NOWHERE. `follows`: for each cue whether its text can follow the words.
    `styled`: for each source word the words of its cue that stand for it. `translated`: no text of the file can.
    """

    of: tuple[int, ...]
    follows: tuple[bool, ...]
    styled: dict[int, list[int]]
    translated: bool


def homes(cues: Sequence[CaptionCue], texts: Sequence[CueText], words: Sequence[Word]) -> Homes:
    """Words by what they say; those that are not found, and all where a text says something else, by their time."""
    places = [(k, i) for k, text in enumerate(texts) for i in range(len(text.words))]
    found = pairs([texts[k].words[i].text for k, i in places], [w.text for w in words])
    own: list[dict[int, int]] = [{} for _ in cues]  # for each cue: its word → the source's
    for place, word in found:
        k, i = places[place]
        own[k][i] = word
    spoken = [[i for i, w in enumerate(text.words) if spoken_key(w.text)] for text in texts]
    translated = bool(cues) and len(found) < SAME * sum(map(len, spoken))
    follows = [not translated and len(own[k]) >= max(1, SAME * len(spoken[k])) for k in range(len(cues))]
    of = _by_time(cues, words)
    for k in range(len(cues)):
        if follows[k]:
            for word in own[k].values():
                of[word] = k
    under: list[list[int]] = [[] for _ in cues]
    for word, home in enumerate(of):
        if home != NOWHERE:
            under[home].append(word)
    styled: dict[int, list[int]] = {}
    for k, text in enumerate(texts):
        if follows[k]:
            _misspelt(own[k], spoken[k], under[k])
            held = own[k].values()
            for word in under[k]:  # what the cue leaves out at its ends is none of its words
                of[word] = k if min(held) <= word <= max(held) else NOWHERE
            for i in range(len(text.words)):
                styled.setdefault(_nearest(text, own[k], i), []).append(i)
    return Homes(tuple(of), tuple(follows), styled, translated)


def _by_time(cues: Sequence[CaptionCue], words: Sequence[Word]) -> list[int]:
    """For each word the cue on the screen in the middle of it."""
    order = sorted(range(len(cues)), key=lambda k: cues[k].start)
    starts = [float(cues[k].start) for k in order]
    made = []
    for word in words:
        middle = (word.start + word.end) / 2
        begun = bisect_right(starts, middle)
        near = order[max(0, begun - 2) : begun]
        made.append(next((k for k in reversed(near) if middle < cues[k].end), NOWHERE))
    return made


def _misspelt(own: dict[int, int], spoken: Sequence[int], under: Sequence[int]) -> None:
    """Pairs what is left between two words that were found, where it is as much on both sides."""
    edges = [(-1, -1), *sorted(own.items()), (len(spoken) and spoken[-1] + 1, under[-1] + 1)]
    for (i, w), (j, v) in zip(edges, edges[1:], strict=False):
        left, right = [s for s in spoken if i < s < j], [u for u in under if w < u < v]
        if len(left) == len(right):
            own.update(zip(left, right, strict=True))


def _nearest(text: CueText, own: dict[int, int], i: int) -> int:
    """The source word that a word of the text goes with: its own, else that before it; at the start of a line, and
    where there is none before, that behind it.
    """
    if i in own:
        return own[i]
    held = sorted(own)
    k = bisect_right(held, i)
    starts = i == 0 or text.words[i - 1].line != text.words[i].line
    before, behind = held[k - 1] if k else None, held[k] if k < len(held) else None
    chosen = behind if before is None or (starts and behind is not None) else before
    assert chosen is not None
    return own[chosen]
