"""Edited text as Markdown and as captions: presentation is no word, every word keeps its line and column."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editalk.diff import Tag, diff
from editalk.errors import CaptionError, MarkupError, PlacedError
from editalk.markup import Mark, read_edited
from editalk.pipeline.edit import read_script
from editalk.spoken import spoken
from editalk.transcript import Segment, Transcript, Word, get_writer

SPEAKERS = frozenset({"Ann", "Bob & Co"})

MARKDOWN = """# A title, not said

**Ann:** This is **very _good_** and *right*.

- ~~old~~ {++new++} 2 * 3
- [x] done \\*not\\* \\# emphasis

> __Bob & Co__: snake_case stays
> so does a*b

***

1. first
  + second _third
"""

SRT = """1
00:00:01,000 --> 00:00:02,000
<i>Hello</i> wo<b>rld</b>, 1

2
00:00:02,000 --> 00:00:03,000
{\\an8}{--so--} we
Ann: 20 < 30 -> 10
"""

VTT = """\ufeffWEBVTT a title

STYLE
::cue(b) { color: red }

NOTE nobody says this

one
00:01.000 --> 00:02.000 align:start
<v.loud Ann>Hello &amp; <c.red>wel</c>come</v>

00:02.000 --> 00:03.000
<v Bob &amp; Co>Q&amp;A <00:02.500>now</v>
<v Nobody>we
"""


def words_of(text: str, suffix: str) -> list[str]:
    return [token.text for token in read_edited(text, suffix, SPEAKERS).tokens]


def test_markdown() -> None:
    made = read_edited(MARKDOWN, ".md", SPEAKERS)
    assert words_of(MARKDOWN, ".MD") == (
        "This is very good and right. old new 2 * 3 done *not* # emphasis snake_case stays so does a*b "
        "first second _third"
    ).split()
    assert [(t.text, t.mark) for t in made.tokens if t.mark is not Mark.PLAIN] == [
        ("old", Mark.DELETED), ("new", Mark.INSERTED),
    ]  # fmt: skip
    assert [(s.paragraph, s.name) for s in made.speakers] == [(0, "Ann"), (2, "Bob & Co")]
    assert read_edited(MARKDOWN, ".md").speakers == made.speakers


def test_subrip() -> None:
    made = read_edited(SRT, ".srt", SPEAKERS)
    assert words_of(SRT, ".srt") == "Hello world, 1 so we Ann: 20 < 30 -> 10".split()
    assert [t.text for t in made.tokens if t.mark is Mark.DELETED] == ["so"]
    assert [t.paragraph for t in made.tokens][:5] == [0, 0, 0, 1, 1]


def test_webvtt() -> None:
    made = read_edited(VTT, ".vtt", SPEAKERS)
    assert words_of(VTT, ".vtt") == "Hello & welcome Q&A now we".split()
    assert [(s.paragraph, s.name) for s in made.speakers] == [(0, "Ann"), (1, "Bob & Co")]
    assert [s.name for s in read_edited(VTT, ".vtt").speakers] == ["Ann", "Bob & Co"]


@pytest.mark.parametrize(("text", "suffix"), [(MARKDOWN, ".md"), (SRT, ".srt"), (VTT, ".vtt")])
def test_words_keep_their_places(text: str, suffix: str) -> None:
    lines = text.removeprefix("\ufeff").splitlines()
    for token in read_edited(text, suffix, SPEAKERS).tokens:
        assert lines[token.line - 1][token.column - 1] in (token.text[0], "&")


def test_newlines_of_other_systems() -> None:
    for text, suffix in ((MARKDOWN, ".md"), (SRT, ".srt"), (VTT, ".vtt")):
        assert read_edited(text.replace("\n", "\r\n"), suffix, SPEAKERS) == read_edited(text, suffix, SPEAKERS)


@pytest.mark.parametrize(
    ("name", "text", "error", "line", "column"),
    [
        ("e.md", "Hello\n\n- **you** {--there", MarkupError, 3, 11),
        ("e.srt", "1\n00:00:01,000 --> 00:00:02,000\n<i>Hello</i> --} you\n", MarkupError, 3, 14),
        ("e.srt", "1\n00:00:01,000 -> 00:00:02,000\nHello\n", CaptionError, 2, 1),
        ("e.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nHello {--there--}\n", MarkupError, 4, 10),
    ],
)
def test_errors_say_where(
    name: str, text: str, error: type[PlacedError], line: int, column: int, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(error) as caught:
        read_script(tmp_path / name, Transcript((Segment((Word("Hello", 0, 1), Word("you", 1, 2))),)))
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert caught.value.exit_code == 3


TALK = Transcript((
    Segment(tuple(Word(w, k, k + 0.9) for k, w in enumerate("This is the first part of it.".split()))),
    Segment(tuple(Word(w, k + 9, k + 9.9) for k, w in enumerate("And that was the other one, friends.".split()))),
))  # fmt: skip


def edits_of(text: str, suffix: str) -> list[tuple[str, str]]:
    made = read_edited(text, suffix)
    tokens = [t for t in made.tokens if t.mark is not Mark.DELETED]
    return [
        (e.tag.value, " ".join(w.text for w in TALK.words[e.source_start : e.source_end]) or
         " ".join(t.text for t in tokens[e.target_start : e.target_end]))
        for e in diff(TALK.words, made)
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_cues_deleted_changed_and_reordered(form: str) -> None:
    blocks = get_writer(form).write(TALK).removeprefix("WEBVTT\n\n").rstrip().split("\n\n")
    head = "WEBVTT\n\n" if form == "vtt" else ""
    count = len(blocks)
    assert count >= 4
    gone = edits_of(head + "\n\n".join(blocks[:-1]), "." + form)
    assert [tag for tag, _ in gone] == ["equal", "delete"]
    changed = edits_of(head + "\n\n".join(blocks).replace("first", "last"), "." + form)
    assert ("replace", "first") in changed
    half = next(k for k, block in enumerate(blocks) if "And" in block)
    moved = edits_of(head + "\n\n".join(blocks[half:] + blocks[:half]), "." + form)
    assert {tag for tag, _ in moved} == {"equal", "move"}


SIGNS = st.sampled_from(
    "Hello, it's 2024. - -- * ** _ __ _a_ *b* **c:** # #tag 1. 2) + > >> -9 +x \\ \\* ` `d` ~ & <3 &amp; a--b 5*3 "
    "[laughs]".split()
)
SAFE = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=9)


@st.composite
def talks(draw: st.DrawFn) -> Transcript:
    at, segments = 0.0, []
    for name in draw(st.lists(st.sampled_from([None, "Ann", "Bob & Co"]), min_size=1, max_size=3)):
        words = []
        for text in draw(st.lists(st.one_of(SAFE, SIGNS), min_size=1, max_size=12)):
            at += draw(st.sampled_from([0.0, 0.3, 1.5, 3.0]))
            words.append(Word(text, at, at + 0.2))
            at += 0.2
        segments.append(Segment(tuple(words), name))
    return Transcript(tuple(segments))


@settings(max_examples=60, deadline=None)
@given(talks(), st.sampled_from(["md", "srt", "vtt"]))
def test_what_we_write_is_read_as_no_edit(made: Transcript, form: str) -> None:
    edits = diff(made.words, read_edited(get_writer(form).write(made), "." + form, SPEAKERS))
    sounding = [bool(spoken(word.text.strip("#"))) for word in made.words]
    assert {e.tag for e in edits} == {Tag.EQUAL} or not any(sounding)
    if all(sounding):  # lone punctuation may be shown with the other neighbour
        assert not any(e.caption for e in edits)
