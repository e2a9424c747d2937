"""Sound cut at whole frames, for formats that count in nothing finer."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil

from editalk.interchange.types import Clip, Timeline, Track
from editalk.timebase import nearest


def in_frames(timeline: Timeline) -> Timeline:
    """The same timeline with its sound cut at the nearest frames: the cut moves by half a frame at most, the sound
    does not. A file with picture is then a whole number of frames away; a voice's `offset` stays exact.
    """
    return replace(timeline, tracks=tuple(_track(track, timeline) for track in timeline.tracks))


def _track(track: Track, timeline: Timeline) -> Track:
    if track.picture:
        return track
    made = (_clip(clip, timeline.rate.value / track.rate) for clip in track.clips)
    return replace(track, rate=timeline.rate.value, clips=tuple(clip for clip in made if clip.length > 0))


def _clip(clip: Clip, scale: Fraction) -> Clip:
    start, end = nearest(clip.start * scale), nearest(clip.end * scale)
    shift = (clip.offset - clip.start) * scale
    if clip.media.frames:
        offset, last = Fraction(start + nearest(shift)), Fraction(clip.media.frames)
    else:
        offset, last = start + shift, clip.media.samples * scale
    before, behind = max(0, ceil(-offset)), max(0, ceil(offset + end - start - last))
    return replace(clip, start=start + before, length=end - start - before - behind, offset=offset + before)
