"""The mark: invisible, only in what is new, found after encoding, and not found where it is not."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from editalk.backends.base import Rendered
from editalk.cli import main
from editalk.errors import DeviceError
from editalk.media import FrameReader, VideoInfo, probe
from editalk.pipeline.job import Job, check
from editalk.timebase import TimeRange
from editalk.watermark import Embedder, detect, payload_of
from editalk.watermark.detector import LIKELY, on_grid, parts, probability, residual
from editalk.watermark.pattern import BAND, PEAK, SYMBOLS, TILE, spectrum, spread, tile
from editalk.watermark.payload import decoded, encoded

Luma = NDArray[np.uint8]
SIZE = (480, 270)
PAYLOAD = b"\x12\x9a\xf0\x07"


@pytest.fixture(scope="module")
def like(clip: Callable[[str], Path]) -> VideoInfo:
    from dataclasses import replace

    return replace(probe(clip("25")).video, width=SIZE[0], height=SIZE[1], sample_aspect=Fraction(1))


def scene(count: int, seed: int = 1) -> list[Luma]:
    """Soft shapes behind one that moves, and the noise of a camera."""
    import cv2

    rng = np.random.default_rng(seed)
    w, h = SIZE
    ground = cv2.GaussianBlur(rng.normal(0, 1, (h, w)).astype(np.float32), (0, 0), 9)
    shape = cv2.GaussianBlur(rng.normal(0, 1, (h, w)).astype(np.float32), (0, 0), 3)
    made = []
    for k in range(count):
        light = 120 + 300 * ground + 60 * np.roll(shape, 3 * k, axis=1) + rng.normal(0, 1.5, (h, w))
        made.append(np.clip(np.rint(light), 0, 255).astype(np.uint8))
    return made


def image(light: Luma) -> NDArray[np.uint8]:
    return np.dstack([light, np.full_like(light, 128), np.full_like(light, 128)])


def written(lumas: Sequence[Luma], path: Path | io.BytesIO, crf: int, size: tuple[int, int] = SIZE) -> None:
    with av.open(path if isinstance(path, io.BytesIO) else str(path), "w", format="mp4") as box:
        stream: Any = box.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for light in lumas:
            frame = av.VideoFrame.from_ndarray(light, format="gray").reformat(*size, format="yuv420p",
                                                                               src_color_range="MPEG")  # fmt: skip
            box.mux(stream.encode(frame))
        box.mux(stream.encode(None))


def marked(lumas: Sequence[Luma], like: VideoInfo) -> list[Luma]:
    mark = Embedder(PAYLOAD, like)
    return [mark.image(image(light))[..., 0] for light in lumas]


@given(st.binary(min_size=4, max_size=4), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_a_payload_survives_an_error_and_two_erasures(payload: bytes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    symbols = bytearray(encoded(payload))
    assert len(symbols) == SYMBOLS
    places = [int(p) for p in rng.permutation(SYMBOLS)[:3]]
    for place in places:
        symbols[place] ^= int(rng.integers(1, 256))
    assert decoded(bytes(symbols), places[:2]) == payload
    assert decoded(bytes(symbols), places) is None


def test_the_payload_is_the_beginning_of_the_hash() -> None:
    assert payload_of("129af007" + 56 * "0") == PAYLOAD


@pytest.mark.parametrize("symbols", [b"", bytes(range(8))])
def test_a_tile_has_power_one_and_keeps_to_its_band(symbols: bytes) -> None:
    made = tile(symbols)
    outside = np.abs(np.fft.rfft2(made)[~BAND])
    assert abs(float((made**2).mean()) - 1) < 0.15  # the symbols' patterns are nearly orthogonal, not quite
    assert float(outside.max()) < 1e-2
    assert float(np.abs(spread(symbols, 333, 501, 1.2)).max()) <= PEAK


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=15, deadline=None)
def test_only_the_luma_within_the_mask_changes_and_by_little(like: VideoInfo, seed: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    given_image = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    mask = None
    if not whole:
        mask = np.zeros(SIZE[::-1], np.uint8)
        y, x = int(rng.integers(0, 200)), int(rng.integers(0, 400))
        mask[y : y + 60, x : x + 70] = 255
    kept = given_image.copy()
    made = Embedder(PAYLOAD, like)(Rendered(0, given_image, mask, None if whole else 3)).image
    difference = np.abs(made.astype(int) - kept)
    assert (given_image == kept).all()  # others may still look at it
    assert 1 <= difference[..., 0].max() <= 9
    assert difference[..., 1:].max() == 0
    if mask is not None:
        assert difference[mask == 0].max() == 0


def test_the_mark_is_weak(like: VideoInfo) -> None:
    plain = scene(3)
    error = np.mean([(a.astype(float) - b) ** 2 for a, b in zip(plain, marked(plain, like), strict=True)])
    assert 10 * np.log10(255**2 / error) > 42


def test_black_bars_and_paper_white_stay(like: VideoInfo) -> None:
    mark = Embedder(PAYLOAD, like)
    for level in (0, 16, 235, 255):
        flat = image(np.full(SIZE[::-1], level, np.uint8))
        assert (mark.image(flat) == flat).all()


def test_an_empty_mask_changes_nothing(like: VideoInfo) -> None:
    plain = image(scene(1)[0])
    assert (Embedder(PAYLOAD, like).image(plain, np.zeros(SIZE[::-1], np.uint8)) == plain).all()


@pytest.mark.parametrize(("crf", "size"), [(20, SIZE), (26, SIZE), (18, (320, 180))])
def test_found_after_encoding(like: VideoInfo, tmp_path: Path, crf: int, size: tuple[int, int]) -> None:
    path = tmp_path / "marked.mp4"
    written(marked(scene(16), like), path, crf, size)
    (found,) = detect(path, [TimeRange(0, 16 / 25)])
    assert found.marked
    if (crf, size) == (20, SIZE):
        assert found.payload == PAYLOAD
    assert found.payload in (PAYLOAD, None)


def test_found_in_a_small_part(like: VideoInfo, tmp_path: Path) -> None:
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[150:220, 200:290] = 255  # 5 % of the picture
    mark = Embedder(PAYLOAD, like)
    lumas = [np.where(mask > 0, mark.image(image(light), mask)[..., 0], light) for light in scene(25)]
    written(lumas, tmp_path / "lips.mp4", 20)
    (found,) = detect(tmp_path / "lips.mp4", [TimeRange(0, 1)])
    assert found.marked


def test_found_cropped_where_it_is_searched_for(like: VideoInfo, tmp_path: Path) -> None:
    lumas = [np.ascontiguousarray(light[14:256, 20:452]) for light in marked(scene(12), like)]
    written(lumas, tmp_path / "cropped.mp4", 20, (432, 242))
    span = [TimeRange(0, 12 / 25)]
    assert not detect(tmp_path / "cropped.mp4", span)[0].marked
    found = detect(tmp_path / "cropped.mp4", span, search=True)[0]
    assert found.marked
    assert found.payload == PAYLOAD


@pytest.mark.parametrize("turn", [lambda light: np.rot90(light), lambda light: light[:, ::-1],
                                  lambda light: np.rot90(light[:, ::-1], 3)])  # fmt: skip
def test_found_turned_and_mirrored(like: VideoInfo, turn: Callable[[Luma], Luma]) -> None:
    from editalk.watermark.detector import _look

    pictures = [on_grid(np.ascontiguousarray(turn(light)), 1.0) for light in marked(scene(6), like)]
    found = _look(np.mean(pictures, axis=0, dtype=np.float32), search=False)
    assert found.marked
    assert found.payload == PAYLOAD


def test_stretches_are_found_where_they_are(like: VideoInfo, tmp_path: Path) -> None:
    lumas = scene(100)
    lumas[50:64] = marked(lumas[50:64], like)
    written(lumas, tmp_path / "some.mp4", 20)
    spans = [f.span for f in detect(tmp_path / "some.mp4")]
    assert spans
    assert all(span.start < 64 / 25 and span.end > 2 for span in spans)
    written(scene(50), tmp_path / "none.mp4", 20)
    assert detect(tmp_path / "none.mp4") == ()


def test_the_bound_holds_over_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """One picture, 300 keys that it was not marked with: the whole picture's score is as often great as is said."""
    from editalk.watermark import detector, pattern

    spectra = detector._spectra(parts(residual(on_grid(scene(1)[0], 1.0)))[:1])
    scores = []
    for k in range(300):
        monkeypatch.setattr(pattern, "KEY", f"another {k}")
        spectrum.cache_clear()
        scores.append(float(detector._scores(spectra, spectrum("presence")[BAND][None])[0, 0]))
    spectrum.cache_clear()
    assert 0.85 < float(np.std(scores)) < 1.15
    for z in (1.5, 2.0, 2.5, 3.0):
        assert np.mean(np.array(scores) > z) <= np.exp(-(z**2) / 2) + 0.01
    assert probability(8.0, 1000) < LIKELY < probability(5.0, 1000)


