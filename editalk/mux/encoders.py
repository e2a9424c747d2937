"""Which encoder writes a picture stream, and with what settings: the source's own codec family where that is possible.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from editalk.errors import OutputError
from editalk.media.image import working_format
from editalk.media.info import FieldOrder, VideoInfo

CRF = 11
PRESETS = {"libx264": "veryfast", "libx265": "ultrafast"}
THREADS = 3  # of x264, whose bits depend on their number: with its own choice an edit would differ between machines
_WORST = 3  # quantisers above the CRF that noise may cost: a noisy MPEG-1 clip at CRF 14 fell to 41.9 dB
_SMALL = 2_228_224  # pixels of a picture at HEVC's levels below 5
_PRORES = {"Proxy": "proxy", "LT": "lt", "Standard": "standard", "HQ": "hq", "4444": "4444", "XQ": "4444xq"}
_DNXHD_MBITS = (
    *(36, 42, 45, 50, 60, 63, 75, 80, 84, 90, 100, 110, 115, 120, 145, 175, 180, 185, 220, 240, 290, 350, 365, 390),
    *(440, 730, 880),
)  # bit rates of SMPTE VC-3; which of them a size takes only the encoder knows


HDR_WORDS: dict[str, tuple[str, str, int | None, int | None]] = {
    "libx264": ("mastering-display", "cll", 50_000, 10_000),
    "libx265": ("master-display", "max-cll", 50_000, 10_000),
    "libsvtav1": ("mastering-display", "content-light", None, None),
}  # the two names, units of a place and of a luminance


@dataclass(frozen=True)
class Encoding:
    """An encoder's name and settings. `bit_rate`: bit/s, None: by quality. `fields`: the encoder is told of fields."""

    name: str
    options: dict[str, str]
    pix_fmt: str
    bit_rate: int | None = None
    fields: bool = False


def video_codec(like: VideoInfo, form: str = "mp4") -> str:
    """The encoder of the source's codec family, else of H.264, in WebM of VP9 or AV1."""
    wanted = (_OF.get(like.codec, "libx264"), "libx264", "libvpx-vp9", "libsvtav1")
    name = next((n for n in wanted if n in _TAKES[form] and _can(n, like)), "libvpx-vp9")
    if name not in av.codecs_available:
        raise OutputError(f"this build of PyAV cannot encode {name[3:]}; install the wheel from PyPI: pip install av")
    return name


def encoding(like: VideoInfo, form: str, crf: float | None, preset: str | None) -> Encoding:
    """`crf`, `preset`: of x264 and x265; None: visually lossless."""
    name = video_codec(like, form)
    made = _MAKERS.get(name)
    return made(like) if made else _x26(name, like, CRF if crf is None else crf, preset or PRESETS[name])


_OF = {
    "h264": "libx264", "hevc": "libx265", "prores": "prores_ks", "dnxhd": "dnxhd", "vp9": "libvpx-vp9",
    "av1": "libsvtav1", "ffv1": "ffv1",
}  # fmt: skip
_TAKES = {
    "mp4": {"libx264", "libx265", "libvpx-vp9", "libsvtav1"},
    "mov": {"libx264", "libx265", "prores_ks", "dnxhd"},
    "matroska": {"libx264", "libx265", "prores_ks", "libvpx-vp9", "libsvtav1", "ffv1"},
    "webm": {"libvpx-vp9", "libsvtav1"},
}  # what players and editing programs expect in a container, not all that FFmpeg would write


def _can(name: str, like: VideoInfo) -> bool:
    """Whether the encoder takes pictures of this kind."""
    if name == "dnxhd":
        return _opens(_dnxhd(like), like)
    if name not in ("libvpx-vp9", "libsvtav1"):
        return True
    formats = av.Codec(name, "w").video_formats or ()
    return working_format(like.pix_fmt) in {form.name for form in formats}


def _x26(name: str, like: VideoInfo, crf: float, preset: str) -> Encoding:
    options = {"crf": f"{crf:g}", "preset": preset, f"{name[3:]}-params": ":".join(_parameters(name, like, crf))}
    if like.intra:
        options["g"] = "1"
    pix_fmt = working_format(like.pix_fmt)
    odd = pix_fmt.startswith("yuv420") and (like.width % 2 or like.height % 2)
    odd = odd or pix_fmt.startswith("yuv422") and like.width % 2
    fields = name == "libx264" and like.height % _lines(like) == 0
    return Encoding(name, options, "yuv444p" + pix_fmt[7:] if odd else pix_fmt, fields=fields)


def _lines(like: VideoInfo) -> int:
    """Of which the height of an interlaced picture is a multiple: either field has whole lines of chroma."""
    return 4 if working_format(like.pix_fmt).startswith("yuv420") else 2


