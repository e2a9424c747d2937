"""The contract of a backend, over all of them: pictures for just the window, nothing else touched, twice the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_musetalk
from dit_weights import ltx_video_folder

import editalk
from editalk.analysis import Analysis
from editalk.audio import Audio
from editalk.backends import Choice, choose
from editalk.backends.base import Backend, Rendered, WindowInput
from editalk.backends.combined import Combined
from editalk.backends.exemplar import Exemplar
from editalk.backends.musetalk import MuseTalk
from editalk.cache import Cache
from editalk.compose import paste
from editalk.diff import Tag, WordEdit
from editalk.errors import DeviceError, UsageError
from editalk.media import to_image
from editalk.pipeline.render import footage_of
from editalk.pipeline.source import Source, opened
from editalk.plan import EditPlan, NewSound, PreferredCuts, Script, VoiceRef, build_plan
from editalk.reporting import Silent
from editalk.transcript import Word

TALK = Path(editalk.__file__).resolve().parents[1] / "examples" / "talk.mp4"
WORDS = [Word(f"w{k}", 0.5 + k, 1.3 + k) for k in range(12)]


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    with opened(TALK, Silent()) as found:
        yield found


@pytest.fixture(scope="module")
def analysis(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analysis]:
    cache = Cache(tmp_path_factory.mktemp("cache"))
    made = Analysis(source.info, source.reader, source.heard, WORDS, cache, Silent())
    yield made
    made.close()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ltx_video_folder(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def lip_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_musetalk.written(tmp_path_factory.mktemp("lips"))


@pytest.fixture(params=["exemplar", "dit", "exemplar+musetalk"])
def backend(request: pytest.FixtureRequest, weights: Path, lip_weights: Path) -> Backend:
    if "musetalk" in request.param:
        return Combined(Exemplar(), MuseTalk(lip_weights))
    return choose(Choice(request.param, weights=str(weights) if request.param == "dit" else None))[0]


KEPT = WordEdit(Tag.EQUAL, 0, 5, 0, 5)
EDITS = {
    "removal": (KEPT, WordEdit(Tag.DELETE, 5, 6, 5, 5), WordEdit(Tag.EQUAL, 6, 12, 5, 11)),
    "addition": (KEPT, WordEdit(Tag.INSERT, 5, 5, 5, 6), WordEdit(Tag.EQUAL, 5, 12, 6, 13)),
    "replacement": (KEPT, WordEdit(Tag.REPLACE, 5, 6, 5, 6), WordEdit(Tag.EQUAL, 6, 12, 6, 12)),
}


def planned(source: Source, kind: str) -> EditPlan:
    script = Script(tuple("x" * EDITS[kind][-1].target_end), EDITS[kind])
    new = [] if kind == "removal" else [NewSound(5, 6, 0, 0.0, 0.9)]
    voices = (VoiceRef("v.wav", "0" * 64),) if new else ()
    return build_plan(source.ref, WORDS, script, PreferredCuts(), new, voices)


def given(source: Source, plan: EditPlan, analysis: Analysis) -> WindowInput:
    (window,) = plan.windows
    span = footage_of(window, plan.source.rate, plan.source.frames)
    heard = source.heard.read(0, source.heard.samples)
    tone = np.sin(np.arange(20 * heard.rate) * 0.1)[:, None].astype(np.float32) * 0.2
    return WindowInput(window, source.reader, analysis.track(span), Audio(tone, heard.rate), 0.0, heard, 0.0,
                       analysis.thumbs(span), analysis.steps(), source.info.video)  # fmt: skip


@pytest.mark.parametrize("kind", EDITS)
def test_a_window_is_rendered(backend: Backend, source: Source, analysis: Analysis, kind: str) -> None:
    plan = planned(source, kind)
    asked = given(source, plan, analysis)
    made: list[Rendered] = list(backend.render(asked))
    numbers = [m.frame for m in made]
    span = plan.windows[0].span
    assert numbers == sorted(set(numbers))
    assert all(frame in span for frame in numbers)
    must = {f for p in plan.timeline if p.source is None or p.resampled for f in range(p.start, p.end)}
    assert must <= set(numbers)
    for one in made:
        assert one.image.shape == (source.info.video.height, source.info.video.width, 3)
        assert one.image.dtype == np.uint8
        if one.mask is not None:
            assert one.source is not None
            untouched = one.mask == 0
            assert untouched.any()
            base = source.reader.frame(one.source)
            shown = to_image(paste(base, one, source.info.video))[..., 0]
            assert (shown[untouched] == to_image(base)[..., 0][untouched]).all()
            assert (shown[~untouched] == one.image[..., 0][~untouched]).all()
    again = list(backend.render(asked))
    assert [m.frame for m in again] == numbers
    assert all((a.image == b.image).all() for a, b in zip(made, again, strict=True))


def test_another_seed_tells_who_draws_lots(backend: Backend, source: Source, analysis: Analysis) -> None:
    asked = given(source, planned(source, "removal"), analysis)
    made, other = (list(backend.render(replace(asked, seed=seed))) for seed in (0, 1))
    assert [m.frame for m in other] == [m.frame for m in made]
    same = all((a.image == b.image).all() for a, b in zip(made, other, strict=True))
    assert same != backend.capabilities.seeded


@pytest.mark.parametrize("kind", ["addition", "replacement"])
def test_new_speech_moves_the_mouth(backend: Backend, source: Source, analysis: Analysis, kind: str) -> None:
    if not backend.capabilities.lips:
        pytest.skip("draws no lips")
    plan = planned(source, kind)
    asked = given(source, plan, analysis)
    spoken = {m.frame: m.image for m in backend.render(asked)}
    silent = Audio(np.zeros_like(asked.sound.samples), asked.sound.rate)
    hushed = {m.frame: m.image for m in backend.render(WindowInput(**{**vars(asked), "sound": silent}))}
    lips = plan.windows[0].lips[0]
    middle = range(lips.start + 5, lips.end - 5)
    assert np.mean([(spoken[f] != hushed[f]).any() for f in middle]) > 0.8


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="auto, exemplar, dit"):
        choose(Choice("warp"))
    with pytest.raises(DeviceError, match="CPU"):
        choose(Choice("exemplar", "cuda"))
