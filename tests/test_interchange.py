"""The edit as clips: they tile the timeline and the sound, and every kept frame and sample is the source's own."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interchange_plans import files, plan_at, small_plan, spans, words
from test_plan import edited, plan_of, plans

from editalk.cli import complete
from editalk.errors import MediaError, UsageError
from editalk.interchange import (
    Content,
    Media,
    check_rate,
    edited_timeline,
    get_writer,
    get_writers,
    removed_timeline,
    taken_out,
    targets,
)
from editalk.interchange.reels import LENGTH, reels
from editalk.interchange.rounding import in_frames
from editalk.interchange.timecode import read_timecode
from editalk.interchange.types import plain, short
from editalk.interchange.writing import FORMATS
from editalk.operations import Kind
from editalk.plan import EditPlan, Origin, source_of
from editalk.timebase import FrameRange, FrameRate, nearest

RATE = FrameRate.parse("25")
few = settings(max_examples=60, deadline=None)


@few
@given(plans)
def test_the_picture_tiles_the_plan_and_kept_frames_are_the_sources(plan: EditPlan) -> None:
    timeline = edited_timeline(plan, spans(plan), files(plan))
    at = 0
    for shot in timeline.shots:
        assert shot.start == at
        assert shot.length > 0
        at = shot.end
        for frame in (shot.start, shot.end - 1):
            place = shot.offset + frame - shot.start
            if shot.content is Content.KEPT:
                assert place == source_of(plan.timeline, frame)
                assert 0 <= place < plan.source.frames
            else:
                assert place == frame
        if shot.content is Content.KEPT:
            assert not any(s.start < shot.end and shot.start < s.end for s in spans(plan))
    assert at == plan.frames == timeline.frames


@few
@given(plans)
def test_the_sound_tiles_the_plan(plan: EditPlan) -> None:
    timeline = edited_timeline(plan, spans(plan), files(plan))
    clips = sorted((c for track in timeline.sounds for c in track.clips), key=lambda c: c.start)
    at = 0
    for clip in clips:
        assert clip.start == at
        at = clip.end
        assert clip.offset >= 0
        assert clip.offset + clip.length <= clip.media.samples + 1
    assert at == plan.samples
    for clip in clips:
        if clip.content is Content.KEPT:
            (piece,) = [p for p in plan.sound if p.start == clip.start]
            assert (clip.offset, clip.length, piece.origin) == (piece.offset, piece.samples, Origin.SOURCE)


@few
@given(plans)
def test_rounding_to_frames_moves_cuts_and_never_sound(plan: EditPlan) -> None:
    timeline = edited_timeline(plan, spans(plan), files(plan))
    flat = in_frames(timeline)
    assert flat.shots == timeline.shots
    for fine, coarse in zip(timeline.sounds, flat.sounds, strict=True):
        scale = timeline.rate.value / fine.rate
        by_name = {(c.name, nearest(c.end * scale)): c for c in fine.clips}
        last = 0
        for clip in coarse.clips:
            assert clip.start >= last
            last = clip.end
            own = by_name.get((clip.name, clip.end)) or by_name[clip.name, clip.end + 1]
            assert abs(clip.start - own.start * scale) <= Fraction(3, 2)
            moved = (own.offset - own.start) * scale - (clip.offset - clip.start)
            assert abs(moved) <= (Fraction(1, 2) if own.content is Content.VOICE else scale)
            if clip.media.frames:
                assert clip.offset.denominator == 1
            else:
                assert clip.offset >= 0
                assert clip.offset + clip.length <= clip.media.samples * scale


@few
@given(plans)
def test_what_was_taken_out_is_what_the_edit_lacks(plan: EditPlan) -> None:
    gaps = taken_out(plan)
    shown = {f for p in plan.timeline if p.source is not None for f in range(p.source, p.source_end)}
    gone = {f for s in gaps for f in range(s.start, s.end)}
    assert set(range(plan.source.frames)) - shown <= gone
    assert all(a.end < b.start for a, b in zip(gaps, gaps[1:], strict=False))
    timeline = removed_timeline(plan, files(plan), words())
    assert [(c.offset, c.length) for c in timeline.shots] == [(s.start, len(s)) for s in gaps]
    assert timeline.frames == sum(len(s) for s in gaps)


@few
@given(edited(), st.sampled_from(["25", "30000/1001"]))
def test_every_operation_has_its_mark_on_the_timeline(made: tuple, rate: str) -> None:
    plan = plan_of(*made, rate, 20, 1.0)
    timeline = edited_timeline(plan, spans(plan), files(plan))
    assert [(m.kind, m.source) for m in timeline.marks] == [(o.kind, o.source) for o in plan.operations]
    assert sum(len(timeline.marks_of(shot)) for shot in timeline.shots) == len(timeline.marks)
    assert all(m.frames >= 1 and m.frame + m.frames <= plan.frames for m in timeline.marks)


def test_an_edit_of_every_kind() -> None:
    plan = plan_at("25")
    timeline = edited_timeline(plan, spans(plan), files(plan))
    assert {m.kind for m in timeline.marks} == {Kind.ADDITION, Kind.REMOVAL, Kind.RETIME, Kind.MOVE, Kind.RERENDER}
    assert [t.name for t in timeline.tracks] == ["V1", "A1", "A2"]
    said = [c for t in timeline.sounds for c in t.clips]
    assert {c.content for c in said} == {Content.KEPT, Content.VOICE, Content.ROOM_TONE, Content.GENERATED}
    for clip in said:
        if clip.content in (Content.ROOM_TONE, Content.GENERATED):
            assert clip.media.path.name == "talk.edited.mp4"
            assert clip.offset == clip.start
    retimed = next(m for m in timeline.marks if m.kind is Kind.RETIME)
    (shot,) = [s for s in timeline.shots if s.start <= retimed.frame < s.end]
    assert shot.content is Content.GENERATED


def test_a_voice_that_begins_late_or_ends_early_leaves_room_tone() -> None:
    plan = small_plan("25")
    (piece,) = [p for p in plan.sound if p.origin is Origin.VOICE]
    early = replace(plan, sound=tuple(replace(p, offset=-100) if p is piece else p for p in plan.sound))
    timeline = edited_timeline(early, spans(early), files(early, piece.samples - 300))
    tone = [c for c in timeline.sounds[0].clips if c.content is Content.ROOM_TONE]
    (voice,) = timeline.sounds[1].clips
    assert [(c.start, c.length) for c in tone] == [(piece.start, 100), (piece.end - 200, 200)]
    assert (voice.start, voice.offset, voice.length) == (piece.start + 100, 0, piece.samples - 300)


def test_new_pictures_close_to_each_other_are_one_clip() -> None:
    plan = small_plan("25")
    rendered = [FrameRange(100, 103), FrameRange(110, 115), FrameRange(301, 320)]
    shots = edited_timeline(plan, rendered, files(plan)).shots
    assert [(s.start, s.end) for s in shots if s.content is Content.GENERATED] == [(100, 115), (301, 320)]


def test_what_was_taken_out_has_the_words_name() -> None:
    plan = small_plan("25")
    timeline = removed_timeline(plan, files(plan), words())
    (picture, sound) = timeline.tracks
    assert [c.name for c in picture.clips] == ["w4 w5"]
    assert picture.clips[0].media is sound.clips[0].media
    assert [m.text for m in timeline.marks] == ["w4 w5"]


@pytest.mark.parametrize(("text", "rate", "frames", "drop"), [
    ("01:00:00:00", "25", 90_000, False),
    ("01:00:00:00", "24000/1001", 86_400, False),
    ("01:00:00;00", "30000/1001", 107_892, True),
    ("01:00:00.00", "30000/1001", 107_892, True),
    ("01:00:00:00", "30000/1001", 108_000, False),
    ("00:01:00;04", "60000/1001", 3_600, True),
    ("01:00:00;00", "25", 90_000, False),
    ("01:00:00:25", "25", 0, False),
    ("one o'clock", "25", 0, False),
    ("01:00:00:00", "1350/61", 0, False),
    (None, "25", 0, False),
])  # fmt: skip
def test_timecode(text: str | None, rate: str, frames: int, drop: bool) -> None:
    assert read_timecode(text, FrameRate.parse(rate)) == (frames, drop)


def test_reels_are_short_and_each_files_own() -> None:
    names = ["talk", "talk.edited", "talk edited", "Grüße 1", "AX", "木", "A001C003_230101"]
    media = [Media(Path(f"/{k}"), name, 0, 0, 1, 1, 1) for k, name in enumerate(names)]
    made = list(reels(media).values())
    assert made == ["TALK", "TALKEDIT", "TALKEDI2", "GRUE1", "AX2", "REEL", "A001C003"]
    assert len(set(made)) == len(made)
    assert all(len(reel) <= LENGTH for reel in made)


def test_names_hold_whatever_a_file_is_called() -> None:
    assert plain("a\nb\tc\0d") == "a b c d"
    assert plain("bad\udcff") == "bad\ufffd"
    assert len(short("word " * 30)) <= 60


def test_formats_by_name() -> None:
    assert list(FORMATS) == complete.timelines()
    assert [w.name for w in get_writers("otio, edl,otio")] == ["otio", "edl"]
    assert [p.name for p in targets(get_writer("edl"), Path("/a/talk.edited.mp4"))] == [
        "talk.edited.edl", "talk.edited.removed.edl"
    ]  # fmt: skip
    assert [p.name for p in targets(get_writer("fcpxml"), Path("/a/talk.edited.mp4"))] == ["talk.edited.fcpxml"]
    for wrong in ("aaf", "", "otio,aaf"):
        with pytest.raises(UsageError):
            get_writers(wrong)


def test_formats_that_count_in_timecode_need_a_rate_that_has_one() -> None:
    odd = FrameRate.parse("1350/61")
    check_rate(get_writers("otio"), odd, "a.mp4")
    check_rate(get_writers("otio,fcpxml,edl,xml"), RATE, "a.mp4")
    with pytest.raises(MediaError, match=r"a\.mp4.*22\.1311.*edl"):
        check_rate(get_writers("otio,edl"), odd, "a.mp4")
