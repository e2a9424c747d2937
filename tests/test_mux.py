"""Writing videos: what is kept of the source, exact sound, atomic files, every fault an OutputError."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import chirp, lag, number_in, picture

from editalk.audio import Audio
from editalk.errors import OutputError
from editalk.media import FrameReader, MediaInfo, SoundFile, decode_sound, probe, to_frame, to_image
from editalk.mux import Writer, audio_codec, check_target, video_codec

Clip = Callable[[str], Path]


def copy(info: MediaInfo, out: Path, sound: SoundFile, **options: Any) -> MediaInfo:
    """Write a video again, picture and sound by turns."""
    rate, at = info.video.rate, 0
    with FrameReader(info) as reader, Writer(out, info, rate, **options) as writer:
        for k, frame in reader.iterate():
            stop = rate.sample(k + 1, sound.rate)
            writer.video(frame)
            writer.sound(sound.read(at, stop))
            at = stop
    return probe(out)


def sound_of(info: MediaInfo, tmp_path: Path) -> SoundFile:
    return decode_sound(info.path, tmp_path / f"{info.path.name}.raw", start=info.video.start)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("25", ".mp4"),
        ("film", ".mov"),
        ("ntsc", ".mov"),
        ("ntsc_mkv", ".mkv"),
        ("rotated", ".mp4"),
        ("ten_bit", ".mp4"),
        ("mono", ".mp4"),
        ("full_range", ".mp4"),
        ("odd_444", ".mkv"),
        ("open_gop", ".mp4"),
        ("program_stream", ".mp4"),
        ("even_drop", ".mp4"),
        ("late_picture", ".mkv"),
    ],
)
def test_the_copy_is_like_the_source(clip: Clip, tmp_path: Path, name: str, suffix: str) -> None:
    info = probe(clip(name))
    sound = sound_of(info, tmp_path)
    out = copy(info, tmp_path / f"out{suffix}", sound)
    for field in ("width", "height", "pix_fmt", "rate", "frames", "rotation", "sample_aspect", "colour"):
        assert getattr(out.video, field) == getattr(info.video, field), field
    assert out.video.codec == ("hevc" if info.video.codec == "hevc" else "h264")
    assert not out.video.variable
    for field in ("sample_rate", "channels", "layout"):
        assert getattr(out.audio, field) == getattr(info.audio, field), field
    assert out.video.start == 0
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


@pytest.mark.parametrize("name", ["25", "ten_bit", "open_gop", "full_range"])
def test_pictures_are_visually_lossless_and_in_order(clip: Clip, tmp_path: Path, name: str) -> None:
    info = probe(clip(name))
    out = copy(info, tmp_path / "out.mp4", sound_of(info, tmp_path))
    with FrameReader(info) as source, FrameReader(out) as result:
        for k in range(info.video.frames):
            a, b = source.image(k)[..., 0].astype(float), result.image(k)[..., 0]
            assert number_in(b) == k
            assert 10 * np.log10(65025 / max(1e-6, float(((a - b) ** 2).mean()))) >= 42


def test_noise_is_kept_too(clip: Clip, tmp_path: Path) -> None:
    info = probe(clip("25"))
    draw = np.random.default_rng(0)
    images = [picture(k) for k in range(12)]
    for image in images:
        image[..., 0] = np.clip(image[..., 0] + draw.normal(0, 5, image.shape[:2]), 0, 255)
    for codec in ("h264", "hevc"):
        like = dataclasses.replace(info, video=dataclasses.replace(info.video, codec=codec))
        with Writer(tmp_path / "noise.mp4", like, info.video.rate, overwrite=True) as writer:
            for image in images:
                writer.video(to_frame(image, info.video))
            writer.sound(Audio(chirp(21168), 44100))
        with FrameReader(probe(tmp_path / "noise.mp4")) as result:
            for k, image in enumerate(images):
                error = float(((image[..., 0].astype(float) - result.image(k)[..., 0]) ** 2).mean())
                assert 10 * np.log10(65025 / error) >= 41.5


@pytest.mark.parametrize(
    ("name", "suffix"), [("25", ".mp4"), ("25", ".mov"), ("25", ".mkv"), ("mono", ".mp4"), ("program_stream", ".mp4")]
)
def test_aac_starts_at_sample_zero(clip: Clip, tmp_path: Path, name: str, suffix: str) -> None:
    info = probe(clip(name))
    before = sound_of(info, tmp_path)
    out = copy(info, tmp_path / f"out{suffix}", before)
    after = sound_of(out, tmp_path)
    length = info.video.rate.sample(info.video.frames, before.rate)
    a, b = before.read(0, length).samples[:, 0], after.read(0, length).samples[:, 0]
    assert lag(a, b) == 0
    assert np.corrcoef(a, b)[0, 1] > 0.999
    assert abs(after.samples - length) <= (0 if suffix != ".mkv" else 1100)
    assert (out.audio.bit_rate or 128_000) >= 48_000  # what AAC can spend on a chirp


@pytest.mark.parametrize(("name", "suffix"), [("ntsc", ".mov"), ("ntsc_mkv", ".mkv")])
def test_lossless_sound_stays_lossless(clip: Clip, tmp_path: Path, name: str, suffix: str) -> None:
    info = probe(clip(name))
    before = sound_of(info, tmp_path)
    out = copy(info, tmp_path / f"out{suffix}", before)
    after = sound_of(out, tmp_path)
    assert out.audio.codec == info.audio.codec
    length = info.video.rate.sample(info.video.frames, before.rate)
    error = np.abs(before.read(0, length).samples - after.read(0, length).samples)
    assert float(error.max()) < 2 / 32768


@pytest.mark.parametrize("bits", [16, 32])
def test_flac_keeps_its_depth(clip: Clip, tmp_path: Path, bits: int) -> None:
    info = probe(clip("ntsc_mkv"))
    like = dataclasses.replace(info, audio=dataclasses.replace(info.audio, codec="flac", bits=bits))
    out = copy(like, tmp_path / "out.mkv", sound_of(info, tmp_path))
    assert (out.audio.codec, out.audio.bits) == ("flac", bits)


def test_tags_timecode_and_faststart(clip: Clip, tmp_path: Path) -> None:
    info = probe(clip("25"))
    info = dataclasses.replace(info, metadata=(*info.metadata, ("com.example.take", "7")))
    for suffix in (".mp4", ".mov"):
        out = copy(info, tmp_path / f"out{suffix}", sound_of(info, tmp_path))
        assert dict(out.metadata)["title"] == "A talk"
        assert dict(out.metadata)["com.example.take"] == "7"
        assert out.timecode == "01:00:00:00"
        data = out.path.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")


def test_the_source_frame_is_left_as_it_was(clip: Clip, tmp_path: Path) -> None:
    info = probe(clip("25"))
    with FrameReader(info) as reader, Writer(tmp_path / "out.mp4", info, info.video.rate) as writer:
        frame = reader.frame(7)
        kept = frame.pts, frame.time_base, frame.pict_type, to_image(frame)
        for _ in range(5):
            writer.video(frame)  # the same one again and again, as where the grid repeats a frame
        assert (frame.pts, frame.time_base, frame.pict_type) == kept[:3]
        assert np.array_equal(to_image(frame), kept[3])
        writer.sound(Audio(chirp(8820), 44100))
    assert probe(tmp_path / "out.mp4").video.frames == 5


def test_pixel_aspect_is_kept(clip: Clip, tmp_path: Path) -> None:
    info = probe(clip("anamorphic"))
    info = dataclasses.replace(info, video=dataclasses.replace(info.video, sample_aspect=Fraction(16, 15)))
    out = copy(info, tmp_path / "out.mp4", sound_of(info, tmp_path))
    assert out.video.sample_aspect == Fraction(16, 15)


def write_some(out: Path, info: MediaInfo, **options: Any) -> None:
    with Writer(out, info, info.video.rate, **options) as writer, FrameReader(info) as reader:
        for _, frame in reader.iterate(0, 10):
            writer.video(frame)
        writer.sound(Audio(chirp(17640), 44100))


def test_targets_that_cannot_be(clip: Clip, tmp_path: Path) -> None:
    info = probe(clip("25"))
    (tmp_path / "there.mp4").write_bytes(b"old")
    (tmp_path / "folder.mp4").mkdir()
    cases = {
        "mkv": tmp_path / "out.xyz",
        "make it first": tmp_path / "nowhere" / "out.mp4",
        "-y": tmp_path / "there.mp4",
        "is a folder": tmp_path / "folder.mp4",
        "is the source": info.path,
    }
    for words, out in cases.items():
        with pytest.raises(OutputError, match=words):
            write_some(out, info)
    assert (tmp_path / "there.mp4").read_bytes() == b"old"
    with pytest.raises(OutputError, match="is the source"):
        check_target(info.path, True, info.path)
    assert check_target(tmp_path / "there.mp4", True) == "mp4"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(clip: Clip, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permissions"):
        write_some(tmp_path / "out.mp4", probe(clip("25")))
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_a_broken_off_edit_leaves_the_old_file(clip: Clip, tmp_path: Path, fault: type[BaseException]) -> None:
    info, out = probe(clip("25")), tmp_path / "out.mp4"
    out.write_bytes(b"old")

    def broken_off() -> None:
        with Writer(out, info, info.video.rate, overwrite=True) as writer:
            writer.video(to_frame(picture(1), info.video))
            raise fault

    with pytest.raises(fault):
        broken_off()
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]
    write_some(out, info, overwrite=True)
    assert probe(out).video.frames == 10
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("place", ["mux_one", "close"])
def test_a_full_disk_leaves_nothing(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    info = probe(clip("25"))

    class Full:
        """A container on a disk that fills up."""

        def __init__(self, real: Any) -> None:
            self.real = real

        def __getattr__(self, name: str) -> Any:
            if name == place:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return getattr(self.real, name)

    writer = Writer(tmp_path / "out.mp4", info, info.video.rate)
    monkeypatch.setattr(writer, "_container", Full(writer._container))

    def write() -> None:
        with writer, FrameReader(info) as reader:
            for _, frame in reader.iterate():
                writer.video(frame)

    with pytest.raises(OutputError, match="no space is left"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_codec_that_is_missing(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = probe(clip("25"))
    monkeypatch.setattr(av, "codecs_available", {"aac"})
    with pytest.raises(OutputError, match="cannot encode x264"):
        write_some(tmp_path / "out.mp4", info)
    assert list(tmp_path.iterdir()) == []


def test_codecs_of_the_family(clip: Clip) -> None:
    info = probe(clip("25"))
    assert video_codec(dataclasses.replace(info.video, codec="hevc")) == "libx265"
    vp9 = dataclasses.replace(info.video, codec="vp9")
    assert [video_codec(vp9, form) for form in ("mp4", "mov", "webm")] == ["libvpx-vp9", "libx264", "libvpx-vp9"]
    prores = dataclasses.replace(info.video, codec="prores")
    assert [video_codec(prores, form) for form in ("mp4", "mov", "webm")] == ["libx264", "prores_ks", "libvpx-vp9"]
    assert video_codec(dataclasses.replace(info.video, codec="mpeg2video")) == "libx264"
    pcm = dataclasses.replace(info.audio, codec="pcm_s24le")
    assert [audio_codec(pcm, form) for form in ("mp4", "mov", "matroska")] == ["aac", "pcm_s24le", "pcm_s24le"]
    assert audio_codec(dataclasses.replace(info.audio, codec="mp3"), "matroska") == "aac"


def test_sound_and_pictures_of_another_kind_are_refused(clip: Clip, tmp_path: Path) -> None:
    info = probe(clip("25"))
    with Writer(tmp_path / "out.mp4", info, info.video.rate) as writer:
        with pytest.raises(ValueError, match="another kind"):
            writer.sound(Audio(chirp(100, channels=1), 44100))
        with pytest.raises(ValueError, match="another size"):
            writer.video(to_frame(picture(0, (80, 60)), info.video))
        writer.video(to_frame(picture(0), info.video))
        writer.sound(Audio(chirp(1764), 44100))


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_appears_meanwhile_stays_unless_it_may_go(clip: Clip, tmp_path: Path, overwrite: bool) -> None:
    info = probe(clip("mono"))
    out = tmp_path / "out.mp4"

    def work() -> None:
        with FrameReader(info) as reader, Writer(out, info, info.video.rate, overwrite=overwrite) as writer:
            for _, frame in reader.iterate():
                writer.video(frame)
            assert writer.complete().exists()
            out.write_bytes(b"somebody else's")

    if overwrite:
        work()
        with av.open(str(out)) as container:
            assert container.streams.video[0].frames == info.video.frames
    else:
        with pytest.raises(OutputError, match="has appeared"):
            work()
        assert out.read_bytes() == b"somebody else's"
    assert list(tmp_path.iterdir()) == [out]
