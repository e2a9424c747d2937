"""The displayed form of a word against its spoken form: "20" is said "twenty", "$5" "five dollars", "Dr." "doctor".

Spoken words are lower case without punctuation, apostrophes inside them kept ("don't"). The first of the variants is
the one that is compared; the others are what a speaker may say instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import product

from num2words import num2words

Spoken = tuple[str, ...]

MOST_VARIANTS = 12
MOST_DIGITS = 33  # beyond it numbers are read digit by digit (num2words knows names up to 10^33)

FOLDS = str.maketrans(
    dict.fromkeys("’‘ʼ`´′＇", "'") | dict.fromkeys("“”„«»", '"') | dict.fromkeys("‐‑‒–—―−", "-") | {"…": "."}
)
CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
}
SCALES = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion"}
UNITS = {
    "kg": "kilograms", "g": "grams", "mg": "milligrams", "km": "kilometers", "m": "meters", "cm": "centimeters",
    "mm": "millimeters", "ft": "feet", "in": "inches", "lb": "pounds", "lbs": "pounds", "oz": "ounces", "mi": "miles",
    "ms": "milliseconds", "s": "seconds", "sec": "seconds", "min": "minutes", "h": "hours", "hr": "hours",
    "hrs": "hours", "hz": "hertz", "khz": "kilohertz", "mhz": "megahertz", "ghz": "gigahertz", "kb": "kilobytes",
    "mb": "megabytes", "gb": "gigabytes", "tb": "terabytes", "w": "watts", "kw": "kilowatts", "mph": "miles per hour",
    "kmh": "kilometers per hour", "fps": "frames per second", "%": "percent", "°": "degrees", "°c": "degrees celsius",
    "°f": "degrees fahrenheit", "px": "pixels", "dpi": "dots per inch", "x": "times",
}  # fmt: skip
SYMBOLS = {
    "&": "and",
    "%": "percent",
    "+": "plus",
    "=": "equals",
    "@": "at",
    "°": "degrees",
    "#": "number",
    "×": "times",
}
ABBREVIATIONS = {
    "dr": ("doctor", "drive"), "mr": ("mister",), "mrs": ("missus",), "prof": ("professor",),
    "st": ("saint", "street"), "vs": ("versus",), "etc": ("et cetera",), "e.g": ("e g", "for example"),
    "i.e": ("i e", "that is"), "jr": ("junior",), "sr": ("senior",), "approx": ("approximately",),
    "dept": ("department",), "govt": ("government",), "ave": ("avenue",), "blvd": ("boulevard",),
    "mt": ("mount",), "ft": ("fort", "feet"), "inc": ("incorporated", "inc"), "ltd": ("limited",),
    "corp": ("corporation",), "gen": ("general",), "lt": ("lieutenant",), "capt": ("captain",),
    "sgt": ("sergeant",), "rev": ("reverend",), "hon": ("honorable",), "gov": ("governor",),
    "sen": ("senator",), "jan": ("january",), "feb": ("february",), "apr": ("april",),
    "aug": ("august",), "sept": ("september",), "oct": ("october",), "nov": ("november",),
    "dec": ("december",),
}  # fmt: skip
# said in full whether or not a full stop follows; the others are words of their own without it
ALWAYS = frozenset({"dr", "mr", "mrs", "vs", "etc", "e.g", "i.e", "prof", "sgt", "dept", "govt", "blvd", "approx"})
LETTERED = {"am": "a m", "pm": "p m", "tv": "t v", "ok": "o k"}
LETTERED_VARIANT = {"ok": ("okay",), "okay": ("o", "k")}
FRACTIONS = {2: ("half", "halves"), 4: ("quarter", "quarters")}

CORE = re.compile(r"[^\W_]")
NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
UNIT_NAMES = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
SCALE_NAMES = "|".join([*sorted(SCALES, key=len, reverse=True), *dict.fromkeys(SCALES.values())])


def spoken(text: str) -> Spoken:
    """The spoken words of a displayed word (or of several): "1999" → ("nineteen", "ninety", "nine").

    Empty where nothing is said: punctuation alone.
    """
    return spoken_variants(text)[0]


@lru_cache(maxsize=65536)
def spoken_variants(text: str) -> tuple[Spoken, ...]:
    """All the ways in which a displayed word may be said, the likeliest first; never empty, each once."""
    parts = [_word(part) for part in _units(text)]
    if not parts:
        return ((),)
    joined = (tuple(word for part in choice for word in part) for choice in product(*parts))
    return _unique(joined, MOST_VARIANTS)


def fold(text: str) -> str:
    """Lower case, straight apostrophes and quotes, hyphens for all dashes, compatibility forms (ﬁ, ½) resolved."""
    return unicodedata.normalize("NFKC", text.translate(FOLDS)).replace("\u2044", "/").translate(FOLDS).lower()


def _units(text: str) -> list[str]:
    """The parts of a text between white space; "$5 million" stays one."""
    glued = re.sub(rf"([$£€¥₹](?:{NUMBER}))\s+(?=(?:thousand|million|billion|trillion)\b)", r"\1", text, flags=re.I)
    return glued.split()


def _unique(choices: Iterable[Spoken], most: int) -> tuple[Spoken, ...]:
    found: dict[Spoken, None] = {}
    for choice in choices:
        found.setdefault(choice)
        if len(found) == most:
            break
    return tuple(found)


def _words(*texts: str) -> tuple[Spoken, ...]:
    return tuple(tuple(text.replace("-", " ").replace(",", " ").split()) for text in texts)


def _word(display: str) -> tuple[Spoken, ...]:
    """The variants of one displayed word."""
    text = fold(display).strip("\"'()[]{}<>*_~.,;:!?|\\")
    dotted = fold(display).rstrip("\"')]},;:!?").endswith(".")
    if not text:
        return ((),)
    if text in SYMBOLS:
        return ((SYMBOLS[text],),)
    for pattern, read in READERS:
        match = pattern.fullmatch(text)
        if match and (found := read(match)):
            return found
    return _abbreviation(text, dotted) or _letters(display, text) or _pieces(text)


def _abbreviation(text: str, dotted: bool) -> tuple[Spoken, ...]:
    if text in ABBREVIATIONS and (dotted or text in ALWAYS):
        return (*_words(*ABBREVIATIONS[text]), *_words(text.replace(".", " ")))
    if text in LETTERED and (text != "am" or dotted):
        return (*_words(LETTERED[text]), (text,), *((LETTERED_VARIANT[text],) if text in LETTERED_VARIANT else ()))
    if re.fullmatch(r"[a-z](?:\.[a-z])+", text):  # u.s, a.m
        return (tuple(text.split(".")), (text.replace(".", ""),))
    return ()


def _letters(display: str, text: str) -> tuple[Spoken, ...]:
    """A word of capitals may be spelled: FBI, NASA."""
    bare = re.sub(r"'?s$", "", text)
    if 2 <= len(bare) <= 5 and bare.isalpha() and re.search(rf"\b{bare.upper()}\b|\b{bare.upper()}s\b", display):
        spelled = (*bare[:-1], bare[-1] + ("'s" if bare != text else ""))
        return ((text,), spelled)
    if text in LETTERED_VARIANT:
        return ((text,), LETTERED_VARIANT[text])
    return ()


def _pieces(text: str) -> tuple[Spoken, ...]:
    """A word with something inside: hyphens, slashes, dots, digits beside letters."""
    if re.fullmatch(r"[^\W\d_]+(?:'[^\W\d_]+)*", text):
        return ((text,),)
    said = re.sub(r"(?<=\w)\.(?=[^\W\d])|(?<=[^\W\d])\.(?=\d)", " dot ", text)  # example.com, h.264
    if re.search(r"\d\.\d+\.\d", said):  # a version
        said = said.replace(".", " point ")
    for symbol, name in SYMBOLS.items():
        said = said.replace(symbol, f" {name} ")
    pieces: list[tuple[Spoken, ...]] = []
    for piece in re.findall(rf"{NUMBER}|[^\W\d_]+(?:'[^\W\d_]+)*", said):
        pieces.append(_cardinal(piece) if piece[0].isdigit() or piece[0] == "." else ((piece,),))
    joined = (tuple(word for part in choice for word in part) for choice in product(*pieces))
    return _unique(joined, MOST_VARIANTS)


def _name(number: int, to: str = "cardinal") -> str:
    return str(num2words(number, to=to))


def _plain(number: int, to: str = "cardinal") -> tuple[Spoken, ...]:
    """Without and with "and": one hundred five, one hundred and five."""
    said = _name(number, to)
    return _unique(_words(re.sub(r"\band\b", " ", said), said), 2)


def _digits(digits: str) -> tuple[Spoken, ...]:
    names = tuple(_name(int(d)) for d in digits)
    return _unique((names, tuple("oh" if n == "zero" else n for n in names)), 2)


def _year(number: int) -> Spoken:
    century, rest = divmod(number, 100)
    if rest == 0:
        return _words(f"{_name(century)} hundred")[0]
    return _words(f"{_name(century)} {'oh ' if rest < 10 else ''}{_name(rest)}")[0]


def _whole(digits: str) -> tuple[Spoken, ...]:
    """A number without a point."""
    bare = digits.replace(",", "")
    if len(bare) > MOST_DIGITS or (len(bare) > 1 and bare[0] == "0"):
        return _digits(bare)
    number = int(bare)
    found = _plain(number)
    if "," not in digits and 1100 <= number <= 2099 and number % 1000:
        year = (_year(number),)
        late = number // 100 == 20 and number % 100 < 10  # two thousand five
        found = (*found, *year) if late else (*year, *found)
    elif "," not in digits and 2100 <= number <= 9999 and number % 1000:
        found = (*found, _year(number))
    if number in (100, 1000, 10**6):
        found = (*found, ("a", *found[0][1:]))
    if len(bare) >= 3 and "," not in digits:
        found = (*found, *_digits(bare))
    elif number == 0:
        found = (*found, ("oh",))
    return _unique(found, MOST_VARIANTS)


def _cardinal(text: str) -> tuple[Spoken, ...]:
    """ "1,234" or "3.5"."""
    whole, _, rest = text.partition(".")
    if not rest:
        return _whole(whole)
    heads = _whole(whole)[:2] if whole else (("zero",), ())
    return _unique(((*head, "point", *tail) for head in heads for tail in _digits(rest)), MOST_VARIANTS)


def _after(heads: tuple[Spoken, ...], *tail: str) -> tuple[Spoken, ...]:
    return tuple((*head, *tail) for head in heads)


def _money(match: re.Match[str]) -> tuple[Spoken, ...]:
    one, many, cent, cents = CURRENCIES[match["sign"]]
    whole, _, small = match["number"].partition(".")
    scale = match["scale"]
    if scale:
        return _after(_cardinal(match["number"]), SCALES.get(scale, scale), many)
    count = _whole(whole) if whole else (("zero",),)
    if len(small) != 2:
        return _after(_cardinal(match["number"]), one if match["number"] == "1" else many)
    unit = one if whole == "1" else many
    if int(small) == 0:
        return _after(count, unit)
    rest = _plain(int(small))[0]
    coin = cent if int(small) == 1 else cents
    shapes = [(*c, unit, *rest) for c in count]
    shapes += [(*c, unit, *link, *rest, coin) for c in count for link in (("and",), ())]
    return _unique([*shapes, *((*c, *rest) for c in count)], MOST_VARIANTS)


def _clock(match: re.Match[str]) -> tuple[Spoken, ...]:
    hour, minute, half = int(match["hour"]), match["minute"], match["half"]
    tail = tuple(half.replace(".", "")) if half else ()
    name = _words(_name(hour))[0]
    if minute and int(minute):
        rest = _words(_name(int(minute)))[0]
        found = [(*name, *(("oh",) if int(minute) < 10 else ()), *rest)]
    else:
        found = [name] if half else [(*name, "o'clock"), name, (*name, "hundred")]
    return tuple((*f, *tail) for f in found)


def _ordinal(match: re.Match[str]) -> tuple[Spoken, ...]:
    bare = match["number"].replace(",", "")
    return _plain(int(bare), "ordinal") if len(bare) <= 15 else ()


def _plural(match: re.Match[str]) -> tuple[Spoken, ...]:
    """1990s, '90s, 20s."""

    def many(words: Spoken) -> Spoken:
        last = words[-1]
        return (*words[:-1], last[:-1] + "ies" if last.endswith("y") else last + ("es" if last == "six" else "s"))

    return tuple(many(words) for words in _whole(match["number"]))


