"""Sync, loudness, black and frozen pictures: what is right passes, what is spoilt fails, what the source does itself
is no fault.
"""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from talker import talking, voice

from editalk.analysis import Analysis, Block
from editalk.audio import Audio
from editalk.face import FaceTrack
from editalk.plan import EditPlan, Origin, SoundPiece
from editalk.quality import sync
from editalk.quality.loudness import KWeighted, LoudnessWatch, clipped_runs, integrated, own_sound
from editalk.quality.pictures import OwnStillness, PictureWatch, own_looks, own_stillness
from editalk.quality.sync import KeptWatch, LipWatch, OwnSpeech, own_part
from editalk.timebase import FrameRange, FrameRate

RATE = FrameRate(Fraction(25))
AT = 16000
H, W = 144, 192


# ---------------------------------------------------------------------------------------------------------- loudness


def plan_of(*sound: SoundPiece, frames: int = 0, windows: Any = (), at: int = AT) -> EditPlan:
    """As much of a plan as the watches look at."""
    source = SimpleNamespace(rate=RATE, sample_rate=at, channels=1, frames=frames)
    return cast(EditPlan, SimpleNamespace(source=source, sound=sound, windows=windows, samples=sound[-1].end))


def syllables(seconds: float, seed: int, level: float = 1.0) -> NDArray[np.float32]:
    return np.asarray(level * voice(seconds, seed)[0].samples, np.float32)


def chunks(wave: NDArray[np.float32], rate: int = AT) -> list[Audio]:
    return [Audio(wave[k : k + rate], rate) for k in range(0, len(wave), rate)]


def test_the_programme_is_as_loud_as_pyloudnorm_says() -> None:
    import pyloudnorm

    wave = syllables(12, 3)
    meter = KWeighted(AT, 1)
    for chunk in chunks(wave):
        meter.hear(chunk)
    wanted = pyloudnorm.Meter(AT).integrated_loudness(wave.astype(np.float64))
    assert integrated(meter.powers) == pytest.approx(wanted, abs=0.05)


def inserted(gain: float) -> dict[str, Any]:
    """Four seconds of kept sound, two of a new voice, four of kept sound: the checks by what they say."""
    kept, new = syllables(8, 1), syllables(2.0, 2, gain)
    wave = np.concatenate([kept[: 4 * AT], new.clip(-1, 1), kept[4 * AT :]])
    pieces = (SoundPiece(0, 4 * AT, Origin.SOURCE, 0, 4 * AT), SoundPiece(4 * AT, 2 * AT, Origin.VOICE, 0, 2 * AT, 0),
              SoundPiece(6 * AT, 4 * AT, Origin.SOURCE, 4 * AT, 4 * AT))  # fmt: skip
    watch = LoudnessWatch(plan_of(*pieces), own_sound(chunks(kept), AT, 1))
    for chunk in chunks(wave):
        watch.hear(chunk)
    return {c.what.split()[0]: c for c in watch.checks()}


def test_an_insert_of_the_right_loudness_passes() -> None:
    found = inserted(1.0)
    assert all(c.passed for c in found.values())
    assert set(found) == {"clipping", "new"}


@pytest.mark.parametrize("gain", [0.2, 4.0])
def test_an_insert_that_is_too_loud_or_too_quiet_fails(gain: float) -> None:
    check = inserted(gain)["new"]
    assert not check.passed
    assert (check.start, check.end) == (4.0, 6.0)
    assert check.figure == pytest.approx(inserted(1.0)["new"].figure + 20 * np.log10(gain), abs=1.5)


def test_clipping_is_counted_by_runs() -> None:
    wave = np.zeros((100, 2), np.float32)
    wave[10:13, 0], wave[50:60, 1], wave[80:82, 0] = 1.0, -1.0, 1.0
    assert list(clipped_runs(wave)) == [10, 50]
    assert not inserted(60.0)["clipping"].passed


def test_a_take_is_compared_with_the_programme() -> None:
    own = own_sound(chunks(syllables(8, 1)), AT, 1)
    for gain, passes in ((1.0, True), (0.25, False)):
        watch = LoudnessWatch(plan_of(SoundPiece(0, 8 * AT, Origin.VOICE, 0, 8 * AT, 0)), own)
        for chunk in chunks(syllables(8, 5, gain)):
            watch.hear(chunk)
        assert [c.passed for c in watch.checks()] == [True, passes]


# ---------------------------------------------------------------------------------------------------------- pictures


def face_points() -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform((60, 30, 0), (130, 110, 1), (478, 3)).astype(np.float32)


