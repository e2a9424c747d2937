"""Pronunciations from spelling, in ARPAbet without stress, for words that a dictionary lacks.

First from words that it has (an ending or a compound of two), else by rules from letters to sounds: each rule is
`before[letters]after → sounds`, the first that fits is taken, after Elovitz et al., Automatic translation of English
text to phonetics by means of letter-to-sound rules (1976), shortened.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

Phones = tuple[str, ...]
Lookup = Callable[[str], str | None]

NAMES = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY",
    "h": "EY CH", "i": "AY", "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N",
    "o": "OW", "p": "P IY", "q": "K Y UW", "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW",
    "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S", "y": "W AY", "z": "Z IY",
}  # fmt: skip
ENDINGS = {
    "ing": "IH NG", "ly": "L IY", "er": "ER", "ers": "ER Z", "ness": "N AH S", "less": "L AH S", "able": "AH B AH L",
    "ish": "IH SH", "est": "AH S T", "ful": "F AH L", "ism": "IH Z AH M", "ist": "IH S T",
}  # fmt: skip
UNVOICED = frozenset({"P", "T", "K", "F", "TH"})
HISSING = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
SPECIAL = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "th", "þ": "th", "ı": "i"}
NOTHING: Phones = ("AH",)  # for what has no Latin letters

V, C, FRONT = "[aeiouy]", "[bcdfghjklmnpqrstvwxz]", "[eiy]"
RULES = r"""
^[x]=Z|^[kn]=N|^[gn]=N|^[pn]=N|^[ps]=S|^[wr]=R|^[mn]=N|^[wh]o=HH|[wh]=W
[tch]=CH|[sch]=S K|^[ch]r=K|[ch]=CH|[ck]=K|[cc]FRONT=K S|[c]FRONT=S|[c]=K
[dge]$=JH|[dg]=JH|[dd]=D|[d]=D
[sh]=SH|[ssion]=SH AH N|[sion]=ZH AH N|[sure]$=ZH ER|[sc]FRONT=S|[ss]=S|V[s]V=Z|[se]$=Z|[s]=S
[tion]=SH AH N|[tious]=SH AH S|[tial]=SH AH L|[th]=TH|[tt]=T|[ture]$=CH ER|[t]=T
[phth]=F TH|[ph]=F|[pp]=P|[p]=P|[bb]=B|m[b]$=|[b]=B|[ff]=F|[f]=F
[ough]t=AO|[augh]t=AO|[eigh]=EY|[igh]=AY|[ough]$=OW|^[gh]=G|[gh]=|[gg]=G|^[ge]t=G EH|[g]n$=|[ge]$=JH|[g]FRONT=JH|[g]=G
[jj]=JH|[j]=JH|[kk]=K|[k]=K|[ll]=L|[le]$=AH L|[l]=L|[mm]=M|[m]=M|[ng]$=NG|[ng]C=NG|[nk]=NG K|[nn]=N|[n]=N
[qu]e$=K|[que]$=K|[qu]=K W|[q]=K|[rrh]=R|[rh]=R|[rr]=R|[re]$=R|[r]=R|[vv]=V|[ve]$=V|[v]=V|[w]C=|[w]$=|[w]=W
[xc]FRONT=K S|[x]=K S|[zz]=Z|[z]=Z|^[h]=HH|V[h]C=|V[h]$=|[h]=HH
[a]$=AH|[ai]r=EH|[air]=EH R|[ai]=EY|[ay]=EY|[au]=AO|[aw]=AO|[are]$=EH R|[arr]=EH R|[ar]=AA R|[alk]=AO K|[all]=AO L
[a]ste$=EY|[age]$=IH JH|[ate]$=EY T|[able]$=AH B AH L|[a]CFRONT$=EY|[a]Ce[sd]$=EY|[a]C[iy]=EY|[ae]=IY|[a]=AE
[ee]r=IH|[ee]=IY|[ear]C=ER|[ear]=IH R|[ea]=IY|[ei]=IY|[ey]$=IY|[ey]=EY|[eu]=Y UW|[ew]=UW|[er]$=ER|[er]C=ER|[err]=EH R
[er]=ER|C[ed]$=D|[es]$=Z|[e]$=|[e]CFRONT$=IY|[eo]=IY AH|[e]=EH
[ie]$=IY|[ied]$=IY D|[ies]$=IY Z|[ie]=IY|[ia]=IY AH|[io]=IY OW|[ir]=ER|[ind]$=AY N D|[ild]$=AY L D|[ique]$=IY K
[i]C$=IH|[ine]$=IY N|[ive]$=IH V|[i]CFRONT$=AY|[i]Ce[sd]$=AY|[i]$=IY|[i]=IH
[ook]=UH K|[ood]=UH D|[oor]=AO R|[oo]=UW|[oa]=OW|[oe]$=OW|[oi]=OY|[oy]=OY|[ould]=UH D|[ous]$=AH S|[our]=AO R|[ou]=AW
[ow]$=OW|[ow]=AW|[old]=OW L D|[ore]$=AO R|[or]$=ER|[or]=AO R|[ome]$=AH M|[on]$=AH N|[o]CFRONT$=OW|[o]Ce[sd]$=OW|[o]$=OW
[o]CC=AA|[o]C$=AA|[o]=OW
[ui]=UW|[ue]$=UW|[ur]=ER|[u]CFRONT$=UW|[u]$=UW|[u]CC=AH|[u]C$=AH|^[u]=Y UW|[u]=UW
^[y]=Y|^C*[y]$=AY|[y]$=IY|C[y]CFRONT$=AY|[y]=IH
"""
CLASSES = {"V": V, "CFRONT": f"{C}{FRONT}", "FRONT": FRONT, "CC": f"{C}{C}", "C": C}


def _compiled() -> dict[str, list[tuple[re.Pattern[str], re.Pattern[str], Phones]]]:
    """By first letter: a pattern that ends before the letters, one of the letters and what follows, the sounds."""
    made: dict[str, list[tuple[re.Pattern[str], re.Pattern[str], Phones]]] = {}
    for rule in RULES.replace("\n", "|").strip("|").split("|"):
        text, _, sounds = rule.partition("=")
        before, letters, after = re.fullmatch(r"(.*?)\[([a-z]+)\](.*)", text).groups()  # type: ignore[union-attr]
        for name, pattern in CLASSES.items():
            before, after = before.replace(name, pattern), after.replace(name, pattern)
        made.setdefault(letters[0], []).append(
            (
                re.compile(rf"(?:{before})$" if before else ""),
                re.compile(rf"({letters})(?={after})"),
                tuple(sounds.split()),
            )
        )
    return made


COMPILED = _compiled()


def pronounce(word: str, lookup: Lookup = lambda word: None) -> tuple[Phones, ...]:
    """Ways to say a word, the likeliest first; never empty and none of them empty.

    `lookup` gives the phones of words that are known, separated by spaces, or None.
    """
    plain = _latin(word)
    if not re.search("[a-z]", plain):
        return (NOTHING,)
    letters = plain.replace("'", "")
    spelled = tuple(phone for letter in letters for phone in NAMES[letter].split())
    if len(letters) == 1:
        return (spelled,)
    ways = [way for way in (_known(plain, lookup), _ruled(letters)) if way][:1]
    if not re.search(V, letters) or len(letters) <= 3:
        ways.insert(0 if not re.search(V, letters) and len(letters) <= 5 else 1, spelled)
    return tuple(ways)


def _latin(word: str) -> str:
    """Lower-case letters a–z and apostrophes inside."""
    folded = "".join(SPECIAL.get(c, c) for c in word.lower())
    bare = unicodedata.normalize("NFKD", folded)
    return re.sub("[^a-z']", "", bare).strip("'")


def _known(word: str, lookup: Lookup) -> Phones:
    """From a known word and an ending, or from two known words; empty where there are none."""

    def find(part: str) -> Phones:
        return tuple((lookup(part) or "").split())

    possessive = re.fullmatch(r"(.+?)(?:'s|s'|s)", word)
    if possessive and (base := find(possessive[1])):
        return (*base, *_plural(base[-1]))
    if word.endswith("ed") and (base := find(word[:-2]) or find(word[:-1])):
        return (
            *base,
            *(
                ("AH", "D")
                if base[-1] in "TD"
                else ("T",)
                if base[-1] in UNVOICED | HISSING - {"Z", "JH", "ZH"}
                else ("D",)
            ),
        )
    for ending, sounds in ENDINGS.items():
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3 and (base := find(stem) or find(stem + "e")):
            return (*base, *sounds.split())
    for cut in sorted(range(3, len(word) - 2), key=lambda at: abs(at - len(word) / 2)):
        first, second = find(word[:cut]), find(word[cut:])
        if first and second:
            return (*first, *second)
    return ()


def _plural(last: str) -> Phones:
    return ("IH", "Z") if last in HISSING else ("S",) if last in UNVOICED else ("Z",)


def _ruled(letters: str) -> Phones:
    """By the rules."""
    sounds: list[str] = []
    at = 0
    while at < len(letters):
        for before, here, said in COMPILED[letters[at]]:
            found = here.match(letters, at)
            if found and (not before.pattern or before.search(letters[:at])):
                sounds += said
                at = found.end(1)
                break
        else:
            at += 1
    return tuple(sounds) or NOTHING