def _measure(match: re.Match[str]) -> tuple[Spoken, ...]:
    unit = match["unit"]
    names: list[Spoken] = [tuple(UNITS[unit].split())] if unit in UNITS else []
    if unit in SCALES:  # 5k, 3m
        names.append((SCALES[unit],))
    letters = tuple(c for c in unit if c.isalpha())
    if letters:
        names.append(letters)
    heads = _cardinal(match["number"])
    if match["number"] == "1" and names and names[0][0].endswith("s") and unit in UNITS and names[0][0] != "celsius":
        names.insert(
            0, ({"feet": "foot", "inches": "inch"}.get(names[0][0], names[0][0].removesuffix("s")), *names[0][1:])
        )
    return _unique(((*h, *n) for n in names for h in heads), MOST_VARIANTS)


def _fraction(match: re.Match[str]) -> tuple[Spoken, ...]:
    above, below = int(match["above"]), int(match["below"])
    plain = (*_plain(above)[0], *_plain(below)[0])
    if above >= below or below > 99 or below < 2:  # 24/7
        return (plain, (*_plain(above)[0], "over", *_plain(below)[0]))
    one, many = FRACTIONS.get(below) or (_name(below, "ordinal"), _name(below, "ordinal") + "s")
    name = _words(one if above == 1 else many)[0]
    found = [(*_plain(above)[0], *name), (*_plain(above)[0], "over", *_plain(below)[0])]
    return tuple([*found, ("a", *name)] if above == 1 else found)


