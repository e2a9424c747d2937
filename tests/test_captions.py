"""Caption files read and written."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editalk.errors import CaptionError
from editalk.transcript import CaptionCue, CaptionFile, read_captions, write_captions

SRT = """1
00:00:01,000 --> 00:00:02,500
Hello there.

2
00:00:02,500 --> 01:00:04,007 X1:10 X2:20
<i>Two</i>
lines
"""
VTT = """WEBVTT - a title
Kind: captions
Language: en

STYLE
::cue { color: lime }

NOTE said by nobody
over two lines

intro
00:00:01.000 --> 00:00:02.500 align:start line:0
<v Ann>Hello &amp; welcome.</v>

00:00:03.000 --> 00:00:04.000
No name.

NOTE the end
"""


def said(text: str, form: str = "srt") -> list[tuple[str | None, float, float, str]]:
    return [(c.identifier, float(c.start), float(c.end), c.text) for c in read_captions(text, form).cues]


def test_subrip() -> None:
    first, second = read_captions(SRT, "srt").cues
    assert first == CaptionCue("1", Fraction(1), Fraction(5, 2), ("Hello there.",), "", 2)
    assert second == CaptionCue("2", Fraction(5, 2), Fraction(3604007, 1000), ("<i>Two</i>", "lines"), "X1:10 X2:20", 6)


def test_webvtt() -> None:
    file = read_captions(VTT, "vtt")
    assert file.header == "WEBVTT - a title\nKind: captions\nLanguage: en"
    assert file.blocks[0] == "STYLE\n::cue { color: lime }"
    assert file.blocks[1] == "NOTE said by nobody\nover two lines"
    assert file.blocks[-1] == "NOTE the end"
    assert [(c.identifier, c.settings, c.line) for c in file.cues] == [
        ("intro", "align:start line:0", 12), (None, "", 15),
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "form"), [(SRT, "srt"), (VTT, "vtt")])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_comes_back_byte_for_byte(text: str, form: str, newline: str, bom: str) -> None:
    written = bom + text.replace("\n", newline)
    assert write_captions(read_captions(written, form)) == written


def test_what_programs_and_people_leave_out() -> None:
    assert said("1\n00:00:01,0 --> 00:00:02.5\nno\n2\n00:00:03,000 --> 00:00:04,000\nblank line\n") == [
        ("1", 1.0, 2.0 + 0.5, "no"), ("2", 3.0, 4.0, "blank line"),
    ]  # fmt: skip
    assert said("00:01 --> 00:02\nno number\n\n\n\n 0:00:03,5-->0:00:04 \nspaces") == [
        (None, 1.0, 2.0, "no number"), (None, 3.5, 4.0, "spaces"),
    ]  # fmt: skip
    assert said("1\n00:00:01,000 --> 00:00:02,000\none\n\ntwo -> three\n\n\n2\n00:00:03,000 --> 00:00:04,000\n\n") == [
        ("1", 1.0, 2.0, "one\n\ntwo -> three"), ("2", 3.0, 4.0, ""),
    ]  # fmt: skip
    assert said("WEBVTT\n00:01.000 --> 00:02.000\nhot\n\nname\n00:03.000 --> 00:04.000\nNOTE is a word", "vtt") == [
        (None, 1.0, 2.0, "hot"), ("name", 3.0, 4.0, "NOTE is a word"),
    ]  # fmt: skip
    assert said("00:05.000 --> 00:02.000\nbackwards", "vtt") == [(None, 5.0, 5.0, "backwards")]
    assert said("", "srt") == said("WEBVTT", "vtt") == []


@pytest.mark.parametrize(
    ("text", "form", "line", "column"),
    [
        ("Hello.\n", "srt", 1, 1),
        ("\n  Hello.\n", "vtt", 2, 3),
        ("1\n00:00:01,000 -> 00:00:02,000\nx\n", "srt", 2, 1),
        ("1\n00:00:01,000 --> 00:00:02,000\nx\n\n2\n 00:00:03 --> 00:\n", "srt", 6, 2),
    ],
)
def test_errors_say_where(text: str, form: str, line: int, column: int) -> None:
    with pytest.raises(CaptionError) as caught:
        read_captions(text, form)
    assert (caught.value.line, caught.value.column) == (line, column)


times = st.integers(0, 360_000_000).map(lambda n: Fraction(n, 1000))
lines = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12).filter(lambda t: "->" not in t)
names = st.one_of(st.none(), st.integers(1, 999).map(str))


@st.composite
def cues_of(draw: st.DrawFn) -> CaptionCue:
    start, end = sorted((draw(times), draw(times)))
    texts = draw(st.lists(lines.filter(lambda t: not t.isdigit()), max_size=3))
    return CaptionCue(draw(names), start, end, tuple(texts))


@given(st.lists(cues_of(), max_size=5), st.sampled_from(["srt", "vtt"]))
def test_any_cues_come_back(cues: list[CaptionCue], form: str) -> None:
    file = CaptionFile(form, tuple(cues), "WEBVTT" if form == "vtt" else "")
    again = read_captions(write_captions(file), form)
    assert [(c.identifier, c.start, c.end, c.lines) for c in again.cues] == [
        (c.identifier, c.start, c.end, c.lines) for c in cues
    ]
    assert write_captions(again) == write_captions(file)


@given(st.text("0123:,.-> \nWEBVTNOaé\r", max_size=60), st.sampled_from(["srt", "vtt"]))
def test_anything_is_read_or_refused(text: str, form: str) -> None:
    with suppress(CaptionError):
        assert all(cue.start <= cue.end for cue in read_captions(text, form).cues)
