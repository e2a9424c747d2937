"""The plan: whatever is edited, lengths add up, nothing is covered twice, kept footage keeps its sync."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editalk.diff import Tag, WordEdit
from editalk.errors import PlanError, VoiceError
from editalk.markup import Attribute, Pause
from editalk.operations import Kind
from editalk.plan import (
    EditPlan,
    NewSound,
    Origin,
    Piece,
    PreferredCuts,
    Script,
    SourceRef,
    VoiceRef,
    build_plan,
    build_take,
    from_json,
    joins,
    to_json,
)
from editalk.plan.strands import strands
from editalk.timebase import FrameRate, TimeRange
from editalk.transcript import Word

RATES = ["24000/1001", "25", "30000/1001", "50", "60", "1350/61"]


def source(rate: str, seconds: float, sample_rate: int = 44100) -> SourceRef:
    r = FrameRate.parse(rate)
    frames = r.frames(seconds)
    return SourceRef("talk.mp4", "0" * 64, r, frames, sample_rate, r.sample(frames, sample_rate), 2)


def even_words(n: int, seconds: float) -> list[Word]:
    """n words of equal length with small gaps, and a longer pause behind every fifth."""
    step = seconds / (n + 1)
    return [Word(f"w{i}", (i + 0.5) * step, (i + 0.5) * step + step * (0.5 if i % 5 == 4 else 0.9)) for i in range(n)]


@st.composite
def edited(draw: st.DrawFn) -> tuple[int, list[WordEdit], list[str]]:
    """A random edit of n words: (n, edits, tokens)."""
    n = draw(st.integers(1, 25))
    order, at = [], 0
    while at < n:
        end = min(n, at + draw(st.integers(1, 6)))
        order.append((at, end))
        at = end
    if draw(st.booleans()) and len(order) > 2:
        order.insert(draw(st.integers(0, len(order) - 1)), order.pop(draw(st.integers(0, len(order) - 1))))
    edits, tokens, highest = [], [], 0
    for first, end in order:
        tag = draw(st.sampled_from([Tag.EQUAL, Tag.EQUAL, Tag.DELETE, Tag.REPLACE, Tag.INSERT]))
        t = len(tokens)
        kept = Tag.EQUAL if first >= highest else Tag.MOVE
        highest = max(highest, end)
        if tag is Tag.DELETE:
            edits.append(WordEdit(tag, first, end, t, t))
        elif tag is Tag.REPLACE:
            tokens += ["new"] * draw(st.integers(1, 4))
            edits.append(WordEdit(tag, first, end, t, len(tokens)))
        else:
            if tag is Tag.INSERT:
                tokens += ["new"] * draw(st.integers(1, 4))
                edits.append(WordEdit(tag, first, first, t, len(tokens)))
                t = len(tokens)
            tokens += [f"w{i}" for i in range(first, end)]
            edits.append(WordEdit(kept, first, end, t, len(tokens)))
    return n, edits, tokens


def plan_of(n: int, edits: list[WordEdit], tokens: list[str], rate: str, seconds: float, spoken: float) -> EditPlan:
    ref = source(rate, seconds)
    sounds = [NewSound(p.token, p.token_end, 0, 0.1, 0.1 + spoken) for p in strands(edits) if p.new]
    return build_plan(ref, even_words(n, seconds), Script(tuple(tokens), tuple(edits)), PreferredCuts(), sounds,
                      (VoiceRef("voice.wav", "1" * 64),) if sounds else ())  # fmt: skip


plans = st.builds(
    lambda e, rate, seconds, spoken: plan_of(*e, rate, seconds, spoken),
    edited(),
    st.sampled_from(RATES),
    st.floats(8, 40),
    st.floats(0.15, 3),
)


@given(plans)
def test_pieces_tile_the_timeline(plan: EditPlan) -> None:
    for pieces in (plan.timeline, plan.sound):
        at = 0
        for piece in pieces:
            assert piece.start == at
            assert piece.end > at
            at = piece.end
    assert plan.samples == plan.source.rate.sample(plan.frames, plan.source.sample_rate)


@given(plans)
def test_kept_footage_keeps_its_sync_to_the_sample(plan: EditPlan) -> None:
    rate, at = plan.source.rate, plan.source.sample_rate
    for sound in (s for s in plan.sound if s.origin is Origin.SOURCE):
        shown = [
            p for p in plan.timeline if rate.sample(p.start, at) < sound.end and sound.start < rate.sample(p.end, at)
        ]
        for piece in shown:
            assert piece.source is not None
            assert not piece.resampled
            shift = Fraction(piece.source - piece.start) / rate.value
            assert abs((sound.offset - sound.start) - shift * at) <= 1


@given(plans)
def test_no_source_frame_is_shown_twice_and_all_lie_in_the_source(plan: EditPlan) -> None:
    spans = sorted((p.source, p.source_end) for p in plan.timeline if p.source is not None)
    assert all(0 <= a < b <= plan.source.frames for a, b in spans)
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:], strict=False))


@given(plans)
def test_windows_hold_every_change_and_lie_apart(plan: EditPlan) -> None:
    spans = [w.span for w in plan.windows]
    assert all(a.end < b.start for a, b in zip(spans, spans[1:], strict=False))
    for piece in plan.timeline:
        if piece.source is None or piece.resampled:
            assert any(s.start <= piece.start and piece.end <= s.end for s in spans)
    for a, b in zip(plan.timeline, plan.timeline[1:], strict=False):
        if b.source is None or not a.continues(b.source):
            assert any(s.start <= b.start <= s.end for s in spans)


@given(plans)
def test_json_gives_back_an_equal_plan(plan: EditPlan) -> None:
    assert from_json(to_json(plan)) == plan


def test_an_unedited_script_is_the_source() -> None:
    ref = source("30000/1001", 20)
    plan = build_plan(ref, even_words(10, 20), Script(tuple("abcdefghij"), (WordEdit(Tag.EQUAL, 0, 10, 0, 10),)),
                      PreferredCuts())  # fmt: skip
    assert plan.frames == ref.frames
    assert len(plan.timeline) == 1
    assert plan.windows == ()
    assert plan.operations == ()


def test_a_removal_takes_out_whole_frames_near_the_words() -> None:
    words = even_words(10, 20)
    edits = (WordEdit(Tag.EQUAL, 0, 4, 0, 4), WordEdit(Tag.DELETE, 4, 6, 4, 4), WordEdit(Tag.EQUAL, 6, 10, 4, 8))
    plan = build_plan(source("25", 20), words, Script(tuple("abcdefgh"), edits), PreferredCuts())
    (a, b) = plan.timeline
    assert a.source_end / 25 == pytest.approx(words[4].start, abs=0.12)
    assert (b.source or 0) / 25 == pytest.approx(words[5].end, abs=0.21)
    (removal,) = plan.operations
    assert (removal.kind, removal.text) == (Kind.REMOVAL, "w4 w5")
    assert len(plan.windows) == 1


def test_a_move_only_permutes_the_footage() -> None:
    edits = (WordEdit(Tag.EQUAL, 0, 5, 0, 5), WordEdit(Tag.MOVE, 8, 12, 5, 9), WordEdit(Tag.EQUAL, 5, 8, 9, 12),
             WordEdit(Tag.EQUAL, 12, 15, 12, 15))  # fmt: skip
    ref = source("24000/1001", 15)
    plan = build_plan(ref, even_words(15, 15), Script(tuple("x" * 15), edits), PreferredCuts())
    assert plan.frames == ref.frames
    assert [o.kind for o in plan.operations] == [Kind.MOVE]
    assert [len(w.joins) for w in plan.windows] == [1, 1, 1]


def test_a_replaced_word_keeps_its_footage() -> None:
    edits = (WordEdit(Tag.EQUAL, 0, 4, 0, 4), WordEdit(Tag.REPLACE, 4, 6, 4, 5), WordEdit(Tag.EQUAL, 6, 10, 5, 9))
    plan = build_plan(source("25", 20), even_words(10, 20), Script(tuple("abcdefghi"), edits), PreferredCuts(),
                      [NewSound(4, 5, 0, 0.0, 3.0)], (VoiceRef("v.wav", "1" * 64),))  # fmt: skip
    shown = [p for p in plan.timeline if p.resampled]
    assert len(shown) == 1
    assert shown[0].frames == 75
    assert all(p.source is not None for p in plan.timeline)


def test_new_words_without_a_voice_are_named() -> None:
    edits = (WordEdit(Tag.EQUAL, 0, 5, 0, 5), WordEdit(Tag.INSERT, 5, 5, 5, 6), WordEdit(Tag.EQUAL, 5, 10, 6, 11))
    with pytest.raises(VoiceError, match="hello"):
        build_plan(source("25", 20), even_words(10, 20), Script(("a",) * 5 + ("hello",) + ("b",) * 5, edits),
                   PreferredCuts())  # fmt: skip


def test_pause_and_retime_marks() -> None:
    edits = (WordEdit(Tag.EQUAL, 0, 10, 0, 10),)
    script = Script(tuple("abcdefghij"), edits, (Attribute(2, 4, retime=5.0),), (Pause(7, 0.5),))
    ref = source("25", 20)
    plan = build_plan(ref, even_words(10, 20), script, PreferredCuts())
    retimed = next(p for p in plan.timeline if p.resampled)
    assert retimed.frames == 125
    assert next(s for s in plan.sound if s.samples != s.source_samples).samples == 5 * 44100
    (tone,) = [s for s in plan.sound if s.origin is Origin.ROOM_TONE]
    own = 20 / 11 * 0.1  # the pause that is there already
    assert tone.samples / 44100 == pytest.approx(0.5 - own, abs=0.02)
    assert {o.kind for o in plan.operations} == {Kind.RETIME, Kind.ADDITION}


def test_a_pause_mark_shortens_a_longer_pause() -> None:
    script = Script(tuple("abcdefghij"), (WordEdit(Tag.EQUAL, 0, 10, 0, 10),), (), (Pause(5, 0.2),))
    plan = build_plan(source("25", 20), even_words(10, 20), script, PreferredCuts())
    own = 20 / 11 * 0.5
    assert plan.frames == pytest.approx(500 - (own - 0.2) * 25, abs=1)
    (gone,) = plan.operations
    assert (gone.kind, gone.text) == (Kind.REMOVAL, "[pause 0.2s]")
    assert len(gone.source) == 500 - plan.frames


@given(
    st.floats(0, 2), st.floats(0, 2), st.floats(0.1, 2), st.booleans(), st.sampled_from(RATES),
)  # fmt: skip
def test_a_pause_mark_counts_the_quiet_on_either_side_of_what_goes(
    left: float, right: float, pause: float, removed: bool, rate: str
) -> None:
    """Longer or shorter than it was, to the frame; the same without a removed word."""
    times = [(1.0, 1.5), (1.5 + left, 1.8 + left), (1.8 + left + right, 2.4 + left + right)]
    words = [Word("abc"[k], *times[k]) for k in range(3)]
    edits = (WordEdit(Tag.EQUAL, 0, 1, 0, 1), WordEdit(Tag.DELETE, 1, 2, 1, 1), WordEdit(Tag.EQUAL, 2, 3, 1, 2))
    if not removed:
        words = [words[0], replace(words[2], start=1.5 + left)]
        edits = (WordEdit(Tag.EQUAL, 0, 2, 0, 2),)
    script = Script(("a", "c"), edits, (), (Pause(1, pause),))
    ref = source(rate, 9)
    plan = build_plan(ref, words, script, PreferredCuts())
    first, second = plan.captions
    assert second.start - first.end == pytest.approx(pause, abs=1.01 / float(ref.rate))


@pytest.mark.parametrize("removed", [0, 1])
@pytest.mark.parametrize("pause", [0.2, 0.5, 3.0])
def test_pause_marks_at_the_ends(removed: int, pause: float) -> None:
    """Head and tail become as long as the mark says, with room tone or by being cut."""
    words = [Word("abc"[k], 1.0 + k, 1.5 + k) for k in range(3)]
    gone = (WordEdit(Tag.DELETE, 0, removed, 0, 0),) if removed else ()
    edits = (*gone, WordEdit(Tag.EQUAL, removed, 3, 0, 3 - removed))
    script = Script(tuple("abc")[removed:], edits, (), (Pause(0, pause), Pause(3 - removed, pause)))
    plan = build_plan(source("25", 5), words, script, PreferredCuts())
    assert plan.captions[0].start == pytest.approx(pause, abs=0.041)
    assert plan.frames / 25 - plan.captions[-1].end == pytest.approx(pause, abs=0.041)
    assert plan.samples == plan.source.rate.sample(plan.frames, 44100)


def test_pauses_at_one_place_add_up() -> None:
    edits = (WordEdit(Tag.EQUAL, 0, 10, 0, 10),)
    for pauses in ((Pause(5, 0.2), Pause(5, 0.3)), (Pause(5, 0.5),)):
        plan = build_plan(source("25", 20), even_words(10, 20), Script(tuple("abcdefghij"), edits, (), pauses),
                          PreferredCuts())  # fmt: skip
        gap = plan.captions[5].start - plan.captions[4].end
        assert gap == pytest.approx(0.5, abs=0.041)


@pytest.mark.parametrize("seconds", [6.0, 14.0])
def test_a_take_is_as_long_as_its_voice(seconds: float) -> None:
    ref = source("30000/1001", 10)
    plan = build_take(ref, Script(("a",), ()), (), (VoiceRef("v.wav", "1" * 64),), [int(seconds * 44100)])
    assert plan.frames == ref.rate.frames(seconds)
    assert plan.samples == ref.rate.sample(plan.frames, 44100)
    assert plan.windows[0].span.end == plan.frames


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=99), "version 99"),
        (lambda d: d.update(format="other"), "not a plan"),
        (lambda d: d["timeline"][0].update(start=3), r"timeline\[0\]"),
        (lambda d: d["timeline"][0].pop("frames"), "“frames” is missing"),
        (lambda d: d["timeline"][0].update(colour="red"), "unknown key “colour”"),
        (lambda d: d["source"].update(rate="0/0"), "no frame rate"),
        (lambda d: d["sound"][0].update(origin="heaven"), "heaven"),
        (lambda d: d["timeline"][0].update(source=-4), "does not have"),
    ],
)
def test_a_broken_plan_names_the_place(change: object, message: str) -> None:
    script = Script(tuple("abcdefghij"), (WordEdit(Tag.EQUAL, 0, 10, 0, 10),))
    plan = build_plan(source("25", 20), even_words(10, 20), script, PreferredCuts())
    data = json.loads(to_json(plan))
    change(data)  # type: ignore[operator]
    with pytest.raises(PlanError, match=message):
        from_json(json.dumps(data))


@pytest.mark.parametrize("retime", [None, 2.0])
def test_new_words_are_timed_as_the_voice_says_them(retime: float | None) -> None:
    words = even_words(4, 4.0)
    edits = (WordEdit(Tag.EQUAL, 0, 2, 0, 2), WordEdit(Tag.INSERT, 2, 2, 2, 4), WordEdit(Tag.EQUAL, 2, 4, 4, 6))
    marks = () if retime is None else (Attribute(2, 4, None, retime),)
    script = Script(("w0", "w1", "brand", "new", "w2", "w3"), edits, marks)
    heard = NewSound(2, 4, 0, 1.0, 2.01, words=(TimeRange(1.1, 1.4), TimeRange(1.5, 1.9)))
    plan = build_plan(source("25", 4.0), words, script, PreferredCuts(), [heard], (VoiceRef("v.wav", "1" * 64),))
    voice = next(p for p in plan.sound if p.origin is Origin.VOICE)
    begin, pace = voice.start / 44100, voice.samples / voice.source_samples
    for caption, word in zip(plan.captions[2:4], heard.words, strict=True):
        for said, heard_at in ((caption.start, word.start), (caption.end, word.end)):
            assert said == pytest.approx(begin + (heard_at - voice.offset / 44100) * pace, abs=0.001)


def test_retimed_footage_that_goes_on_is_no_join() -> None:
    pieces = [Piece(0, 10, 0, 10), Piece(10, 5, 10, 7), Piece(15, 8, 17, 5), Piece(23, 4, 25, 4), Piece(27, 2, None, 0)]
    assert [(j.frame, j.left, j.right) for j in joins(pieces)] == [(23, 21, 25), (27, 28, None)]
