"""Whether a QuickTime or MP4 file's pictures and sounds lie in another file or on the network.

FFmpeg opens none of these, and then takes bytes of this file for them: so such a file is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from editalk.errors import MediaError

_WAY = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")
_OWN = 1  # the flag of a reference to the file itself
_MOST = 100_000  # boxes that are looked at


def check_inside(path: Path) -> None:
    """Raises MediaError that names the other file. What is no such file, or is damaged, is left to FFmpeg."""
    with path.open("rb") as file:
        size = path.stat().st_size
        if file.read(8)[4:] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
            return
        for kind, content in _references(file, 0, size, _WAY):
            raise MediaError(f"{path}: its media lie elsewhere, in “{_named(kind, content)}”, and nothing but the file "
                             "itself is opened; export it as one self-contained file")  # fmt: skip


def _references(file: BinaryIO, begin: int, end: int, way: tuple[bytes, ...]) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) of data references to other files; `way`: the boxes through which they are found in [begin, end).
    """
    for kind, start, stop in _boxes(file, begin, end):
        if not way:
            file.seek(start)
            content = file.read(min(stop - start, 1024))
            if len(content) >= 4 and not content[3] & _OWN:
                yield kind, content[4:]
        elif kind == way[0]:
            yield from _references(file, start + 8 * (kind == b"dref"), stop, way[1:])


def _boxes(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, begin of content, end) of each box; stops where the sizes make no sense."""
    for _ in range(_MOST):
        file.seek(begin)
        head = file.read(16)
        if end - begin < 8 or len(head) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        start = begin + 8
        if size == 1 and len(head) == 16:
            size, start = struct.unpack_from(">Q", head, 8)[0], begin + 16
        stop = end if not size else min(end, begin + size)
        if stop <= start and size != start - begin:
            return
        yield kind, start, stop
        begin = stop


def _named(kind: bytes, content: bytes) -> str:
    held = kind == b"alis" and len(content) > 50  # an alias record holds the file's name as a Pascal string
    name = content[51 : 51 + content[50]] if held else content.split(b"\0", 1)[0]
    return name.decode("utf-8", "replace") or kind.decode("latin-1").strip()
