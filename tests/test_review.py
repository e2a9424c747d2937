"""The page of an edit, without a browser: its proxies, numbers, words, and the file it becomes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from fractions import Fraction
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import lag, number_in
from hypothesis import assume, given
from hypothesis import strategies as st
from review_edit import FRAMES, NAME, SECONDS, WORDS, Made, held, talking

from editalk.cli import main
from editalk.errors import MediaError, OutputError
from editalk.markup import Token
from editalk.media import FrameReader, VideoInfo, decode_sound, probe
from editalk.pipeline.review import _film
from editalk.plan import Caption, EditPlan, Piece, SourceRef
from editalk.review import SOUND_RATE, edits_of, figures, near_edits, page, peaks, shape_of, spans, write_proxy
from editalk.review.proxy import BUDGET, WHOLE
from editalk.timebase import FrameRange, FrameRate
from editalk.transcript import Word

Clip = Callable[[str], Path]
NOISE = 2  # mean difference of two encodings of the same pictures, of 255: x264 does not repeat itself


# --- proxies ---


def video_of(width: int, height: int, rotation: int = 0, aspect: Fraction = Fraction(1)) -> VideoInfo:
    from dataclasses import replace

    return replace(_PLAIN, width=width, height=height, rotation=rotation, sample_aspect=aspect)


@pytest.fixture(scope="module", autouse=True)
def _plain(clip: Clip) -> None:
    global _PLAIN
    _PLAIN = probe(clip("25")).video


def test_shape_of_a_short_clip() -> None:
    shape = shape_of(video_of(1920, 1080), 15)
    assert (shape.width, shape.height) == (640, 360)
    shape = shape_of(video_of(1920, 1080, rotation=90), 15)
    assert (shape.width, shape.height) == (360, 640)
    shape = shape_of(video_of(720, 576, aspect=Fraction(64, 45)), 15)
    assert (shape.width, shape.height) == (640, 360)
    shape = shape_of(video_of(320, 241), 15)
    assert (shape.width, shape.height) == (320, 240)


@given(st.integers(16, 4000), st.integers(16, 4000), st.sampled_from([0, 90, 180, 270]),
       st.builds(Fraction, st.integers(10, 40), st.just(20)), st.floats(0.1, WHOLE))  # fmt: skip
def test_the_budget_holds(width: int, height: int, rotation: int, aspect: Fraction, seconds: float) -> None:
    shape = shape_of(video_of(width, height, rotation, aspect), seconds)
    assert 2 * (shape.picture + shape.sound) * seconds / 8 <= BUDGET
    assert shape.width % 2 == shape.height % 2 == 0
    assert max(shape.width, shape.height) <= 640
    upright = (height, width * aspect) if rotation in (90, 270) else (width * aspect, height)
    assume(max(upright) <= 100 * min(upright))  # of a line less than a pixel would be left
    shown = Fraction(shape.width, shape.height) / Fraction(upright[0] / upright[1])
    assert abs(float(shown) - 1) <= 2 / min(shape.width, shape.height)


def proxied(path: Path, out: Path, moving: tuple[FrameRange, ...] | None = None) -> tuple[Path, FrameReader]:
    info = probe(path)
    sound = decode_sound(path, out.with_suffix(".f32"), SOUND_RATE, min(2, info.audio.channels), info.video.start)
    with FrameReader(info) as reader:
        spans_ = (FrameRange(0, reader.frames),) if moving is None else moving
        write_proxy(out, reader, sound, shape_of(info.video, info.duration), spans_, lambda steps: None)
    return out, reader


@pytest.mark.parametrize("name", ["25", "film", "variable", "late_sound", "late_picture", "full_range", "mono"])
def test_a_proxy_has_every_frame_at_its_time(name: str, clip: Clip, tmp_path: Path) -> None:
    path = clip(name)
    small = proxied(path, tmp_path / "small.mp4")[0]
    info, own = probe(small), probe(path)
    assert (info.video.frames, info.video.rate) == (own.video.frames, own.video.rate)
    assert info.video.codec == "h264"
    assert info.video.pix_fmt.endswith("420p")
    with FrameReader(own) as source, FrameReader(info) as reader:
        numbers = [[number_in(r.image(k)[..., 0]) for k in range(r.frames)] for r in (source, reader)]
        levels = [float(r.image(0)[..., 0].mean()) for r in (source, reader)]
    assert numbers[0] == numbers[1]
    assert levels[0] == pytest.approx(levels[1], abs=2)
    sounds = [decode_sound(p, tmp_path / f"{k}.f32", SOUND_RATE, 1, i.video.start).read(0, SOUND_RATE // 2).mono()
              for k, (p, i) in enumerate(((path, own), (small, info)))]  # fmt: skip
    assert abs(lag(*sounds)) <= 24  # half a millisecond


def test_a_proxy_is_upright(tmp_path: Path, clip: Clip) -> None:
    small = probe(proxied(clip("rotated"), tmp_path / "small.mp4")[0])
    assert (small.video.width, small.video.height, small.video.rotation) == (120, 160, 0)
    with FrameReader(probe(clip("rotated"))) as source, FrameReader(small) as reader:
        turned = np.rot90(source.image(7)[..., 0], 1)
        assert np.abs(reader.image(7)[..., 0].astype(int) - turned).mean() < 6


def test_far_from_edits_pictures_stand_still(tmp_path: Path, clip: Clip) -> None:
    small = proxied(clip("long"), tmp_path / "small.mp4", (FrameRange(110, 120),))[0]
    with av.open(str(small)) as box:
        times = [round(frame.time * 25) for frame in box.decode(video=0)]
    assert times == [0, 100, *range(110, 120), 199]
    assert probe(small).duration == pytest.approx(8, abs=0.05)


def test_what_moves_in_a_long_talk() -> None:
    source = SourceRef("talk.mp4", "0", FrameRate(Fraction(25)), 100_000, 48000, 192_000_000, 1)
    plan = EditPlan(source, (), None, (), (Piece(0, 100_000, 0, 100_000),), (), (), ())
    assert near_edits(plan) == ((), ())
    from dataclasses import replace

    from editalk.operations import Kind, Operation

    cuts = [Operation(Kind.REMOVAL, "x", FrameRange(f, f + 50), FrameRange(f, f)) for f in (100, 400, 50_000)]
    before, after = near_edits(replace(plan, operations=tuple(cuts)))
    assert before == (FrameRange(0, 700), FrameRange(49_750, 50_300))
    assert after == (FrameRange(0, 650), FrameRange(49_750, 50_250))


def test_peaks(tmp_path: Path) -> None:
    wave = np.zeros((SOUND_RATE, 2), np.float32)
    wave[480 * 7 + 5, 1] = -0.5
    wave[-1] = 2.0
    (tmp_path / "sound.f32").write_bytes(wave.tobytes())
    from editalk.media import SoundFile

    made = peaks(SoundFile(tmp_path / "sound.f32", SOUND_RATE, SOUND_RATE, 2), 1.5)
    values = base64.b64decode(made["values"])
    assert (made["rate"], len(values)) == (100, 150)
    assert {k: v for k, v in enumerate(values) if v} == {7: 128, 99: 255}


# --- words and numbers ---


def test_words_and_where_they_are(edit: Made) -> None:
    data, _, _ = held(edit.page)
    shown = [(s["style"], " ".join(w[0] for w in s["words"])) for s in data["spans"]]
    assert ("removed", "two") in shown
    assert ("moved_from", "five six seven eight") in shown or ("moved_from", "nine ten eleven twelve") in shown
    assert " ".join(t for style, t in shown if style not in ("removed", "moved_from")) == \
        "One three four nine ten eleven twelve five six seven eight."
    words = {w[0]: w for s in data["spans"] if s["style"] in ("kept", "moved_to", "caption") for w in s["words"]}
    runs = data["runs"]
    for k, word in enumerate(WORDS):
        if word not in words:
            continue
        start = words[word][1] * 25
        run = next(r for r in runs if r[0] <= start < r[1])
        assert run[2] + (start - run[0]) * run[3] == pytest.approx((k + 0.1) * SECONDS / 12 * 25, abs=0.02)
    (gone,) = (s["words"][0] for s in data["spans"] if s["style"] == "removed")
    (cut,) = (o for o in data["operations"] if o["kind"] == "removal")
    assert gone[1] == pytest.approx(cut["timeline"][0], abs=1e-3)
    assert gone[3] == pytest.approx(1.1 * SECONDS / 12)


def test_words_from_a_plan_alone() -> None:
    words = [Word(w, k, k + 0.8) for k, w in enumerate("a b c d".split())]
    source = SourceRef("t.mp4", "0", FrameRate(Fraction(25)), 100, 48000, 192_000, 1)
    captions = (Caption("a", 0, 0.8), Caption("c", 1, 1.8), Caption("d", 2, 2.8))
    plan = EditPlan(source, (), None, (), (Piece(0, 25, 0, 25), Piece(25, 50, 50, 50)), (), (), captions)
    found = spans(*edits_of(plan, words), plan, words)
    assert [(s["style"], s["words"]) for s in found] == [
        ("kept", [["a", 0, 0.8, None]]), ("removed", [["b", 1.0, 1.0, 1]]),
        ("kept", [["c", 1, 1.8, None], ["d", 2, 2.8, None]]),
    ]  # fmt: skip


def test_paragraphs_and_events_that_are_not_said() -> None:
    words = [Word(w, k, k + 0.8) for k, w in enumerate("a b".split())]
    source = SourceRef("t.mp4", "0", FrameRate(Fraction(25)), 50, 48000, 96_000, 1)
    from editalk.diff import Tag, WordEdit

    edits = (WordEdit(Tag.EQUAL, 0, 1, 0, 1), WordEdit(Tag.EQUAL, 1, 2, 2, 3))
    tokens = Token("a", 1, 1), Token("[laughs]", 1, 3, event=True), Token("b", 3, 1, paragraph=1)
    plan = EditPlan(source, (), None, (), (Piece(0, 50, 0, 50),), (), (), (Caption("a", 0, 1), Caption("b", 1, 2)))
    assert [(s["paragraph"], s["words"]) for s in spans(edits, tokens, plan, words)] == [
        (False, [["a", 0, 1, None]]), (True, [["b", 1, 2, None]])]  # fmt: skip


def test_the_page_says_what_apply_says(edit: Made) -> None:
    data, before, after = held(edit.page)
    for name in ("operations", "joins", "sound_joins", "windows", "frames", "frames_identical", "backend"):
        assert data[name] == edit.report[name]
    assert data["source"] == f"{NAME}.mp4"
    assert data["output"] == f"{NAME}.edited.mp4"
    assert edit.report["review_bytes"] == edit.page.stat().st_size
    assert edit.page.name == f"{NAME}.edited.review.html"
    lasting = []
    for content in (before, after):
        (edit.page.parent / "held.mp4").write_bytes(content)
        lasting.append(probe(edit.page.parent / "held.mp4").video.frames)
    assert lasting == [FRAMES, data["frames"]]


# --- the file ---


class Parts(HTMLParser):
    """Elements with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.open = tag

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open, []).append(data)


