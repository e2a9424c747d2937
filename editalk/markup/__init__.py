"""Edited text → tokens and marks.

The text is plain text first: words between spaces, paragraphs between blank lines. Marks, all optional:

    {++new words++}                 words to add: never matched to words of the transcript
    {--old words--}  ~~old words~~  words to remove, named as the transcript has them
    {~~old~>new~~}                  both
    {>>a comment<<}                 ignored
    {==highlighted==}               the words as they stand
    [these words]{rerender=face}    mouth, face, head or frame
    [these words]{retime=1.2s}      also both: {rerender=face retime=1.2s}
    [pause 0.5s]                    a pause; also 500ms or .5s

Marks may span lines and paragraphs, stand inside words and hold one another, except that marks for adding and removing
do not hold each other. A word of which a mark takes a part is an old word that goes and a new one that comes. A
backslash before one of `[ ] { } ~` makes it plain text.

Other brackets hold an event: `[laughs]`, `[music]`. Its tokens stay (`Token.event`), for a transcript may have them,
but an event that the transcript does not have at that place is shown and not spoken.

The same in Markdown and in captions: `read_edited` takes the form from the suffix of the file.
"""

from editalk.markup.captioned import plain_captions
from editalk.markup.markdown import plain_markdown
from editalk.markup.marks import escape, parse
from editalk.markup.types import Attribute, EditedText, Mark, Pause, Speaker, Token

__all__ = ["Attribute", "EditedText", "Mark", "Pause", "Speaker", "Token", "escape", "parse", "read_edited"]


def read_edited(text: str, suffix: str, speakers: frozenset[str] = frozenset()) -> EditedText:
    """`parse` for any form: Markdown (.md, .markdown), captions (.srt, .vtt), plain text otherwise.

    In the first two a label need not be one of `speakers`: `**Name:**` and `<v Name>` say that they are labels.
    Raises MarkupError and CaptionError, with line and column in the file.
    """
    form = suffix.lower().removeprefix(".")
    if form in ("md", "markdown"):
        text, labels = plain_markdown(text)
    elif form in ("srt", "vtt"):
        text, labels = plain_captions(text, form)
    else:
        labels = frozenset()
    return parse(text, speakers | labels)
