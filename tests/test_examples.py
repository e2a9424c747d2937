"""The example: small, whole, and its mouth does what its phones ask for."""

from __future__ import annotations

import importlib
import re
import sys
import wave
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent.parent / "examples"
RATE = 22050


@pytest.fixture(scope="module")
def modules() -> dict[str, ModuleType]:
    sys.path.insert(0, str(HERE))
    try:
        return {name: importlib.import_module(name) for name in ("speech", "mouth")}
    finally:
        sys.path.remove(str(HERE))


def plain(name: str) -> list[str]:
    return re.findall(r"[a-z']+", (HERE / name).read_text("utf-8").lower())


def test_the_files_are_small_and_complete() -> None:
    files = [HERE / name for name in ("talk.mp4", "talk.txt", "edited.txt", "voice.wav", "take.wav", "take.txt")]
    assert all(file.is_file() for file in files)
    assert sum(file.stat().st_size for file in files) < 1_500_000


def test_the_clip_has_a_face_and_equally_long_sound() -> None:
    import av

    from editalk.face import FaceTracker

    with av.open(str(HERE / "talk.mp4")) as box:
        assert box.streams.video[0].average_rate == 25
        frames = box.streams.video[0].frames
        seconds = float(box.streams.audio[0].duration * box.streams.audio[0].time_base)
        assert abs(frames / 25 - seconds) < 0.04
        assert "Synthetic" in box.metadata["comment"]
        shown = [(i, f.to_ndarray(format="rgb24")) for i, f in enumerate(box.decode(video=0)) if i % 30 == 0]
    with FaceTracker() as tracker:
        assert tracker.track(shown).found.all()


def test_the_edit_has_one_of_each_kind() -> None:
    talk, edited = plain("talk.txt"), plain("edited.txt")
    assert sorted(set(edited) - set(talk)) == ["any", "editor", "evening"]
    assert set(talk) - set(edited) == {"morning", "moment", "later"}
    assert edited[-10:] == "every word in it was made by a computer program".split()


@pytest.mark.parametrize("name", ["voice.wav", "take.wav"])
def test_the_voices_are_loud_and_never_digitally_silent(name: str) -> None:
    with wave.open(str(HERE / name), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        assert (file.getframerate(), file.getnchannels()) == (RATE, 1)
    blocks = samples[: len(samples) // 441 * 441].reshape(-1, 441)  # 20 ms
    level = np.sqrt(np.square(blocks).mean(axis=1))
    assert level.min() > 3
    assert 3000 < level.max() < 25000


def test_lips_meet_for_a_bilabial_and_part_for_a_vowel(modules: dict[str, ModuleType]) -> None:
    speech, mouth = modules["speech"], modules["mouth"]
    said = (("_", 0.3), ("a", 0.5), ("m", 0.58), ("a", 0.78), ("w", 0.95), ("_", 1.2))  # and when each ends
    phones = [(symbol, said[i - 1][1] if i else 0.0, end) for i, (symbol, end) in enumerate(said)]
    sound = np.random.default_rng(0).normal(0, 0.1, round(1.2 * RATE)).astype(np.float32)
    made = mouth.movements(speech.Spoken(sound, RATE, tuple(speech.Phone(*p) for p in phones)), 60, 50)
    opening, rounding = made[:, 0], made[:, 1]
    closed = round((0.54 - mouth.LEAD) * 50)
    assert opening[closed] < 0.05
    assert opening[round(0.4 * 50)] > 0.5
    assert rounding[round(0.85 * 50)] > 0.7
    assert opening[-1] < 0.15


def test_every_symbol_has_a_shape(modules: dict[str, ModuleType]) -> None:
    shapes_of = modules["mouth"].shapes_of
    assert shapes_of("aIr") == shapes_of("aI")
    assert len(shapes_of("?")) == 1
    assert all(0 <= s.opening <= 1 and -1 <= s.rounding <= 1 for row in modules["mouth"].VISEMES.values() for s in row)