def test_hostile_text_stays_text() -> None:
    evil = "</script><img src=x onerror=alert(1)><!--<script>{{script}}\u2028"
    source = SourceRef(evil, "0", FrameRate(Fraction(25)), 50, 48000, 96_000, 1)
    plan = EditPlan(source, (), None, (), (Piece(0, 50, 0, 50),), (), (), ())
    text = page(figures(plan, {"backend": evil}, evil) | {"spans": [[evil]]}, b"1", b"2")
    parts = Parts(text)
    assert [tag for tag, _ in parts.found].count("script") == 4
    assert "img" not in dict(parts.found)
    assert parts.texts["title"] == [f"{evil}: review"]
    data = json.loads(parts.texts["script"][0])
    assert (data["source"], data["output"], data["spans"]) == (evil, evil, [[evil]])


def test_a_film_that_the_cache_has_lost(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"gone\.mp4: .* run again"):
        _film(tmp_path / "gone.mp4")


def test_nothing_from_elsewhere_is_loaded_or_run() -> None:
    source = SourceRef("talk.mp4", "0", FrameRate(Fraction(25)), 50, 48000, 96_000, 1)
    plan = EditPlan(source, (), None, (), (Piece(0, 50, 0, 50),), (), (), ())
    text = page(figures(plan, {}, "out.mp4"), b"1", b"2")
    parts = Parts(text)
    assert not re.search(r"https?://|url\(|@import", text)
    assert not any(name in attributes for _, attributes in parts.found for name in ("src", "href", "style", "onclick"))
    (policy,) = (a["content"] or "" for t, a in parts.found if a.get("http-equiv") == "Content-Security-Policy")
    assert unescape(policy).startswith("default-src 'none'; ")
    for kind, held_text in (("script", parts.texts["script"][-1]), ("style", parts.texts["style"][0])):
        digest = base64.b64encode(hashlib.sha256(held_text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_refused_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video, edited = talking(tmp_path, "talk")
    (tmp_path / "talk.review.html").write_text("mine")
    (tmp_path / "talk.edited.review.html").write_text("mine")
    assert main(["review", str(video), str(edited)]) == 1
    assert "talk.review.html exists already" in capsys.readouterr().err
    assert main(["apply", str(video), str(edited), "--review"]) == 1
    assert "talk.edited.review.html exists already" in capsys.readouterr().err
    assert main(["review", str(video), str(edited), "-o", str(video), "-y"]) == 1
    assert "is the source itself" in capsys.readouterr().err
    assert main(["review", str(video)]) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "edited.txt", "talk.edited.review.html", "talk.mp4", "talk.review.html", "talk.transcript.json"]  # fmt: skip


def lumas(path: Path, film: bytes) -> Any:
    """[n, h, w] of a proxy."""
    path.write_bytes(film)
    with FrameReader(probe(path)) as reader:
        return np.stack([reader.image(n)[..., 0].astype(float) for n in range(reader.frames)])


def test_the_page_alone(edit: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = edit.page.parent
    monkeypatch.setenv("EDITALK_CACHE", str(edit.cache))
    out = folder / "só 'quoted'\n.html"
    out.write_text("old")
    before = {p.name for p in folder.iterdir()}
    asked = ["review", str(folder / f"{NAME}.mp4"), "--plan", str(edit.plan_file), "-o", str(out), "-y"]

    def fail(*arguments: object) -> None:
        raise OutputError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("editalk.pipeline.review.write_proxy", fail)
        assert main(asked) == 1
    assert out.read_text() == "old"
    assert main([*asked, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["review"] == str(out)
    assert "output" not in report
    assert {p.name for p in folder.iterdir()} == before
    data, one, two = held(out)
    whole, *proxies = held(edit.page)
    assert one == proxies[0]
    shown = [lumas(folder.parent / f"{k}.mp4", film) for k, film in enumerate((two, proxies[1]))]
    assert shown[0].shape == shown[1].shape
    assert np.abs(shown[0] - shown[1]).mean((1, 2)).max() < NOISE
    assert {k: v for k, v in data.items() if k != "spans"} == {k: v for k, v in whole.items() if k != "spans"}
    said = [[w for s in d["spans"] for w in s["words"]] for d in (data, whole)]
    assert said[0] == said[1]
