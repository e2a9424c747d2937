"""Small files of every kind that reaches a post desk, made by FFmpeg's own program: pictures that carry their number,
with a flash, and a click at the same moment.
"""

from __future__ import annotations

import subprocess
import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np

RATE = 48000
BITS = 6
FLASHES = (0.2, 0.8)  # shares of the duration: before and behind what the edit removes
HDR10 = (
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400:hdr10=1:"
    "log-level=error"
)
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "12")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "12", "-x265-params", "log-level=error")
FIELDS = ("-flags", "+ilme+ildct")
PCM = ("-c:a", "pcm_s24le")


@dataclass(frozen=True)
class Kind:
    """How a file is made. `video`, `audio`: arguments of FFmpeg. `again`: arguments before and behind `-i` of a second,
    copying pass. `fields`: the order in which two fields of different moments are woven.
    """

    title: str
    suffix: str = ".mp4"
    video: tuple[str, ...] = X264
    audio: tuple[str, ...] = ("-c:a", "aac")
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (160, 128)
    rate: Fraction = Fraction(25)
    frames: int = 50
    fields: str | None = None
    colour: str = "range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    drops: bool = False
    channels: int = 2
    layout: str = "stereo"
    sample_rate: int = RATE
    sound_late: float = 0.0
    further: tuple[str, ...] = ()
    again: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    slow: bool = False


