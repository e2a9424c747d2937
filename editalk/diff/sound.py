"""Words that are written differently and sound the same: "their" and "there", "colour" and "color"."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from rapidfuzz.distance import OSA

DICTIONARY = Path("model", "en-us", "cmudict-en-us.dict")  # in the package of pocketsphinx
FILLERS = frozenset({"ah", "eh", "er", "erm", "ha", "hm", "hmm", "huh", "mhm", "mm", "oh", "uh", "um"})

# one spelling for British and American
SPELLINGS = (
    (r"(?<=[a-z]{2})our(?=s|ed|ing|ite|ful|able|less|y|ist|er|hood|$)", "or"),
    (r"(?<=[a-z]{2})is(?=e$|es$|ed$|ing$|er$|ers$|ation$|ations$|able$)", "iz"),
    (r"(?<=[a-z]{2})ys(?=e$|es$|ed$|ing$|er$|ers$)", "yz"),
    (r"(?<=[a-z][bcdghtv])re(?=s?$)", "er"),
    (r"ogue(?=s?$)", "og"),
    (r"(?<=[a-z])ll(?=ed$|ing$|er$|ers$|or$)", "l"),
    (r"mme(?=s?$)", "m"),
    (r"ence(?=s?$)", "ense"),
    (r"ae|oe", "e"),
    (r"ey(?=s?$)", "ay"),
)
# for words that the dictionary does not have
SOUNDS = (
    (r"^kn", "n"), (r"^wr", "r"), (r"^ps", "s"), (r"^gn", "n"), (r"^rh", "r"), (r"ph", "f"), (r"sch|sh", "S"),
    (r"tch|ch", "C"), (r"th", "T"), (r"gh(?![aeiou])", ""), (r"ck|cc|q(?:u(?=e$))?", "k"), (r"c(?=[eiy])", "s"),
    (r"c", "k"), (r"x", "ks"), (r"z", "s"), (r"dg", "j"), (r"(?<=[aeiou])h", ""), (r"(?<=[a-zST]{2})e$", ""),
    (r"ie|ei|ee|ea|y", "i"), (r"oo|ou|ew", "u"), (r"(.)\1+", r"\1"),
)  # fmt: skip
RULES = tuple((re.compile(pattern), to) for pattern, to in SPELLINGS)
SOUND_RULES = tuple((re.compile(pattern), to) for pattern, to in SOUNDS)


def sound_keys(word: str) -> frozenset[str]:
    """Keys of a folded word; words that may sound the same share one. Empty for fillers, which stay what they are."""
    if word in FILLERS or not word.isalpha():
        return frozenset()
    return frozenset({*_pronunciations(word), f"spelling {_spelling(word)}", f"sound {_sound(word)}"})


def same_sound(first: str, second: str) -> bool:
    """Whether two folded words sound the same, in English."""
    shared = sound_keys(first) & sound_keys(second)
    if not shared or first == second:
        return bool(shared)
    if any(not key.startswith("sound ") for key in shared):
        return True
    known = _pronunciations(first) and _pronunciations(second)
    return not known and min(len(first), len(second)) > 3 and OSA.distance(first, second) <= 2


@lru_cache(maxsize=8192)
def _spelling(word: str) -> str:
    for pattern, to in RULES:
        word = pattern.sub(to, word)
    return word


@lru_cache(maxsize=8192)
def _sound(word: str) -> str:
    for pattern, to in SOUND_RULES:
        word = pattern.sub(to, word)
    return word


def _pronunciations(word: str) -> tuple[str, ...]:
    return _dictionary().get(word, ())


@lru_cache(maxsize=1)
def _dictionary() -> dict[str, tuple[str, ...]]:
    """PocketSphinx's English pronunciations, read without importing it; empty where it is not installed."""
    package = find_spec("pocketsphinx")
    path = Path(package.origin).parent / DICTIONARY if package and package.origin else None
    if path is None or not path.is_file():
        return {}
    entries: dict[str, tuple[str, ...]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, _, sounds = line.partition(" ")
        word = word.partition("(")[0]
        entries[word] = (*entries.get(word, ()), sounds)
    return entries
