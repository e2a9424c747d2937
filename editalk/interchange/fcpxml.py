"""Final Cut Pro XML 1.10. All times are exact fractions of a second, on frames but for where a voice file begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from xml.etree import ElementTree as ET

from editalk.interchange.rounding import in_frames
from editalk.interchange.types import Clip, Content, Mark, Media, Timeline
from editalk.timebase import FrameRate

VERSION = "1.10"
REEL = "com.apple.proapps.studio.reel"

_SPACES = {
    (1, 1, 1): "1-1-1 (Rec. 709)", (6, 6, 6): "6-1-6 (Rec. 601 (NTSC))", (5, 6, 5): "5-1-6 (Rec. 601 (PAL))",
    (9, 1, 9): "9-1-9 (Rec. 2020)", (9, 14, 9): "9-1-9 (Rec. 2020)", (9, 16, 9): "9-16-9 (Rec. 2020 PQ)",
    (9, 18, 9): "9-18-9 (Rec. 2020 HLG)",
}  # fmt: skip
"""Final Cut Pro's names of (primaries, transfer, matrix), H.273."""

_SIZES = {(1920, 1080): "1080p", (1280, 720): "720p", (3840, 2160): "3840x2160p", (4096, 2160): "4096x2160p"}
_RATES = {
    Fraction(24000, 1001): "2398", Fraction(24): "24", Fraction(25): "25", Fraction(30000, 1001): "2997",
    Fraction(30): "30", Fraction(50): "50", Fraction(60000, 1001): "5994", Fraction(60): "60",
}  # fmt: skip
_SOUND_RATES = {32000: "32k", 44100: "44.1k", 48000: "48k", 88200: "88.2k", 96000: "96k", 176400: "176.4k",
                192000: "192k"}  # fmt: skip
_LAYOUTS = {1: "mono", 2: "stereo"}


def to_fcpxml(timelines: Sequence[Timeline]) -> str:
    """An event with a project for every timeline, in a library without a place. The picture is the spine; the sound is
    connected below it, a lane a track; marks lie in the clips of the picture.
    """
    root = ET.Element("fcpxml", version=VERSION)
    resources = ET.SubElement(root, "resources")
    _format(resources, timelines[0])
    files = dict.fromkeys(media for timeline in timelines for media in timeline.media)
    ids = {media: f"r{number}" for number, media in enumerate(files, 2)}
    for media in files:
        _asset(resources, media, ids[media], timelines[0])
    event = ET.SubElement(ET.SubElement(root, "library"), "event", name=timelines[0].name)
    for timeline in timelines:
        _project(event, timeline, ids)
    ET.indent(root, " ")
    text = ET.tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n'


def _time(seconds: Fraction, rate: FrameRate) -> str:
    """In the frame rate's own ticks (1001/30000s) where it lies on a frame."""
    ticks = seconds * rate.value.numerator
    on_frame = (seconds * rate.value).denominator == 1 and seconds != 0
    return f"{ticks}/{rate.value.numerator}s" if on_frame else f"{seconds}s"


def _format(resources: ET.Element, timeline: Timeline) -> None:
    """The format of all files with picture. Only sizes that Final Cut Pro knows by name have one."""
    picture, rate = timeline.picture, timeline.rate
    made = {"id": "r1"}
    size = _SIZES.get((picture.width, picture.height))
    if size and rate.value in _RATES and picture.aspect == 1:
        made["name"] = f"FFVideoFormat{size}{_RATES[rate.value]}"
    made |= {"frameDuration": _time(rate.seconds(1), rate), "width": str(picture.width), "height": str(picture.height)}
    if picture.aspect != 1:
        made |= {"paspH": str(picture.aspect.numerator), "paspV": str(picture.aspect.denominator)}
    colour = picture.colour
    if (colour.primaries, colour.trc, colour.space) in _SPACES:
        made["colorSpace"] = _SPACES[colour.primaries, colour.trc, colour.space]
    ET.SubElement(resources, "format", made)


