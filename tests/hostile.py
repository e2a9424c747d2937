"""What reads texts of others, each as a function of bytes, and whole texts to begin from: for fuzzers of all kinds.

A target returns for any bytes or raises an EditalkError of its exit codes whose message begins with `NAME` (or has it
in it) and is short; whatever else it raises is a defect.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from editalk.audio import Audio
from editalk.diff import attributes, describe, diff, pauses, spoken_tokens
from editalk.errors import (
    CaptionError,
    EditalkError,
    ModelsError,
    PlacedError,
    PlanError,
    ReadError,
    TranscriptError,
    UsageError,
)
from editalk.interchange import VoiceFile, edited_timeline, files_of, get_writers, removed_timeline
from editalk.markup import read_edited
from editalk.media import AudioInfo, Chapter, Colour, MediaInfo, VideoInfo
from editalk.media.info import PacketMap
from editalk.models.registry import parse_registry, registry_path
from editalk.plan import (
    EditPlan,
    NewSound,
    PreferredCuts,
    Script,
    SourceRef,
    VoiceRef,
    build_plan,
    from_json,
    to_json,
)
from editalk.plan.strands import strands
from editalk.reading import decoded
from editalk.sidecars import follow_chapters, retime
from editalk.soundtrack import Soundtrack
from editalk.timebase import FrameRate, TimeRange
from editalk.transcript import get_writer, parse_transcript, read_captions, read_transcript, write_captions
from editalk.transcript import to_json as transcript_json

NAME = "texts of others"
LONGEST_MESSAGE = 1500  # characters: those that list all choices are long
GOLDEN = Path(__file__).parent / "golden" / "transcript"
RATE = FrameRate(Fraction(25))
AT = 8000  # samples a second
SECONDS = 20
TOO_FEW = (TranscriptError, PlanError)  # raised while a plan is built, which has no file


@dataclass(frozen=True)
class Target:
    """`seeds`: whole inputs. `tokens`: what the format is made of. `json`: mutate values rather than bytes."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    codes: tuple[int, ...] = (3,)
    tokens: tuple[str, ...] = ()
    json: bool = False


def attempt(target: Target, data: bytes) -> EditalkError | None:
    """The error that a target gives, checked; None where it reads the input. All else goes through."""
    try:
        target.run(data)
    except EditalkError as wrong:
        error = wrong
    else:
        return None
    shown = str(error)
    assert error.exit_code in target.codes, f"exit code {error.exit_code}: {shown}"
    assert NAME in shown, f"names no file: {shown}"
    assert len(shown) <= LONGEST_MESSAGE, f"{len(shown)} characters: {shown[:300]}"
    assert shown.isprintable(), f"more than a line: {shown!r}"
    return error


# ------------------------------------------------------------------------------------------------------------ targets


def transcript(data: bytes) -> None:
    made = parse_transcript(decoded(data, NAME, TranscriptError), NAME)
    again = parse_transcript(transcript_json(made))
    assert again == made, "a transcript does not come back from its own JSON"
    for name in ("txt", "md", "srt", "vtt"):
        get_writer(name).write(made).encode()


def captions(form: str) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        text = decoded(data, NAME, CaptionsError)
        try:
            made = read_captions(text, form)
        except CaptionError as error:
            raise error.inside(Path(NAME)) from error
        assert read_captions(write_captions(made), form).cues == _renumbered(made.cues, write_captions(made), form)

    return run


class CaptionsError(ReadError):
    pass


def _renumbered(cues: Any, text: str, form: str) -> Any:
    """The cues with the lines at which they stand in a text: only these may differ, and times finer than a millisecond.
    """
    again = read_captions(text, form).cues
    assert [(c.identifier, c.lines, c.settings) for c in again] == [(c.identifier, c.lines, c.settings) for c in cues]
    return again


def markup(suffix: str) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        try:
            made = read_edited(decoded(data, NAME, ReadError), suffix, frozenset({"Ann", "Bob Y."}))
        except PlacedError as error:
            raise error.inside(Path(NAME)) from error
        tokens = spoken_tokens(made)
        for mark in attributes(made):
            assert 0 <= mark.first < mark.end <= len(tokens)
        assert all(0 <= pause.before <= len(tokens) for pause in pauses(made))

    return run


