"""Edited text → tokens and marks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editalk.errors import MarkupError
from editalk.markup import EditedText, Mark, escape, parse

PLAIN, INSERTED, DELETED = Mark.PLAIN, Mark.INSERTED, Mark.DELETED


def texts(text: str, speakers: frozenset[str] = frozenset()) -> list[str]:
    return [token.text for token in parse(text, speakers).tokens]


def marked(text: str) -> list[tuple[str, Mark]]:
    return [(token.text, token.mark) for token in parse(text).tokens]


def test_plain_text_of_any_editor() -> None:
    edited = parse("\ufeffHello,\tworld\u00a0“so”.\r\n\r\n# New\r\npart \r\n \r\n\r\nend")
    assert [token.text for token in edited.tokens] == ["Hello,", "world", "“so”.", "#", "New", "part", "end"]
    assert [token.paragraph for token in edited.tokens] == [0, 0, 0, 1, 1, 1, 2]
    places = [(token.line, token.column) for token in edited.tokens]
    assert places == [(1, 1), (1, 8), (1, 14), (3, 1), (3, 3), (4, 1), (7, 1)]


def test_a_dash_between_words_parts_them() -> None:
    edited = parse("so—I think...Well 10–20 twenty-one e.g. this")
    assert [t.text for t in edited.tokens] == ["so—", "I", "think...", "Well", "10–20", "twenty-one", "e.g.", "this"]
    assert [t.text for t in edited.tokens if t.glued] == ["I", "Well"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a {++new words++}, b", [("a", PLAIN), ("new", INSERTED), ("words,", INSERTED), ("b", PLAIN)]),
        ("so{--, um--}, I", [("so,", PLAIN), ("um,", DELETED), ("I", PLAIN)]),
        ("{--the --}the cat", [("the", DELETED), ("the", PLAIN), ("cat", PLAIN)]),
        ("anti{--dis--}word", [("antidisword", DELETED), ("antiword", INSERTED)]),
        ("every{-- --}day", [("every", DELETED), ("day", DELETED), ("everyday", INSERTED)]),
        ("cat{++s++}!", [("cat!", DELETED), ("cats!", INSERTED)]),
        ("{~~old one~>new~~}.", [("old", DELETED), ("one.", DELETED), ("new.", INSERTED)]),
        ("{~~old~>~~} {~~~>new~~}", [("old", DELETED), ("new", INSERTED)]),
        ("~~struck\n\nout~~ ~5 ~~~", [("struck", DELETED), ("out", DELETED), ("~5", PLAIN), ("~~~", PLAIN)]),
        ("a{>>c [ ~~ ++}<<}b {==hi++==}", [("ab", PLAIN), ("hi++", PLAIN)]),
        (r"\[x]{y} \~~a \{++ c:\dir", [("[x]{y}", PLAIN), ("~~a", PLAIN), ("{++", PLAIN), (r"c:\dir", PLAIN)]),
        ("{==a {++b++}==} {x} [b", [("a", PLAIN), ("b", INSERTED), ("{x}", PLAIN), ("[b", PLAIN)]),
    ],
)
def test_marks(text: str, expected: list[tuple[str, Mark]]) -> None:
    assert marked(text) == expected


def test_attributes_and_pauses() -> None:
    edited = parse(
        "[a ~~b~~ c]{rerender=face retime=1.2s} d [pause .5s] [e [f]{rerender=Mouth}]{retime=800ms} [pause 500ms]"
    )
    assert [(a.first, a.end, a.rerender, a.retime) for a in edited.attributes] == [
        (0, 3, "face", 1.2),
        (4, 6, None, 0.8),
        (5, 6, "mouth", None),
    ]
    assert [(p.before, p.seconds, p.column) for p in edited.pauses] == [(4, 0.5, 42), (6, 0.5, 92)]


def test_other_brackets_are_events() -> None:
    edited = parse("[laughs] yes [sic] [door slams]{++ new++} \\[no]")
    assert [token.text for token in edited.tokens if token.event] == ["[laughs]", "[sic]", "[door", "slams]"]
    assert edited.tokens[-1].text == "[no]"
    assert not edited.tokens[-1].event


def test_speakers_of_the_transcript_are_no_words() -> None:
    edited = parse("BOB: hello\n\nAnn B.: hi BOB: x\n\nEVE: y", frozenset({"BOB", "Ann B."}))
    assert [token.text for token in edited.tokens] == ["hello", "hi", "BOB:", "x", "EVE:", "y"]
    assert [(speaker.paragraph, speaker.name) for speaker in edited.speakers] == [(0, "BOB"), (1, "Ann B.")]
    assert texts("{--BOB: hello--}", frozenset({"BOB"})) == ["hello"]


@pytest.mark.parametrize(
    ("text", "column", "hint"),
    [
        ("a {++b", 3, "write {++words++}"),
        ("a ++} b", 3, "write {++ before it"),
        ("[a]{foo=1}", 5, "rerender=face or retime=1.2s"),
        ("[a]{rerender=nose}", 5, "rerender=mouth"),
        ("[a]{rerender=face rerender=head}", 19, "keep one"),
        ("[a]{retime=-1s}", 5, "retime=1.2s"),
        ("[a]{retime=0s}", 5, "retime=1.2s"),
        ("[a]{}", 4, "write {rerender=face}"),
        ("[a]{rerender=face", 4, "is not closed"),
        ("[]{rerender=face}", 1, "no words"),
        ("[~~a~~]{rerender=face}", 1, "no words"),
        ("[pause -1s]", 1, "[pause 0.5s]"),
        ("[pause 0.5]", 1, "[pause 0.5s]"),
        ("[pause 0s]", 1, "[pause 0.5s]"),
        ("[pause 1e9s]", 1, "[pause 0.5s]"),
        ("[pause 100s]", 1, "at most 60 s"),
        ("~~a [pause 1s]~~", 5, "outside"),
        ("{++a {--b--}++}", 6, "close that one first"),
        ("[a {++b]{rerender=face} c++}", 4, "is not closed"),
        ("{++a [b++} c]{rerender=face}", 8, "stands before the end"),
        ("[a [b]{retime=1s}]{retime=2s}", 1, "retime twice"),
        ("{~~a~~}", 1, "{~~old words~>new words~~}"),
        ("{~~a~>b~>c~~}", 8, "a second ~>"),
        ("~~a", 1, "write ~~words~~"),
        ("{+x+}", 1, "{++words++}"),
        ("{>>x", 1, "{>>comment<<}"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_to_write(text: str, column: int, hint: str) -> None:
    with pytest.raises(MarkupError) as caught:
        parse(f"first\r\n\r\n{text}")
    assert (caught.value.line, caught.value.column) == (3, column)
    assert hint in caught.value.message


MARKS = "{++ ++} {-- --} {~~ ~> ~~} ~~ {>> <<} {== ==} [ ] { } \\ — -- ~"
TEXT = ["]{rerender=face}", "]{retime=1s}", "[pause 1s]", "a", "b,", "c."]
SIGNS = st.sampled_from([*MARKS.split(), *TEXT])


@settings(max_examples=400)
@given(
    st.lists(st.one_of(SIGNS, st.text(max_size=3), st.sampled_from([" ", "\n\n", "\r\n"])), max_size=14).map("".join)
)
def test_anything_is_read_or_refused(text: str) -> None:
    refused = None
    try:
        edited = parse(text, frozenset({"a", "b"}))
    except MarkupError as error:
        refused = error
    if refused is not None:
        assert min(refused.line, refused.column) >= 1
        return
    assert isinstance(edited, EditedText)
    assert all(token.text and not any(map(str.isspace, token.text)) for token in edited.tokens)
    count = len(edited.tokens)
    assert all(0 <= a.first < a.end <= count for a in edited.attributes)
    assert all(0 <= pause.before <= count for pause in edited.pauses)


WORD = st.text(st.sampled_from("abcXYZéß019.,!?'’-%&"), min_size=1, max_size=6).filter(
    lambda w: "..." not in w and "--" not in w
)


@given(st.lists(WORD, max_size=20), st.sampled_from([" ", "\n", "\t", "\u00a0", "  \r\n\r\n"]))
def test_plain_words_come_back(words: list[str], space: str) -> None:
    edited = parse(space.join(words))
    assert [token.text for token in edited.tokens] == words
    assert all(token.mark is PLAIN for token in edited.tokens)


@given(st.lists(SIGNS, max_size=10).map(" ".join))
def test_escaped_text_is_plain(text: str) -> None:
    edited = parse(escape(text))
    assert all(token.mark is PLAIN for token in edited.tokens)
    assert "".join(token.text for token in edited.tokens) == "".join(text.split())
    assert not edited.attributes
    assert not edited.pauses
