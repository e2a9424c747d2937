"""Dubs: sentences find each other, the voice's sentences are found, and footage is retimed no more than it must be."""

from __future__ import annotations

import json
import sys
import wave
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editalk.audio import resample
from editalk.audio.samples import Audio
from editalk.cli import main
from editalk.diff import spoken_tokens
from editalk.dub import (
    Bead,
    Cell,
    Line,
    Said,
    Sentence,
    beads,
    build_dub,
    hearing,
    isochronous,
    isochrony,
    of_text,
    of_transcript,
)
from editalk.dub.sentences import spoken_letters
from editalk.errors import VoiceError
from editalk.markup import parse
from editalk.operations import Kind
from editalk.pipeline.render import _placed
from editalk.plan import EditPlan, Origin, PreferredCuts, SourceRef, VoiceRef, from_json, source_of, to_json
from editalk.timebase import FrameRange, FrameRate, TimeRange
from editalk.transcript import Segment, Transcript, Word
from editalk.voice.sentences import sentence_spans
from editalk.voice.types import SpokenWord

HERE = Path(__file__).resolve().parent.parent / "examples"
RATE = FrameRate.parse("25")
GERMAN = (
    "Guten Morgen und willkommen zu diesem kurzen Beispiel.",
    "Jedes Wort darin wurde von einem Computerprogramm gesprochen, und zwar in diesem Jahr.",
    "Warum?",
    "Bild und Ton werden dann einen Augenblick später Ihrem neuen Text folgen.",
)
PAUSES = (0.5, 0.3, 0.45)


# --------------------------------------------------------------------------------------------------------- sentences


def texts_of(text: str, files: int = 1) -> list[str]:
    tokens = spoken_tokens(parse(text))
    return [" ".join(t.text for t in tokens[s.first : s.end]) for s in of_text(tokens, files)]


def test_abbreviations_and_ordinals_end_no_sentence() -> None:
    assert texts_of("Am 3. Oktober kam Dr. Weiß, z. B. um 4. „Wirklich?“ Ja! Es waren 12.") == [
        "Am 3. Oktober kam Dr. Weiß, z. B. um 4. „Wirklich?“", "Ja!", "Es waren 12.",
    ]  # fmt: skip


def test_lines_are_sentences_where_they_are_as_many_as_the_files() -> None:
    text = "Ja. Gut so.\nNein,\n\nsagte sie. Aus."
    assert texts_of(text) == ["Ja.", "Gut so.", "Nein,", "sagte sie.", "Aus."]
    assert texts_of(text, 3) == ["Ja. Gut so.", "Nein,", "sagte sie. Aus."]


def transcript(text: str, pause: float = 0.5) -> Transcript:
    """Words of 0.3 s, a pause behind every stop and bar."""
    words, at = [], 0.4
    for word in text.split():
        words.append(Word(word.rstrip("|"), at, at + 0.3))
        at += 0.3 + (pause if word[-1] in ".?!|" else 0.02)
    return Transcript((Segment(tuple(words)),))


def test_a_transcript_without_stops_has_its_pauses() -> None:
    assert [(s.first, s.end) for s in of_transcript(transcript("we went home| it was late"))] == [(0, 3), (3, 6)]
    assert [(s.first, s.end) for s in of_transcript(transcript("We went. Home."))] == [(0, 2), (2, 3)]


# ------------------------------------------------------------------------------------------------------------- beads


def sentences(*letters: int, paragraphs: tuple[int, ...] | None = None) -> list[Sentence]:
    return [Sentence(k, k + 1, paragraphs[k] if paragraphs else 0, n) for k, n in enumerate(letters)]


@pytest.mark.parametrize(
    ("source", "dub", "wanted"),
    [
        ((60, 20, 90), (66, 23, 99), [(1, 1), (1, 1), (1, 1)]),
        ((60, 120, 40), (66, 60, 75, 44), [(1, 1), (1, 2), (1, 1)]),
        ((60, 50, 80, 40), (66, 143, 44), [(1, 1), (2, 1), (1, 1)]),
        ((60, 20, 90, 35), (66, 99, 38), [(1, 1), (2, 1), (1, 1)]),  # left out: its neighbour's
        ((30, 30, 30), (99,), [(3, 1)]),  # not divided alike
    ],
)
def test_beads(source: tuple[int, ...], dub: tuple[int, ...], wanted: list[tuple[int, int]]) -> None:
    made = beads(sentences(*source), sentences(*dub))
    assert [(b.end - b.first, b.dub_end - b.dub_first) for b in made] == wanted