def compare(data: bytes) -> None:
    """An edited text against a transcript, and the plan of it with new words of estimated length."""
    words = _words()
    try:
        made = read_edited(decoded(data, NAME, ReadError), ".txt")
        edits = diff(words, made)
    except PlacedError as error:
        raise error.inside(Path(NAME)) from error
    tokens = spoken_tokens(made)
    describe(edits, words, tokens)
    if not tokens:
        return
    script = Script(tuple(t.text for t in tokens), edits, attributes(made), pauses(made))
    try:
        plan = planned(script)
    except PlanError as error:
        raise PlanError(f"{NAME}: {error}") from error
    assert from_json(to_json(plan)) == plan


def plan(data: bytes) -> None:
    made = from_json(decoded(data, NAME, PlanError), NAME)
    assert from_json(to_json(made)) == made, "a plan does not come back from its own JSON"
    consume(made)


def registry(data: bytes) -> None:
    from editalk.models.places import files, folders, way_out, what_is_missing

    for spec in parse_registry(decoded(data, NAME, ModelsError), NAME).values():
        for folder in folders(spec):
            assert ".." not in folder.parts
            files(spec, folder)
        what_is_missing(spec)
        way_out(spec)
        assert spec.size >= 0


def configuration(data: bytes) -> None:
    from editalk.cli.settings import parse

    parse(decoded(data, NAME, UsageError), Path(NAME), _options())


def sidecar(form: str) -> Callable[[bytes], None]:
    """Captions of a source whose talk was edited."""

    def run(data: bytes) -> None:
        try:
            given = read_captions(decoded(data, NAME, ReadError), form)
        except CaptionError as error:
            raise error.inside(Path(NAME)) from error
        made = retime(_plan(), given, _words())
        read_captions(write_captions(made.file), form)

    return run


def dub(data: bytes) -> None:
    """A dub's text, and the transcript of its voice: parted by a line of dashes."""
    from editalk.dub import hearing, of_text
    from editalk.errors import VoiceError

    text, _, said = data.partition(b"\n------\n")
    heard = parse_transcript(decoded(said, NAME, TranscriptError), NAME)
    try:
        made = read_edited(decoded(text, NAME, ReadError), ".txt")
        tokens = spoken_tokens(made)
        if tokens and heard.words:
            found = hearing.by_transcript(heard.words, made, [t.text for t in tokens], of_text(tokens), NAME)
            assert all(0 <= s.start < s.end for s in found)
    except PlacedError as error:
        raise error.inside(Path(NAME)) from error
    except VoiceError as error:
        raise VoiceError(f"{error}") from error


# ---------------------------------------------------------------------------------------------------- what plans meet


class Silence:
    """A sound of nothing, of any length."""

    rate, channels = AT, 1

    def __init__(self, samples: int) -> None:
        self.samples = samples

    def read(self, start: int, stop: int) -> Audio:
        assert 0 <= start <= stop <= self.samples
        return Audio(np.zeros((stop - start, 1), np.float32), AT)


