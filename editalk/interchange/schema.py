"""A timeline in OpenTimelineIO's schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import floor
from typing import Any

import opentimelineio as otio

from editalk.interchange.reels import reels
from editalk.interchange.types import Clip, Mark, Media, Timeline, Track
from editalk.operations import Kind
from editalk.timebase import nearest

COLOURS = {
    Kind.ADDITION: "GREEN", Kind.REMOVAL: "RED", Kind.RETIME: "ORANGE", Kind.RERENDER: "BLUE", Kind.MOVE: "PURPLE"
}  # fmt: skip


def to_otio(timeline: Timeline) -> Any:
    """An `otio.schema.Timeline`: ranges count from each file's own timecode, picture in frames, sound in the ticks of
    its track; all values are whole. Marks lie on the clips of the picture, in their clip's time.
    """
    names = reels(timeline.media)
    made = otio.schema.Timeline(
        timeline.name,
        global_start_time=otio.opentime.RationalTime(timeline.start, float(timeline.rate)),
        metadata={"editalk": {"rate": str(timeline.rate), "drop_frame": timeline.drop}},
    )
    made.tracks.extend([_track(track, timeline, names) for track in timeline.tracks])
    return made


def _track(track: Track, timeline: Timeline, names: dict[Media, str]) -> Any:
    kind = otio.schema.TrackKind.Video if track.picture else otio.schema.TrackKind.Audio
    made = otio.schema.Track(track.name, kind=kind)
    at, last = 0, floor(timeline.frames * track.rate / timeline.rate.value)
    for clip in track.clips:
        # sound that outlasts the picture by part of a sample would make the whole timeline count in samples
        clip = replace(clip, length=min(clip.length, last - clip.start))
        if clip.start > at:
            made.append(otio.schema.Gap(source_range=_range(0, clip.start - at, track)))
        made.append(_clip(clip, track, timeline, names[clip.media]))
        at = clip.end
    return made


def _clip(clip: Clip, track: Track, timeline: Timeline, reel: str) -> Any:
    media = clip.media
    begin = nearest(media.start * track.rate / timeline.rate.value)
    length = nearest(media.frames * track.rate / timeline.rate.value if media.frames
                     else media.samples * track.rate / timeline.sample_rate)  # fmt: skip
    reference = otio.schema.ExternalReference(
        media.url, _range(begin, length, track), metadata={"editalk": {"reel": media.reel}}
    )
    reference.name = media.name
    about: dict[str, Any] = {"content": clip.content.value}
    about |= {"gain_db": clip.gain_db} if clip.gain_db else {}
    about |= {"fade": clip.fade} if clip.fade else {}
    first = nearest(clip.offset)
    return otio.schema.Clip(
        clip.name, reference, _range(begin + first, min(clip.length, length - first), track),
        metadata={"editalk": about, "cmx_3600": {"reel": reel}},
        markers=list(_markers(clip, begin, track, timeline)) if track.picture else [],
    )  # fmt: skip


def _markers(clip: Clip, begin: int, track: Track, timeline: Timeline) -> Iterator[Any]:
    for mark in timeline.marks_of(clip):
        start = begin + nearest(clip.offset) + mark.frame - clip.start
        yield marker(mark, timeline, _range(start, min(mark.frames, clip.end - mark.frame), track))


def marker(mark: Mark, timeline: Timeline, marked: Any) -> Any:
    """An `otio.schema.Marker` at a range of whatever it is put on."""
    source = mark.source.seconds(timeline.rate)
    about: dict[str, Any] = {
        "kind": mark.kind.value, "text": mark.text, "source": [source.start, source.end],
        "timeline_frames": [mark.frame, mark.frame + mark.frames],
    }  # fmt: skip
    about |= {"region": mark.region} if mark.region else {}
    return otio.schema.Marker(
        mark.label, marked, COLOURS[mark.kind], {"editalk": about}, comment=mark.note(timeline.rate)
    )


def _range(start: int, length: int, track: Track) -> Any:
    rate = float(track.rate)
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(length, rate)
    )
