"""Words said twice: stutters, false starts, sentences recorded again. The earlier take goes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from rapidfuzz.distance import Levenshtein

from editalk.clean.types import Cut, Kind
from editalk.spoken import spoken
from editalk.transcript import Word
from editalk.transcript.types import ends_sentence

LONGEST = 6  # words of a false start
BROKEN = 2  # words of one that broke off which the new start has otherwise
ACROSS = 3  # words of one that may go on behind a full stop
SHORTEST_TAKE = 4  # words
LIKENESS = 0.8  # of two takes, words that are the same
APART = 2  # a take is one of the next so many sentences
BREATH = 0.5  # seconds that part sentences where nothing is punctuated

CUT_OFF = ("-", "–", "—", "…", "...")
# words that people say twice and mean it
DOUBLED = frozenset(
    "very really so too far much many more long big little never ever no yes yeah yep nope okay ok right well now "
    "there oh ah ha haha hey bye hello hi wow please come go wait stop run had that is blah knock again over tick "
    "tock beep ding bang boom thank thanks sure good great fine true exactly absolutely way".split()
)
# words without which no content is: said three times they are a stutter all the same
FUNCTION = frozenset(
    "a an the i you he she it we they me him her us them my your his its our their this these those and or but if as "
    "of to in on at by for from with into about than what which who how when where why because am are was were be been "
    "do does did have has will would can could should may might must i'm i've i'd i'll you're we're they're it's "
    "he's she's that's there's let's".split()
)  # fmt: skip
LINKS = frozenset({"and", "or", "by", "after", "upon", "to", "und", "et", "y", "e", "i", "en", "och", "og"})


def repeats(
    words: Sequence[Word], speakers: Sequence[str | None], without: Collection[int] = frozenset()
) -> tuple[Cut, ...]:
    """Words and false starts up to six words long that are said again at once: "the the", "I want I want to".

    `speakers`: of each word; nobody repeats another. `without`: words that are gone, or do not count (fillers). What
    is repeated on purpose stays: "very very", "no no", "had had", numbers, spelled letters, "on and on and on".
    """
    order = [k for k in range(len(words)) if k not in without and spoken(words[k].text)]
    found: list[Cut] = []
    at = 0
    while at < len(order):
        length = next((n for n in range(LONGEST, 0, -1) if _said_again(words, speakers, order, at, n)), 0)
        at_once = bool(length) and order[at + length] == order[at + length - 1] + 1
        meant = length and _on_purpose([words[k].text for k in order[at : at + 2 * length + 1]], length, at_once)
        if length and not meant:
            found.append(Cut(Kind.REPEAT, order[at], order[at + length]))
        at += length or 1
        while meant and _said_again(words, speakers, order, at - length, length):
            at += length
    return tuple(found)


def takes(words: Sequence[Word], speakers: Sequence[str | None]) -> tuple[Cut, ...]:
    """Sentences that are said again, whole and nearly alike, or up to where they broke off; the last one stays."""
    sentences = list(_sentences(words, speakers))
    found = []
    for k, (first, end) in enumerate(sentences):
        later = [s for s in sentences[k + 1 : k + 1 + APART] if speakers[s[0]] == speakers[first]]
        if any(_same_take(words[first:end], words[s:e]) for s, e in later):
            found.append(Cut(Kind.TAKE, first, end))
    return tuple(found)


def _said_again(
    words: Sequence[Word], speakers: Sequence[str | None], order: Sequence[int], at: int, length: int
) -> bool:
    """Whether the `length` words from `at` on are said again, or broken off and begun again, right behind."""
    old, new = order[at : at + length], order[at + length : at + 2 * length]
    if not new or any(speakers[k] != speakers[old[0]] for k in (*old, *new)):
        return False
    texts = [words[k].text for k in old]
    ended = [ends_sentence(text) and not text.endswith(CUT_OFF) for text in texts]
    if any(ended[:-1]) or ended[-1] and length < ACROSS:
        return False
    same = [_again(words[a].text, words[b].text) for a, b in zip(old, new, strict=False)]
    begun = next((k for k, one in enumerate(same) if not one), len(same))
    return len(new) == length == begun or texts[-1].endswith(CUT_OFF) and begun >= max(1, length - BROKEN)


def _again(old: str, new: str) -> bool:
    """Whether a word is said again; one that was cut off begins it."""
    a, b = "".join(spoken(old)), "".join(spoken(new))
    return a == b or bool(a) and old.endswith(CUT_OFF) and b.startswith(a)


def _on_purpose(texts: Sequence[str], length: int, at_once: bool) -> bool:
    """`texts`: what is said, what is said again, and the word behind where there is one. `at_once`: no filler between.
    """
    old, said = texts[:length], [" ".join(spoken(text)) for text in texts]
    if old[-1].endswith(CUT_OFF):
        return False
    spelled = all(len(word) == 1 for word in said[:length]) and not set(said[:length]) <= {"a", "i"}
    if spelled or all(map(_counts, old)):
        return True
    if not at_once:
        return False
    if all(word in DOUBLED or _counts(text) for word, text in zip(said, old, strict=False)):
        return True
    once_more = said[2 * length :] == said[:1]
    if length == 2 and said[1] in LINKS and once_more:
        return True  # on and on and on
    if FUNCTION & set(said[:length]):
        return False
    if old[-1].endswith(","):
        return True  # a long, long time; New York, New York
    return len(set(said[:length])) == 1 and (length > 1 or once_more)


def _counts(text: str) -> bool:
    """Numbers and spelled letters."""
    said = spoken(text)
    letters = all(len(word) == 1 and word not in ("a", "i") for word in said)
    return bool(said) and (letters or set(said) <= _numbers() or any(c.isdigit() for c in text))


@lru_cache(maxsize=1)
def _numbers() -> frozenset[str]:
    named = (*range(21), *range(30, 100, 10), 100, 1000, 10**6)
    return frozenset(word for number in named for word in spoken(str(number))) | {"oh", "point", "double", "and"}


def _sentences(words: Sequence[Word], speakers: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """[first, end) of each; by pauses where nothing is punctuated."""
    stopped = any(ends_sentence(word.text) for word in words)
    start = 0
    for k, (word, after) in enumerate(pairwise(words), 1):
        over = ends_sentence(word.text) if stopped else after.start - word.end > BREATH
        if over or speakers[k] != speakers[k - 1]:
            yield start, k
            start = k
    if words:
        yield start, len(words)


def _same_take(old: Sequence[Word], new: Sequence[Word]) -> bool:
    first, second = ([s for word in side for s in spoken(word.text)] for side in (old, new))
    if len(first) < SHORTEST_TAKE:
        return False
    for other in (second, second[: len(first)]):
        alike = Levenshtein.normalized_similarity(first, other) >= LIKENESS
        if alike and _figures(first) == _figures(other):
            return True
    return False


def _figures(said: Sequence[str]) -> list[str]:
    return [word for word in said if _counts(word)]
