"""What goes → the edited text, with marks that a person sees and can take back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from editalk.clean.types import Cleaning, Cut, Kind
from editalk.markup import escape
from editalk.spoken import spoken
from editalk.transcript import Transcript, Word, paragraphs
from editalk.transcript.types import ends_sentence

STOP = re.compile(r"[.!?…。？！]+[\"'”’»)\]]*$")
OPENING = re.compile(r"[\"“„«‹(\[¿¡]+")
CLOSING = re.compile(r"[\"”»›)\]]\W*$")
LETTER = re.compile(r"[^\W\d_]")
# words that no comma follows: one behind them belongs to the filler that they lean on
LEANING = frozenset(
    "a an the i you he she it we they my your his its our their this these those and or but if as of to in on at by "
    "for from with into about than that is am are was were be been have has had will would can could should do "
    "does did i'm i've i'd i'll you're we're they're it's not very really just".split()
)  # fmt: skip


def cleaned_text(transcript: Transcript, cleaning: Cleaning) -> str:
    """The transcript as `transcribe` writes it, words that go as `{--these words--}`, shorter pauses as `[pause 0.4s]`.

    Words beside a mark are written so that the text reads well without what is in it: a capital where a sentence
    begins now, a full stop where it ends. These are changes of captions alone.
    """
    words, gone = transcript.words, cleaning.gone
    shown = _shown(words, cleaning.cuts)
    pauses = {pause.behind: pause.seconds for pause in cleaning.pauses}
    made, at = [], 0
    for paragraph, _ in paragraphs(transcript):
        parts = []
        for goes, run in groupby(range(at, at + len(paragraph)), gone.__contains__):
            if goes:
                parts.append("{--" + escape(" ".join(words[k].text for k in run)) + "--}")
            else:
                parts += _kept(list(run), shown, pauses)
        made.append(" ".join(parts))
        at += len(paragraph)
    return "\n\n".join(made) + ("\n" if made else "")


def _kept(run: Sequence[int], shown: Sequence[str], pauses: Mapping[int, float]) -> Iterator[str]:
    """The words with the pauses that stand behind them."""
    start = 0
    for k, word in enumerate(run, 1):
        if word in pauses or k == len(run):
            yield escape(" ".join(shown[k] for k in run[start:k]))
            start = k
        if word in pauses:
            yield f"[pause {pauses[word]:g}s]"


def _shown(words: Sequence[Word], cuts: Sequence[Cut]) -> list[str]:
    """How every word is written when the cuts are made."""
    shown = [word.text for word in words]
    for run in _runs(cuts):
        a, b = run[0].first, run[-1].end
        starts = a == 0 or ends_sentence(words[a - 1].text)
        if b < len(words):
            _set(shown, b, _opened(shown[b], words[a:b]))
            like = words[run[-1].first].text if run[-1].kind is Kind.REPEAT and not starts else words[a].text
            if starts or run[-1].kind is Kind.REPEAT:
                _set(shown, b, _cased(shown[b], like, lower=not starts))
        if a > 0 and all(cut.kind is Kind.FILLER for cut in run):
            _set(shown, a - 1, _closed(shown[a - 1], words[b - 1].text))
    return shown


def _runs(cuts: Sequence[Cut]) -> list[list[Cut]]:
    """Cuts that follow each other."""
    runs: list[list[Cut]] = []
    for cut in cuts:
        if runs and runs[-1][-1].end == cut.first:
            runs[-1].append(cut)
        else:
            runs.append([cut])
    return runs


def _set(shown: list[str], k: int, text: str) -> None:
    """Writes a word otherwise, if it still says the same."""
    if spoken(text) == spoken(shown[k]):
        shown[k] = text


def _opened(text: str, gone: Sequence[Word]) -> str:
    """The next word behind words that go, with the quote or bracket that they opened."""
    opening = OPENING.match(gone[0].text)
    if opening is None or text.startswith(opening[0]) or any(CLOSING.search(word.text) for word in gone):
        return text
    return opening[0] + text


def _cased(text: str, like: str, lower: bool) -> str:
    """A word whose first letter is a capital where that of `like` is one; `lower`: and small where it is small."""
    first, model = LETTER.search(text), LETTER.search(like)
    if first is None or model is None:
        return text
    same = spoken(text) == spoken(like)
    if model[0].isupper() or lower and same and model[0].islower():
        letter = first[0].upper() if model[0].isupper() else first[0].lower()
        return text[: first.start()] + letter + text[first.end() :]
    return text


def _closed(text: str, last: str) -> str:
    """The word before fillers that go: with their full stop, without the comma that only they needed."""
    stop = STOP.search(last)
    if stop and not ends_sentence(text):
        return text.rstrip(",;:–—-") + stop[0]
    if text.endswith(",") and text[:-1].lower() in LEANING:
        return text[:-1]
    return text