def shown(k: int, light: float = 1.0, noise: float = 2.0) -> NDArray[np.uint8]:
    """A textured face that moves a little, lit as said."""
    rng = np.random.default_rng(k)
    texture = np.random.default_rng(0).integers(80, 200, (H // 8, W // 8)).repeat(8, 0).repeat(8, 1)
    moved = np.roll(texture, k % 5, 1) + rng.normal(0, noise, (H, W))
    return np.asarray((16 + light * (moved - 16)).clip(16, 235), np.uint8)


def footage(lumas: list[NDArray[np.uint8]], steps: float = 2.0) -> Analysis:
    from editalk.cuts import thumbnail

    n = len(lumas)
    points = np.repeat(face_points()[None], n, 0)
    thumbs = np.stack([thumbnail(x) for x in lumas])
    block = Block(FaceTrack(np.arange(n), points), thumbs, np.ones(n, np.float32), np.full(n, steps, np.float32))
    video = SimpleNamespace(rate=RATE, colour=SimpleNamespace(range=1))
    made = SimpleNamespace(blocks=lambda: [block], width=W, info=SimpleNamespace(video=video),
                           reader=SimpleNamespace(frames=n), thumbs=lambda span: block.thumbs,
                           track=lambda span: block.track)  # fmt: skip
    return cast(Analysis, made)


def looked_at(new: list[NDArray[np.uint8]], own: Analysis) -> dict[str, Any]:
    window: Any = SimpleNamespace(span=FrameRange(100, 100 + len(new)), pieces=())
    watch = PictureWatch([window], [own_looks(own, window)], own_stillness(own), RATE)
    for k, luma in enumerate(new):
        watch.see(100 + k, luma, face_points())
    return {c.kind if c.kind == "frozen" else c.what.split()[0]: c for c in watch.checks()}


OWN = footage([shown(k) for k in range(40)])


def test_pictures_like_the_source_s_pass() -> None:
    found = looked_at([shown(k) for k in range(50, 70)], OWN)
    assert set(found) == {"light", "contrast", "frozen"}
    assert all(c.passed for c in found.values())


def test_dark_pictures_are_named_with_their_place() -> None:
    new = [shown(k) for k in range(20)]
    new[8:11] = [shown(k, 0.1) for k in range(3)]
    check = looked_at(new, OWN)["light"]
    assert not check.passed
    assert (check.start, check.end) == (108 / 25, 111 / 25)
    assert check.figure < 0.2


def test_a_dark_mouth_is_seen() -> None:
    points = face_points()
    from editalk.face.geometry import LIPS_OUTER

    x0, y0 = points[list(LIPS_OUTER), :2].min(0).astype(int)
    x1, y1 = points[list(LIPS_OUTER), :2].max(0).astype(int)
    new = [shown(k) for k in range(20)]
    for luma in new[5:9]:
        luma[y0 - 8 : y1 + 8, x0 - 8 : x1 + 8] = 20
    assert not looked_at(new, OWN)["light"].passed


def test_a_picture_of_one_colour_fails() -> None:
    new = [shown(k) for k in range(10)]
    new[4] = np.full((H, W), 128, np.uint8)
    found = looked_at(new, OWN)
    assert not found["contrast"].passed
    assert found["light"].passed


def test_a_source_that_fades_to_black_may_go_on_so() -> None:
    fading = footage([shown(k, max(0.0, 1 - k / 30)) for k in range(40)])
    found = looked_at([shown(k, 0.05) for k in range(10)], fading)
    assert all(found[kind].passed for kind in found if kind != "frozen")


def test_a_picture_that_stands_fails_but_not_where_the_source_stands_itself() -> None:
    new = [shown(k) for k in range(5)] + [shown(5)] * 8 + [shown(k) for k in range(6, 10)]
    check = looked_at(new, OWN)["frozen"]
    assert (check.passed, round(check.figure, 2)) == (False, 0.28)
    assert (check.start, check.end) == (105 / 25, 113 / 25)
    assert looked_at(new, footage([shown(k) for k in range(40)], steps=0.0))["frozen"].passed


def test_slow_footage_does_not_stand() -> None:
    """Three times slower: every picture three times."""
    assert looked_at([shown(k // 3) for k in range(30)], OWN)["frozen"].passed


def test_the_source_s_own_longest_still_stretch_counts() -> None:
    steps = np.r_[np.full(40, 2.0), np.full(12, 0.01), np.full(40, 2.0)].astype(np.float32)
    held = SimpleNamespace(blocks=lambda: [SimpleNamespace(steps=steps)])
    assert own_stillness(cast(Analysis, held)) == OwnStillness(pytest.approx(0.2), 12)


# -------------------------------------------------------------------------------------------------------------- sync


@pytest.fixture
def plain_ear(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ear for the made-up voice, which is no speech: its loudness."""

    def opening(sound: Audio) -> NDArray[np.float64]:
        hop = sound.rate // 100
        whole = len(sound.samples) // hop * hop
        power = np.square(sound.mono()[:whole].astype(np.float64)).reshape(-1, hop).mean(1)
        return np.asarray(np.sqrt(np.convolve(power, np.ones(9) / 9, "same")))

    monkeypatch.setattr(sync, "opening", opening)


def lips(shift: float, drawn: bool = True, seen: bool = True) -> dict[str, Any]:
    """The checks of lips that come `shift` seconds after their sound, over 4 s of a timeline of 6 s."""
    sound, loud = voice(12.0, 4)
    times = (np.arange(len(loud)) + 0.5) / 25
    own = OwnSpeech((own_part(times, talking(14 * loud), sound, 0.0),))
    new, opened = voice(6.0, 11)
    clock = (np.arange(len(opened)) + 0.5) / 25
    moved = np.interp(clock - shift, clock, opened) if drawn else 0.05 * np.random.default_rng(0).random(len(opened))
    points = talking(14 * moved)
    window = SimpleNamespace(lips=(FrameRange(10, 70),))
    watch = LipWatch(plan_of(SoundPiece(0, 6 * AT, Origin.VOICE, 0, 6 * AT, 0), windows=(window,)), own)
    for chunk in chunks(new.samples):
        watch.hear(chunk)
    for frame in range(150):
        if watch.wanted(frame):
            watch.see(frame, points[frame] if seen else None)
    return {c.what: c for fit in watch.fits() for c in fit.checks(RATE)}


@pytest.mark.usefixtures("plain_ear")
@pytest.mark.parametrize("shift", [-0.2, -0.04, 0.0, 0.04, 0.2])
def test_lips_that_come_at_another_time_fail(shift: float) -> None:
    check = lips(shift)["new lips come after the sound"]
    assert check.passed == (abs(shift) < 0.08)
    if not check.passed:
        assert check.figure == pytest.approx(1e3 * shift, abs=70)


@pytest.mark.usefixtures("plain_ear")
def test_a_mouth_that_does_not_follow_fails() -> None:
    assert lips(0.0)["new lips follow the sound"].passed
    assert not lips(0.0, drawn=False)["new lips follow the sound"].passed


@pytest.mark.usefixtures("plain_ear")
def test_lips_without_a_face_fail() -> None:
    found = lips(0.0, seen=False)
    assert [c.passed for c in found.values()] == [False]


@pytest.mark.usefixtures("plain_ear")
def test_a_source_that_never_speaks_demands_nothing() -> None:
    assert OwnSpeech(()).usual(50) is None


@pytest.mark.parametrize(("apart", "passes"), [(0, True), (1, True), (3, False)])
def test_kept_footage_is_in_step_with_its_sound(apart: int, passes: bool) -> None:
    at = 44100
    start, gone = RATE.sample(50, at), RATE.sample(100, at)
    pieces = (SoundPiece(0, start, Origin.SOURCE, 0, start), SoundPiece(start, start, Origin.SOURCE, gone, start))
    watch = KeptWatch(plan_of(*pieces, at=at))
    for frame in [*range(50), *range(52, 100), 50, 51]:  # copied frames come in reading order
        watch.see(frame, frame if frame < 50 else frame + 50 + apart)
    watch.hear(Audio(np.zeros((2 * start, 1), np.float32), at))
    checks = [c for c in watch.checks() if c.what == "kept words"]
    assert [c.passed for c in checks] == [passes]
    assert checks[0].figure == pytest.approx(40 * apart, abs=0.05)


@pytest.mark.parametrize("later", [-700, 0, 700])  # samples; a frame has 1764
@pytest.mark.parametrize("origin", [Origin.SOURCE, Origin.ROOM_TONE])
def test_sound_may_be_cut_within_a_frame(later: int, origin: Origin) -> None:
    at = 44100
    cut, gone = RATE.sample(50, at) + later, RATE.sample(50, at)
    pieces = (SoundPiece(0, cut, Origin.SOURCE, 0, cut), SoundPiece(cut, 2 * at, origin, cut + gone, 2 * at))
    watch = KeptWatch(plan_of(*pieces, at=at))
    for frame in range(100):
        watch.see(frame, frame if frame < 50 else frame + 50)
    watch.hear(Audio(np.zeros((cut + 2 * at, 1), np.float32), at))
    kept = [c for c in watch.checks() if c.what == "kept words"]
    assert [c.passed for c in kept] == [True]
    assert kept[0].figure == pytest.approx(0, abs=0.05)


def test_sound_that_ends_early_is_out_of_step() -> None:
    watch = KeptWatch(plan_of(SoundPiece(0, AT, Origin.SOURCE, 0, AT)))
    for frame in range(25):
        watch.see(frame, frame)
    watch.hear(Audio(np.zeros((AT // 2, 1), np.float32), AT))
    assert [c.passed for c in watch.checks()] == [False, True]