def _range(match: re.Match[str]) -> tuple[Spoken, ...]:
    pairs = [(a, b) for a in _cardinal(match["low"])[:2] for b in _cardinal(match["high"])[:2]]
    return _unique([(*a, *link, *b) for link in (("to",), ()) for a, b in pairs], MOST_VARIANTS)


def _signed(match: re.Match[str]) -> tuple[Spoken, ...]:
    name = {"-": "minus", "+": "plus", "#": "number"}[match["sign"]]
    return _unique([(name, *said) for said in _word(match["rest"])], MOST_VARIANTS)


Reader = Callable[[re.Match[str]], tuple[Spoken, ...]]
READERS: tuple[tuple[re.Pattern[str], Reader], ...] = (
    (re.compile(NUMBER), lambda m: _cardinal(m[0])),
    (re.compile(rf"(?P<sign>[$£€¥₹])(?P<number>{NUMBER})(?P<scale>{SCALE_NAMES})?"), _money),
    (re.compile(rf"(?P<number>{NUMBER})(?P<scale>{SCALE_NAMES})?(?P<sign>[$£€¥₹])"), _money),
    (re.compile(r"(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?P<half>[ap]\.?m)?"), _clock),
    (re.compile(r"(?P<hour>0?[1-9]|1[0-2])(?P<minute>)(?P<half>[ap]\.?m)"), _clock),
    (re.compile(r"(?P<number>\d[\d,]*)(?:st|nd|rd|th)"), _ordinal),
    (re.compile(r"(?P<number>\d{1,4})'?s"), _plural),
    (re.compile(rf"(?P<number>{NUMBER})-?(?P<unit>{UNIT_NAMES}|[kmb]|bn|mn|tn)"), _measure),
    (re.compile(r"(?P<above>\d{1,4})/(?P<below>\d{1,4})"), _fraction),
    (re.compile(rf"(?P<low>{NUMBER})-(?P<high>{NUMBER})"), _range),
    (re.compile(rf"(?P<sign>[-+#])(?P<rest>[$£€¥₹]?(?:{NUMBER}).*)"), _signed),
)