BT2020 = "range=tv:color_primaries=bt2020:color_trc={}:colorspace=bt2020nc"
NTSC, FILM = Fraction(30000, 1001), Fraction(24000, 1001)
KINDS = {
    "mp4": Kind("H.264 in MP4", further=("-metadata", "title=A talk", "-timecode", "10:00:00:00")),
    "film": Kind("23.976 frames a second, MOV, 24-bit PCM, timecode", ".mov", audio=PCM, rate=FILM, frames=48,
                 further=("-timecode", "01:02:03:04")),
    "drop": Kind("29.97, drop-frame timecode", ".mov", audio=PCM, rate=NTSC, frames=60,
                 further=("-timecode", "01:00:00;02"), slow=True),
    "variable": Kind("variable frame rate", rate=Fraction(30), frames=60, drops=True),
    "turned90": Kind("turned by 90°", again=(("-display_rotation", "90"), ())),
    "turned180": Kind("turned by 180°", again=(("-display_rotation", "180"), ()), slow=True),
    "turned270": Kind("turned by 270°", again=(("-display_rotation", "270"), ()), slow=True),
    "mirrored": Kind("mirrored", again=(("-display_hflip",), ())),
    "odd444": Kind("odd size, 4:4:4", ".mkv", pix_fmt="yuv444p", size=(161, 127)),
    "odd420": Kind("odd size, 4:2:0, FFV1", ".mkv", ("-c:v", "ffv1"), ("-c:a", "flac"), size=(161, 127)),
    "odd_avi": Kind("odd size, 4:2:0, MPEG-4 in AVI", ".avi", ("-c:v", "mpeg4", "-q:v", "2"), ("-c:a", "libmp3lame"),
                    size=(161, 127)),
    "anamorphic": Kind("anamorphic, 64:45", video=(*X264, "-aspect", "16:9"), size=(180, 144)),
    "tff": Kind("interlaced H.264, top field first", video=(*X264, *FIELDS, "-x264-params", "tff=1"), fields="tff"),
    "bff": Kind("interlaced MPEG-2, bottom field first", ".mpg", ("-c:v", "mpeg2video", "-q:v", "2", *FIELDS),
                ("-c:a", "mp2"), fields="bff"),
    "dv": Kind("DV, PAL, 4:3", ".mov", ("-c:v", "dvvideo", *FIELDS), ("-c:a", "pcm_s16le"), size=(720, 576),
               fields="bff", slow=True),
    "prores_i": Kind("ProRes 422, interlaced", ".mov", ("-c:v", "prores_ks", "-profile:v", "standard", *FIELDS), PCM,
                     "yuv422p10le", fields="tff", slow=True),
    "prores": Kind("ProRes 422 HQ, timecode", ".mov", ("-c:v", "prores_ks", "-profile:v", "hq"), PCM, "yuv422p10le",
                   further=("-timecode", "10:00:00:00")),
    "prores_lt": Kind("ProRes 422 LT", ".mov", ("-c:v", "prores_ks", "-profile:v", "lt"), PCM, "yuv422p10le",
                      slow=True),
    "prores4444": Kind("ProRes 4444 with transparency", ".mov", ("-c:v", "prores_ks", "-profile:v", "4444"), PCM,
                       "yuva444p10le"),
    "dnxhr": Kind("DNxHR HQX", ".mov", ("-c:v", "dnxhd", "-profile:v", "dnxhr_hqx"), PCM, "yuv422p10le", (256, 144)),
    "dnxhr_mxf": Kind("DNxHR SQ in MXF", ".mxf", ("-c:v", "dnxhd", "-profile:v", "dnxhr_sq"), PCM, "yuv422p",
                      (256, 144)),
    "dnxhd": Kind("DNxHD 1080p, 120 Mbit/s", ".mov", ("-c:v", "dnxhd", "-b:v", "120M"), PCM, "yuv422p", (1920, 1080),
                  slow=True),
    "dnxhd_i": Kind("DNxHD 1080i in MXF, 185 Mbit/s, 10 bits", ".mxf", ("-c:v", "dnxhd", "-b:v", "185M", *FIELDS), PCM,
                    "yuv422p10le", (1920, 1080), fields="tff", slow=True),
    "intra": Kind("H.264 all intra, 4:2:2, 10 bits", ".mov", (*X264, "-g", "1"), PCM, "yuv422p10le"),
    "hdr10": Kind("HDR10, HEVC", video=(*X265[:-1], HDR10), pix_fmt="yuv420p10le", colour=BT2020.format("smpte2084")),
    "hlg": Kind("HLG, HEVC in MOV", ".mov", X265, PCM, "yuv420p10le", colour=BT2020.format("arib-std-b67")),
    "hdr_h264": Kind("PQ, H.264", video=(*X264, "-x264-params",
                     "mastering-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):cll=1000,400"),
                     pix_fmt="yuv420p10le", colour=BT2020.format("smpte2084"), slow=True),
    "hdr_prores": Kind("PQ, ProRes", ".mov", ("-c:v", "prores_ks", "-profile:v", "hq"), PCM, "yuv422p10le",
                       colour=BT2020.format("smpte2084"), slow=True),
    "full": Kind("full range", colour="range=pc:color_primaries=bt709:color_trc=bt709:colorspace=bt709", slow=True),
    "mkv": Kind("MKV with FLAC", ".mkv", audio=("-c:a", "flac")),
    "vp9": Kind("WebM, VP9 and Opus", ".webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8",
                "-crf", "10", "-b:v", "0"), ("-c:a", "libopus")),
    "vp8": Kind("WebM, VP8 and Vorbis, 44.1 kHz", ".webm", ("-c:v", "libvpx", "-deadline", "realtime", "-b:v", "4M"),
                ("-c:a", "libvorbis"), sample_rate=44100, slow=True),
    "av1": Kind("WebM, AV1 and Opus, 10 bits", ".webm", ("-c:v", "libsvtav1", "-preset", "10", "-crf", "20"),
                ("-c:a", "libopus"), "yuv420p10le"),
    "vp9_10": Kind("WebM, VP9, 10 bits, HLG", ".webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8",
                   "-crf", "10", "-b:v", "0"), ("-c:a", "libopus"), "yuv420p10le",
                   colour=BT2020.format("arib-std-b67"), slow=True),
    "hdr_av1": Kind("HDR10, AV1 in MP4", ".mp4", ("-c:v", "libsvtav1", "-preset", "10", "-crf", "20", "-svtav1-params",
                    "mastering-display=G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000,0.0001)"
                    ":content-light=1000,400"), pix_fmt="yuv420p10le", colour=BT2020.format("smpte2084"), slow=True),
    "mpeg1": Kind("MPEG-1 program stream", ".mpg", ("-c:v", "mpeg1video", "-q:v", "2"), ("-c:a", "mp2"), slow=True),
    "mjpeg": Kind("Motion JPEG in AVI, PCM", ".avi", ("-c:v", "mjpeg", "-q:v", "2"), ("-c:a", "pcm_s16le"), "yuvj422p",
                  colour="range=pc", slow=True),
    "ts": Kind("transport stream that wraps its clock", ".ts", audio=("-c:a", "mp2"),
               further=("-output_ts_offset", "95442.5", "-muxdelay", "0")),
    "edit_list": Kind("edit list that skips the start", frames=60, again=(("-ss", "0.35"), ())),
    "late_sound": Kind("sound that begins later", sound_late=0.3),
    "late_picture": Kind("picture that begins later, MKV", ".mkv", sound_late=-0.25),
    "early_mov": Kind("picture that begins later, MOV", ".mov", audio=PCM, sound_late=-0.25, slow=True),
    "tracks": Kind("three audio tracks, two languages", ".mov", audio=PCM,
                   further=("-map", "0:v", "-map", "1:a", "-map", "1:a", "-map", "1:a", "-metadata:s:a:0",
                            "language=eng", "-metadata:s:a:1", "language=deu")),
    "aac51": Kind("AAC 5.1", channels=6, layout="5.1", slow=True),
    "ac3": Kind("AC-3 5.1(side) in MP4", audio=("-c:a", "ac3", "-b:a", "448k"), channels=6, layout="5.1(side)"),
    "eac3": Kind("E-AC-3 5.1(side) in MKV", ".mkv", audio=("-c:a", "eac3", "-b:a", "448k"), channels=6,
                 layout="5.1(side)", slow=True),
    "pcm71": Kind("PCM 7.1 in MOV", ".mov", audio=PCM, channels=8, layout="7.1", slow=True),
    "opus51": Kind("Opus 5.1 in MKV", ".mkv", audio=("-c:a", "libopus"), channels=6, layout="5.1", slow=True),
    "cover": Kind("cover picture", again=((), ("-i", "{cover}", "-map", "0", "-map", "1", "-disposition:v:1",
                                               "attached_pic"))),
    "cover_mkv": Kind("cover picture, MKV", ".mkv", audio=("-c:a", "flac"), slow=True,
                      again=((), ("-attach", "{cover}", "-metadata:s:t", "mimetype=image/png"))),
    "rgb": Kind("RGB, QuickTime Animation", ".mov", ("-c:v", "qtrle"), PCM, "rgb24", colour="range=pc"),
    "gbrp": Kind("RGB, H.264", ".mkv", ("-c:v", "libx264rgb", "-preset", "ultrafast", "-crf", "8"), ("-c:a", "flac"),
                 "rgb24", colour="range=pc", slow=True),
    "gray": Kind("grey, FFV1", ".mkv", ("-c:v", "ffv1"), ("-c:a", "flac"), "gray", slow=True),
    "yuv411": Kind("4:1:1, FFV1", ".mkv", ("-c:v", "ffv1"), ("-c:a", "flac"), "yuv411p", slow=True),
    "hevc12": Kind("HEVC, 4:2:2, 12 bits", ".mkv", X265, ("-c:a", "flac"), "yuv422p12le", slow=True),
}  # fmt: skip


