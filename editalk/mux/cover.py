"""The cover picture of a file, unchanged."""

from __future__ import annotations

from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from editalk.media.info import Cover

COVERS = ("mp4", "matroska")
"""Containers that hold one."""

_KINDS = {"png": ("png", "image/png"), "mjpeg": ("jpg", "image/jpeg")}


def cover_stream(container: OutputContainer, cover: Cover | None, form: str) -> Stream | None:
    """A stream for the cover, to be muxed first; None: there is no cover, or it is an attachment, written already."""
    if cover is None or form not in COVERS:
        return None
    if form == "matroska":
        suffix, kind = _KINDS[cover.codec]
        container.add_attachment(f"cover.{suffix}", kind, cover.data)
        return None
    stream = container.add_mux_stream(cover.codec, width=cover.width, height=cover.height)
    stream.disposition = Disposition.attached_pic
    return stream


def cover_packet(cover: Cover, stream: Stream) -> Packet[Stream]:
    packet: Packet[Stream] = Packet(cover.data)
    packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, 0, 0, True
    return packet
