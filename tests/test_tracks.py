"""Further audio tracks, chapters and subtitles of a file: read, cut along, written again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from conftest import lag, picture
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from editalk.audio import Audio, StoredSound
from editalk.cli import main
from editalk.errors import MediaError, OutputError
from editalk.media import AudioInfo, FrameReader, MediaInfo, SoundFile, SubtitleInfo, decode_sound, probe
from editalk.media.subtitles import SubtitlePacket, SubtitleTrack, read_subtitles
from editalk.mux import CONTAINERS, Writer, audio_codec, check_sounds, subtitle_codec
from editalk.operations import Kind, Operation
from editalk.pipeline.subtitles import follow_subtitles
from editalk.pipeline.tracks import by_turns, further_tracks, rows
from editalk.plan import Caption, EditPlan, Origin, Piece, SoundPiece, SourceRef
from editalk.reporting import Silent
from editalk.sidecars import captions_of, retime_subtitles
from editalk.soundtrack import Soundtrack
from editalk.timebase import FrameRange, FrameRate
from editalk.transcript import Word
from editalk.transcript.captions import read_captions

RATE = FrameRate(Fraction(25))
SECONDS = 3


def noise(seconds: float, rate: int, channels: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.4, 0.4, (round(seconds * rate), channels)).astype(np.float32)


SOUNDS = (("mono", 48000), ("stereo", 44100), ("5.1", 48000))


def talk(path: Path, codecs: tuple[str, ...], subtitles: str | None = None) -> Path:
    """Three seconds with a track of noise for each codec, two chapters and one subtitle."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        streams = []
        for k, (codec, (layout, rate)) in enumerate(zip(codecs, SOUNDS, strict=False)):
            stream = container.add_stream(codec, rate=rate, layout=layout)
            stream.metadata["language"] = ("eng", "fra", "deu")[k]
            stream.metadata["title"] = f"Track & {k}"
            stream.disposition = Disposition.default if k == 0 else Disposition.comment if k == 1 else Disposition(0)
            streams.append(stream)
        titles = container.add_mux_stream(subtitles) if subtitles else None
        container.set_chapters([
            {"id": k, "start": a, "end": b, "time_base": Fraction(1, 1000), "metadata": {"title": f"Part {k}"}}
            for k, (a, b) in enumerate(((0, 1600), (1600, 3000)))
        ])  # fmt: skip
        for k in range(25 * SECONDS):
            frame = av.VideoFrame.from_ndarray(picture(k).transpose(2, 0, 1).copy(), format="yuv444p")
            frame.pts, frame.time_base = k, Fraction(1, 25)
            container.mux(video.encode(frame.reformat(format="yuv420p")))
        container.mux(video.encode(None))
        for k, stream in enumerate(streams):
            layout, rate = SOUNDS[k]
            wave = noise(SECONDS - (k == 2), rate, stream.codec_context.channels, k)
            sound = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="flt", layout=layout)
            sound.sample_rate, sound.time_base, sound.pts = rate, Fraction(1, rate), rate // 10 if k == 2 else 0
            container.mux(stream.encode(sound))
            container.mux(stream.encode(None))
        if titles is not None:
            packet = av.Packet(b"<i>one two</i>\nthree")
            packet.stream, packet.time_base = titles, Fraction(1, 1000)
            packet.pts = packet.dts = 500
            packet.duration = 1000
            container.mux_one(packet)
    return path


