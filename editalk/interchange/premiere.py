"""Final Cut Pro 7 XML, which Premiere Pro reads, through OpenTimelineIO's adapter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any
from urllib.parse import urlsplit

import opentimelineio as otio

from editalk.interchange.rounding import in_frames
from editalk.interchange.schema import marker, to_otio
from editalk.interchange.types import Clip, Media, Timeline, Track

MOST_DB = 12.0  # of the audio level filter


def to_xml(timelines: Sequence[Timeline]) -> str:
    """One file with a sequence for every timeline. A stereo sound lies on two tracks, a channel each, as Premiere has
    it. Marks lie on the sequence.
    """
    made = otio.schema.SerializableCollection(timelines[0].name, [_sequence(timeline) for timeline in timelines])
    text: str = otio.adapters.write_to_string(made, "fcp_xml")
    return text


def _sequence(timeline: Timeline) -> Any:
    flat = in_frames(timeline)
    made = to_otio(flat)
    for item, track in zip(list(made.tracks), flat.tracks, strict=True):
        clips = [child for child in item if isinstance(child, otio.schema.Clip)]
        for child, clip in zip(clips, track.clips, strict=True):
            del child.markers[:]
            _describe(child, clip, track, timeline)
    _split_channels(made, timeline.channels)
    rate = float(timeline.rate)
    for mark in flat.marks:
        place = otio.opentime.TimeRange(
            otio.opentime.RationalTime(mark.frame, rate), otio.opentime.RationalTime(mark.frames, rate)
        )
        made.tracks.markers.append(marker(mark, timeline, place))
        made.tracks.markers[-1].metadata["fcp_xml"] = {"comment": mark.note(timeline.rate)}
    made.metadata["fcp_xml"] = {"timecode": {"displayformat": _display(timeline)}, "media": _format(timeline)}
    return made


def _describe(item: Any, clip: Clip, track: Track, timeline: Timeline) -> None:
    media = clip.media
    parts = urlsplit(media.url)
    item.media_reference.target_url = parts._replace(netloc=parts.netloc or "localhost").geturl()
    item.media_reference.metadata["fcp_xml"] = {
        "timecode": {"displayformat": _display(timeline), "reel": {"name": media.reel}},
        "media": _streams(media, timeline),
    }
    # clips alike in all else would be written as one clip and references to it
    own, file = f"clipitem-{track.name}-{clip.start}", item.metadata["cmx_3600"]["reel"]
    item.metadata["fcp_xml"] = {"@id": own, "masterclipid": file}
    if clip.gain_db:
        item.metadata["fcp_xml"]["filter"] = {"effect": _level(clip.gain_db)}


def _split_channels(made: Any, channels: int) -> None:
    """Every sound track once for each of the first two channels."""
    sounds = [track for track in made.tracks if track.kind == otio.schema.TrackKind.Audio]
    both = min(channels, 2)
    for track in sounds:
        at = made.tracks.index(track)
        for channel in range(both):
            own = track if channel == 0 else track.clone()
            if channel:
                made.tracks.insert(at + channel, own)
            own.metadata["fcp_xml"] = {
                "@currentExplodedTrackIndex": str(channel), "@totalExplodedTrackCount": str(both),
                "@premiereTrackType": "Stereo" if both == 2 else "Mono", "outputchannelindex": str(channel + 1),
            }  # fmt: skip
            for clip in _clips(own):
                clip.metadata["fcp_xml"]["sourcetrack"] = {"mediatype": "audio", "trackindex": str(channel + 1)}


def _clips(track: Any) -> Iterator[Any]:
    return (child for child in track if isinstance(child, otio.schema.Clip))


def _display(timeline: Timeline) -> str:
    return "DF" if timeline.drop else "NDF"


def _streams(media: Media, timeline: Timeline) -> dict[str, Any]:
    """What a file holds."""
    sound = {
        "samplecharacteristics": {"depth": "16", "samplerate": str(media.sample_rate)},
        "channelcount": str(media.channels),
    }
    return ({"video": {"samplecharacteristics": _size(timeline)}} if media.frames else {}) | {"audio": sound}


def _format(timeline: Timeline) -> dict[str, Any]:
    return {
        "video": {"format": {"samplecharacteristics": _size(timeline)}},
        "audio": {
            "numOutputChannels": str(timeline.channels),
            "format": {"samplecharacteristics": {"depth": "16", "samplerate": str(timeline.sample_rate)}},
        },
    }


def _size(timeline: Timeline) -> dict[str, Any]:
    rate, picture = timeline.rate.value, timeline.picture
    return {
        "rate": {"timebase": str(ceil(rate)), "ntsc": "FALSE" if rate.denominator == 1 else "TRUE"},
        "width": str(picture.width), "height": str(picture.height),
        "anamorphic": "FALSE" if picture.aspect == 1 else "TRUE",
        "pixelaspectratio": "square" if picture.aspect == 1 else f"{float(picture.aspect):.4f}",
        "fielddominance": "none",
    }  # fmt: skip


def _level(gain_db: float) -> dict[str, Any]:
    value = 10 ** (min(gain_db, MOST_DB) / 20)
    return {
        "name": "Audio Levels", "effectid": "audiolevels", "effectcategory": "audiolevels",
        "effecttype": "audiolevels", "mediatype": "audio",
        "parameter": {"parameterid": "level", "name": "Level", "valuemin": "0", "valuemax": "3.98109",
                      "value": f"{value:.6f}"},
    }  # fmt: skip