def _parameters(name: str, like: VideoInfo, crf: float) -> list[str]:
    """Settings that only the encoder itself knows."""
    most = math.ceil(crf) + _WORST
    deep = working_format(like.pix_fmt).endswith("10le")
    found = [f"qpmax={most + 12 if deep and name == 'libx264' else most}"]  # x264 counts from -12 at 10 bits
    if name == "libx265":
        found += ["log-level=error", "psy-rd=0"]  # visibly lossless without: a tenth of the time
        if like.width * like.height <= _SMALL and like.rate.value <= 60:
            found += ["ctu=16", "max-tu-size=16"]  # another tenth; levels from 5 on want larger units
    elif like.fields and like.height % _lines(like) == 0:
        found.append(f"{like.fields}=1")
    if like.colour.range == 1:
        # "limited" is the default, so the encoders tag it only together with something else that they tag
        found.append("videoformat=component")
    return found + _hdr(name, like)


def _hdr(name: str, like: VideoInfo) -> list[str]:
    """Mastering display and light level in the words of the encoder; x264 and x265 count in 1/50000 and 1/10000."""
    display, light, place, luminance = HDR_WORDS[name]
    found, shown = [], like.mastering
    if shown and shown.red and shown.green and shown.blue and shown.white and shown.most and shown.least is not None:
        places = zip(("G", "B", "R", "WP"), (shown.green, shown.blue, shown.red, shown.white), strict=True)
        said = "".join(f"{key}({_number(x, place)},{_number(y, place)})" for key, (x, y) in places)
        found.append(f"{display}={said}L({_number(shown.most, luminance)},{_number(shown.least, luminance)})")
    if like.light:
        found.append(f"{light}={like.light.most},{like.light.average}")
    return found


def _number(value: Fraction, units: int | None) -> str:
    return f"{float(value):.5f}" if units is None else str(round(value * units))


def _prores(like: VideoInfo) -> Encoding:
    profile = _PRORES.get(like.profile or "", "hq")
    pix_fmt = "yuv444p10le" if profile.startswith("4444") else "yuv422p10le"
    return Encoding("prores_ks", {"profile": profile, "vendor": "apl0"}, pix_fmt, fields=True)


def _dnxhd(like: VideoInfo) -> Encoding:
    profile = (like.profile or "DNXHD").lower().replace(" ", "_")
    pix_fmt = working_format(like.pix_fmt)
    if profile.startswith("dnxhr"):
        return Encoding("dnxhd", {"profile": profile}, pix_fmt)
    rate = like.bit_rate or 145_000_000
    for mbits in sorted(_DNXHD_MBITS, key=lambda m: abs(m * 1_000_000 - rate)):
        made = Encoding("dnxhd", {"profile": "dnxhd"}, pix_fmt, mbits * 1_000_000, True)
        if _opens(made, like):
            return made
    deep = pix_fmt.endswith("10le")
    return Encoding("dnxhd", {"profile": "dnxhr_hqx" if deep else "dnxhr_hq"}, pix_fmt)


def _opens(made: Encoding, like: VideoInfo) -> bool:
    context = av.CodecContext.create(made.name, "w")
    assert isinstance(context, VideoCodecContext)
    prepare(context, made, like)
    context.time_base, context.options = 1 / like.rate.value, made.options
    level = av.logging.get_level()
    av.logging.set_level(av.logging.PANIC)  # a rate that does not fit is no news
    try:
        context.open()
    except (av.error.FFmpegError, ValueError):
        return False
    finally:
        av.logging.set_level(level)
    return True


def prepare(context: VideoCodecContext, made: Encoding, like: VideoInfo) -> None:
    """Size, format, rate and fields of an encoder that is not open yet."""
    context.width, context.height, context.pix_fmt = like.width, like.height, made.pix_fmt
    if made.bit_rate:
        context.bit_rate = made.bit_rate
    if like.fields and made.fields:
        context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        context.field_order = 2 if like.fields is FieldOrder.TOP else 3  # AV_FIELD_TT, AV_FIELD_BB


def _vp9(like: VideoInfo) -> Encoding:
    settings = {"crf": "6", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}
    return Encoding("libvpx-vp9", settings, working_format(like.pix_fmt).removesuffix("10le"))


def _av1(like: VideoInfo) -> Encoding:
    os.environ.setdefault("SVT_LOG", "1")  # it tells the terminal all about itself otherwise
    settings = {"crf": "5", "preset": "6"}  # from 8 on, moving patterns fell to 20 dB
    if said := _hdr("libsvtav1", like):
        settings["svtav1-params"] = ":".join(said)
    return Encoding("libsvtav1", settings, working_format(like.pix_fmt))


def _ffv1(like: VideoInfo) -> Encoding:
    return Encoding("ffv1", {"level": "3", "slicecrc": "1", "g": "1"}, working_format(like.pix_fmt),
                    fields=True)  # fmt: skip


_MAKERS: dict[str, Callable[[VideoInfo], Encoding]] = {
    "prores_ks": _prores, "dnxhd": _dnxhd, "libvpx-vp9": _vp9, "libsvtav1": _av1, "ffv1": _ffv1,
}  # fmt: skip
