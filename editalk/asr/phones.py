"""When the phones of known words are heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from editalk.asr.align import align
from editalk.asr.types import Phone
from editalk.audio import Audio

SURE = 0.3  # probability of words whose phones are believed
PAUSE = 0.2  # seconds between two words at which a passage may end
PASSAGE = 6.0  # seconds after which it does, at the next pause
AROUND = 0.15  # seconds of sound beside a passage

Timed = tuple[str, float, float]
"""A word as displayed and when it is heard, seconds, end exclusive."""


def known_phones(words: Sequence[str], sound: Audio) -> tuple[Phone, ...]:
    """The phones of words that a sound says, seconds from its start; none where it hardly says them."""
    found = align(words, sound) if words else None
    if found is None or found.probability < SURE:
        return ()
    return tuple(p for word in found.words if word.probability >= SURE for p in word.phones)


def phones_within(words: Sequence[Timed], sound: Audio, start: float) -> tuple[Phone, ...]:
    """The phones of words whose times are known already, on the clock on which `sound` begins at second `start`.

    Words that reach beyond the sound are left out, and so is a passage that hardly sounds like its words: another
    language's, a wrong transcript's.
    """
    within = [w for w in words if w[1] >= start and w[2] <= start + sound.seconds and w[2] > w[1]]
    found: list[Phone] = []
    for passage in _passages(within):
        first = max(0, round((passage[0][1] - AROUND - start) * sound.rate))
        last = round((passage[-1][2] + AROUND - start) * sound.rate)
        by = start + first / sound.rate
        part = Audio(sound.samples[first:last], sound.rate)
        phones = known_phones([text for text, _, _ in passage], part)
        found += [Phone(p.name, p.start + by, p.end + by) for p in phones]
    return tuple(found)


def _passages(words: Sequence[Timed]) -> Iterator[Sequence[Timed]]:
    """Words in runs that begin after a pause and are a few seconds long."""
    first = 0
    for k in range(1, len(words)):
        pause = words[k][1] - words[k - 1][2]
        long = words[k - 1][2] - words[first][1] >= PASSAGE
        if pause >= PAUSE and long or pause >= 5 * PAUSE:
            yield words[first:k]
            first = k
    if len(words) > first:
        yield words[first:]