def test_paragraphs_are_anchors() -> None:
    source = sentences(50, 50, 50, paragraphs=(0, 0, 1))
    assert beads(source, sentences(55, 55, 55, paragraphs=(0, 1, 1))) == (Bead(0, 2, 0, 1), Bead(2, 3, 1, 3))


lengths = st.lists(st.integers(1, 300), max_size=12)


@given(lengths, lengths)
def test_beads_cover_all_sentences_in_order(source: list[int], dub: list[int]) -> None:
    made = beads(sentences(*source), sentences(*dub))
    assert [k for b in made for k in range(b.first, b.end)] == list(range(len(source)))
    assert [k for b in made for k in range(b.dub_first, b.dub_end)] == list(range(len(dub)))


# --------------------------------------------------------------------------------------------------------- the voice


@pytest.fixture(scope="module")
def speech() -> Any:
    sys.path.insert(0, str(HERE))
    try:
        import speech as module
    finally:
        sys.path.remove(str(HERE))
    return module


@pytest.fixture(scope="module")
def spoken(speech: Any) -> list[Any]:
    speaker = speech.Speaker("de")
    return [speaker.say(text) for text in GERMAN]


@pytest.fixture(scope="module")
def recording(speech: Any, spoken: list[Any]) -> Any:
    return speech.in_a_row(spoken, list(PAUSES), 0.3, 0.3, 1)


def mono(made: Any) -> Any:
    return resample(Audio(made.samples[:, None], made.rate), 16000).mono()


def truth(spoken: list[Any], pauses: tuple[float, ...]) -> list[tuple[float, float]]:
    spans, at = [], 0.3
    for sentence, pause in zip(spoken, (*pauses, 0.0), strict=True):
        spans.append((at, at + sentence.seconds))
        at += sentence.seconds + pause
    return spans


@pytest.mark.parametrize("pauses", [PAUSES, (0.25, 0.25, 0.25), (0.8, 0.2, 1.5)])
def test_sentences_are_found_by_pauses_and_lengths(speech: Any, spoken: list[Any], pauses: tuple[float, ...]) -> None:
    made = speech.in_a_row(spoken, list(pauses), 0.3, 0.3, 2)
    found = sentence_spans(mono(made), [spoken_letters(t.split()) for t in GERMAN])
    assert np.abs(np.array(found) - truth(spoken, pauses)).max() < 0.15


def test_words_are_spread_over_their_sentence(recording: Any, spoken: list[Any]) -> None:
    tokens = spoken_tokens(parse(" ".join(GERMAN)))
    said = hearing.by_pauses([mono(recording)], [t.text for t in tokens], of_text(tokens))
    assert [w.token for s in said for w in s.words] == list(range(len(tokens)))
    for sentence, (start, end) in zip(said, truth(spoken, PAUSES), strict=True):
        assert abs(sentence.words[0].start - start) < 0.15
        assert abs(sentence.words[-1].end - end) < 0.15
        assert all(a.end <= b.end and a.start <= b.start for a, b in pairwise(sentence.words))


def test_a_transcript_of_the_voice_says_when(recording: Any) -> None:
    edited = parse("Guten Morgen zusammen. Auf Wiedersehen!")
    tokens = spoken_tokens(edited)
    heard = [Word("guten", 1.0, 1.4), Word("morgen", 1.4, 1.8), Word("auf", 3.0, 3.2), Word("wiedersehen", 3.2, 4.0)]
    first, second = hearing.by_transcript(heard, edited, [t.text for t in tokens], of_text(tokens), "voice.json")
    assert (first.start, second.start, second.end) == (1.0, 3.0, 4.0)
    assert (first.words[2].start, first.words[2].end) == (1.8, 3.0)  # not in the transcript: the time between
    with pytest.raises(VoiceError, match="another voice's"):
        hearing.by_transcript([Word("nein", 0, 1)], edited, [t.text for t in tokens], of_text(tokens), "voice.json")


def test_who_says_what_of_several_files() -> None:
    made = sentences(10, 20, 30, paragraphs=(0, 0, 1))
    assert [len(s) for s in hearing.shared(made, 1)] == [3]
    assert [len(s) for s in hearing.shared(made, 2)] == [2, 1]
    assert [len(s) for s in hearing.shared(made, 3)] == [1, 1, 1]
    with pytest.raises(VoiceError, match="4 voice files for 3 sentences in 2 paragraphs"):
        hearing.shared(made, 4)


