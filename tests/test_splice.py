"""Copied packets beside encoded pictures: which are taken, that they decode to the same samples, what prevents it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import ClipSpec, chirp, number_in, write_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from editalk.analysis import Analysis
from editalk.audio import Audio
from editalk.backends.base import Capabilities
from editalk.cache import Cache
from editalk.media import FrameReader, MediaInfo, probe, to_image
from editalk.mux import Writer
from editalk.pipeline import Clock, Result, opened, report
from editalk.pipeline.apply import apply, bring_along
from editalk.pipeline.splicing import Splicing, same
from editalk.plan import EditPlan, Origin, Piece, SoundPiece
from editalk.reporting import Silent
from editalk.soundtrack import Soundtrack
from editalk.splice import Segment, SpliceError, coded, copies, nal, segments
from editalk.timebase import FrameRange, FrameRate

Clip = Callable[[str], Path]
GOP = "keyint=24:min-keyint=24:scenecut=0"


def h264(more: str = "", **spec: str) -> ClipSpec:
    return replace(ClipSpec(frames=96, options=(("crf", "18"), ("x264-params", GOP + more))), **spec)


def hevc(more: str = "", **spec: str) -> ClipSpec:
    options = (("crf", "18"), ("x265-params", f"{GOP}:bframes=4:b-adapt=0:log-level=error{more}"))
    return replace(ClipSpec(codec="libx265", frames=96, options=options), **spec)


CODED = {
    "plain": h264(":b-adapt=0"),
    "pyramid": h264(":bframes=6:b-pyramid=normal:b-adapt=0"),
    "no_b": h264(":bframes=0"),
    "high_level": h264(":level=51:ref=4:b-adapt=0"),
    "baseline": h264(":level=51:bframes=0:cabac=0:8x8dct=0:weightp=0"),
    "slices": h264(":slices=3"),
    "numbered": h264(":sps-id=1", suffix=".mkv"),
    "ten_bit_h264": h264(pix_fmt="yuv420p10le", suffix=".mov"),
    "stream": h264(suffix=".ts"),
    "open_h264": h264(":open-gop=1:bframes=4:b-adapt=0"),
    "interlaced": h264(":tff=1"),
    "hevc": hevc(":open-gop=0"),
    "hevc_open": hevc(":open-gop=1"),
    "hevc_radl": hevc(":open-gop=0:radl=2", suffix=".mkv"),
    "hevc_slices": hevc(":slices=2:open-gop=0", suffix=".mov"),
    "hevc_stream": hevc(suffix=".ts"),
    "ten_bit_hevc": hevc(pix_fmt="yuv420p10le"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("coded")

    def get(name: str) -> Path:
        path = folder / f"{name}{CODED[name].suffix}"
        return path if path.exists() else write_clip(path, CODED[name])

    return get


# ------------------------------------------------------------------------------------------------- which are taken


@dataclass(frozen=True)
class Order:
    shown: NDArray[np.int64]
    entry: NDArray[np.bool_]
    leading: NDArray[np.bool_]


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """GOPs of mini-GOPs: a picture read first, those shown before it behind it; open ones lead up to their entry."""
    shown: list[int] = []
    entry: list[bool] = []
    leading: list[bool] = []
    for _ in range(draw(st.integers(1, 6))):
        before = draw(st.integers(0, 3)) if shown else 0
        at = len(shown)
        shown += [at + before, *range(at, at + before)]
        entry += [draw(st.booleans()) or not at, *[False] * before]
        leading += [False, *[True] * before]
        for size in draw(st.lists(st.integers(1, 5), max_size=6)):
            at = len(shown)
            shown += [at + size - 1, *range(at, at + size - 1)]
            entry += [False] * size
            leading += [False] * size
    return Order(np.asarray(shown), np.asarray(entry), np.asarray(leading))


@st.composite
def cuts(draw: st.DrawFn) -> tuple[Order, tuple[Piece, ...], int]:
    """An order, stretches of it that are kept in any order, and the timeline's length."""
    order = draw(orders())
    pieces, at = [], 0
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(order.shown) - 1))
        length = draw(st.integers(1, len(order.shown) - start))
        at += draw(st.integers(0, 5))
        pieces.append(Piece(at, length, start, length))
        at += length
    return order, tuple(pieces), max(1, at + draw(st.integers(0, 5)))


