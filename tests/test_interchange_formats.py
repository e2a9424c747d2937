"""Timelines written and read back: at every broadcast rate what a program reads is what was meant."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import opentimelineio as otio
import pytest
from interchange_plans import BROADCAST, timelines_at

from editalk.interchange import Clip, Timeline, Track, get_writer
from editalk.interchange.fcpxml import VERSION, to_fcpxml
from editalk.interchange.reels import reels
from editalk.interchange.rounding import in_frames
from editalk.timebase import nearest

GOLDEN = Path(__file__).parent / "golden" / "timeline"
DTD = os.environ.get("EDITALK_FCPXML_DTD")
at_every_rate = pytest.mark.parametrize(("rate", "timecode"), BROADCAST, ids=lambda v: v.replace("/", "-"))


def clips(track: Any) -> list[Any]:
    return [child for child in track if isinstance(child, otio.schema.Clip)]


def begin(clip: Clip, track: Track, timeline: Timeline) -> int:
    """The tick at which a clip's file begins."""
    return nearest(clip.media.start * track.rate / timeline.rate.value)


def check_ranges(read: Any, track: Track, timeline: Timeline, record: bool = True) -> None:
    """Names, source and record ranges of a track that was read back."""
    assert [c.source_range.start_time.value for c in clips(read)] == [
        begin(c, track, timeline) + nearest(c.offset) for c in track.clips
    ]  # fmt: skip
    end = int(timeline.frames * track.rate / timeline.rate.value)  # no sample outlasts the picture
    assert [c.source_range.duration.value for c in clips(read)] == [min(c.end, end) - c.start for c in track.clips]
    if record:
        places = [(r.start_time.value, r.duration.value) for r in (c.range_in_parent() for c in clips(read))]
        assert places == [(c.start, min(c.end, end) - c.start) for c in track.clips]


@at_every_rate
def test_otio(rate: str, timecode: str) -> None:
    for timeline in timelines_at(rate, timecode):
        read = otio.adapters.read_from_string(get_writer("otio").write([timeline]), "otio_json")
        assert read.name == timeline.name
        assert read.global_start_time == otio.opentime.RationalTime(timeline.start, float(timeline.rate))
        start, drop = read.global_start_time, read.metadata["editalk"]["drop_frame"]
        assert otio.opentime.to_timecode(start, start.rate, drop) == timecode
        assert [t.name for t in read.tracks] == [t.name for t in timeline.tracks]
        for own, track in zip(read.tracks, timeline.tracks, strict=True):
            check_ranges(own, track, timeline)
            assert [c.name for c in clips(own)] == [c.name for c in track.clips]
            assert [c.media_reference.target_url for c in clips(own)] == [c.media.url for c in track.clips]
            for item, clip in zip(clips(own), track.clips, strict=True):
                room, used = item.media_reference.available_range, item.source_range
                assert room.start_time.value == begin(clip, track, timeline)
                assert room.start_time <= used.start_time
                assert used.end_time_exclusive() <= room.end_time_exclusive()
        found = [(m.metadata["editalk"]["kind"], m.name, m.comment, c.range_in_parent().start_time.value
                  + m.marked_range.start_time.value - c.source_range.start_time.value)
                 for c in clips(read.tracks[0]) for m in c.markers]  # fmt: skip
        assert found == [(m.kind, m.label, m.note(timeline.rate), m.frame) for m in timeline.marks]
        assert read.duration().value == timeline.frames


@at_every_rate
def test_generated_spans_have_handles(rate: str, timecode: str) -> None:
    edited, _ = timelines_at(rate, timecode)
    made = [c for c in edited.shots if c.media.path.name == "talk.edited.mp4"]
    assert len(made) > 3
    for clip in made[:-1]:
        assert clip.media.frames == edited.frames
        assert clip.offset + clip.length < clip.media.frames


@at_every_rate
def test_edl(rate: str, timecode: str) -> None:
    for timeline in timelines_at(rate, timecode):
        text = get_writer("edl").write([timeline])
        drop = ";" in timecode
        assert text.splitlines()[1] == f"FCM: {'DROP' if drop else 'NON-DROP'} FRAME"
        read = otio.adapters.read_from_string(text, "cmx_3600", rate=float(timeline.rate))
        assert read.name == timeline.name
        flat = in_frames(timeline)
        heard = sorted((c for t in flat.sounds for c in t.clips), key=lambda c: c.start)
        sound = Track("A", False, timeline.rate.value, tuple(heard))
        names = reels(timeline.media)
        assert sorted(t.name for t in read.tracks) == ["A1", "A2", "V"]
        for own in read.tracks:
            track = flat.tracks[0] if own.name == "V" else sound
            check_ranges(own, track, timeline, record=False)
            assert [c.metadata["cmx_3600"]["reel"] for c in clips(own)] == [names[c.media] for c in track.clips]
            assert [c.media_reference.target_url for c in clips(own)] == [c.media.url for c in track.clips]
            # the reader keeps where the record side begins as an offset of the track
            first = -own.source_range.start_time.value if own.source_range else 0
            assert first == timeline.start + track.clips[0].start
            places = [c.range_in_parent().start_time.value + first for c in clips(own)]
            assert places == [timeline.start + c.start for c in track.clips]
        numbers = [int(n) for n in re.findall(r"^(\d{3,})  ", text, re.MULTILINE)]
        assert numbers == list(range(1, len(flat.shots) + len(heard) + 1))
        places = re.findall(r"^\* LOC: (\S+)", text, re.MULTILINE)
        located = [otio.opentime.from_timecode(place, float(timeline.rate)).value for place in places]
        assert located == [timeline.start + m.frame for m in timeline.marks]
        if not drop:  # the adapter does not read locators with drop-frame timecode
            (video,) = [t for t in read.tracks if t.name == "V"]
            marks = [m for c in clips(video) for m in c.markers]
            assert [m.name for m in marks] == [f"{m.label} ({m.note(timeline.rate)})".upper() for m in timeline.marks]


