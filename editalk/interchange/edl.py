"""CMX 3600 edit decision list, through OpenTimelineIO's adapter."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from math import ceil

import opentimelineio as otio

from editalk.interchange.reels import reels
from editalk.interchange.rounding import in_frames
from editalk.interchange.schema import to_otio
from editalk.interchange.types import Timeline, Track
from editalk.timebase import FrameRate

TITLE = 70  # characters
_EVENT = re.compile(r"\d{3,}  (\S+ +)[VA]( +C .*)")


def to_edl(timeline: Timeline) -> str:
    """Events in the order of the record side, picture before sound; the sound of all tracks, which never overlap, on
    channel A, or AA where it is stereo. Marks are locators with record timecode.
    """
    flat = in_frames(timeline)
    # the adapter drops numbers at 29.97 and 59.94, at whole rates never, whose digits are those of non-drop timecode
    rate = timeline.rate if timeline.drop else FrameRate(Fraction(ceil(timeline.rate.value)))
    flat = replace(flat, rate=rate, tracks=tuple(replace(track, rate=rate.value) for track in flat.tracks))
    sounds = sorted((clip for track in flat.sounds for clip in track.clips), key=lambda clip: clip.start)
    channel = "A" if timeline.channels == 1 else "AA"
    events = [
        *_events(timeline, flat, Track("V", True, rate.value, flat.shots), "V"),
        *_events(timeline, flat, Track("A", False, rate.value, tuple(sounds)), channel),
    ]
    events.sort(key=lambda event: event[0])
    mode = "DROP FRAME" if timeline.drop else "NON-DROP FRAME"
    blocks = [f"{number:03}  {text}" for number, (_, text) in enumerate(events, 1)]
    return "\n".join([f"TITLE: {timeline.name[:TITLE]}", f"FCM: {mode}", "", *blocks]) + "\n"


def _events(timeline: Timeline, flat: Timeline, track: Track, channel: str) -> list[tuple[int, str]]:
    """(frame on the record side, event without its number) of every clip of a track of `flat`."""
    if not track.clips:
        return []
    names = reels(timeline.media)
    made = to_otio(replace(flat, tracks=(track,)))
    lane, rate = made.tracks[0], float(flat.rate)
    for item, clip in zip([i for i in lane if isinstance(i, otio.schema.Clip)], track.clips, strict=True):
        comments = [clip.name] if clip.name != clip.media.name else []
        item.metadata["cmx_3600"] = {"reel": names[clip.media], "comments": comments}
        item.name = clip.media.name
        for marker, mark in zip(item.markers, flat.marks_of(clip) if track.picture else (), strict=True):
            # locators are places of the record side
            place = otio.opentime.RationalTime(flat.start + mark.frame, rate)
            marker.marked_range = otio.opentime.TimeRange(place)
            marker.name = f"{mark.label} ({mark.note(timeline.rate)})"
    if flat.start:  # the adapter has the record side begin at zero
        length = otio.opentime.RationalTime(flat.start, rate)
        lane.insert(0, otio.schema.Gap(duration=length))
    if not track.picture:  # the adapter writes the first track alone, and wants one of picture somewhere
        made.tracks.append(otio.schema.Track(kind=otio.schema.TrackKind.Video))
    text = otio.adapters.write_to_string(made, "cmx_3600", rate=rate, style="nucoda")
    blocks: list[list[str]] = []
    for line in text.splitlines():
        event = _EVENT.fullmatch(line)
        if event:
            blocks.append([event[1] + channel + event[2][len(channel) - 1 :]])
        elif blocks and line:
            blocks[-1].append(line)
    return [(clip.start, "\n".join(block)) for clip, block in zip(track.clips, blocks, strict=True)]