@given(cuts(), st.sampled_from([Fraction(2), Fraction(10)]))
def test_segments(cut: tuple[Order, tuple[Piece, ...], int], rate: Fraction) -> None:
    order, pieces, frames = cut
    found = segments(pieces, frames, order, FrameRate(rate))
    assert [s.span.start for s in found] == [0, *(s.span.end for s in found[:-1])]
    assert found[-1].span.end == frames
    for segment in found:
        if segment.copy is None:
            continue
        copy, span = segment.copy, segment.span
        piece = next(p for p in pieces if p.start <= span.start and span.end <= p.end)
        assert copy.source - piece.source == span.start - piece.start
        assert order.entry[copy.first]
        assert order.shown[copy.first] == copy.source
        read = order.shown[copy.first : copy.last + 1]
        kept = sorted(int(n) for n in read if n >= copy.source)
        assert kept == list(range(copy.source, copy.source + len(span)))
        for k in range(copy.first + 1, copy.last + 1):  # only what leads up to the entry itself is left out
            if order.shown[k] < copy.source:
                assert order.leading[copy.first + 1 : k + 1].all()
        assert len(span) >= rate / 2


def test_all_that_lies_before_an_edit_is_taken() -> None:
    order = Order(np.asarray([0, 3, 1, 2, 6, 4, 5, 9, 7, 8]), np.asarray([True] + [False] * 9), np.zeros(10, bool))
    (first, rest) = segments([Piece(0, 8, 0, 8)], 10, order, FrameRate(Fraction(1)))
    assert first.span == FrameRange(0, 7)  # frame 7 refers to frame 9
    assert rest == Segment(FrameRange(7, 10))


# ------------------------------------------------------------------------------------------- what the output shows


def splice(info: MediaInfo, out: Path, gone: FrameRange, beside: int = 6) -> tuple[Segment, ...]:
    """The clip without some frames; those near the cut are encoded."""
    source, rate = coded(info), info.video.rate
    frames = info.video.frames - len(gone)
    before, after = gone.start - beside, gone.start + beside
    pieces = Piece(0, before, 0, before), Piece(after, frames - after, gone.end + beside, frames - after)
    found = segments(pieces, frames, source, rate)
    with FrameReader(info) as reader, Writer(out, info, rate, source=source) as writer:
        for segment in found:
            if segment.copy is not None:
                for packet, own in copies(source, segment.copy):
                    writer.copied(packet, segment.span.start + own - segment.copy.source)
                continue
            for frame in range(segment.span.start, segment.span.end):
                writer.video(reader.frame(frame if frame < gone.start else frame + len(gone)))
        writer.sound(Audio(chirp(rate.sample(frames, 44100)), 44100))
    return found


GONE = FrameRange(40, 51)


@pytest.mark.parametrize(
    ("name", "suffix", "least"),
    [
        ("plain", ".mp4", 54), ("plain", ".mkv", 54), ("pyramid", ".mov", 50), ("no_b", ".mp4", 57),
        ("slices", ".mp4", 54), ("numbered", ".mp4", 54), ("ten_bit_h264", ".mp4", 54), ("stream", ".mp4", 54),
        ("open_h264", ".mp4", 28), ("hevc", ".mp4", 50), ("hevc", ".mkv", 50), ("hevc_open", ".mp4", 50),
        ("hevc_open", ".mov", 50), ("hevc_radl", ".mp4", 50), ("hevc_slices", ".mkv", 50),
        ("hevc_stream", ".mp4", 50), ("ten_bit_hevc", ".mp4", 50),
    ],
)  # fmt: skip
def test_copied_frames_are_the_sources(
    made: Clip, tmp_path: Path, name: str, suffix: str, least: int
) -> None:
    info = probe(made(name))
    found = splice(info, tmp_path / f"out{suffix}", GONE)
    out = probe(tmp_path / f"out{suffix}")
    copied = {f: s.copy.source + f - s.span.start for s in found if s.copy for f in range(s.span.start, s.span.end)}
    assert len(copied) >= least
    assert out.video.frames == info.video.frames - len(GONE)
    assert (out.video.variable, out.video.start, out.video.pix_fmt) == (False, 0, info.video.pix_fmt)
    _all_arrive(out)
    with FrameReader(info) as source, FrameReader(out) as result:
        for k in range(out.video.frames):
            own = k if k < GONE.start else k + len(GONE)
            assert number_in(to_image(result.frame(k))[..., 0]) == own
            assert k not in copied or (copied[k] == own and same(result.frame(k), source.frame(own)))
    for segment in found:
        for k in (segment.span.start, segment.span.start + len(segment.span) // 2, segment.span.end - 1):
            with FrameReader(out) as fresh:  # by a seek
                own = k if k < GONE.start else k + len(GONE)
                assert number_in(to_image(fresh.frame(k))[..., 0]) == own


def _all_arrive(out: MediaInfo) -> None:
    """By decoding from the start: every frame, in order, at its time."""
    with av.open(str(out.path)) as box:
        times = [frame.pts * frame.time_base for frame in box.decode(video=0)]
    assert len(times) == out.video.frames
    due = [Fraction(k) / out.video.rate.value for k in range(len(times))]
    assert max(abs(a - b - times[0]) for a, b in zip(times, due, strict=True)) <= Fraction(1, 1900)


@pytest.mark.parametrize("name", ["plain", "high_level", "baseline", "hevc_open"])
def test_the_header_holds_all_parameter_sets(made: Clip, tmp_path: Path, name: str) -> None:
    info = probe(made(name))
    splice(info, tmp_path / "out.mp4", GONE)
    with av.open(str(tmp_path / "out.mp4")) as box:
        stream = box.streams.video[0]
        codec = stream.codec_context.name
        record = bytes(stream.codec_context.extradata or b"")
        length, sets = nal.configured(codec, record)
        ids = [nal.identity(codec, unit) for unit in sets]
        assert len(set(ids)) == len(ids) == (4 if codec == "h264" else 6)
        kinds = {nal.kind(codec, u) for p in box.demux(stream) if p.size for u in nal.split(bytes(p), length)}
        assert stream.codec_tag == ("avc1" if codec == "h264" else "hvc1")
    assert nal.Kind.SET not in kinds
    if codec == "h264":  # the header's profile and level hold for both
        own = [(unit[1], unit[3]) for unit in sets if nal.number(codec, unit) == 7]
        assert (record[1], record[3]) == (max(p for p, _ in own), max(n for _, n in own))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("program_stream", "the source is mpeg1video"),
        ("variable", "constant grid"),
        ("even_drop", "constant grid"),
        ("odd_420", "the source is ffv1"),
        ("avi", "avi does not say"),
    ],
)
def test_what_cannot_be_copied_says_why(clip: Clip, name: str, reason: str) -> None:
    with pytest.raises(SpliceError, match=reason):
        coded(probe(clip(name)))


