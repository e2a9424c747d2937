"""Edits to write timelines of, and the media they are of."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from test_plan import even_words, source

from editalk.diff import Tag, WordEdit
from editalk.interchange import Files, Timeline, VoiceFile, edited_timeline, files_of, removed_timeline
from editalk.markup import Attribute, Pause
from editalk.media import AudioInfo, Colour, MediaInfo, VideoInfo
from editalk.media.info import PacketMap
from editalk.plan import EditPlan, NewSound, Origin, PreferredCuts, Script, VoiceRef, build_plan
from editalk.timebase import FrameRange, FrameRate
from editalk.transcript import Word

BROADCAST = [
    ("24000/1001", "01:00:00:00"), ("24", "00:59:58:12"), ("25", "10:11:12:13"), ("30000/1001", "00:58:55;20"),
    ("30000/1001", "01:00:00:00"), ("30", "00:00:00:00"), ("50", "09:59:59:40"), ("60000/1001", "00:08:55;50"),
    ("60", "01:00:00:59"),
]  # fmt: skip
"""Rates with the timecode that a source of theirs begins with; ";" is drop-frame, and a minute's end is near."""

ROOM = Path("/media/Tänze & Töne")
SECONDS = 30.0


def words() -> list[Word]:
    return even_words(30, SECONDS)


def info(rate: str, timecode: str | None = None, size: tuple[int, int] = (1920, 1080)) -> MediaInfo:
    r = FrameRate.parse(rate)
    ticks = np.zeros(0, np.int64)
    video = VideoInfo(
        "h264", *size, "yuv420p", r, r.frames(SECONDS), Fraction(0), Colour(1, 1, 1, 1), 0, Fraction(1), False, None, 0,
        PacketMap(Fraction(1, 1000), ticks, ticks, ticks.reshape(-1, 2)),
    )  # fmt: skip
    audio = AudioInfo("aac", 44100, 2, "stereo", Fraction(0), None)
    return MediaInfo(ROOM / "talk 1.mp4", "mov", video, audio, SECONDS, (), timecode, "0" * 64, "A001C003")


def files(plan: EditPlan, voice_samples: int = 10**7, timecode: str | None = None) -> Files:
    mono = AudioInfo("pcm_s16le", 22050, 1, "mono", Fraction(0), None)
    voices = [VoiceFile(ROOM / "voice.wav", mono, voice_samples)] * len(plan.voices)
    return files_of(plan, info(str(plan.source.rate), timecode), ROOM / "talk.edited.mp4", voices)


def spans(plan: EditPlan) -> list[FrameRange]:
    return [window.span for window in plan.windows]


def plan_at(rate: str) -> EditPlan:
    """Every kind of edit: a removal, new words, a retimed span, a moved passage, new lips, a pause."""
    w = [f"w{k}" for k in range(30)]
    tokens = w[:4] + w[6:10] + ["a", "new", "thought"] + w[10:14] + w[20:25] + w[14:20] + w[25:]
    edits = (
        WordEdit(Tag.EQUAL, 0, 4, 0, 4), WordEdit(Tag.DELETE, 4, 6, 4, 4), WordEdit(Tag.EQUAL, 6, 10, 4, 8),
        WordEdit(Tag.INSERT, 10, 10, 8, 11), WordEdit(Tag.EQUAL, 10, 14, 11, 15), WordEdit(Tag.MOVE, 20, 25, 15, 20),
        WordEdit(Tag.EQUAL, 14, 20, 20, 26), WordEdit(Tag.EQUAL, 25, 30, 26, 31),
    )  # fmt: skip
    marks = (Attribute(12, 14, retime=2.8), Attribute(27, 29, rerender="mouth"))
    script = Script(tuple(tokens), edits, marks, (Pause(23, 1.5),))
    return build_plan(source(rate, SECONDS), words(), script, PreferredCuts(), [NewSound(8, 11, 0, 0.913, 2.1371, 1.5)],
                      (VoiceRef("voice.wav", "1" * 64),))  # fmt: skip


def small_plan(rate: str) -> EditPlan:
    """A removal and a new word."""
    w = [f"w{k}" for k in range(30)]
    edits = (WordEdit(Tag.EQUAL, 0, 4, 0, 4), WordEdit(Tag.DELETE, 4, 6, 4, 4), WordEdit(Tag.EQUAL, 6, 14, 4, 12),
             WordEdit(Tag.INSERT, 14, 14, 12, 13), WordEdit(Tag.EQUAL, 14, 30, 13, 29))  # fmt: skip
    script = Script(tuple(w[:4] + w[6:14] + ["new"] + w[14:]), edits)
    plan = build_plan(source(rate, SECONDS), words(), script, PreferredCuts(), [NewSound(12, 13, 0, 0.3, 1.0)],
                      (VoiceRef("voice.wav", "1" * 64),))  # fmt: skip
    assert any(p.origin is Origin.VOICE for p in plan.sound)
    return plan


def timelines_at(rate: str, timecode: str | None, small: bool = False) -> tuple[Timeline, Timeline]:
    """The edit and what was taken out."""
    plan = small_plan(rate) if small else plan_at(rate)
    of = files(plan, timecode=timecode)
    return edited_timeline(plan, spans(plan), of), removed_timeline(plan, of, words())
