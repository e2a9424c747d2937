"""Opening files through FFmpeg's libraries, and nothing but files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.container
import av.error
from av.audio.stream import AudioStream

from editalk.cores import share
from editalk.errors import MediaError
from editalk.media.limits import DECODER, MOST_STREAMS, MOST_TAGS, check_count, check_picture
from editalk.media.outside import check_inside

# No playlists, no scripts, no network: these can make a "video" read other files of the machine.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,mpegvideo,m4v,avi,asf,flv,ogg,mxf,h264,hevc,dv,nut,ivf,"
    "wav,w64,mp3,aac,flac,aiff,caf,au,amr,ac3,eac3,wv,gif"
)
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<?xml", b"<MPD")


@contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """The container of a local file. Raises MediaError that names the file, what is wrong and the way out."""
    check_file(path)
    check_inside(path)
    try:
        container = av.open(
            f"file:{path.resolve()}",
            mode="r",
            metadata_errors="replace",
            options={"protocol_whitelist": "file", "format_whitelist": FORMATS, **DECODER},
        )
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(why_unreadable(path, error)) from error
    with container:
        _check_size(container, path)
        yield container


def _check_size(container: av.container.InputContainer, path: Path) -> None:
    """Raises MediaError for what no decoder shall make room for."""
    check_count(path, "streams", len(container.streams), MOST_STREAMS)
    for stream in container.streams.video:
        if (context := getattr(stream, "codec_context", None)) is not None:
            check_picture(path, context.width, context.height)
            context.options = {**context.options, **DECODER, "threads": str(share())}
    tags = (container.metadata, *(stream.metadata for stream in container.streams))
    check_count(path, "characters of metadata", sum(len(k) + len(v) for t in tags for k, v in t.items()), MOST_TAGS)


def decodable(container: av.container.InputContainer) -> list[AudioStream]:
    """The sound streams that a decoder is here for: telephones add some that only their maker can decode."""
    return [s for s in container.streams.audio if getattr(s, "codec_context", None) is not None]


def check_file(path: Path) -> None:
    """Raises MediaError for what is not a readable file with something in it."""
    try:
        there = path.exists()
    except (OSError, ValueError) as error:  # a name that no disk takes
        raise MediaError(f"{path}: no file can have this name ({describe(error)}); check it") from error
    if not there:
        raise MediaError(f"{path}: no such file; check the name and the folder")
    if path.is_dir():
        raise MediaError(f"{path} is a folder; name the file in it")
    if not path.is_file():
        raise MediaError(f"{path} is not an ordinary file; name a video or sound file")
    if not os.access(path, os.R_OK):
        raise MediaError(f"{path} may not be read; change its permissions")
    if path.stat().st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes); copy or export it again")


def why_unreadable(path: Path, error: BaseException) -> str:
    """A sentence for a file that no demuxer takes."""
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(_PLAYLISTS):
        return f"{path} is a playlist or script, not media; name the media file itself"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return f"{path} is truncated: its index (moov) is missing, so nothing can be read; copy or export it again"
    if head.startswith((b"\x1aE\xdf\xa3", b"RIFF")):
        return f"{path} is truncated or damaged at its head; copy or export it again"
    return f"{path} is not a media file that can be read ({describe(error)}); convert it to mp4, a voice to wav"


def describe(error: BaseException) -> str:
    """FFmpeg's words for an error, without the file's name."""
    return str(getattr(error, "strerror", None) or error)
