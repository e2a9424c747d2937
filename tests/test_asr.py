"""Recognition and forced alignment; real speech is read from EDITALK_CLIPS (GRID's layout) where it is set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editalk.asr import align, recognise, whisper_available
from editalk.asr.activity import STEP, measured
from editalk.asr.align import _placed
from editalk.asr.openai_whisper import UnavailableError, choose
from editalk.asr.pronounce import NAMES, pronounce
from editalk.asr.refine import Span, refine, step_up
from editalk.asr.sound import RATE, pcm, prepared
from editalk.asr.sphinx import grammar, match
from editalk.asr.types import Phone
from editalk.audio import Audio
from editalk.errors import DeviceError
from editalk.spoken import spoken, spoken_variants
from editalk.transcript import Segment, Transcript, Word
from tests.bench.align import clips, figures, read_sound, read_textgrid

PHONES = frozenset(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()
)
texts = st.text(max_size=12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("20", "twenty"),
        ("$5", "five dollars"),
        ("3.5", "three point five"),
        ("2nd", "second"),
        ("1999", "nineteen ninety nine"),
        ("2005", "two thousand five"),
        ("&", "and"),
        ("Dr.", "doctor"),
        ("“don’t”", "don't"),
        ("Twenty-one,", "twenty one"),
        ("—", ""),
        ("$3.50", "three dollars fifty"),
        ("$5 million", "five million dollars"),
        ("10:30", "ten thirty"),
        ("50%", "fifty percent"),
        ("½", "one half"),
        ("5–10", "five to ten"),
        ("1,234", "one thousand two hundred thirty four"),
        ("um...", "um"),
        ("no.", "no"),
    ],
)
def test_spoken(text: str, words: str) -> None:
    assert spoken(text) == tuple(words.split())


def test_spoken_variants() -> None:
    assert ("one", "thousand", "nine", "hundred", "ninety", "nine") in spoken_variants("1999")
    assert ("f", "b", "i") in spoken_variants("FBI")
    assert ("two", "zero", "two", "zero") in spoken_variants("2020")


@given(texts)
def test_spoken_is_folded_and_settled(text: str) -> None:
    variants = spoken_variants(text)
    assert variants[0] == spoken(text)
    assert len(set(variants)) == len(variants) >= 1
    for word in {word for way in variants for word in way}:
        assert word == word.lower()
        assert word.split() == [word]


@given(texts)
def test_every_word_has_a_pronunciation(word: str) -> None:
    ways = pronounce(word)
    assert ways
    assert all(way and set(way) <= PHONES for way in ways)


def test_pronunciations() -> None:
    known = {"lip": "L IH P", "sync": "S IH NG K", "google": "G UW G AH L"}
    assert pronounce("lipsync", known.get) == (("L", "IH", "P", "S", "IH", "NG", "K"),)
    assert pronounce("google's", known.get)[0][-1] == "Z"
    assert pronounce("googled", known.get)[0][-2:] == ("L", "D")
    assert pronounce("covid") == (("K", "OW", "V", "IH", "D"),)
    assert pronounce("kg")[0] == ("K", "EY", "JH", "IY")
    assert pronounce("naïve")[0][0] == "N"
    for letter, phones in NAMES.items():
        assert pronounce(letter) == (tuple(phones.split()),)


def test_sound_is_made_mono_16_khz() -> None:
    tone = np.sin(np.arange(44100) * 2 * np.pi * 440 / 44100).astype(np.float32)
    stereo = np.stack([tone, tone], axis=1)
    for made in (prepared(Audio(stereo, 44100)), prepared(stereo, 44100), prepared(tone, 44100)):
        assert made.dtype == np.float32
        assert len(made) == 16000
        assert np.abs(made[1000:-1000] - np.sin(np.arange(16000) * 2 * np.pi * 440 / 16000)[1000:-1000]).max() < 0.01
    assert prepared(np.array([np.nan, np.inf, 0.5], np.float32)).tolist() == [0.0, 0.0, 0.5]
    assert pcm(np.array([2.0, -2.0, 0.0], np.float32)).tolist() == [32767, -32768, 0]


def test_grammar_and_match() -> None:
    script = [(("a",),), (("one", "two"), ("one",)), (("two",), ("b",))]
    arcs, last = grammar(script, partial=False)
    assert last == 3
    assert {(f, t, w) for f, t, _, w in arcs} == {  # type: ignore[misc]
        (0, 1, "a"), (1, 4, "one"), (4, 2, "two"), (1, 2, "one"), (2, 3, "two"), (2, 3, "b"),
    }  # fmt: skip
    assert match(["a", "one", "two"], script) == [(0, 1), (1, 2), (2, 3)]
    assert match(["a", "one", "two", "b"], script) == [(0, 1), (1, 3), (3, 4)]
    assert match(["a", "one"], script) is None
    assert match(["a", "one"], script, partial=True) == [(0, 1), (1, 2)]
    assert match(["b"], script, partial=True) is None


def sounded(parts: list[tuple[float, float]], noise: float = 1e-3) -> np.ndarray:
    """Stretches (seconds, amplitude) of noise in a band of speech, over a floor."""
    rng = np.random.default_rng(0)
    wave = np.concatenate([rng.normal(0, amplitude + noise, round(s * RATE)) for s, amplitude in parts])
    return wave.astype(np.float32)


def test_a_swallowed_pause_is_given_back() -> None:
    levels = measured(sounded([(0.7, 0), (0.5, 0.1), (0.8, 0)]))
    swallowed = Span(0.0, 1.2, (Phone("P", 0.0, 0.72), Phone("AH", 0.72, 1.2)))
    (made,) = refine([swallowed], levels, 2.0)
    assert made.start == pytest.approx(0.7 - 0.045, abs=0.015)  # the closure before the burst is the word's
    assert made.end == pytest.approx(1.2, abs=0.02)
    assert made.phones[0].start == made.start
    assert made.phones[-1].end == made.end


def test_a_tail_is_kept_and_a_pause_is_not_swallowed() -> None:
    levels = measured(sounded([(0.5, 0), (0.4, 0.1), (0.05, 0.03), (0.55, 0), (0.5, 0.1), (0.5, 0)]))
    early = Span(0.5, 0.9, (Phone("AH", 0.5, 0.9),))
    late = Span(1.5, 2.06, (Phone("AH", 1.5, 2.06),))
    first, second = refine([early, late], levels, 2.5)
    assert first.end == pytest.approx(0.95, abs=0.02)
    assert second.end == pytest.approx(2.0, abs=0.03)


def test_words_without_a_pause_between_them_stay() -> None:
    levels = measured(sounded([(0.5, 0), (1.0, 0.1), (0.5, 0)]))
    a, b = Span(0.5, 1.0, (Phone("AH", 0.5, 1.0),)), Span(1.0, 1.5, (Phone("AH", 1.0, 1.5),))
    first, second = refine([a, b], levels, 2.0)
    assert (first.end, second.start) == (1.0, 1.0)


def test_step_up() -> None:
    rise = np.concatenate([np.zeros((30, 3)), np.full((20, 3), 30.0)])
    assert step_up(rise) == 30
    assert step_up(rise[::-1]) is None
    assert step_up(rise[:5]) is None


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5), st.floats(0, 1)), max_size=12), st.floats(0, 4))
def test_every_word_is_placed_in_order(found: list[tuple[bool, float, float]], seconds: float) -> None:
    spans = {i: Span(start, start + length, ()) for i, (known, start, length) in enumerate(found) if known}
    placed = _placed(len(found), spans, set(range(len(found))), seconds)
    assert len(placed) == len(found)
    edges = [0.0, *(edge for span in placed for edge in (span.start, span.end)), seconds]
    assert all(a <= b + 1e-9 for a, b in zip(edges[:-1], edges[1:], strict=True))


@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from(["20", "—", "zxqv", "東京", "Dr.", "", "FBI"]), max_size=6), st.integers(0, 9000))
def test_align_never_fails(words: list[str], count: int) -> None:
    samples = np.random.default_rng(count).normal(0, 0.05, count).astype(np.float32)
    made = align(words, samples)
    assert [w.text for w in made.words] == words
    edges = [0.0, *(edge for word in made.words for edge in (word.start, word.end)), made.seconds]
    assert all(a <= b + 1e-9 for a, b in zip(edges[:-1], edges[1:], strict=True))
    assert all(0 <= w.probability <= 1 for w in made.words)


def test_silence_holds_no_words() -> None:
    made = align("hello there".split(), np.zeros(2 * RATE, np.float32))
    assert made.probability == 0
    for samples in (np.zeros(0), np.zeros(100), np.zeros(RATE)):
        found = recognise(samples.astype(np.float32), "pocketsphinx")
        assert found == Transcript((), "en", engine="pocketsphinx")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("editalk.asr.openai_whisper._online", lambda: False)
    return tmp_path


def test_without_weights_pocketsphinx_listens_and_says_so(offline: Path) -> None:
    said: list[str] = []
    made = recognise(np.zeros(RATE, np.float32), "auto", say=said.append, download_root=offline)
    assert made.engine == "pocketsphinx"
    assert len(said) == 1
    assert "PocketSphinx" in said[0]
    assert "pip install openai-whisper" in said[0]
    with pytest.raises(DeviceError, match="pocketsphinx needs no download"):
        recognise(np.zeros(RATE, np.float32), "base", download_root=offline)
    with pytest.raises(DeviceError, match="English only"):
        recognise(np.zeros(RATE, np.float32), "auto", "de", download_root=offline)
    with pytest.raises(DeviceError, match="no model 'bse'"):
        recognise(np.zeros(RATE, np.float32), "bse", download_root=offline)


def test_nothing_is_asked_where_downloads_are_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("urllib.request.urlopen", asked)
    monkeypatch.setenv("EDITALK_OFFLINE", "1")
    with pytest.raises(UnavailableError):
        choose("auto", "en", tmp_path)


def test_present_weights_are_chosen(offline: Path) -> None:
    assert not whisper_available("small", offline)
    (offline / "small.pt").touch()
    (offline / "base.en.pt").touch()
    (offline / "large-v3.pt").touch()
    assert whisper_available("large", offline)
    assert choose("auto", "de", offline) == "large-v3"
    (offline / "large-v3.pt").unlink()
    assert choose("whisper", "en", offline) == "small"
    assert choose("base.en", "en", offline) == "base.en"


def test_a_broken_checkpoint_is_an_error(offline: Path) -> None:
    broken = offline / "broken.pt"
    broken.write_bytes(b"PK not a checkpoint")
    with pytest.raises(DeviceError, match="cannot be loaded"):
        recognise(np.zeros(RATE, np.float32), str(broken))


def checkpoint(path: Path, word: str) -> None:
    """A Whisper of random weights that says one word whatever it hears, in the format openai-whisper loads."""
    import torch
    from whisper.model import ModelDimensions, Whisper
    from whisper.tokenizer import get_tokenizer

    torch.manual_seed(0)
    dims = ModelDimensions(80, 1500, 32, 2, 1, 51865, 14, 32, 2, 1)  # 14: seven tokens at most
    model = Whisper(dims)
    (token,) = get_tokenizer(True, num_languages=99, language="en").encode(" " + word)
    with torch.no_grad():
        model.decoder.positional_embedding.normal_(std=0.1)  # openai-whisper leaves it as it finds the memory
        model.decoder.ln.weight.zero_()
        model.decoder.ln.bias.copy_(torch.nn.functional.normalize(model.decoder.token_embedding.weight[token], dim=0))
        model.decoder.token_embedding.weight[token] *= 6
        model.decoder.token_embedding.weight[50365:] *= 0  # the first time stamp is the likeliest: 0.0
        model.decoder.token_embedding.weight[50365] = model.decoder.ln.bias / 2
        model.decoder.blocks[0].cross_attn.query.weight *= 10  # attends to something, not to rounding errors
    torch.save({"dims": dims.__dict__, "model_state_dict": model.state_dict()}, path)


def test_whisper_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading, decoding and reading Whisper's result; the word times alone are given: what random attention makes of
    them is rounding errors, which differ from machine to machine.
    """
    from whisper import timing

    def evenly(model: object, tokenizer: Any, tokens: list[int], *_: object, **__: object) -> list[timing.WordTiming]:
        words, parts = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
        found = zip(words[:-1], parts[:-1], strict=True)
        return [timing.WordTiming(w, t, 0.3 + 0.1 * k, 0.4 + 0.1 * k, 0.5) for k, (w, t) in enumerate(found)]

    monkeypatch.setattr(timing, "find_alignment", evenly)
    path = tmp_path / "says-hello.pt"
    checkpoint(path, "hello")
    samples = sounded([(0.3, 0), (0.9, 0.1), (0.3, 0)])
    made = recognise(samples, str(path))
    assert made.engine == "whisper-says-hello"
    assert made.words
    assert {w.text for w in made.words} == {"hello"}
    assert all(0 <= a.start <= a.end <= b.start for a, b in zip(made.words[:-1], made.words[1:], strict=True))
    assert all(w.probability is not None and 0 <= w.probability <= 1 for w in made.words)
    assert made.words[-1].end <= len(samples) / RATE + STEP


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, editalk.asr, editalk.transcript, editalk.spoken;"
        "print([m for m in ('torch', 'whisper', 'pocketsphinx', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_textgrids_long_and_short() -> None:
    long = (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 1\n'
        "tiers? <exists>\nsize = 1\nitem []:\n"
        '  item [1]:\n class = "IntervalTier"\n name = "words"\n xmin = 0\n xmax = 1\n intervals: size = 2\n'
        ' intervals [1]:\n xmin = 0\n xmax = 0.5\n text = ""\n intervals [2]:\n'
        ' xmin = 0.5\n xmax = 1\n text = "he said ""2"""\n'
    )
    short = (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n1\n"IntervalTier"\n"words"\n0\n1\n2\n'
        '0\n0.5\n""\n0.5\n1\n"he said ""2"""\n'
    )
    for text in (long, short):
        assert read_textgrid(text) == [("words", [("", 0.0, 0.5), ('he said "2"', 0.5, 1.0)])]