def test_a_voice_far_too_short_or_long(recording: Any) -> None:
    for letters in (3, 3000):
        with pytest.raises(VoiceError, match="letters a second"):
            hearing.check_pace([mono(recording)], sentences(letters), ["voice.wav"])


# --------------------------------------------------------------------------------------------------------- isochrony


def cells_of(parts: list[tuple[int, int, int]], head: int = 10) -> list[Cell]:
    """(sentence, pause, speech) frames each, behind a head of silence."""
    cells, at = [Cell(FrameRange(0, 0), FrameRange(0, head), 0)], head
    for sentence, pause, speech in parts:
        cells.append(Cell(FrameRange(at, at + sentence), FrameRange(at + sentence, at + sentence + pause), speech))
        at += sentence + pause
    return cells


parts = st.lists(st.tuples(st.integers(5, 120), st.integers(0, 60), st.integers(5, 150)), min_size=1, max_size=8)


@given(parts)
@settings(deadline=None, max_examples=40)
def test_onsets_follow_each_other_within_their_bounds(given_parts: list[tuple[int, int, int]]) -> None:
    timed = isochronous(cells_of(given_parts), RATE)
    assert timed[0].onset == 0
    for a, b in pairwise(timed):
        assert b.onset == a.span.end
    for cell in timed[1:]:
        assert min(cell.cell.quiet, 6) <= cell.pause <= 2 * cell.cell.quiet + 13
        assert cell.pause >= 2
        assert abs(cell.lent) <= 10
        assert cell.lent <= cell.cell.quiet


@given(parts)
@settings(deadline=None, max_examples=40)
def test_a_dub_as_long_as_its_source_changes_nothing(given_parts: list[tuple[int, int, int]]) -> None:
    cells = [replace(c, speech=len(c.sentence or ())) for c in cells_of([(s, max(p, 6), 0) for s, p, _ in given_parts])]
    timed = isochronous(cells, RATE)
    assert [t.onset for t in timed[1:]] == [c.sentence.start for c in cells[1:] if c.sentence]
    assert all(t.pause == len(t.cell.pause) and t.lent == 0 for t in timed)


@given(parts)
@settings(deadline=None, max_examples=40)
def test_sentences_begin_with_the_source_where_the_pauses_allow_it(given_parts: list[tuple[int, int, int]]) -> None:
    """Each dub is up to 0.2 s longer or shorter than its sentence, and each pause could take that."""
    cells = cells_of([(max(s, 40), p + 20, max(s, 40) + d % 11 - 5) for s, p, d in given_parts])
    for timed in isochronous(cells, RATE)[1:]:
        assert timed.cell.sentence is not None
        assert abs(timed.onset - timed.cell.sentence.start) <= 3
        assert 1 / isochrony.NOTICED <= timed.cell.speech / (len(timed.cell.sentence) + timed.lent) <= isochrony.NOTICED


def test_no_other_pauses_cost_less() -> None:
    cells = cells_of([(50, 12, 62), (40, 8, 30), (30, 15, 44)], head=8)
    reference = np.cumsum([c.length for c in cells])
    bounds = [isochrony._bounds(c, RATE) for c in cells]
    total, onset = np.zeros(1), np.zeros(1)  # [every choice of pauses]
    for cell, (low, high), wanted in zip(cells, bounds, reference, strict=True):
        pauses = np.arange(low, high + 1)
        onset = (onset[:, None] + cell.speech + pauses).ravel()
        total = (total[:, None] + isochrony._fit(cell, pauses, RATE)[0]).ravel()
        total += isochrony._drift((onset - wanted) / 25)
    chosen = [t.pause for t in isochronous(cells, RATE)]
    row = np.ravel_multi_index([p - low for p, (low, _) in zip(chosen, bounds, strict=True)],
                               [high - low + 1 for low, high in bounds])  # fmt: skip
    assert total[row] == pytest.approx(total.min())


# -------------------------------------------------------------------------------------------------------------- plan


def source(rate: str, seconds: float) -> SourceRef:
    r = FrameRate.parse(rate)
    frames = r.frames(seconds)
    return SourceRef("talk.mp4", "0" * 64, r, frames, 44100, r.sample(frames, 44100), 2)