def make(kind: Kind, path: Path) -> Path:
    """The file of a kind."""
    work = path.with_name(f"{path.stem}.first{path.suffix}") if kind.again else path
    sound = _wav(kind, path.with_suffix(".wav"))
    w, h = kind.size
    inputs = ("-f", "rawvideo", "-pix_fmt", "yuv444p10le", "-s", f"{w}x{h}", "-framerate", str(kind.rate), "-i", "-")
    heard = (("-itsoffset", str(kind.sound_late)) if kind.sound_late > 0 else ()) + ("-i", str(sound))
    delayed = ("-itsoffset", str(-kind.sound_late), *inputs) if kind.sound_late < 0 else inputs
    filters = [f"format={kind.pix_fmt}", f"setparams={kind.colour}"]
    if kind.drops:
        filters.append("select='not(eq(mod(n,7),4))'")
    if kind.fields:
        filters.append(f"setfield={kind.fields}")
    rate = ("-fps_mode", "vfr") if kind.drops else ()
    command = (
        *delayed, *heard, "-vf", ",".join(filters), "-pix_fmt", kind.pix_fmt, *kind.video, *kind.audio,
        *rate, *kind.further, str(work),
    )  # fmt: skip
    _ffmpeg(command, pictures(kind))
    if kind.again:
        before, behind = kind.again
        if "{cover}" in behind:
            cover = str(path.with_suffix(".png"))
            _ffmpeg(("-f", "lavfi", "-i", "color=red:s=64x64:d=1", "-frames:v", "1", cover), b"")
            behind = tuple(cover if b == "{cover}" else b for b in behind)
        _ffmpeg((*before, "-i", str(work), *behind, "-c", "copy", str(path)), b"")
    return path


