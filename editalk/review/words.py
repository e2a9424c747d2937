"""The edited script as a page shows it: spans of one fate, each word with its times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from editalk.diff import Style, WordEdit, describe, diff
from editalk.markup import EditedText, Token
from editalk.plan import Caption, EditPlan, lands
from editalk.transcript import Word

_OLD = (Style.REMOVED, Style.MOVED_FROM)


def edits_of(plan: EditPlan, words: Sequence[Word]) -> tuple[tuple[WordEdit, ...], tuple[Token, ...]]:
    """What a plan's captions make of the transcript, where the edited text is not at hand; the captions as tokens."""
    tokens = tuple(Token(c.text, 1, 1) for c in plan.captions)
    return diff(words, EditedText(tokens)), tokens


def spans(
    edits: Sequence[WordEdit], tokens: Sequence[Token], plan: EditPlan, words: Sequence[Word]
) -> list[dict[str, Any]]:
    """The word diff in reading order: `style` (see `diff.Style`), `edit` (an index; a moved passage's two places share
    it), `paragraph` (a paragraph begins), `words`.

    A word: [text, start, end, source], the first two in seconds of the timeline: where it is heard, or, of a word that
    is gone from here, where its footage or what follows it is now. `source`: its start in seconds of the source where
    it is shown at its old place, else None. `tokens` are those of the script, which `edits` target.
    """
    times = {k: (round(c.start, 4), round(c.end, 4)) for k, c in _paired(tokens, plan.captions)}
    rate, made = float(plan.source.rate), list[dict[str, Any]]()
    for span in describe(edits, words, tokens):
        edit = edits[span.edit]
        rows: list[list[Any]] = []
        if span.style in _OLD:
            for word in words[edit.source_start : edit.source_end]:
                now = lands(plan.timeline, word.start * rate) / rate
                rows.append([word.text.strip(), round(now, 4), round(now, 4), word.start])
        elif span.token is not None:
            own = tokens[span.token].paragraph
            rows = [[tokens[k].text, *times[k], None] for k in range(span.token, edit.target_end)
                    if k in times and tokens[k].paragraph == own]  # fmt: skip
        if rows:
            made.append({"style": span.style.value, "edit": span.edit, "paragraph": span.paragraph, "words": rows})
    return made


def _paired(tokens: Sequence[Token], captions: Sequence[Caption]) -> Iterator[tuple[int, Caption]]:
    """Tokens and when they are heard: captions are the tokens in order, but for new events, which have none."""
    at = 0
    for k, token in enumerate(tokens):
        if at < len(captions) and captions[at].text == token.text:
            yield k, captions[at]
            at += 1
