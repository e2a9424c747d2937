"""Transcripts: readers, writers, captions."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editalk.errors import TranscriptError, UsageError
from editalk.transcript import (
    FORMATS,
    Segment,
    TextWriter,
    Transcript,
    Word,
    cues,
    get_writer,
    paragraphs,
    parse_transcript,
    read_transcript,
    to_json,
)
from editalk.transcript.cues import LINE, LONGEST, wrapped

GOLDEN = Path(__file__).parent / "golden" / "transcript"


def timed(text: str, start: float = 0.0, step: float = 0.4, speaker: str | None = None) -> Segment:
    words = text.split()
    return Segment(tuple(Word(w, start + i * step, start + (i + 1) * step, 0.9) for i, w in enumerate(words)), speaker)


EXAMPLE = Transcript(
    (
        timed("Hello, um, this is the first sentence & it is long enough for two lines of captions. It's here.", 0.5),
        timed("After a pause <we> go on.", 10.0, speaker="Ann"),
        timed("Twenty-one “words”, café.", 12.5, 0.5, speaker="Bob"),
    ),
    "en",
    "0" * 64,
    "pocketsphinx",
)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_golden(name: str) -> None:
    """EDITALK_GOLDEN=write writes the files anew: look at the difference before it is committed."""
    text = get_writer(name).write(EXAMPLE)
    path = GOLDEN / f"example.{name}"
    if os.environ.get("EDITALK_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    version = re.compile(r'"version": "[^"]*"')
    assert version.sub("", text) == version.sub("", path.read_text(encoding="utf-8"))


def test_unknown_format() -> None:
    with pytest.raises(UsageError, match="txt, json, srt, vtt"):
        get_writer("docx")


def test_layout_is_whispers() -> None:
    data = json.loads(to_json(EXAMPLE))
    assert set(data) == {"text", "segments", "language", "editalk"}
    first = data["segments"][0]
    assert (first["id"], first["start"], first["end"]) == (0, 0.5, EXAMPLE.segments[0].words[-1].end)
    assert first["words"][0] == {"word": " Hello,", "start": 0.5, "end": 0.9, "probability": 0.9}
    assert "".join(w["word"] for w in first["words"]) == first["text"]
    assert data["segments"][1]["speaker"] == "Ann"
    assert "speaker" not in first
    assert data["editalk"]["source"] == "0" * 64


texts = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=12)
chances = st.one_of(st.none(), st.floats(0, 1))


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    at, segments = 0.0, []
    for speaker in draw(st.lists(st.one_of(st.none(), texts), max_size=4)):
        words = []
        for text in draw(st.lists(texts, min_size=1, max_size=6)):
            start = at + draw(st.floats(0, 3))
            at = start + draw(st.floats(0, 1.5))
            words.append(Word(text, start, at, draw(chances)))
        segments.append(Segment(tuple(words), speaker))
    return Transcript(tuple(segments), draw(st.sampled_from(["en", "de"])), draw(st.one_of(st.none(), texts)))


@given(transcripts())
def test_our_own_comes_back_exactly(transcript: Transcript) -> None:
    assert parse_transcript(to_json(transcript)) == transcript


@given(transcripts())
def test_captions_hold_every_word_once_and_in_time(transcript: Transcript) -> None:
    made = cues(transcript)
    said = "".join(w.text for w in transcript.words)
    assert "".join("".join(cue.lines).replace(" ", "") for cue in made) == said.replace(" ", "")
    for cue in made:
        assert len(cue.lines) <= 2
        assert all(len(line) <= LINE for line in cue.lines)
        assert cue.start <= cue.end <= cue.start + LONGEST + 1e-9
    assert all(a.end <= b.start for a, b in zip(made[:-1], made[1:], strict=True))


@given(transcripts())
def test_paragraphs_hold_every_word(transcript: Transcript) -> None:
    assert tuple(w for words, _ in paragraphs(transcript) for w in words) == transcript.words


def test_paragraphs_break_at_speakers_and_pauses_after_sentences() -> None:
    text = TextWriter(speakers=True).write(EXAMPLE)
    assert text.split("\n\n")[1:] == ["Ann: After a pause <we> go on.", "Bob: Twenty-one “words”, café.\n"]
    assert "Ann" not in get_writer("txt").write(EXAMPLE)
    hesitant = Transcript((Segment((Word("I", 0, 0.2), Word("think.", 1.8, 2), Word("So", 3.5, 4), Word("uh", 7, 8))),))
    assert get_writer("txt").write(hesitant) == "I think.\n\nSo\n\nuh\n"
    assert get_writer("txt").write(Transcript(())) == ""


def test_lines_are_balanced() -> None:
    lines = wrapped("the quick brown fox jumps over the lazy dog again".split())
    assert len(lines) == 2
    assert abs(len(lines[0]) - len(lines[1])) < 8
    assert wrapped(["x" * 50]) == ("x" * 42, "x" * 8)


def whisper(*words: dict[str, Any], **more: Any) -> str:
    text = "".join(w.get("word", "") for w in words)
    segment = {"id": 0, "start": 0.0, "end": 3.0, "text": text, "words": words, **more}
    return json.dumps({"text": text, "segments": [segment]})


def said(transcript: Transcript) -> list[tuple[str, float, float]]:
    return [(w.text, round(w.start, 3), round(w.end, 3)) for w in transcript.words]


def test_whisper_words_without_a_space_belong_to_the_one_before() -> None:
    made = parse_transcript(
        whisper(
            {"word": " ice", "start": 0.1, "end": 0.3, "probability": 0.5},
            {"word": "-cream", "start": 0.3, "end": 0.6, "probability": 0.7},
            {"word": " now.", "start": 0.55, "end": 0.9, "probability": 0.7},
        )
    )
    assert said(made) == [("ice-cream", 0.1, 0.55), ("now.", 0.55, 0.9)]


def test_whisperx_digits_get_the_time_between_their_neighbours() -> None:
    words = [
        {"word": "In", "start": 0.0, "end": 0.2, "score": 0.8, "speaker": "A"},
        {"word": "1999", "speaker": "A"},
        {"word": "20", "speaker": "A"},
        {"word": "men", "start": 1.4, "end": 1.8, "score": 0.9, "speaker": "B"},
    ]
    made = parse_transcript(whisper(*words, speaker="A"))
    assert said(made) == [("In", 0.0, 0.2), ("1999", 0.2, 1.0), ("20", 1.0, 1.4), ("men", 1.4, 1.8)]
    assert [(s.speaker, len(s.words)) for s in made.segments] == [("A", 3), ("B", 1)]
    assert [w.probability for w in made.words] == [0.8, None, None, 0.9]
    alone = parse_transcript(json.dumps({"word_segments": words}))
    assert alone.words == made.words


def test_whisperx_edges_and_segments_it_could_not_align() -> None:
    edges = parse_transcript(whisper({"word": "5"}, {"word": "men", "start": 1.0, "end": 2.0}, {"word": "10"}))
    assert said(edges) == [("5", 0.0, 1.0), ("men", 1.0, 2.0), ("10", 2.0, 3.0)]
    unaligned = {"segments": [{"start": 1.0, "end": 3.0, "text": "2020 1010", "words": []}]}
    assert said(parse_transcript(json.dumps(unaligned))) == [("2020", 1.0, 2.0), ("1010", 2.0, 3.0)]


def test_faster_whisper_dumps() -> None:
    words = [
        {"start": 0.0, "end": 0.4, "word": " Hi", "probability": 0.9},
        {"start": 0.4, "end": 1, "word": " you", "probability": 1},
    ]
    as_list = [{"id": 1, "start": 0, "end": 1, "text": " Hi you", "words": words}]
    as_tuples = [[1, 0, 0, 1, " Hi you", [50, 51], 0.0, -0.1, 1.0, 0.0, [[0.0, 0.4, " Hi", 0.9], [0.4, 1, " you", 1]]]]
    for data in (as_list, as_tuples, {"segments": as_list}):
        assert said(parse_transcript(json.dumps(data))) == [("Hi", 0.0, 0.4), ("you", 0.4, 1.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "line 1, column 2"),
        ("[" * 100000, "not JSON"),
        ("3", "no list of segments"),
        ("{}", "no list of segments"),
        ("[]", "holds no words"),
        ('{"segments": [3]}', r"segments\[0\] is not an object"),
        ('{"segments": [{"text": "hi", "start": 0, "end": 1}]}', "word timestamps"),
        (whisper({"word": "a", "start": 1, "end": 0.5}), "before it starts"),
        (whisper({"word": "a", "start": 1, "end": 2}, {"word": "b", "start": 0.2, "end": 2}), "backwards"),
        (whisper({"word": "a", "start": -1, "end": 2}), "negative"),
        (whisper({"word": "a", "start": float("nan"), "end": 2}), r"words\[0\].start is not a finite number"),
        (whisper({"word": "a", "start": "soon", "end": 2}), "not a number"),
        ('{"segments": [{"text": "hi", "words": [{"word": "hi"}]}]}', "no times"),
    ],
)
def test_errors_say_where(text: str, message: str) -> None:
    with pytest.raises(TranscriptError, match=message) as caught:
        parse_transcript(text, "talk.json")
    assert str(caught.value).startswith("talk.json")


def test_files(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match=r"gone\.json: No such file"):
        read_transcript(tmp_path / "gone.json")
    path = tmp_path / "talk.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TranscriptError, match="UTF-8"):
        read_transcript(path)
    path.write_text("\ufeff" + to_json(EXAMPLE), encoding="utf-8")
    assert read_transcript(path) == EXAMPLE