def test_fields_and_changing_sets_are_not_copied(made: Clip, tmp_path: Path) -> None:
    with pytest.raises(SpliceError, match="interlaced"):
        coded(probe(made("interlaced")))
    both = tmp_path / "both.ts"
    small = write_clip(tmp_path / "other.ts", h264(":ref=1:bframes=0", suffix=".ts"))
    both.write_bytes(made("stream").read_bytes() + small.read_bytes())
    with pytest.raises(SpliceError, match=r"change on the way|constant grid|of their own|timestamp"):
        coded(probe(both))


def test_another_codec_is_not_mixed_with_the_sources(made: Clip, tmp_path: Path) -> None:
    info = probe(made("plain"))
    with pytest.raises(SpliceError, match="written by libvpx-vp9"):
        Writer(tmp_path / "out.webm", info, info.video.rate, source=coded(info))
    assert list(tmp_path.iterdir()) == []


def test_the_check_finds_a_wrong_picture(made: Clip, tmp_path: Path) -> None:
    info = probe(made("plain"))
    found = splice(info, tmp_path / "out.mp4", GONE)
    with FrameReader(info) as reader:
        Splicing(found, coded(info)).check(reader, tmp_path / "out.mp4")
        moved = [replace(s, copy=replace(s.copy, source=s.copy.source + 1)) if s.copy else s for s in found[:-1]]
        with pytest.raises(SpliceError, match="decoded otherwise"):
            Splicing((*moved, found[-1]), coded(info)).check(reader, tmp_path / "out.mp4")
        with pytest.raises(SpliceError, match="frames were found"):
            Splicing(found[:-1], coded(info)).check(reader, tmp_path / "out.mp4")


# ------------------------------------------------------------------------------------------------------- the bits


@given(st.binary(max_size=60).map(lambda b: b + b"\x80"))
def test_escapes(data: bytes) -> None:
    coded_unit = nal.escaped(data)
    assert nal.plain(coded_unit) == data
    assert not any(code in coded_unit for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))


@given(st.lists(st.binary(min_size=1, max_size=40).map(lambda b: nal.escaped(b"\x65" + b + b"\x80")), max_size=5))
def test_units(units: list[bytes]) -> None:
    assert list(nal.split(nal.joined(units), None)) == units
    for length in (1, 2, 4):
        packet = b"".join(len(u).to_bytes(length, "big") + u for u in units)
        assert list(nal.split(packet, length)) == units