@st.composite
def dubs(draw: st.DrawFn) -> tuple[EditPlan, list[Line]]:
    """A random dub of sentences that are kept, left out or new; the voice in one file or two."""
    lines, texts, at, heard = [], [], draw(st.floats(0, 1)), [0.2, 0.2]
    kinds = draw(st.lists(st.sampled_from("kkkkra"), min_size=1, max_size=7).filter(lambda k: "k" in k))
    for kind in kinds:
        span = None
        if kind != "a":
            span = TimeRange(at, at + draw(st.floats(0.3, 4)))
            at = span.end + draw(st.floats(0, 1.2))
        said = []
        for _ in range(0 if kind == "r" else draw(st.integers(1, 2))):
            file, length = draw(st.integers(0, 1)), draw(st.floats(0.3, 5))
            start = heard[file]
            words = tuple(SpokenWord(len(texts) + k, file, start + k * length / 2, start + (k + 1) * length / 2)
                          for k in range(2))  # fmt: skip
            said.append(Said(Sentence(len(texts), len(texts) + 2, 0, 12), file, start, start + length, words))
            texts += ["Guten", "Tag."]
            heard[file] = start + length + draw(st.floats(0, 0.8))
        lines.append(Line("Guten Tag.", span, tuple(said)))
    ref = source(draw(st.sampled_from(["24000/1001", "25", "30000/1001", "60"])), at + draw(st.floats(0.1, 2)))
    spoken = [TimeRange(x.source.start, x.source.end) for x in lines if x.source]
    files = [round((h + 0.2) * 44100) for h in heard]
    refs = (VoiceRef("a.wav", "1" * 64), VoiceRef("b.wav", "2" * 64))
    return build_dub(ref, lines, texts, spoken, PreferredCuts(), refs, files, "de", 1.5), lines


@given(dubs())
@settings(deadline=None, max_examples=60)
def test_a_dub_tiles_its_timeline(given_dub: tuple[EditPlan, list[Line]]) -> None:
    plan, _ = given_dub
    for pieces in (plan.timeline, plan.sound):
        assert [p.start for p in pieces] == [0, *(p.end for p in pieces[:-1])]
        assert all(p.end > p.start for p in pieces)
    assert plan.samples == plan.source.rate.sample(plan.frames, 44100)
    assert from_json(to_json(plan)) == plan


@given(dubs())
@settings(deadline=None, max_examples=60)
def test_footage_goes_forward_and_is_stretched_within_limits(given_dub: tuple[EditPlan, list[Line]]) -> None:
    plan, _ = given_dub
    shown = [p for p in plan.timeline if p.source is not None]
    assert all(a.source_end <= b.source for a, b in pairwise(shown) if b.source is not None)
    most = isochrony.PAUSE * isochrony.MOST
    assert all(p.frames <= max(1, most * p.source_frames) and p.source_frames <= max(1, most * p.frames) for p in shown)


@given(dubs())
@settings(deadline=None, max_examples=60)
def test_a_sentence_is_heard_over_its_own_footage_by_new_lips(given_dub: tuple[EditPlan, list[Line]]) -> None:
    plan, lines = given_dub
    rate = plan.source.rate
    kept = [x for x in lines if x.source and x.said]
    drawn = [o for o in plan.operations if o.kind is Kind.RERENDER]
    assert len(drawn) == len(kept)
    for operation in drawn:
        assert source_of(plan.timeline, operation.timeline.start) == operation.source.start
        at = rate.sample(operation.timeline.start, 44100)
        heard = next(p for p in plan.sound if p.start <= at < p.end)
        assert heard.origin is Origin.VOICE
        lips = [s for w in plan.windows for s in w.lips]
        assert any(s.start <= operation.timeline.start and operation.timeline.end <= s.end for s in lips)
    words = [(c.start, c.end) for c in plan.captions]
    assert len(words) == 2 * sum(len(x.said) for x in lines)
    assert all(a[0] <= b[0] + 1e-6 for a, b in pairwise(words))
    assert sum(o.kind is Kind.ADDITION and o.region is not None for o in plan.operations) == sum(
        x.source is None for x in lines
    )


@given(dubs())
@settings(deadline=None, max_examples=60)
def test_operations_tell_all_that_is_new_taken_out_or_resampled(given_dub: tuple[EditPlan, list[Line]]) -> None:
    plan, _ = given_dub
    of = {kind: [o for o in plan.operations if o.kind is kind] for kind in Kind}
    for piece in plan.timeline:
        if piece.resampled:
            assert any((o.timeline.start, o.source.start) == (piece.start, piece.source) for o in of[Kind.RETIME])
    shown = {f for p in plan.timeline if p.source is not None for f in range(p.source, p.source_end)}
    gone = {f for o in of[Kind.REMOVAL] for f in range(o.source.start, o.source.end)}
    assert shown.isdisjoint(gone)
    assert shown | gone == set(range(plan.source.frames))