def _ffmpeg(arguments: tuple[str, ...], data: bytes) -> None:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    done = subprocess.run([program, "-v", "error", "-y", *arguments], input=data, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-2000:])


def pictures(kind: Kind) -> bytes:
    """yuv444p10le: a moving texture, the number of the frame in bits along the top, flashes below."""
    w, h = kind.size
    shown = flashes(kind)
    out = []
    for k in range(kind.frames):
        image = _texture(2 * k, w, h)
        if kind.fields:
            first = 0 if kind.fields == "tff" else 1
            image[:, 1 - first :: 2] = _texture(2 * k + 1, w, h)[:, 1 - first :: 2]
        step = w // BITS
        for bit in range(BITS):
            image[0, : h // 4, bit * step : (bit + 1) * step] = 880 if k >> bit & 1 else 120
            image[1:, : h // 4, bit * step : (bit + 1) * step] = 512
        image[0, 3 * h // 4 :, : w // 4] = 900 if k in shown else 100
        image[1:, 3 * h // 4 :, : w // 4] = 512
        out.append(image.astype("<u2").tobytes())
    return b"".join(out)


def flashes(kind: Kind) -> tuple[int, ...]:
    """The numbers of the frames that flash."""
    return tuple(round(share * kind.frames) for share in FLASHES)


def _texture(moment: int, w: int, h: int) -> np.ndarray[Any, Any]:
    """[3, h, w] of 10 bits, smooth enough for any codec and different in its lines from one moment to the next."""
    x, y = np.arange(w)[None, :], np.arange(h)[:, None]
    wave_ = np.sin(2 * np.pi * (x / 40 + y / 64 - moment / 20))
    luma = 480 + 220 * wave_ + (x + y) % 3
    u, v = 512 + 120 * np.sin(2 * np.pi * (x / 90 + moment / 60)), 512 + 120 * np.cos(2 * np.pi * y / 90)
    return np.stack([luma, np.broadcast_to(u, (h, w)), np.broadcast_to(v, (h, w))]).round()


def click(rate: int) -> np.ndarray[Any, Any]:
    """A burst of 4 ms; it begins at the moment of its flash."""
    t = np.arange(round(0.004 * rate)) / rate
    return 0.8 * np.sin(2 * np.pi * 1500 * t) * np.hanning(len(t))


def _wav(kind: Kind, path: Path) -> Path:
    at, n = kind.sample_rate, int(kind.frames / kind.rate * kind.sample_rate)
    sound = 0.01 * np.sin(2 * np.pi * 220 * np.arange(n) / at)
    burst = click(at)
    for k in flashes(kind):
        start = round(k / kind.rate * at - kind.sound_late * at)
        sound[start : start + len(burst)] += burst
    frames = np.repeat((sound * 32767).round().astype("<i2")[:, None], kind.channels, axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(kind.channels)
        file.setsampwidth(2)
        file.setframerate(at)
        file.writeframes(frames.tobytes())
    return path