@given(st.integers(0, 200), st.integers(0, 7))
@settings(max_examples=50)
def test_exp_golomb(value: int, at: int) -> None:
    size = (value + 1).bit_length()
    bits = "0" * at + "0" * (size - 1) + f"{value + 1:b}"
    data = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    assert nal.Bits(data, at).golomb() == value
    with pytest.raises(ValueError, match="ends early"):
        nal.Bits(b"\0\0").golomb()


@pytest.mark.parametrize("pps", nal.HEVC_PPS)
@pytest.mark.parametrize("header", [b"\x26\x01\xaf\x09", b"\x02\x01\xd0\x09"])  # an entry's slice and another's
def test_a_slice_gets_another_number(header: bytes, pps: int) -> None:
    made = nal.renumbered(header + b"\xaa\xbb", 15, pps)
    at = 18 if header[0] == 0x26 else 17
    assert nal.Bits(made, at).golomb() == pps
    before, after = (f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}" for data in (header + b"\xaa\xbb", made))
    assert after[:at] == before[:at]
    assert after[at + 9 :] == before[at + 1 :]
    assert b"\0" not in made


# ------------------------------------------------------------------------------------------------ the whole stage


@dataclass
class Said(Silent):
    """Keeps what is said."""

    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.lines.append(text)


class Drawing:
    """A backend that nobody asks for a picture."""

    name = "none"
    capabilities = Capabilities(temporal=False, lips=False, regions=frozenset())

    def figures(self) -> dict[str, int]:
        return {}


def applied(video: Path, out: Path, said: Said) -> Result:
    """Ten frames taken out, the last stretch moved to the front, no window."""
    with opened(video, said) as source:
        pieces = Piece(0, 36, 60, 36), Piece(36, 30, 0, 30), Piece(66, 20, 40, 20)
        at, rate = source.sound.rate, source.info.video.rate
        sound = SoundPiece(0, rate.sample(86, at), Origin.SOURCE, 0, rate.sample(86, at))
        plan = EditPlan(source.ref, (), None, (), pieces, (sound,), (), ())
        analysis = Analysis(source.info, source.reader, source.heard, (), Cache(out.parent / "cache"), said)
        speech = Soundtrack(plan, source.sound, (), ())
        backend: Any = Drawing()
        along = bring_along(source.info, plan, (), out, out.parent, said)
        result = apply(plan, source, speech, along, analysis, backend, out, True, lambda made, video: (made, {}),
                       analysis.cache, (0,), False, False, Clock(), said)  # fmt: skip
    assert result is not None
    return result


def test_apply_counts_what_it_copied(made: Clip, tmp_path: Path) -> None:
    said = Said()
    result = applied(made("pyramid"), tmp_path / "out.mp4", said)
    info, out = probe(made("pyramid")), probe(tmp_path / "out.mp4")
    moved = [*range(60, 96), *range(30), *range(40, 60)]
    with FrameReader(info) as source, FrameReader(out) as made_frames:
        equal = [same(made_frames.frame(k), source.frame(own)) for k, own in enumerate(moved)]
    assert result.copied == sum(equal) >= 45
    assert (result.identical, result.why_not, said.lines) == (86, None, [])
    made_report = report(result, Clock())
    assert (made_report["frames_copied"], made_report["copy"]) == (sum(equal), None)


def test_apply_encodes_all_where_the_check_fails(
    made: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("editalk.pipeline.splicing.same", lambda a, b: False)
    said = Said()
    result = applied(made("pyramid"), tmp_path / "out.mp4", said)
    assert (result.copied, result.identical) == (0, 86)
    assert result.why_not == "frame 12 was decoded otherwise than in the source"
    assert said.lines == [f"every frame is encoded anew: {result.why_not}"]
    assert probe(tmp_path / "out.mp4").video.frames == 86
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []


def test_apply_says_why_nothing_is_copied(made: Clip, tmp_path: Path) -> None:
    said = Said()
    result = applied(made("interlaced"), tmp_path / "out.mp4", said)
    assert (result.copied, result.why_not) == (0, "the source is interlaced or codes fields")
    assert said.lines == ["every frame is encoded anew: the source is interlaced or codes fields"]


def test_apply_says_where_open_groups_cannot_be_joined(made: Clip, tmp_path: Path) -> None:
    said = Said()
    result = applied(made("open_h264"), tmp_path / "out.mp4", said)
    assert result.copied > 0
    assert result.why_not is not None
    assert "open GOPs" in result.why_not
    assert said.lines == [f"not all that could be is copied: {result.why_not}"]
    assert applied(made("hevc_open"), tmp_path / "out.mp4", said).why_not is None
