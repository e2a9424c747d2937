"""A source opened for work: its pictures, its sound on disk, its words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from editalk.asr import align, recognise
from editalk.asr.sound import RATE
from editalk.cache import Cache, key, scratch
from editalk.errors import PlacedError, SourceError, TranscriptError
from editalk.inputs import Inputs
from editalk.markup import read_edited
from editalk.media import FrameReader, MediaInfo, SoundFile, converted, decode_sound, probe
from editalk.plan import SourceRef
from editalk.reading import read_text
from editalk.reporting import Reporter
from editalk.transcript import Segment, Transcript, Word, read_transcript, to_json

ALIGNER = 2  # counts up when alignment gives other times


@dataclass(frozen=True)
class Source:
    """`sound`: the source's own rate and channels; `heard`: mono at the recognisers' rate. Both begin with frame 0.
    `inputs`: the file, and all others that the work on it reads.
    """

    info: MediaInfo
    reader: FrameReader
    sound: SoundFile
    heard: SoundFile
    inputs: Inputs

    @property
    def ref(self) -> SourceRef:
        video, at = self.info.video, self.sound.rate
        return SourceRef(self.info.path.name, self.info.sha256, video.rate, video.frames, at,
                         video.rate.sample(video.frames, at), self.sound.channels,
                         1 + self.info.sounds.index(self.info.audio))  # fmt: skip


@contextmanager
def opened(path: Path, reporter: Reporter, track: int = 1, inputs: Inputs | None = None) -> Iterator[Source]:
    """The source, for as long as its decoded sound is kept. `track`: of its sound streams, from 1, the one that is
    edited. `inputs`: what else was read. Raises MediaError, SourceError.
    """
    inputs = inputs or Inputs()
    with inputs.steady():
        info = probed(path, track, inputs)
        index = info.audio.index
        with scratch() as folder, FrameReader(info) as reader:
            with reporter.stage("Decoding the sound"):
                sound = decode_sound(path, folder / "sound.f32", start=info.video.start, index=index)
                heard = converted(sound, folder / "heard.f32", RATE, 1)
            yield Source(info, reader, sound, heard, inputs)


def probed(path: Path, track: int, inputs: Inputs) -> MediaInfo:
    """`probe` of a file that is an input from now on: all of it is of one content. Raises MediaError, SourceError."""
    inputs.add(path)
    info = probe(path, track)
    inputs.read(path, info.sha256)
    return info


@dataclass(frozen=True)
class Listening:
    """How words are found: by aligning a known script, else by a recogniser. `track`: of the sound, from 1 on."""

    script: Path | None = None
    model: str = "auto"
    language: str | None = None
    track: int = 1


def transcribe(source: Source, how: Listening, cache: Cache, reporter: Reporter) -> Transcript:
    """The words of the source with their times; kept in the cache."""
    script = read_text(how.script, TranscriptError) if how.script else None
    form = how.script.suffix.lower() if how.script else None
    made_from = source.info.sha256, source.info.audio.index
    name = key("transcript", ALIGNER, *made_from, script, form, how.model, how.language) + ".json"
    held = cache.path("transcript", name)
    with reporter.stage("Aligning the script" if script is not None else "Recognising speech") as advance:
        if cache.held(held):
            advance(1, cached=True)
            return read_transcript(held)
        if how.script is not None and script is not None:
            made = _aligned(source, script, how.script)
        else:
            made = recognise(source.heard.read(0, source.heard.samples), how.model, how.language,
                             say=reporter.say)  # fmt: skip
    made = replace(made, source=source.info.sha256)
    if made.words:
        with cache.making(held, source.inputs) as part:
            part.write_text(to_json(made), "utf-8")
    return made


def _aligned(source: Source, script: str, path: Path) -> Transcript:
    """Exact words, a segment a paragraph."""
    try:
        tokens = read_edited(script, path.suffix).tokens
    except PlacedError as error:
        raise error.inside(path) from error
    if not tokens:
        raise TranscriptError(f"{path}: no words to align")
    found = align([t.text for t in tokens], source.heard.read(0, source.heard.samples))
    segments: dict[int, list[Word]] = {}
    for token, word in zip(tokens, found.words, strict=True):
        segments.setdefault(token.paragraph, []).append(Word(token.text, word.start, word.end, word.probability))
    return Transcript(tuple(Segment(tuple(words)) for words in segments.values()), engine="pocketsphinx-align")


def beside(video: Path) -> Path:
    """Where `transcribe` writes the transcript that `apply` looks for."""
    return video.with_name(f"{video.stem}.transcript.json")


def held_words(info: MediaInfo, given: Path | None) -> Transcript | None:
    """The transcript that was given or lies beside the video. Raises SourceError for another file's."""
    path = given or (beside(info.path) if beside(info.path).exists() else None)
    if path is None:
        return None
    transcript = read_transcript(path)
    name = info.path.name
    if transcript.source is not None and transcript.source != info.sha256:
        raise SourceError(
            f"{path}: the transcript of another file, not of {name}; run `editalk transcribe {name}` again"
        )
    late = [w for w in transcript.words if w.start > info.duration + 0.5]
    if late:
        raise SourceError(
            f"{path}: “{late[0].text}” is said at {late[0].start:.2f} s, but {name} lasts only "
            f"{info.duration:.2f} s: the transcript of another file?"
        )
    return transcript


def words_of(source: Source, given: Path | None, how: Listening, cache: Cache, reporter: Reporter) -> Transcript:
    """`held_words`, or made now."""
    held = held_words(source.info, given)
    if held is not None:
        return held
    reporter.say("no transcript beside the video: transcribing it first")
    return transcribe(source, how, cache, reporter)


def known_words(
    video: Path, given: Path | None, how: Listening, cache: Cache, reporter: Reporter
) -> tuple[MediaInfo, Transcript]:
    """A video's words where nothing else of it is wanted: nothing is decoded where there is a transcript."""
    info = probed(video, how.track, Inputs())
    held = held_words(info, given)
    if held is not None:
        return info, held
    with opened(video, reporter, how.track) as source:
        return info, words_of(source, None, how, cache, reporter)