def test_parts_fold_onto_their_own_phases() -> None:
    whole = np.tile(tile(b""), (3, 4))[:350, :500]
    for folded in parts(whole, (2,))[1:-5]:
        inside = folded[folded != 0]
        assert len(inside) == 0 or np.allclose(inside, tile(b"")[folded != 0], atol=1e-4)
    assert parts(whole).shape[1:] == (TILE, TILE)


def test_without_the_extra_nothing_begins(clip: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("editalk.watermark.payload.find_spec", lambda _: None)
    with pytest.raises(DeviceError, match=r"pip install 'editalk\[watermark\]'"):
        check(Job(clip("25"), Path("edited.txt"), watermark=True))


@pytest.fixture
def talk(clip: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "talk.mp4"
    path.write_bytes(clip("long").read_bytes())
    words = [{"word": f" w{k}", "start": 0.4 * k + 0.2, "end": 0.4 * k + 0.5} for k in range(18)]
    path.with_name("talk.transcript.json").write_text(json.dumps({"text": "", "segments": [{"words": words}]}))
    path.with_name("e.txt").write_text(" ".join(f"w{k}" for k in range(18) if k not in (8, 9)))
    return path


def test_an_edit_is_marked_where_it_is_new(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same frames are new with and without; those that are not new are the same, and new ones differ by little."""
    made = {}
    for name, flag in (("plain", "--no-watermark"), ("marked", "--watermark")):
        out = talk.with_name(f"{name}.mp4")
        arguments = ["apply", str(talk), str(talk.with_name("e.txt")), "-o", str(out), "--json", "-q", flag]
        assert main([*arguments, "--backend", "exemplar"]) == 0
        report = json.loads(capsys.readouterr().out)
        strips = sorted((talk.parent / "cache" / "window").rglob("*.mkv"))
        with FrameReader(probe(out)) as reader:
            made[name] = report, strips, [reader.image(k)[..., 0].astype(int) for k in range(reader.frames)]
    (plain, first, before), (report, both, after) = made["plain"], made["marked"]
    assert plain["watermark"] is None
    assert report["watermark"] == payload_of(probe(talk).sha256).hex()
    assert report["frames_identical"] == plain["frames_identical"] > 0
    assert report["frames_rendered"] == plain["frames_rendered"] > 0
    assert len(both) == len(first) + len(report["windows"])  # a marked window is another one
    start, end = report["windows"][0]
    inside = [np.abs(a - b).mean() for a, b in zip(before[start:end], after[start:end], strict=True)]
    assert 0.2 < max(inside) < 4
    far = before[: start - 15] + before[end + 25 :], after[: start - 15] + after[end + 25 :]
    assert max(np.abs(a - b).max() for a, b in zip(*far, strict=True)) <= 3  # encoded anew, but not marked
