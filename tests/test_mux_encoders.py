"""Which encoder is chosen for what, and what it is told; what is said of the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from editalk.errors import OutputError
from editalk.media import FieldOrder, LightLevel, Mastering, MediaInfo, probe
from editalk.mux import losses, suffix_for
from editalk.mux.encoders import encoding
from editalk.mux.sound_encoders import sound_encoding

Clip = Callable[[str], Path]
DISPLAY = Mastering(
    (Fraction("0.68"), Fraction("0.32")), (Fraction("0.265"), Fraction("0.69")), (Fraction("0.15"), Fraction("0.06")),
    (Fraction("0.3127"), Fraction("0.329")), Fraction("0.0001"), Fraction(1000),
)  # fmt: skip


@pytest.fixture(scope="module")
def info(clip: Clip) -> MediaInfo:
    return probe(clip("25"))


def video(info: MediaInfo, **changed: Any) -> Any:
    return dataclasses.replace(info.video, **changed)


def sound(info: MediaInfo, **changed: Any) -> Any:
    return dataclasses.replace(info.audio, **changed)


@pytest.mark.parametrize(
    ("profile", "option"), [("Proxy", "proxy"), ("LT", "lt"), ("HQ", "hq"), ("4444", "4444"), ("XQ", "4444xq")]
)
def test_prores_keeps_its_profile(info: MediaInfo, profile: str, option: str) -> None:
    made = encoding(video(info, codec="prores", profile=profile, pix_fmt="yuv422p10le"), "mov", None, None)
    assert (made.name, made.options["profile"]) == ("prores_ks", option)
    assert made.pix_fmt == ("yuv444p10le" if "4444" in option else "yuv422p10le")


@pytest.mark.parametrize(
    ("size", "pix_fmt", "rate", "wanted"),
    [
        ((1920, 1080), "yuv422p", 121_000_000, 120_000_000),
        ((1920, 1080), "yuv422p10le", 183_000_000, 185_000_000),
        ((1920, 1080), "yuv422p", 36_500_000, 36_000_000),
        ((1280, 720), "yuv422p", 61_000_000, 60_000_000),
    ],
)
def test_dnxhd_gets_the_nearest_rate_that_its_size_may_have(
    info: MediaInfo, size: tuple[int, int], pix_fmt: str, rate: int, wanted: int
) -> None:
    like = video(info, codec="dnxhd", profile="DNXHD", pix_fmt=pix_fmt, width=size[0], height=size[1], bit_rate=rate)
    made = encoding(like, "mov", None, None)
    assert (made.name, made.bit_rate, made.options["profile"]) == ("dnxhd", wanted, "dnxhd")


def test_dnxhr_keeps_its_profile_and_small_pictures_are_h264(info: MediaInfo) -> None:
    like = video(info, codec="dnxhd", profile="DNXHR HQX", pix_fmt="yuv422p10le", width=320, height=180)
    assert encoding(like, "mov", None, None).options == {"profile": "dnxhr_hqx"}
    odd = dataclasses.replace(like, profile="DNXHD")
    assert encoding(odd, "mov", None, None).options == {"profile": "dnxhr_hqx"}  # no DNxHD of that size
    assert encoding(dataclasses.replace(like, width=64, height=64), "mov", None, None).name == "libx264"
    assert encoding(like, "matroska", None, None).name == "libx264"


@pytest.mark.parametrize(
    ("pix_fmt", "size", "wanted"),
    [
        ("yuv420p", (853, 480), "yuv444p"),
        ("yuv420p10le", (852, 479), "yuv444p10le"),
        ("yuv422p", (853, 480), "yuv444p"),
        ("yuv422p", (852, 479), "yuv422p"),
        ("p010le", (852, 480), "yuv420p10le"),
        ("nv12", (852, 480), "yuv420p"),
        ("gray10le", (852, 480), "yuv420p10le"),
        ("bgr24", (852, 480), "yuv444p"),
    ],
)
def test_formats_that_h264_takes(info: MediaInfo, pix_fmt: str, size: tuple[int, int], wanted: str) -> None:
    like = video(info, pix_fmt=pix_fmt, width=size[0], height=size[1])
    assert encoding(like, "mp4", None, None).pix_fmt == wanted


def test_hdr_metadata_in_the_encoders_words(info: MediaInfo) -> None:
    like = video(info, codec="hevc", pix_fmt="yuv420p10le", mastering=DISPLAY, light=LightLevel(1000, 400))
    told = encoding(like, "mp4", None, None).options["x265-params"]
    assert "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)" in told
    assert "max-cll=1000,400" in told
    told = encoding(dataclasses.replace(like, codec="av1"), "webm", None, None).options["svtav1-params"]
    places = "G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)WP(0.31270,0.32900)"
    assert told == f"mastering-display={places}L(1000.00000,0.00010):content-light=1000,400"
    nothing = dataclasses.replace(DISPLAY, red=None)
    told = encoding(dataclasses.replace(like, mastering=nothing), "mp4", None, None).options["x265-params"]
    assert "master-display" not in told


def test_fields_and_all_intra(info: MediaInfo) -> None:
    made = encoding(video(info, fields=FieldOrder.BOTTOM), "mp4", None, None)
    assert made.fields
    assert "bff=1" in made.options["x264-params"].split(":")
    assert "g" not in made.options
    ntsc = encoding(video(info, fields=FieldOrder.BOTTOM, width=720, height=486), "mp4", None, None)
    assert not ntsc.fields
    assert "bff=1" not in ntsc.options["x264-params"]
    packets = dataclasses.replace(info.video.packets, keys=info.video.packets.source[:, None].repeat(2, 1))
    assert encoding(video(info, packets=packets), "mp4", None, None).options["g"] == "1"


@pytest.mark.parametrize(
    ("changed", "form", "wanted"),
    [
        ({"codec": "ac3", "sample_rate": 48000, "channels": 6, "layout": "5.1(side)", "bit_rate": 448_000}, "mp4",
         ("ac3", 48000, "5.1(side)", 576_000)),
        ({"codec": "eac3", "sample_rate": 48000, "channels": 8, "layout": "7.1"}, "mp4",
         ("aac", 48000, "7.1", 768_000)),
        ({"codec": "aac", "sample_rate": 48000, "channels": 6, "layout": "5.1(side)", "bit_rate": 384_000}, "mp4",
         ("aac", 48000, "5.1", 576_000)),
        ({"codec": "vorbis", "sample_rate": 44100}, "webm", ("libopus", 48000, "stereo", 192_000)),
        ({"codec": "opus", "sample_rate": 48000, "bit_rate": 320_000}, "matroska",
         ("libopus", 48000, "stereo", 320_000)),
        ({"codec": "opus", "sample_rate": 48000}, "mov", ("aac", 48000, "stereo", 192_000)),
        ({"codec": "pcm_bluray"}, "mov", ("pcm_s24le", 44100, "stereo", None)),
        ({"codec": "alac"}, "mp4", ("alac", 44100, "stereo", None)),
        ({"codec": "dts", "sample_rate": 48000, "channels": 6, "layout": "5.1"}, "matroska",
         ("aac", 48000, "5.1", 576_000)),
    ],
)  # fmt: skip
def test_sound(info: MediaInfo, changed: dict[str, Any], form: str, wanted: tuple[Any, ...]) -> None:
    given = {"bit_rate": None} | changed
    assert dataclasses.astuple(sound_encoding(sound(info, **given), form))[:4] == wanted


def test_a_rate_that_no_encoder_has(info: MediaInfo) -> None:
    with pytest.raises(OutputError, match="48000"):
        sound_encoding(sound(info, sample_rate=37800), "mp4")


def test_what_is_lost_is_said(info: MediaInfo) -> None:
    assert losses(info, "mp4") == ()
    like = video(info, codec="prores", profile="4444", pix_fmt="yuva444p12le", dynamic=("Dolby Vision",),
                 mastering=DISPLAY, variable=True)  # fmt: skip
    told = "\n".join(losses(dataclasses.replace(info, video=like, data=("GoPro MET",)), "mov"))
    for words in ("transparency", "12 bits", "Dolby Vision", "mastering display", "variable", "GoPro MET"):
        assert words in told
    assert "written as" not in told
    like = video(info, codec="mpeg2video", fields=FieldOrder.TOP, width=720, height=486)
    told = "\n".join(losses(dataclasses.replace(info, video=like), "mp4"))
    assert "written as H.264" in told
    assert "interlaced" in told


def test_names_of_edited_files() -> None:
    names = {"a.mp4": ".mp4", "a.MOV": ".MOV", "a.webm": ".webm", "a.mxf": ".mov", "a.avi": ".mov", "a.mpg": ".mp4"}
    assert {name: suffix_for(Path(name)) for name in names} == names