def folder() -> Path:
    where = os.environ.get("EDITALK_CLIPS")
    if not where or not any(Path(where).glob("*.align")):
        pytest.skip("EDITALK_CLIPS names no folder with GRID's clips")
    return Path(where)


def test_boundaries_of_real_speech() -> None:
    errors: list[float] = []
    for i, (media, truth) in enumerate(clips(folder())):
        if i % 20 == 0:
            made = align([w for w, _, _ in truth], read_sound(media))
            assert made.probability > 0.5
            errors += [w.start - a for w, (_, a, _) in zip(made.words, truth, strict=True)]
            errors += [w.end - b for w, (_, _, b) in zip(made.words, truth, strict=True)]
        if i == 200:
            break
    found = figures(errors)
    assert found["median_ms"] <= 20
    assert found["p95_ms"] <= 100


def test_minutes_of_real_speech_align_in_chunks() -> None:
    samples, truth, at = [], [], 0.0
    for i, (media, words) in enumerate(clips(folder())):
        if i == 16:
            break
        sound = read_sound(media)
        truth += [(w, a + at, b + at) for w, a, b in words]
        samples.append(sound)
        at += len(sound) / RATE
    made = align([w for w, _, _ in truth], np.concatenate(samples))
    errors = [w.end - b for w, (_, _, b) in zip(made.words, truth, strict=True)]
    assert figures(errors)["median_ms"] <= 25
    assert figures(errors)["p95_ms"] <= 150


def test_transcripts_keep_their_segments_when_times_are_refined() -> None:
    from editalk.asr.recognise import retimed

    made = Transcript((Segment((Word("um", 0.1, 0.2),)), Segment((Word("yes", 0.5, 0.6), Word("no", 0.55, 0.7)))), "en")
    found = retimed(made, np.zeros(RATE, np.float32))
    assert [[w.text for w in s.words] for s in found.segments] == [["um"], ["yes", "no"]]
    assert found.words[1].end <= found.words[2].start