def consume(made: EditPlan) -> None:
    """What `apply --plan` makes of a plan, but for pictures: of its sound a part."""
    from editalk.pipeline import summary
    from editalk.pipeline.render import footage_of

    summary(made)
    covered = [span for window in made.windows for span in (window.span,)]
    for piece in made.timeline:
        if piece.source is None or piece.resampled:
            assert any(s.start <= piece.start and piece.end <= s.end for s in covered), "new pictures in no window"
    for window in made.windows:
        footage_of(window, made.source.rate, made.source.frames)
    if made.source == source():  # any other is refused once the source is opened
        track = Soundtrack(made, Silence(made.source.samples), [Silence(5 * AT)] * len(made.voices), ())
        for piece in made.sound[:20]:
            for start in (max(0, piece.start - AT // 2), max(piece.start, piece.end - AT // 2)):
                track.read(start, min(track.samples, start + AT))
        along = Soundtrack.along(made, Silence(made.source.samples), ())
        along.read(0, min(along.samples, AT))
    retime(made, read_captions((GOLDEN / "example.srt").read_text("utf-8"), "srt"), _words())
    follow_chapters(made, [Chapter(Fraction(k * 5), Fraction(k * 5 + 5), f"{k}") for k in range(4)])
    voice = VoiceFile(Path("/v.wav"), AudioInfo("pcm_s16le", AT, 1, "mono", Fraction(0), None), 5 * AT)
    files = files_of(made, _info(made), Path("/talk.edited.mp4"), [voice] * len(made.voices))
    lines = [edited_timeline(made, covered, files), removed_timeline(made, files, _words())]
    if made.source.rate == RATE:
        for writer in get_writers("fcpxml,edl,xml" if "opentimelineio" in sys.modules else "fcpxml,edl"):
            for line in lines:
                writer.write([line])


def _info(made: EditPlan) -> MediaInfo:
    ticks = np.zeros(0, np.int64)
    video = VideoInfo(
        "h264", 320, 240, "yuv420p", made.source.rate, made.source.frames, Fraction(0), Colour(1, 1, 1, 1), 0,
        Fraction(1), False, None, 0, PacketMap(Fraction(1, 1000), ticks, ticks, ticks.reshape(-1, 2)),
    )  # fmt: skip
    audio = AudioInfo("aac", AT, 1, "mono", Fraction(0), None)
    return MediaInfo(Path("/talk.mp4"), "mov", video, audio, SECONDS, (), None, "0" * 64, "A001C003")


def source() -> SourceRef:
    return SourceRef("talk.mp4", "0" * 64, RATE, SECONDS * 25, AT, SECONDS * AT, 1)


@cache
def _words() -> Any:
    return read_transcript(GOLDEN / "example.json").words


@cache
def _options() -> Any:
    from editalk.cli.program import tree
    from editalk.cli.run import app

    return tree(app).options


def planned(script: Script) -> EditPlan:
    new = [
        NewSound(s.token, s.token_end, 0, 0.3, 0.3 + 0.25 * (s.token_end - s.token), -1.5, tuple(
            TimeRange(0.3 + 0.25 * k, 0.5 + 0.25 * k) for k in range(s.token_end - s.token)))
        for s in strands(script.edits, script.attributes, script.pauses) if s.new and s.pause is None
    ]  # fmt: skip
    voices = (VoiceRef("voice.wav", "1" * 64),) if new else ()
    return build_plan(source(), _words(), script, PreferredCuts(), new, voices)


EDITS = (
    "Hello, this is a completely new thought & it is long enough for two lines of captions. It's here. "
    "[pause 1.2s] After a pause <we> [go on]{rerender=face}. Twenty-one “words”, café.",
    "After a pause <we> go on. Hello, um, this is the first sentence & it is [long enough]{retime=1s} for "
    "{~~two~>three~~} lines of captions. ~~It's here.~~ 21 “words”, café {>>or not<<}.",
)


@cache
def _plan(k: int = 0) -> EditPlan:
    made = read_edited(EDITS[k], ".txt")
    edits = diff(_words(), made)
    return planned(Script(tuple(t.text for t in spoken_tokens(made)), edits, attributes(made), pauses(made)))


# -------------------------------------------------------------------------------------------------------------- seeds


def _golden(suffix: str) -> bytes:
    return (GOLDEN / f"example{suffix}").read_bytes()


def _transcripts() -> list[bytes]:
    whisperx = b"""{"segments": [{"start": 0.1, "end": 2.0, "text": " two 1 words", "words": [{"word": "two", "start":
    0.1, "end": 0.5, "score": 0.9}, {"word": "1"}, {"word": "words", "start": 1.2, "end": 2}], "speaker": "S0"}],
    "word_segments": [{"word": "two", "start": 0.1, "end": 0.5}], "language": "en"}"""
    faster = b"""[[0, 0, 0.0, 2.0, " a b", [1, 2], 0, 1, 0, [[0.0, 0.5, " a", 0.9], [0.5, 1.0, " b", 0.8]], 0]]"""
    whisper = b"""{"text": " I scream", "segments": [{"id": 0, "start": 0.0, "end": 1.0, "text": " I scream", "words":
    [{"word": " I", "start": 0.0, "end": 0.2, "probability": 0.9}, {"word": " scr", "start": 0.15, "end": 0.5}, {"word":
    "eam", "start": 0.5, "end": 1.0}]}], "language": "en"}"""
    return [_golden(".json"), whisperx, faster, whisper]


def _marked() -> list[bytes]:
    return [text.encode() for text in (
        *EDITS, _golden(".txt").decode(), _golden(".md").decode(),
        "# Title\n\n**Ann:** *a* _b_ ~~c~~ `d`\n\n- e\n> f\n",
        "Ann: a {++b++}{--c--} {==d==}{>>e<<} [f [g]{rerender=face}]{retime=1.2s} \\[h\\] [laughs] "
        "[pause 500ms]\r\n\r\n",
        "1999 $5 million 20% 3:30pm 1/2 1,234.5 10-20 21st 90s 5kg +1 #2 e.g. U.S. FBI h.264 1.2.3 so—I ...and",
    )]  # fmt: skip


def _srts() -> list[bytes]:
    return [_golden(".srt"), b"\xef\xbb\xbf1\r\n00:00:01,5 --> 00:00:02\r\n{\\an8}<i>Hello,</i> um\r\n\r\n\r\n"
            b"01:02.3-->1:3\n- x"]  # fmt: skip


def _vtts() -> list[bytes]:
    return [_golden(".vtt"), b"WEBVTT - a\nx\n\nSTYLE\n::cue{}\n\nNOTE b\n\nid\n00:01.000 --> 00:02.000 align:start\n"
            b"<v Ann>Hello, <00:01.500><c.x>um</c> &amp; &#x41;</v>\n"]  # fmt: skip


def _registries() -> list[bytes]:
    whole = registry_path().read_bytes()
    small = b"""[licences]
"X-1" = ["No."]
[whisper-x]
purpose = "p"
backend = "whisper"
repository = "https://x.y/z"
revision = "main"
licence = "X-1"
licence_url = "https://x.y"
memory_gib = 2
gigabytes = 1.5
files = [{name = "x.pt", sha256 = "%s", size = 3}]
[ltx]
purpose = "p"
backend = "dit"
repository = "a/b"
revision = "v1"
licence = "MIT"
licence_url = "https://x.y"
memory_gib = 2.5
files = [{name = "t/*.safetensors"}, {name = "c.json", source = "o/n@main:d/c.json"}]
""" % (b"0" * 64)
    return [small, whole[:6000]]


def _settings() -> list[bytes]:
    return [b'seed = 3\nbackend = "exemplar"\n[apply]\nregion = "face"\nfail-on = ["join"]\nface = 2\n[models.pull]\n'
            b'[transcribe]\nlanguage = "en"\nformat = "json,srt"\n']  # fmt: skip


def _plans() -> list[bytes]:
    return [to_json(_plan(k)).encode() for k in range(len(EDITS))]


def _dubs() -> list[bytes]:
    return [_golden(".txt") + b"\n------\n" + _golden(".json"),
            b"Ein Satz. Zwei\n\nDrei 20 und.\n------\n" + _transcripts()[1]]  # fmt: skip


MARKS = ("{++", "++}", "{--", "--}", "{~~", "~>", "~~}", "~~", "{==", "==}", "{>>", "<<}", "[", "]{rerender=face}",
         "]{retime=1.2s}", "[pause 0.5s]", "\\[", "**", "_", "\n\n", "Ann:", "—", "...", "\u200b", "\u2060", "\u202e",
         "'s", "$5", "1,234.5", "20%", "½", "[laughs]", "\r")  # fmt: skip
CUES = ("00:00:01,000 --> 00:00:02,500", "-->", "WEBVTT", "NOTE", "STYLE", "\n\n", "<v Ann>", "</v>", "<i>", "&amp;",
        "{\\an8}", "<00:01.500>", "align:start", "99:59:59.999")  # fmt: skip
KEYS = ('"segments"', '"words"', '"word"', '"start"', '"end"', '"speaker"', '"editalk"', "null", "1e999", "NaN",
        "-Infinity", "\\ud800", "\\u0000", "9" * 30)  # fmt: skip
TOML = ('"""', "'''", "[[", "]]", "= {", "inf", "nan", "1979-05-27T07:32:00Z", "0x", "files", "name", "sha256", "../",
        "\\u0000", "9" * 30, "[licences]")  # fmt: skip

TARGETS: dict[str, Target] = {
    "transcript": Target(transcript, _transcripts, tokens=KEYS, json=True),
    "srt": Target(captions("srt"), _srts, tokens=CUES),
    "vtt": Target(captions("vtt"), _vtts, tokens=CUES),
    "text": Target(markup(".txt"), _marked, tokens=MARKS),
    "markdown": Target(markup(".md"), _marked, tokens=MARKS),
    "edited-srt": Target(markup(".srt"), _srts, tokens=CUES + MARKS),
    "edited-vtt": Target(markup(".vtt"), _vtts, tokens=CUES + MARKS),
    "diff": Target(compare, _marked, tokens=MARKS),
    "plan": Target(plan, _plans, json=True),
    "models": Target(registry, _registries, tokens=TOML),
    "settings": Target(configuration, _settings, (2,), tokens=TOML),
    "sidecar-srt": Target(sidecar("srt"), _srts, tokens=CUES),
    "sidecar-vtt": Target(sidecar("vtt"), _vtts, tokens=CUES),
    "dub": Target(dub, _dubs, (3, 4), tokens=KEYS),
}