def cut(*sounds: SoundPiece, rate: int = 48000, frames: int = 75) -> EditPlan:
    """A plan of sound pieces; its picture is of no interest."""
    total = sounds[-1].end * 25 // rate
    ref = SourceRef("talk.mov", "0" * 64, RATE, frames, rate, frames * rate // 25, 1)
    removal = Operation(Kind.REMOVAL, "x", FrameRange(0, 1), FrameRange(0, 0))
    return EditPlan(ref, (), None, (removal,), (Piece(0, total, 0, total),), sounds, (), ())


def source(start: float, seconds: float, offset: float, lasts: float | None = None) -> SoundPiece:
    a, n, o, m = (round(48000 * x) for x in (start, seconds, offset, lasts or seconds))
    return SoundPiece(a, n, Origin.SOURCE, o, m, fade=576 if start else 0)


def test_a_further_track_is_cut_to_the_sample_at_its_own_rate() -> None:
    plan = cut(source(0, 1, 0), SoundPiece(48000, 24000, Origin.VOICE, 0, 24000, 0, 576, 3.0), source(1.5, 1, 2))
    wave = noise(3, 44100, 2, 1)
    track = Soundtrack.along(plan, StoredSound(Audio(wave, 44100)), ())
    made = track.read(0, track.samples).samples
    assert len(made) == round(2.5 * 44100)
    assert np.array_equal(made[:43000], wave[:43000])
    assert np.array_equal(made[round(1.5 * 44100) + 600 :], wave[2 * 44100 + 600 :])
    between = made[44100 + 600 : round(1.5 * 44100) - 600]
    assert (np.abs(between).max(axis=1) > 0).mean() > 0.99  # its own room tone, no silence


def test_a_silent_track_stays_silent() -> None:
    plan = cut(source(0, 1, 0), SoundPiece(48000, 24000, Origin.ROOM_TONE, 0, 24000, fade=576), source(1.5, 1, 2))
    track = Soundtrack.along(plan, StoredSound(Audio(np.zeros((144000, 6), np.float32), 48000)), ())
    assert not track.read(0, track.samples).samples.any()


def test_a_stretched_span_is_stretched_in_every_track() -> None:
    plan = cut(source(0, 1, 0), source(1, 0.5, 1, lasts=1.0), source(1.5, 1, 2))
    wave = noise(3, 32000, 1, 3)
    track = Soundtrack.along(plan, StoredSound(Audio(wave, 32000)), ())
    made = track.read(0, track.samples).samples
    assert len(made) == 80000
    assert np.array_equal(made[48000:], wave[64000:96000])


@given(st.sampled_from([8000, 22050, 44100, 48000, 96000]),
       st.lists(st.tuples(st.integers(1, 60), st.integers(0, 100)), min_size=1, max_size=6))  # fmt: skip
def test_pieces_tile_at_any_rate(rate: int, rows: list[tuple[int, int]]) -> None:
    pieces, at = [], 0
    for frames, offset in rows:
        pieces.append(SoundPiece(at, frames * 1920, Origin.SOURCE, offset * 1920, frames * 1920, fade=576))
        at += frames * 1920
    wave = noise(1, rate, 1, 0)
    track = Soundtrack.along(cut(*pieces), StoredSound(Audio(wave, rate)), ())
    assert track.samples == round(at * rate / 48000)


CASES = [
    ("talk.mov", ("pcm_s16le", "pcm_s24le", "alac"), None, ".mov", ("pcm_s16le", "pcm_s24le", "alac")),
    ("talk.mkv", ("aac", "flac", "ac3"), "subrip", ".mkv", ("aac", "flac", "ac3")),
    ("talk.mkv", ("aac", "flac", "eac3"), "subrip", ".mp4", ("aac", "flac", "eac3")),
]


@pytest.mark.parametrize(("name", "codecs", "subtitles", "suffix", "expected"), CASES)
def test_tracks_chapters_and_subtitles_are_written_again(
    tmp_path: Path, name: str, codecs: tuple[str, ...], subtitles: str | None, suffix: str, expected: tuple[str, ...]
) -> None:
    info = probe(talk(tmp_path / name, codecs, subtitles))
    assert [c.title for c in info.chapters] == ["Part 0", "Part 1"]
    assert [(s.codec, s.language) for s in info.subtitles] == ([("srt", None)] if subtitles else [])
    plan = cut(source(0, 1, 0), source(1, 1.4, 1.6))
    out = tmp_path / f"out{suffix}"
    _write(info, plan, out, tmp_path)
    made = probe(out)
    assert tuple(s.codec for s in made.sounds) == expected
    for one, other in zip(info.sounds, made.sounds, strict=True):
        assert (one.sample_rate, one.channels) == (other.sample_rate, other.channels)
        assert (one.language, one.title) == (other.language, other.title)
    assert [s.disposition & Disposition.default for s in made.sounds] == [1, 0, 0]
    assert [float(c.start) for c in made.chapters] == [0, 1.6]
    assert len(made.subtitles) == bool(subtitles)  # the text track of chapters is none
    for subtitle in made.subtitles:
        cue = captions_of(read_subtitles(out, subtitle, Fraction(0))).cues[0]
        assert (float(cue.start), cue.lines) == (0.5, ("<i>one two</i>",) if suffix == ".mkv" else ("one two",))
    for before, after in zip(info.sounds, made.sounds, strict=True):
        _same_sound(info, made, before.index, after.index, tmp_path)


def _write(info: MediaInfo, plan: EditPlan, out: Path, folder: Path) -> None:
    speech = decode_sound(info.path, folder / "speech.f32", start=info.video.start, index=info.audio.index)
    tracks = further_tracks(info, plan, (), folder, Silent())
    form = CONTAINERS[out.suffix]
    words = (Word("one", 0.5, 0.7), Word("two", 0.7, 0.9), Word("three", 1.0, 1.4))
    said = replace(plan, captions=(Caption("one", 0.5, 0.7), Caption("two", 0.7, 0.9)))
    titles = [
        retime_subtitles(said, read_subtitles(info.path, s, info.video.start), words, subtitle_codec(s.codec, form))[0]
        for s in info.subtitles
    ]
    main = Soundtrack(plan, speech, (), ())
    with FrameReader(info) as reader, Writer(out, info, RATE, chapters=info.chapters, subtitles=titles) as writer:
        turns = by_turns(tracks, 1.0)
        for second, chunk in enumerate(main.chunks()):
            writer.sound(chunk)
            for track, part in next(turns):
                writer.sound(part, track)
            for frame in range(second * 25, min(60, second * 25 + 25)):
                writer.video(reader.frame(frame))


def _same_sound(info: MediaInfo, made: MediaInfo, before: int, after: int, folder: Path) -> None:
    """Either side of the cut at 1 s, in step to the sample."""
    a, b = (decode_sound(i.path, folder / f"{i.path.name}{k}.f32", start=i.video.start, index=k)
            for i, k in ((info, before), (made, after)))  # fmt: skip
    for start, offset in ((0.2, 0.2), (1.2, 1.8)):
        x, y = _at(b, start), _at(a, offset)
        heard = [c for c in range(x.shape[1]) if c != 3]  # of 5.1 the channel of low frequencies, little of noise
        assert [lag(x[:, c], y[:, c]) for c in heard] == [0] * len(heard)


def _at(sound: SoundFile, seconds: float) -> NDArray[np.float32]:
    first = round(seconds * sound.rate)
    return sound.read(first, first + round(0.3 * sound.rate)).samples


def test_any_track_can_be_the_one_that_is_edited(tmp_path: Path) -> None:
    path = talk(tmp_path / "talk.mov", ("pcm_s16le", "pcm_s24le", "alac"))
    info = probe(path, 2)
    assert (info.audio.sample_rate, info.audio.title) == (44100, "Track & 1")
    assert [t.title for t in info.further] == ["Track & 0", "Track & 2"]
    assert [(r["track"], r["speech"]) for r in rows(info)] == [(1, False), (2, True), (3, False)]
    with pytest.raises(MediaError, match="no audio track 4, only 1 to 3"):
        probe(path, 4)


def test_codecs_that_a_container_does_not_take_become_its_own() -> None:
    ac3 = AudioInfo("ac3", 48000, 6, "5.1(side)", Fraction(0), None)
    assert [audio_codec(ac3, form) for form in ("mp4", "mov", "matroska")] == ["ac3"] * 3
    assert audio_codec(replace(ac3, codec="opus"), "matroska") == "libopus"
    assert audio_codec(replace(ac3, codec="opus"), "mov") == "aac"
    assert audio_codec(replace(ac3, codec="dts"), "matroska") == "aac"
    assert audio_codec(replace(ac3, channels=8), "matroska") == "aac"
    assert [subtitle_codec("ass", form) for form in ("mp4", "matroska")] == ["mov_text", "ass"]
    assert subtitle_codec("mov_text", "matroska") == "subrip"


@pytest.mark.parametrize(
    ("codec", "data", "text"),
    [
        ("mov_text", b"\0\7one two\0\0\0\x16styl", ("one two",)),
        ("ass", rb"7,0,Default,,0,0,0,,{\i1}one{\i0}, two\Nthree", (r"{\i1}one{\i0}, two", "three")),
        ("srt", b"<i>one</i>\ntwo", ("<i>one</i>", "two")),
    ],
)
def test_subtitles_keep_their_bytes_where_nothing_changed(codec: str, data: bytes, text: tuple[str, ...]) -> None:
    plan = cut(source(0, 3, 0))
    info = SubtitleInfo(codec, 3, None, None, 0)
    track = SubtitleTrack(info, codec, (SubtitlePacket(Fraction(1), Fraction(2), data),))
    assert captions_of(track).cues[0].lines == text
    same, _ = retime_subtitles(plan, track, (), codec)
    assert same.packets[0].data == (b"0" + data[1:] if codec == "ass" else data)
    other, _ = retime_subtitles(plan, track, (), "subrip" if codec == "mov_text" else "mov_text")
    plain = other.packets[0].data[0 if codec == "mov_text" else 2 :].decode()
    assert plain == re.sub(r"<[^>]*>|\{[^}]*\}", "", "\n".join(text))


def test_a_track_that_nothing_can_decode_is_left_out_and_said(tmp_path: Path) -> None:
    path = talk(tmp_path / "talk.mov", ("pcm_s16le", "pcm_s24le", "alac"))
    path.write_bytes(path.read_bytes().replace(b"alac", b"apac"))
    info = probe(path)
    assert (len(info.sounds), info.undecoded) == (2, 1)
    reporter = Silent()
    assert len(further_tracks(info, cut(source(0, 3, 0)), (), tmp_path, reporter)) == 1
    assert reporter.warnings == ["1 audio track that nothing here can decode: left out"]


def test_subtitles_that_are_pictures_are_left_out_and_said(tmp_path: Path) -> None:
    info = probe(talk(tmp_path / "talk.mkv", ("aac",), "subrip"))
    pictures = replace(info.subtitles[0], codec="hdmv_pgs_subtitle")
    reporter = Silent()
    made = follow_subtitles(replace(info, subtitles=(pictures,)), cut(source(0, 3, 0)), (), Path("o.mkv"), reporter)
    assert made.tracks == ()
    assert "subtitle track 1 (hdmv_pgs_subtitle) is left out" in reporter.warnings[0]


def test_an_edit_takes_all_of_it_along(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))
    path = talk(tmp_path / "talk.mkv", ("aac", "flac", "ac3"), "subrip")
    words = "one two three four five six".split()
    rows = [{"word": f" {w}", "start": 0.5 * k + 0.1, "end": 0.5 * k + 0.4} for k, w in enumerate(words)]
    segment = {"id": 0, "start": 0.0, "end": 3.0, "text": " ".join(words), "words": rows}
    (tmp_path / "talk.transcript.json").write_text(json.dumps({"text": "", "segments": [segment]}))
    (tmp_path / "talk.srt").write_text(
        "1\n00:00:00,100 --> 00:00:01,400\none two three\n\n2\n00:00:01,600 --> 00:00:02,900\nfour five six\n"
    )
    (tmp_path / "new.txt").write_text("one three four five six")
    arguments = ["apply", str(path), str(tmp_path / "new.txt"), "--captions-out", "vtt", "--json", "-q"]
    assert main(arguments) == 0
    made = json.loads(capsys.readouterr().out)
    assert [t["codec"] for t in made["audio_tracks"]] == ["aac", "flac", "ac3"]
    assert [c["title"] for c in made["chapters"]] == ["Part 0", "Part 1"]
    assert [c["source"] for c in made["captions"]] == ["subtitle track 1", str(tmp_path / "talk.srt"), None]
    assert [c.lines for c in read_captions((tmp_path / "talk.edited.srt").read_text(), "srt").cues] == [
        ("one three",), ("four five six",)
    ]  # fmt: skip
    assert (tmp_path / "talk.edited.vtt").exists()
    out = probe(tmp_path / "talk.edited.mkv")
    assert [s.codec for s in out.sounds] == ["aac", "flac", "ac3"]
    assert [s.title for s in out.sounds] == ["Track & 0", "Track & 1", "Track & 2"]
    assert [c.title for c in out.chapters] == ["Part 0", "Part 1"]
    (cue,) = captions_of(read_subtitles(out.path, out.subtitles[0], Fraction(0))).cues
    assert cue.lines == ("<i>one</i>", "three")
    assert main(arguments) == 1
    assert "exists already" in capsys.readouterr().err


def test_what_no_encoder_takes_is_said_before_the_work() -> None:
    good = AudioInfo("pcm_s24le", 48000, 8, "7.1", Fraction(0), None)
    check_sounds((good, replace(good, channels=1, layout="mono")), "mp4")
    with pytest.raises(OutputError, match="audio track 2: aac takes no sound of 48000 Hz in the layout 9 channels"):
        check_sounds((good, replace(good, channels=9, layout="9 channels")), "mp4")
    with pytest.raises(OutputError, match="AAC has no sample rate of 37800 Hz"):
        check_sounds((replace(good, sample_rate=37800, layout="7.1"),), "mp4")
    check_sounds((replace(good, channels=9, layout="9 channels"),), "mov")