def _asset(resources: ET.Element, media: Media, name: str, timeline: Timeline) -> None:
    rate = timeline.rate
    made = {"id": name, "name": media.name, "start": _time(rate.seconds(media.start), rate)}
    if media.frames:
        made |= {"duration": _time(rate.seconds(media.frames), rate), "hasVideo": "1", "format": "r1",
                 "videoSources": "1"}  # fmt: skip
    else:
        made |= {"duration": _time(Fraction(media.samples, timeline.sample_rate), rate)}
    made |= {"hasAudio": "1", "audioSources": "1", "audioChannels": str(media.channels),
             "audioRate": str(media.sample_rate)}  # fmt: skip
    asset = ET.SubElement(resources, "asset", made)
    ET.SubElement(asset, "media-rep", kind="original-media", src=media.url)
    about = ET.SubElement(asset, "metadata")
    ET.SubElement(about, "md", key=REEL, value=media.reel)


@dataclass(frozen=True)
class _Lane:
    """A clip below the spine; `lane`: −1, −2 …"""

    clip: Clip
    lane: int


def _project(event: ET.Element, timeline: Timeline, ids: dict[Media, str]) -> None:
    flat, rate = in_frames(timeline), timeline.rate
    project = ET.SubElement(event, "project", name=timeline.name)
    display = "DF" if timeline.drop else "NDF"
    made = {"format": "r1", "duration": _time(rate.seconds(timeline.frames), rate),
            "tcStart": _time(rate.seconds(timeline.start), rate), "tcFormat": display,
            "audioLayout": _LAYOUTS.get(timeline.channels, "surround")}  # fmt: skip
    if timeline.sample_rate in _SOUND_RATES:
        made["audioRate"] = _SOUND_RATES[timeline.sample_rate]
    spine = ET.SubElement(ET.SubElement(project, "sequence", made), "spine")
    lanes = [_Lane(clip, -number) for number, track in enumerate(flat.sounds, 1) for clip in track.clips]
    for shot in flat.shots:
        item = _clip(spine, shot, timeline, ids, rate.seconds(timeline.start + shot.start), "video")
        item.set("tcFormat", display)
        for lane in lanes:
            if shot.start <= lane.clip.start < shot.end:
                offset = rate.seconds(shot.media.start + lane.clip.start - shot.start) + shot.offset / rate.value
                _connected(item, lane, timeline, ids, offset)
        for mark in flat.marks_of(shot):
            _marker(item, mark, shot, timeline)


def _clip(
    parent: ET.Element, clip: Clip, timeline: Timeline, ids: dict[Media, str], offset: Fraction, enable: str
) -> ET.Element:
    rate = timeline.rate
    start = rate.seconds(clip.media.start) + clip.offset / rate.value
    return ET.SubElement(parent, "asset-clip", {
        "ref": ids[clip.media], "offset": _time(offset, rate), "name": clip.name, "start": _time(start, rate),
        "duration": _time(rate.seconds(clip.length), rate),
        **({"format": "r1", "srcEnable": enable} if clip.media.frames else {}),
    })  # fmt: skip


def _connected(
    parent: ET.Element, lane: _Lane, timeline: Timeline, ids: dict[Media, str], offset: Fraction
) -> None:
    item = _clip(parent, lane.clip, timeline, ids, offset, "audio")
    item.set("lane", str(lane.lane))
    item.set("audioRole", "effects" if lane.clip.content is Content.ROOM_TONE else "dialogue")
    if lane.clip.gain_db:
        ET.SubElement(item, "adjust-volume", amount=f"{lane.clip.gain_db:.2f}dB")


def _marker(item: ET.Element, mark: Mark, shot: Clip, timeline: Timeline) -> None:
    """In the clip's own time."""
    rate = timeline.rate
    start = rate.seconds(shot.media.start + mark.frame - shot.start) + shot.offset / rate.value
    frames = min(mark.frames, shot.end - mark.frame)
    ET.SubElement(item, "marker", start=_time(start, rate), duration=_time(rate.seconds(frames), rate),
                  value=mark.label, note=mark.note(rate))  # fmt: skip