def test_files_alike_in_name_are_other_reels_on_every_track() -> None:
    edited, _ = timelines_at("25", None)
    alike = replace(edited.sounds[1].clips[0].media, reel="talk.edited")
    sounds = [replace(t, clips=tuple(replace(c, media=alike) for c in t.clips)) if t.name == "A2" else t
              for t in edited.sounds]  # fmt: skip
    text = get_writer("edl").write([replace(edited, tracks=(edited.tracks[0], *sounds))])
    reel = {m[2]: m[1] for m in re.finditer(r"^\d+  (\S+) .*\n\* FROM CLIP NAME:  (.*)$", text, re.MULTILINE)}
    assert reel == {"talk 1.mp4": "A001C003", "talk.edited.mp4": "TALKEDIT", "voice.wav": "TALKEDI2"}


@at_every_rate
def test_premiere_xml(rate: str, timecode: str) -> None:
    timelines = timelines_at(rate, timecode)
    read = otio.adapters.read_from_string(get_writer("xml").write(timelines), "fcp_xml")
    for own, timeline in zip(read, timelines, strict=True):
        flat = in_frames(timeline)
        assert own.name == timeline.name
        assert own.global_start_time == otio.opentime.RationalTime(timeline.start, float(timeline.rate))
        assert own.metadata["fcp_xml"]["timecode"]["displayformat"] == ("DF" if timeline.drop else "NDF")
        assert own.duration().value == timeline.frames
        assert [t.kind for t in own.tracks] == ["Video"] + ["Audio"] * len(flat.sounds)
        for lane, track in zip(own.tracks, flat.tracks, strict=True):
            check_ranges(lane, track, timeline)
            assert [c.name for c in clips(lane)] == [c.name for c in track.clips]
            for item, clip in zip(clips(lane), track.clips, strict=True):
                reference = item.media_reference
                assert reference.target_url == clip.media.url.replace("file://", "file://localhost")
                assert reference.metadata["fcp_xml"]["timecode"]["reel"]["name"] == clip.media.reel
                assert reference.available_range.start_time.value == begin(clip, track, timeline)
        marks = [(m.name, m.marked_range.start_time.value, m.marked_range.duration.value) for m in own.tracks.markers]
        assert marks == [(m.label, m.frame, m.frames) for m in timeline.marks]


@at_every_rate
def test_a_stereo_sound_lies_on_two_tracks_in_premiere_xml(rate: str, timecode: str) -> None:
    edited, removed = timelines_at(rate, timecode)
    root = ET.fromstring(get_writer("xml").write([edited, removed]))
    sequence = root.find(".//sequence")
    assert sequence is not None
    tracks = sequence.findall("media/audio/track")
    assert [t.get("currentExplodedTrackIndex") for t in tracks] == ["0", "1", "0", "1"]
    for track in tracks:
        index = str(int(track.get("currentExplodedTrackIndex", "")) + 1)
        assert {i.findtext("sourcetrack/trackindex") for i in track.iter("clipitem")} == {index}
    whole = [i for i in root.iter("clipitem") if i.find("start") is not None]
    assert len(whole) == len(list(root.iter("clipitem")))  # none is a bare reference to another
    assert len({i.get("id") for i in whole}) == len(whole)


def seconds(text: str | None) -> Fraction:
    assert text is not None
    assert re.fullmatch(r"\d+(/[1-9]\d*)?s", text)
    return Fraction(text.removesuffix("s"))


@at_every_rate
def test_fcpxml(rate: str, timecode: str) -> None:
    timelines = timelines_at(rate, timecode)
    root = ET.fromstring(to_fcpxml(timelines))
    frame = seconds(root.find("resources/format").get("frameDuration"))  # type: ignore[union-attr]
    assert frame == 1 / Fraction(rate)
    assets = {a.get("id"): a for a in root.iter("asset")}
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert {e.get("ref") for e in root.iter("asset-clip")} == set(assets)
    assert {e.get("format") for e in root.iter() if e.get("format")} == {"r1"}
    for element in root.iter():
        sound_only = element.tag == "asset" and not element.get("hasVideo")
        voice = element.tag == "asset-clip" and not assets[element.get("ref")].get("hasVideo")
        for name in ("offset", "start", "duration", "tcStart", "frameDuration"):
            if element.get(name) is not None and not sound_only and not (voice and name == "start"):
                assert (seconds(element.get(name)) / frame).denominator == 1, (element.tag, name, element.get(name))
    projects = root.findall("library/event/project")
    assert [p.get("name") for p in projects] == [t.name for t in timelines]
    for project, timeline in zip(projects, timelines, strict=True):
        check_project(project, timeline, assets, frame)


