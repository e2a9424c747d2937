"""What follows an edit: captions with their words, chapters with their footage, further tracks to the sample."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_plan import RATES, edited, even_words, plan_of, source

from editalk.diff import Tag, WordEdit
from editalk.media import Chapter
from editalk.plan import (
    Caption,
    EditPlan,
    NewSound,
    PreferredCuts,
    Script,
    VoiceRef,
    build_plan,
    build_take,
)
from editalk.plan.mapping import shown_at, source_of
from editalk.plan.strands import strands
from editalk.sidecars import Retimed, follow_chapters, retime
from editalk.sidecars.cuetext import put_together, taken_apart
from editalk.transcript import Word
from editalk.transcript.captions import CaptionCue, CaptionFile, read_captions, write_captions

SECONDS = 10.0
Edit = tuple[int, list[WordEdit], list[str]]


def cue_file(words: list[Word], sizes: list[int], lead: Fraction) -> CaptionFile:
    """Words in cues of so many, shown `lead` seconds longer than they are heard where the neighbours leave room."""
    cues: list[CaptionCue] = []
    at = k = 0
    while at < len(words):
        end = min(len(words), at + sizes[k % len(sizes)])
        start = max(cues[-1].end if cues else Fraction(0), Fraction(words[at].start) - lead)
        until = Fraction(words[end - 1].end) + lead
        if end < len(words):
            until = min(until, Fraction(words[end].start))
        cues.append(CaptionCue(str(k + 1), start, until, (" ".join(w.text for w in words[at:end]),)))
        at, k = end, k + 1
    return CaptionFile("srt", tuple(cues))


def texts(retimed: Retimed) -> list[str]:
    return [word for cue in retimed.file.cues for line in cue.lines for word in line.split()]


@settings(max_examples=150, deadline=None)
@given(edited(), st.sampled_from(RATES), st.lists(st.integers(1, 7), min_size=1, max_size=4),
       st.fractions(0, 1, max_denominator=50), st.floats(0.2, 2.0))  # fmt: skip
def test_captions_say_the_edited_script_in_time(
    edit: Edit, rate: str, sizes: list[int], lead: Fraction, spoken: float
) -> None:
    plan, words = plan_of(*edit, rate, SECONDS, spoken), even_words(edit[0], SECONDS)
    file = cue_file(words, sizes, lead)
    made = retime(plan, file, words)
    end = plan.source.rate.seconds(plan.frames)
    last = Fraction(0)
    for cue in made.file.cues:
        assert last <= cue.start < cue.end <= end
        last = cue.end
    assert texts(made) == [c.text for c in plan.captions]
    assert not made.translated
    _untouched_keep_their_footage(plan, file, made)


def _untouched_keep_their_footage(plan: EditPlan, file: CaptionFile, made: Retimed) -> None:
    rate = plan.source.rate.value
    given = {cue.lines: cue for cue in file.cues}
    for cue in made.file.cues:
        old = given.get(cue.lines)
        if old is None:
            continue
        sides = [shown_at(plan.timeline, float(t * rate)) for t in (old.start, old.end)]
        if None in sides or any(source_of(plan.timeline, float(t * rate) + d) is None
                                for t, d in ((cue.start, 1e-6), (cue.end, -1e-6))):  # fmt: skip
            continue  # cut
        middle = source_of(plan.timeline, float((cue.start + cue.end) / 2 * rate))
        if cue.end - cue.start == old.end - old.start:
            assert middle == pytest.approx(float((old.start + old.end) / 2 * rate), abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.fractions(0, 1, max_denominator=50))
def test_without_an_edit_nothing_changes(sizes: list[int], lead: Fraction) -> None:
    words = even_words(20, SECONDS)
    plan = plan_of(20, [WordEdit(Tag.EQUAL, 0, 20, 0, 20)], [w.text for w in words], "25", SECONDS, 1.0)
    file = cue_file(words, sizes, lead)
    made = retime(plan, file, words)
    assert [c.lines for c in made.file.cues] == [c.lines for c in file.cues]
    for cue, old in zip(made.file.cues, file.cues, strict=True):
        assert float(cue.start) == pytest.approx(float(old.start))
        assert float(cue.end) == pytest.approx(min(SECONDS, float(old.end)))
    assert made.untouched == len(file.cues)
    assert (made.gone, made.over, made.unsaid) == ((), (), 0)


TALK = "good morning and welcome to this short talk please open the file now".split()
TIMES = [Word(text, 1 + 0.5 * k, 1.4 + 0.5 * k) for k, text in enumerate(TALK)]


def plan_for(*rows: tuple[Tag, int, int, str]) -> EditPlan:
    """The plan of an edit of TALK: (tag, first word, end, text), the text of kept words theirs where it is empty."""
    edits, tokens = [], []
    for tag, first, end, text in rows:
        new = text.split() if text else TALK[first:end] if tag in (Tag.EQUAL, Tag.MOVE) else []
        edits.append(WordEdit(tag, first, end, len(tokens), len(tokens) + len(new)))
        tokens += new
    sounds = [NewSound(p.token, p.token_end, 0, 0.1, 0.8) for p in strands(edits) if p.new]
    return build_plan(source("25", 8.0), TIMES, Script(tuple(tokens), tuple(edits)), PreferredCuts(), sounds,
                      (VoiceRef("voice.wav", "1" * 64),) if sounds else ())  # fmt: skip


VTT = """WEBVTT - a talk

