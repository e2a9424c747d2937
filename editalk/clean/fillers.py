"""Sounds of thinking, by language."""

from __future__ import annotations

import re
from collections.abc import Sequence

from editalk.clean.types import Cut, Kind
from editalk.spoken import spoken
from editalk.transcript import Word
from editalk.transcript.types import ends_sentence

# said by nobody who means something; "um" is a word in German and Portuguese, "eh" in German
ANY = (r"h+m+", r"m{2,}")
FILLERS = {
    "en": (r"u+m+", r"u+h+m*", r"e+r+m+", r"er"),
    "de": (r"ä+h*m*", r"ö+h*m*", r"e+h+m+"),
    "fr": (r"e+u+h+", r"h+e+u+", r"h+u+m+"),
    "es": (r"e+h+m*", r"e+m{2,}"),
    "it": (r"e+h+m+", r"u+h+m*"),
    "pt": (r"h+u+m+", r"a+h+m+"),
    "nl": (r"e+h+m*", r"u+h+m*"),
    "sv": (r"ö+h*m*", r"e+h+m*"),
    "da": (r"ø+h*m*", r"e+h+m+"),
    "no": (r"ø+h*m*", r"e+h+m+"),
    "pl": (r"y{2,}m*", r"e{2,}m*"),
    "ru": (r"э+м*", r"м{2,}", r"х+м+"),
}  # fmt: skip

QUOTED = re.compile(r"\W*[\"“„«‘'(]\w+\W*[\"”“»’')]\W*")  # spoken of, not said: the word “um”


def listed(language: str) -> bool:
    """Whether there is a list of a language's own fillers; "hm" and "mm" are fillers in all of them."""
    return _code(language) in FILLERS


def fillers(words: Sequence[Word], language: str = "en", own: Sequence[str] = ()) -> tuple[Cut, ...]:
    """The fillers among words, those of the language and `own` ones, which may be several words long ("you know").

    Case and punctuation do not count; a sentence's end inside an own one does: it is not one then.
    """
    pattern = re.compile("|".join((*ANY, *FILLERS.get(_code(language), ()))))
    phrases = sorted({phrase for text in own if (phrase := spoken(text))}, key=len, reverse=True)
    said = [spoken(word.text) for word in words]
    found: list[Cut] = []
    at = 0
    while at < len(words):
        count = next((n for phrase in phrases if (n := _said_here(phrase, said, words, at))), 0)
        sound = len(said[at]) == 1 and pattern.fullmatch(said[at][0])
        if not count and sound and not QUOTED.fullmatch(words[at].text):
            count = 1
        if count:
            found.append(Cut(Kind.FILLER, at, at + count))
        at += max(count, 1)
    return tuple(found)


def _said_here(phrase: tuple[str, ...], said: Sequence[tuple[str, ...]], words: Sequence[Word], at: int) -> int:
    """How many words from `at` on say just the phrase; 0 where they do not."""
    spoken_so_far: tuple[str, ...] = ()
    for end in range(at, min(at + len(phrase), len(words))):
        spoken_so_far += said[end]
        if spoken_so_far == phrase:
            return end + 1 - at
        if not said[end] or ends_sentence(words[end].text):
            break
    return 0


def _code(language: str) -> str:
    return re.split(r"[-_]", language.strip().lower())[0]
