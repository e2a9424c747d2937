"""Probing, random access and sound of small clips of many kinds."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import SPECS, chirp, lag, number_in, picture
from hypothesis import given, settings
from hypothesis import strategies as st

from editalk.errors import MediaError
from editalk.media import FrameReader, converted, decode_sound, probe, probe_audio, rgb, to_frame, to_image, upright
from editalk.media.grid import constant_grid, nearest_source, snap

Clip = Callable[[str], Path]
STEADY = [
    "25",
    "film",
    "ntsc",
    "ntsc_mkv",
    "open_gop",
    "open_gop_h264",
    "program_stream",
    "ten_bit",
    "late_picture",
    "avi",
    "transport_stream",
]


def luma(frame: av.VideoFrame) -> Any:
    return to_image(frame)[..., 0]


@pytest.mark.parametrize("name", STEADY)
def test_probe_finds_the_exact_rate_and_number_of_frames(clip: Clip, name: str) -> None:
    info, spec = probe(clip(name)), SPECS[name]
    assert info.video.rate.value == spec.rate
    assert info.video.frames == spec.frames
    assert not info.video.variable
    assert info.duration == pytest.approx(float(spec.frames / spec.rate))
    assert (info.audio.sample_rate, info.audio.channels) == (spec.sample_rate, 1 if spec.layout == "mono" else 2)


def test_probe_reads_tags(clip: Clip) -> None:
    info = probe(clip("25"))
    assert tuple(info.video.colour) == (1, 1, 1, 1)
    assert info.timecode == "01:00:00:00"
    assert dict(info.metadata)["title"] == "A talk"
    assert len(info.sha256) == 64
    assert probe(clip("rotated")).video.rotation == 90
    assert probe(clip("ten_bit")).video.pix_fmt == "yuv420p10le"
    assert probe(clip("late_picture")).video.start == Fraction(1, 5)


def test_even_drops_get_the_average_rate(clip: Clip) -> None:
    video = probe(clip("even_drop")).video
    assert video.variable
    assert float(video.rate) == pytest.approx(22.5, rel=0.01)
    counts = np.bincount(np.searchsorted(video.packets.source, video.packets.shown))
    assert (counts == 1).mean() >= 0.98


def test_a_stalling_stream_gets_its_nominal_rate(clip: Clip) -> None:
    video = probe(clip("variable")).video
    assert video.variable
    assert video.rate.value == 30
    assert set(video.packets.shown) == set(video.packets.source)


@pytest.mark.parametrize("name", [*STEADY, "even_drop", "variable"])
def test_any_frame_after_any_seek(clip: Clip, name: str) -> None:
    info = probe(clip(name))
    order = np.searchsorted(info.video.packets.source, info.video.packets.shown)
    draw = random.Random(1)
    with FrameReader(info) as reader:
        reader._cache.clear()
        for _ in range(30):
            k = draw.randrange(reader.frames)
            reader._cache.clear()  # each access really decodes
            if draw.random() < 0.7:
                reader._decoded = None  # and seeks, though it could read on
            assert number_in(luma(reader.frame(k))) == order[k]


@pytest.mark.parametrize("name", ["25", "open_gop", "open_gop_h264", "program_stream", "film"])
def test_seeking_gives_the_same_pixels_as_reading(clip: Clip, name: str) -> None:
    info = probe(clip(name))
    with FrameReader(info) as reader:
        straight = [to_image(frame) for _, frame in reader.iterate()]
        for k in reversed(range(info.video.frames)):
            reader._cache.clear()
            reader._decoded = None
            assert np.array_equal(reader.image(k), straight[k])


def test_reader_is_footage_with_bounds_and_memory(clip: Clip) -> None:
    info = probe(clip("25"))
    with FrameReader(info) as reader:
        assert [k for k, _ in reader.iterate(10, 14)] == [10, 11, 12, 13]
        assert len(list(reader.iterate())) == reader.frames == 50
        assert len(reader._cache) <= 16
        first = reader.image(3)
        first[:] = 0
        assert reader.image(3).any()
        for wrong in (-1, 50):
            with pytest.raises(IndexError):
                reader.frame(wrong)


@pytest.mark.parametrize("name", ["25", "odd_420", "odd_444", "full_range", "rotated"])
def test_image_and_back_is_exact(clip: Clip, name: str) -> None:
    info = probe(clip(name))
    with FrameReader(info) as reader:
        for _, frame in reader.iterate(0, 5):
            back = to_frame(to_image(frame), info.video)
            assert np.array_equal(to_image(back), to_image(frame))
            for mine, theirs in zip(back.planes, frame.planes, strict=True):
                a = np.frombuffer(memoryview(mine), np.uint8).reshape(mine.height, -1)[:, : mine.width]
                b = np.frombuffer(memoryview(theirs), np.uint8).reshape(theirs.height, -1)[:, : theirs.width]
                assert np.array_equal(a, b)


@pytest.mark.parametrize("name", ["25", "odd_420", "odd_444", "full_range", "ten_bit"])
@pytest.mark.parametrize("area", [(slice(3, 20), slice(7, 40)), (slice(-5, 31), slice(2, 999)),
                                  (slice(9, 9), slice(0, 4))])  # fmt: skip
def test_a_part_of_an_image_is_that_of_the_whole(clip: Clip, name: str, area: tuple[slice, slice]) -> None:
    with FrameReader(probe(clip(name))) as reader:
        whole, part = reader.image(3), reader.image(3, area)
    rows, columns = (slice(max(0, a.start), a.stop) for a in area)
    assert part.shape == whole.shape
    assert np.array_equal(part[rows, columns], whole[rows, columns])
    part[rows, columns] = 0
    assert not part.any()


def test_ten_bits_go_down_and_up(clip: Clip) -> None:
    info = probe(clip("ten_bit"))
    with FrameReader(info) as reader:
        image = reader.image(4)
        back = to_frame(image, info.video)
    assert image.dtype == np.uint8
    assert back.format.name == "yuv420p10le"
    assert np.abs(to_image(back).astype(int) - image).max() == 0
    assert np.abs(image[..., 0].astype(int) - picture(4)[..., 0]).mean() < 3


@pytest.mark.parametrize("name", ["25", "full_range"])
def test_rgb_agrees_with_swscale(clip: Clip, name: str) -> None:
    info = probe(clip(name))
    with FrameReader(info) as reader:
        frame = reader.frame(7)
        mine = rgb(reader.image(7), info.video)
        theirs = frame.reformat(
            format="rgb24",
            src_colorspace="ITU709",
            dst_colorspace="ITU709",
            src_color_range="JPEG" if name == "full_range" else "MPEG",
            dst_color_range="JPEG",
        ).to_ndarray()
    assert np.abs(mine.astype(int) - theirs)[40:].mean() < 3


def test_upright_turns_counter_clockwise() -> None:
    image = np.arange(6).reshape(2, 3)
    assert np.array_equal(upright(image, 90), [[2, 5], [1, 4], [0, 3]])
    assert upright(image, 0) is image


@pytest.mark.parametrize("name", ["25", "ntsc", "ntsc_mkv", "mono", "late_sound", "late_picture", "film"])
def test_sound_starts_with_the_first_picture(clip: Clip, tmp_path: Path, name: str) -> None:
    info, spec = probe(clip(name)), SPECS[name]
    sound = decode_sound(info.path, tmp_path / "raw", start=info.video.start)
    late = spec.sound_late - float(spec.video_late / spec.rate)
    shift = round(late * sound.rate)
    whole = sound.read(0, sound.samples).samples
    truth = chirp(round(spec.frames / spec.rate * sound.rate), sound.rate, sound.channels)
    rounding = 45 if name == "late_sound" else 1  # MP4 keeps an initial delay in milliseconds
    assert abs(lag(truth[:, 0], whole[:, 0]) - shift) <= rounding
    assert sound.samples == pytest.approx(len(truth) + shift, abs=40)
    if shift > 0:
        assert np.abs(whole[: shift - 2000]).max() == 0
    assert not (tmp_path / "raw.part").exists()


def test_reading_outside_gives_zeros(clip: Clip, tmp_path: Path) -> None:
    sound = decode_sound(clip("25"), tmp_path / "raw")
    part = sound.read(-100, 200)
    assert part.samples.shape == (300, 2)
    assert not part.samples[:100].any()
    assert part.samples[150:].any()
    assert not sound.read(sound.samples + 5, sound.samples + 9).samples.any()
    assert np.array_equal(sound.read(1000, 1100).samples, sound.read(0, 2000).samples[1000:1100])


@pytest.mark.parametrize("rate", [16000, 48000, 22050])
def test_resampling_is_right_to_the_sample(clip: Clip, tmp_path: Path, rate: int) -> None:
    own = decode_sound(clip("ntsc"), tmp_path / "own")
    sound = decode_sound(clip("ntsc"), tmp_path / "raw", rate, 1)
    assert sound.channels == 1
    assert sound.samples == round(own.samples * rate / own.rate)
    truth = chirp(sound.samples, rate, 1)[:, 0]
    heard = sound.read(0, sound.samples).samples[:, 0]
    assert lag(truth, heard) == 0
    assert np.abs(truth - heard)[200:-200].max() < 0.02


def broken(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def test_what_is_not_a_video_is_named(clip: Clip, tmp_path: Path) -> None:
    whole = clip("25").read_bytes()
    cases = {
        "no such file": tmp_path / "nothing.mp4",
        "is a folder": tmp_path,
        "0 bytes": broken(tmp_path, "empty.mp4", b""),
        "not a media file": broken(tmp_path, "text.mp4", b"just a letter to you\n" * 50),
        "playlist": broken(tmp_path, "list.mp4", b"#EXTM3U\n#EXTINF:1,\nhttp://localhost/x.ts\n#EXT-X-ENDLIST\n"),
        "moov": broken(tmp_path, "headless.mp4", whole[: len(whole) // 2]),
        "no sound": clip("silent"),
    }
    for words, path in cases.items():
        with pytest.raises(MediaError, match=words) as caught:
            probe(path)
        assert str(path) in str(caught.value)


def test_a_concat_script_is_refused(clip: Clip, tmp_path: Path) -> None:
    script = broken(tmp_path, "all.mp4", f"ffconcat version 1.0\nfile '{clip('25')}'\n".encode())
    with pytest.raises(MediaError, match="playlist"):
        probe(script)


def test_sound_only_and_cover_art(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="no picture"):
        probe(path)
    assert (probe_audio(path).sample_rate, probe_audio(path).channels) == (16000, 1)
    with pytest.raises(MediaError, match="no such file"):
        probe_audio(tmp_path / "other.wav")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_file_cut_in_the_middle_says_how_much_is_left(clip: Clip, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"whole{suffix}"
    with av.open(str(clip("25"))) as source, av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams if s.type in ("video", "audio")}
        for packet in source.demux(*[source.streams[k] for k in streams]):
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                out.mux(packet)
    data = path.read_bytes()
    with pytest.raises(MediaError, match=r"about [01]\.\d of 2\.\d s can be read"):
        probe(broken(tmp_path, f"cut{suffix}", data[: len(data) * 6 // 10]))


@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "60"])
def test_snap(rate: str) -> None:
    exact = Fraction(rate)
    assert snap(exact * Fraction(100_030, 100_000)) == exact
    assert snap(exact * Fraction(101, 100)) != exact


@given(
    rate=st.sampled_from([Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(50), Fraction(60)]),
    frames=st.integers(2, 500),
    base=st.sampled_from([Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 15360)]),
    first=st.integers(-5000, 5000),
)
@settings(deadline=None, max_examples=60)
def test_rounded_timestamps_are_a_constant_rate(rate: Fraction, frames: int, base: Fraction, first: int) -> None:
    pts = np.array([first + round(k / (rate * base)) for k in range(frames)], np.int64)
    found, shown, variable = constant_grid(pts, round(1 / (rate * base)), base, rate, rate)
    assert (found.value, variable) == (rate, False)
    assert np.array_equal(shown, pts)


@given(gaps=st.lists(st.integers(1, 9), min_size=2, max_size=80), rate=st.integers(5, 60))
@settings(deadline=None, max_examples=60)
def test_each_instant_shows_the_nearest_frame(gaps: list[int], rate: int) -> None:
    pts = np.cumsum([0, *gaps]).astype(np.int64)
    base = Fraction(1, 30)
    index = nearest_source(pts, Fraction(rate), base, 20)
    assert (np.diff(index) >= 0).all()
    for k in range(20):
        distance = [abs(p * base - Fraction(k, rate)) for p in pts.tolist()]
        assert float(distance[index[k]]) == pytest.approx(float(min(distance)))


def test_importing_media_is_cheap() -> None:
    heavy = ("torch", "cv2", "mediapipe", "scipy")
    code = f"import sys, editalk.media, editalk.mux; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["25", "mono", "late_sound", "ntsc"])
def test_converted_sound_is_as_if_decoded_so(clip: Clip, tmp_path: Path, name: str) -> None:
    path = clip(name)
    own = decode_sound(path, tmp_path / "own")
    for rate, channels in ((16000, 1), (own.rate, 1), (48000, own.channels)):
        again = decode_sound(path, tmp_path / "again", rate, channels)
        made = converted(own, tmp_path / "made", rate, channels)
        assert (made.samples, made.rate, made.channels) == (again.samples, rate, channels)
        assert np.array_equal(made.read(0, made.samples).samples, again.read(0, again.samples).samples)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again", "made", "own"]