STYLE
::cue(i) { color: lime }

NOTE first

intro
00:00:00.900 --> 00:00:02.900 line:0 align:start
<v Ann>Good <i>morning,
and</i> welcome

NOTE second

00:00:02.950 --> 00:00:04.900
to this <00:00:03.500>short talk

last
00:00:04.950 --> 00:00:07.500
- Please open
- the file &amp; now
"""


def vtt(*rows: tuple[Tag, int, int, str]) -> str:
    return write_captions(retime(plan_for(*rows), read_captions(VTT, "vtt"), TIMES).file)


def test_kept_cues_keep_all_that_is_written() -> None:
    assert vtt((Tag.EQUAL, 0, 13, "")) == VTT


def test_changed_words_keep_style_settings_and_names() -> None:
    made = vtt((Tag.EQUAL, 0, 1, ""), (Tag.REPLACE, 1, 2, "evening"), (Tag.EQUAL, 2, 13, ""))
    assert "<v Ann>Good <i>evening\nand</i> welcome" in made
    assert "intro\n00:00:00.900 --> " in made
    assert " line:0 align:start\n" in made
    assert made.startswith("WEBVTT - a talk\n\nSTYLE\n::cue(i) { color: lime }\n\nNOTE first\n\nintro\n")
    assert "- Please open\n- the file &amp; now\n" in made


def test_a_cue_without_words_goes_its_note_stays() -> None:
    plan = plan_for((Tag.EQUAL, 0, 4, ""), (Tag.DELETE, 4, 8, ""), (Tag.EQUAL, 8, 13, ""))
    made = retime(plan, read_captions(VTT, "vtt"), TIMES)
    assert [c.lines[0] for c in made.gone] == ["to this <00:00:03.500>short talk"]
    text = write_captions(made.file)
    assert "talk" not in text.removeprefix("WEBVTT - a talk")
    assert text.index("NOTE second") < text.index("last\n")


def test_moved_cues_move_and_numbers_count_anew() -> None:
    srt = write_captions(CaptionFile("srt", read_captions(VTT, "vtt").cues))
    plan = plan_for((Tag.EQUAL, 8, 13, ""), (Tag.MOVE, 0, 8, ""))
    cues = retime(plan, read_captions(srt, "srt"), TIMES).file.cues
    assert [c.lines[0][:8] for c in cues] == ["- Please", "<v Ann>G", "to this "]
    assert [c.identifier for c in cues] == ["1", "2", "3"]


def test_time_stamps_within_a_cue_move_with_it() -> None:
    plan = plan_for((Tag.EQUAL, 4, 13, ""))
    cue = retime(plan, read_captions(VTT, "vtt"), TIMES).file.cues[0]
    inner = float(cue.lines[0].split("<00:00:")[1][:6])
    assert inner - plan.captions[0].start == pytest.approx(0.5, abs=0.001)


def test_long_new_text_gets_more_cues_of_two_lines() -> None:
    new = " ".join(f"word{k}" for k in range(30))
    plan = plan_for((Tag.EQUAL, 0, 4, ""), (Tag.INSERT, 4, 4, new), (Tag.EQUAL, 4, 13, ""))
    made = retime(plan, read_captions(VTT, "vtt"), TIMES).file.cues
    assert len(made) > 4
    assert all(len(re.sub("<[^>]*>", "", line)) <= 42 for c in made for line in c.lines)
    assert all(len(c.lines) <= 2 for c in made)
    assert [c.identifier for c in made].count("intro") == 1


def test_a_translation_follows_by_its_times_and_is_named() -> None:
    german = (
        "1\n00:00:01,000 --> 00:00:02,900\nGuten Morgen\n\n2\n00:00:03,000 --> 00:00:04,900\n<i>zu diesem Vortrag</i>\n"
        "\n3\n00:00:05,000 --> 00:00:07,400\nMachen Sie die Datei auf\n"
    )
    plan = plan_for((Tag.EQUAL, 8, 13, ""), (Tag.MOVE, 0, 1, ""), (Tag.REPLACE, 1, 2, "day"), (Tag.MOVE, 2, 4, ""))
    made = retime(plan, read_captions(german, "srt"), TIMES)
    assert made.translated
    assert [c.lines[0] for c in made.file.cues] == ["Machen Sie die Datei auf", "Guten Morgen"]
    assert [c.lines[0] for c in made.over] == ["Guten Morgen"]
    assert [c.lines[0] for c in made.gone] == ["<i>zu diesem Vortrag</i>"]


def test_changed_case_changes_the_caption_alone() -> None:
    plan = plan_for((Tag.EQUAL, 0, 13, " ".join(["GOOD", *TALK[1:]])))
    made = retime(plan, read_captions(VTT, "vtt"), TIMES).file.cues
    assert made[0].lines == ("<v Ann>GOOD <i>morning,", "and</i> welcome")
    assert made[0].start == Fraction("0.9")


def test_cues_without_words_follow_the_footage() -> None:
    srt = "1\n00:00:00,000 --> 00:00:00,800\n[music]\n\n2\n00:00:01,000 --> 00:00:07,400\n" + " ".join(TALK) + "\n"
    plan = plan_for((Tag.EQUAL, 4, 13, ""), (Tag.MOVE, 0, 4, ""))
    first, second, *_ = retime(plan, read_captions(srt, "srt"), TIMES).file.cues
    assert first.lines == ("[music]",)
    assert first.start == 0
    assert second.lines != first.lines


def test_a_new_take_times_the_same_words_anew() -> None:
    spoken = [Caption(t, 0.5 + 0.7 * k, 1.1 + 0.7 * k) for k, t in enumerate(TALK)]
    plan = build_take(source("25", 8.0), Script(tuple(TALK), ()), spoken, (VoiceRef("v.wav", "1" * 64),), [44100 * 10])
    made = retime(plan, read_captions(VTT, "vtt"), TIMES)
    assert made.untouched == 3
    assert made.file.cues[1].start == pytest.approx(Fraction(3.3 - 0.05), abs=1e-6)
    assert made.file.cues[0].lines == ("<v Ann>Good <i>morning,", "and</i> welcome")


@pytest.mark.parametrize(
    "lines",
    [
        ("<i>Good morning,", "and</i> welcome"),
        ("{\\an8}- Hi <b>there</b>", "- <u>Oh,</u> hello"),
        ('<font color="#ff0000">a &amp; b</font>',),
        ("<v Ann Lee>one <c.loud>two</c> three",),
        ("a < b",),
    ],
)
def test_text_comes_back_as_it_was(lines: tuple[str, ...]) -> None:
    text = taken_apart(lines)
    assert put_together(text.words, text) == lines


def chapter(start: float, end: float, title: str) -> Chapter:
    return Chapter(Fraction(start), Fraction(end), (("title", title),))


@settings(deadline=None)
@given(edited(), st.sampled_from(RATES), st.lists(st.fractions(0, 10, max_denominator=8), max_size=6, unique=True))
def test_chapters_are_ordered_and_within(edit: Edit, rate: str, marks: list[Fraction]) -> None:
    plan = plan_of(*edit, rate, SECONDS, 0.7)
    edges = sorted({Fraction(0), *marks, Fraction(10)})
    given_ = [Chapter(a, b, (("title", str(a)),)) for a, b in zip(edges, edges[1:], strict=False)]
    made = follow_chapters(plan, given_)
    assert len(made.chapters) + len(made.gone) <= len(given_)
    last = Fraction(0)
    for one in made.chapters:
        assert last <= one.start < one.end <= plan.source.rate.seconds(plan.frames)
        last = one.end
    if made.chapters:
        assert last == plan.source.rate.seconds(plan.frames)  # chapters that tiled the source tile the edit


def test_chapters_move_shrink_and_go() -> None:
    plan = plan_for((Tag.EQUAL, 8, 13, ""), (Tag.MOVE, 0, 4, ""))
    made = follow_chapters(plan, [chapter(0, 2.95, "a"), chapter(2.95, 4.9, "b"), chapter(4.9, 8, "c")])
    assert [c.title for c in made.gone] == ["b"]
    assert [c.title for c in made.chapters] == ["c", "a"]
    assert made.chapters[1].end == plan.source.rate.seconds(plan.frames)
    assert made.chapters[0].end == made.chapters[1].start


def test_without_an_edit_chapters_stay_to_the_fraction_of_a_frame() -> None:
    plan = plan_for((Tag.EQUAL, 0, 13, ""))
    given_ = (chapter(0.123, 2.5, "a"), chapter(3.003, 6.25, "b"), chapter(6.25, 7.9, "c"))
    made = follow_chapters(plan, given_)
    assert [float(c.start) for c in made.chapters] == pytest.approx([0.123, 3.003, 6.25])
    assert made.chapters[0].end < made.chapters[1].start  # a gap stays one
    assert made.chapters[1].end == made.chapters[2].start


def test_a_new_take_that_says_something_else_is_cut_into_cues_anew() -> None:
    text = "hello to you all. this is quite another talk about nothing much now."
    spoken = [Caption(t, 0.5 + 0.4 * k, 0.85 + 0.4 * k) for k, t in enumerate(text.split())]
    plan = build_take(source("25", 8.0), Script(tuple(text.split()), ()), spoken, (VoiceRef("v.wav", "1" * 64),),
                      [44100 * 8])  # fmt: skip
    made = retime(plan, read_captions(VTT, "vtt"), TIMES)
    assert [" ".join(c.lines) for c in made.file.cues] == [
        "hello to you all.", "this is quite another talk about nothing much now."
    ]  # fmt: skip