@given(dubs())
@settings(deadline=None, max_examples=5)
def test_english_phones_are_looked_for_in_english_only(given_dub: tuple[EditPlan, list[Line]]) -> None:
    plan, _ = given_dub
    assert [_placed(replace(plan, dubbed=language)) for language in ("de", "und", "en-GB", None)] == [
        False, False, True, True,
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- commands

Clip = Callable[[str], Path]


@pytest.fixture
def talk(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two seconds without a face, two sentences in its transcript."""
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "talk.mp4"
    path.write_bytes(clip("25").read_bytes())
    said = [("But", 0.2, 0.4), ("why?", 0.4, 0.8), ("Well,", 1.2, 1.5), ("why?", 1.5, 1.8)]
    words = [{"word": f" {w}", "start": a, "end": b} for w, a, b in said]
    (tmp_path / "talk.transcript.json").write_text(json.dumps({"language": "en", "segments": [{"words": words}]}))
    (tmp_path / "german.txt").write_text("Warum? Warum?", "utf-8")
    return path


@pytest.fixture
def voice(speech: Any, spoken: list[Any], tmp_path: Path) -> Path:
    return write_wav(tmp_path / "german.wav", speech.in_a_row([spoken[2], spoken[2]], [0.4], 0.3, 0.3, 3))


def write_wav(path: Path, made: Any) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(made.rate)
        file.writeframes((made.samples * 32767).astype("<i2").tobytes())
    return path


def test_a_dub_from_end_to_end(talk: Path, voice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = str(talk.with_name("german.txt"))
    asked = [str(talk), text, "--voice", str(voice), "--dub", "--language", "de"]
    assert main(["apply", *asked, "--json", "--progress", "none"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["voice_covers"] == "script"
    assert [o["text"] for o in made["operations"] if o["kind"] == "rerender"] == ["Warum?", "Warum?"]
    assert made["dub"]["language"] == "de"
    assert made["dub"]["sentences"] == 2
    assert max(map(abs, made["dub"]["onsets_off"])) < 0.3
    with av.open(made["output"]) as box:
        frames = sum(1 for _ in box.decode(video=0))
    with av.open(made["output"]) as box:
        sound = np.concatenate([f.to_ndarray().mean(axis=0) for f in box.decode(audio=0)])
        rate = box.streams.audio[0].codec_context.sample_rate
    assert frames == made["frames"]
    assert abs(len(sound) / rate - frames / 25) < 0.05
    blocks = np.abs(sound[: len(sound) // 480 * 480].reshape(-1, 480)).max(axis=1)
    assert blocks[:-3].min() > 0  # no digital silence


def test_the_plan_of_a_dub_is_rendered_as_it_is(talk: Path, voice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = talk.with_name("plan.json")
    asked = [str(talk), str(talk.with_name("german.txt")), "--voice", str(voice), "--dub"]
    assert main(["plan", *asked, "-o", str(plan), "-q"]) == 0
    assert from_json(plan.read_text("utf-8")).dubbed == "und"
    assert main(["apply", str(talk), "--plan", str(plan), "--dry-run", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["dub"]["sentences"] == 2


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--dub"], 2, "--dub needs the dub's voice"),
        (["--dub", "--voice", "german.wav", "--voice-covers", "new-words"], 2, "leave out --voice-covers"),
        (["--voice-transcript", "v.json"], 2, "--voice-transcript is for --dub"),
        (["--dub", *["--voice", "german.wav"] * 3], 4, "3 voice files for 2 sentences"),
        (["--dub", "--voice", "german.wav", "empty.txt"], 3, "no words"),
        (["--dub", "--voice", "german.wav", "marked.txt"], 3, "line 1, column 1"),
        (["--dub", "--voice", "german.wav", "long.txt"], 4, "letters a second"),
    ],
)
def test_what_does_not_fit_is_refused(
    talk: Path, voice: Path, options: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(talk.parent)
    for name, text in (("empty.txt", "\n"), ("marked.txt", "[Guten Tag.]{retime=2s}"), ("long.txt", " ".join(GERMAN))):
        Path(name).write_text(text, "utf-8")
    edited = [] if options[-1].endswith(".txt") else ["german.txt"]
    assert main(["plan", "talk.mp4", *edited, *options]) == code
    assert message in capsys.readouterr().err