def check_project(project: ET.Element, timeline: Timeline, assets: dict[Any, ET.Element], frame: Fraction) -> None:
    sequence = project.find("sequence")
    assert sequence is not None
    assert seconds(sequence.get("tcStart")) == timeline.start * frame
    assert sequence.get("tcFormat") == ("DF" if timeline.drop else "NDF")
    assert seconds(sequence.get("duration")) == timeline.frames * frame
    at, heard, marked = seconds(sequence.get("tcStart")), 0, 0
    for item, shot in zip(sequence.findall("spine/asset-clip"), timeline.shots, strict=True):
        assert seconds(item.get("offset")) == at
        at += seconds(item.get("duration"))
        asset = assets[item.get("ref")]
        assert asset.find("media-rep").get("src") == shot.media.url  # type: ignore[union-attr]
        start = seconds(item.get("start"))
        assert (start - seconds(asset.get("start"))) / frame == shot.offset
        order = [("asset-clip", "marker").index(child.tag) for child in item]
        assert order == sorted(order)
        for child in item.findall("asset-clip"):
            heard += 1
            assert int(child.get("lane", "0")) < 0
            assert start <= seconds(child.get("offset")) < start + seconds(item.get("duration"))
            own = assets[child.get("ref")]
            assert seconds(child.get("start")) >= seconds(own.get("start"))
            end = seconds(child.get("start")) + seconds(child.get("duration"))
            assert end <= seconds(own.get("start")) + seconds(own.get("duration"))
            record = seconds(child.get("offset")) - start + seconds(item.get("offset"))
            clip = next(c for t in in_frames(timeline).sounds for c in t.clips
                        if c.name == child.get("name") and (timeline.start + c.start) * frame == record)  # fmt: skip
            assert seconds(child.get("start")) - seconds(own.get("start")) == clip.offset * frame
        for marker in item.findall("marker"):
            mark = timeline.marks[marked]
            marked += 1
            assert (marker.get("value"), marker.get("note")) == (mark.label, mark.note(timeline.rate))
            place = seconds(marker.get("start")) - start + seconds(item.get("offset"))
            assert place == (timeline.start + mark.frame) * frame
    assert at == seconds(sequence.get("tcStart")) + timeline.frames * frame
    assert heard == sum(len(t.clips) for t in in_frames(timeline).sounds)
    assert marked == len(timeline.marks)


@pytest.mark.skipif(not DTD, reason="EDITALK_FCPXML_DTD does not name Apple's DTD of FCPXML 1.10")
@at_every_rate
def test_fcpxml_against_the_dtd(rate: str, timecode: str) -> None:
    from lxml import etree

    with open(str(DTD), "rb") as file:
        dtd = etree.DTD(file)
    root = etree.fromstring(to_fcpxml(timelines_at(rate, timecode)).encode())
    assert dtd.validate(root), dtd.error_log.filter_from_errors()


def test_fcpxml_version() -> None:
    text = to_fcpxml(timelines_at("25", None))
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n<fcpxml version="1.10">')
    assert VERSION == "1.10"
    assert "file:///media/T%C3%A4nze%20%26%20T%C3%B6ne/talk%201.mp4" in text
    assert 'name="FFVideoFormat1080p25"' in text
    assert 'colorSpace="1-1-1 (Rec. 709)"' in text


@pytest.mark.parametrize("name", ["otio", "fcpxml", "edl", "xml"])
def test_golden(name: str) -> None:
    writer = get_writer(name)
    timelines = timelines_at("30000/1001", "00:58:55;20", small=True)
    made = writer.write(timelines if writer.several else timelines[:1])
    assert made == (GOLDEN / f"edited{writer.suffix}").read_text("utf-8")


@pytest.mark.parametrize("name", ["otio", "fcpxml", "edl", "xml"])
def test_nothing_taken_out_is_an_empty_timeline(name: str) -> None:
    edited, removed = timelines_at("25", None)
    empty = replace(removed, frames=0, marks=(), tracks=tuple(replace(t, clips=()) for t in removed.tracks[:1]))
    writer = get_writer(name)
    text = writer.write([edited, empty] if writer.several else [empty])
    if name == "edl":
        assert text == "TITLE: talk.edited.removed\nFCM: NON-DROP FRAME\n\n"
    elif name == "otio":
        assert otio.adapters.read_from_string(text, "otio_json").duration().value == 0
    else:
        assert "talk.edited.removed" in text
        ET.fromstring(text)
