"""What `clean` strikes out, and that its text means just that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editalk.clean import Cleaning, Cut, Kind, ShorterPause, Wanted, clean, cleaned_text, fillers, listed
from editalk.cli import main
from editalk.diff import Tag, diff, pauses
from editalk.markup import parse
from editalk.spoken import spoken
from editalk.transcript import Segment, TextWriter, Transcript, Word, to_json


def transcript(text: str, language: str = "en", gap: float = 0.1) -> Transcript:
    """Words of 0.3 s; `/` is half a second of quiet, `Ann:` begins a turn."""
    segments: list[tuple[str | None, list[Word]]] = [(None, [])]
    at = 0.0
    for word in text.split():
        if word == "/":
            at += 0.5
        elif word.endswith(":"):
            segments.append((word[:-1], []))
        else:
            segments[-1][1].append(Word(word, at, at + 0.3))
            at += 0.3 + gap
    return Transcript(tuple(Segment(tuple(words), name) for name, words in segments if words), language)


def cleaned(text: str, language: str = "en", **wanted: object) -> str:
    made = transcript(text, language)
    return cleaned_text(made, clean(made, Wanted(**wanted))).rstrip()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("so um we uh go", "so {--um--} we {--uh--} go"),
        ("Um, so I, uh, think it works, erm.", "{--Um,--} So I {--uh,--} think it works. {--erm.--}"),
        ("First, hmm, we go", "First, {--hmm,--} we go"),
        ("Right? Uhm. Um, mm, yes.", "Right? {--Uhm. Um, mm,--} Yes."),
        ("He said “um, go home”.", "He said {--“um,--} “go home”."),
        ("It works, um!” he said.", "It works!” {--um!”--} he said."),
        ("like, you know, uh-huh, mhm", "like, you know, uh-huh, mhm"),
        ("the word “um”, or (uh) is", "the word “um”, or (uh) is"),
        ("[um] the umbrella err", "{--[um]--} the umbrella err"),
    ],
)
def test_fillers(text: str, expected: str) -> None:
    assert cleaned(text, fillers=True) == expected


def test_fillers_by_language_and_ones_own() -> None:
    assert cleaned("Das ist um ähm drei Uhr, hm, oder", "de", fillers=True) == (
        "Das ist um {--ähm--} drei Uhr, {--hm,--} oder"
    )
    assert cleaned("um livro hum", "pt-BR", fillers=True) == "um livro {--hum--}"
    assert cleaned("um livro hm", "xx", fillers=True) == "um livro {--hm--}"
    assert listed("en-GB")
    assert not listed("xx")
    own = ("You know", "like")
    assert cleaned("I, you know, like, um, this. You. Know what", fillers=True, own=own) == (
        "I {--you know, like, um,--} this. You. Know what"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the the cat", "{--the--} the cat"),
        ("the the the cat", "{--the the--} the cat"),
        ("I want I want to go", "{--I want--} I want to go"),
        ("We should we should go home", "{--We should--} We should go home"),
        ("So we should go. We should go home.", "So {--we should go.--} we should go home."),
        ("the um the cat", "{--the um--} the cat"),
        ("a wan- want of th— the cat", "a {--wan---} want of {--th—--} the cat"),
        ("I think the dog— I think the cat", "{--I think the dog—--} I think the cat"),
        ("now one two three four five six one two three", "now one two three four five six one two three"),
    ],
)
def test_repeats(text: str, expected: str) -> None:
    assert cleaned(text, repeats=True) == expected


@pytest.mark.parametrize(
    "text",
    [
        "very very good", "no no no", "No, no. Yes, yes!", "I had had that that he said", "a long, long time",
        "New York, New York", "on and on and on", "call five five five one two one two", "spell A B A B C C",
        "words words words words", "blah blah blah", "Go home. Go home.", "what it is is good", "20 20 vision",
        "Ann: yes we go Bob: we go", "more and more and more people", "bye bye bye bye",
    ],
)  # fmt: skip
def test_what_is_said_twice_on_purpose_stays(text: str) -> None:
    made = transcript(text)
    assert clean(made, Wanted(repeats=True)) == Cleaning()


def test_takes() -> None:
    assert cleaned("The fox jumps over the dog. Sorry. The fox jumped over the dog. It was quick.", repeats=True) == (
        "{--The fox jumps over the dog.--} Sorry. The fox jumped over the dog. It was quick."
    )
    assert cleaned("Here we are going. Here we are going to talk. Here we are going to talk, too.", repeats=True) == (
        "{--Here we are going. Here we are going to talk.--} Here we are going to talk, too."
    )
    assert cleaned("this is the first take / / this is the first take / / and it goes on", repeats=True) == (
        "{--this is the first take--}\n\nthis is the first take\n\nand it goes on"
    )
    for other in ("Bin blue at F two now. Bin blue at F three now.", "Is it so? It is so. Is it so?",
                  "Ann: How do you do? Bob: How do you do?"):  # fmt: skip
        assert clean(transcript(other), Wanted(repeats=True)) == Cleaning()


def test_pauses() -> None:
    """The quiet on either side of a filler adds up; turns and sentences have pauses, head and tail have none."""
    made = transcript("/ one / two um three / um four. / / / Ann: five six /")
    found = clean(made, Wanted(fillers=True, pause=0.4)).pauses
    assert [(p.behind, p.before, round(p.quiet, 2)) for p in found] == [(0, 1, 0.6), (3, 5, 0.7), (5, 6, 1.6)]
    assert cleaned("one / two um three / um four. / / / Ann: five", fillers=True, pause=0.4) == (
        "one [pause 0.4s] two {--um--} three [pause 0.4s] {--um--} four. [pause 0.4s]\n\nfive"
    )
    assert clean(made, Wanted(pause=0.65)).pauses == (ShorterPause(5, 6, pytest.approx(1.6), 0.65),)


def test_without_anything_to_clean_the_text_is_the_transcripts() -> None:
    made = transcript("Ann: Hello there. / / / Go on. Bob: Well, then.")
    assert cleaned_text(made, clean(made, Wanted(True, True, 5.0))) == TextWriter().write(made)


SAID = st.sampled_from(
    "I we want the um uh to go very no it, that. home? Um, “so there” 20 A th- dog— {x} ~y [z] a\\".split()
)
NOISE = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=6)


@st.composite
def talks(draw: st.DrawFn) -> Transcript:
    at, segments = 0.0, []
    for name in draw(st.lists(st.sampled_from([None, "Ann", "Bob"]), min_size=1, max_size=3)):
        words = []
        for text in draw(st.lists(st.one_of(SAID, SAID, SAID, NOISE), min_size=1, max_size=15)):
            at += draw(st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.5, 3.0]))
            words.append(Word(text, at, at + 0.2))
            at += 0.2
        segments.append(Segment(tuple(words), name))
    return Transcript(tuple(segments))


def sounding(made: Transcript, indices: Iterable[int]) -> set[int]:
    """Without lone punctuation, which goes with the word before it."""
    return {k for k in indices if spoken(made.words[k].text.strip("#"))}


def deleted(made: Transcript, text: str) -> set[int]:
    edits = diff(made.words, parse(text, frozenset({"Ann", "Bob"})))
    assert {e.tag for e in edits} <= {Tag.EQUAL, Tag.DELETE}
    return sounding(made, (k for e in edits if e.tag is Tag.DELETE for k in range(e.source_start, e.source_end)))


@settings(deadline=None)
@given(talks(), st.sampled_from([None, 0.2, 0.4]), st.sampled_from([(True, True), (True, False), (False, True)]))
def test_the_text_means_what_was_to_go(made: Transcript, pause: float | None, which: tuple[bool, bool]) -> None:
    found = clean(made, Wanted(which[0], which[1], pause))
    assert all(a.end <= b.first for a, b in pairwise(found.cuts))
    text = cleaned_text(made, found)
    assert deleted(made, text) == sounding(made, found.gone)
    assert [p.seconds for p in pauses(parse(text))] == [p.seconds for p in found.pauses]


@settings(max_examples=40, deadline=None)
@given(talks(), st.data())
def test_any_cuts_come_back(made: Transcript, data: st.DataObject) -> None:
    edges = sorted(data.draw(st.sets(st.integers(0, len(made.words)), max_size=8)))
    kinds = st.sampled_from(Kind)
    cuts = tuple(Cut(data.draw(kinds), a, b) for a, b in zip(edges[::2], edges[1::2], strict=False))
    found = Cleaning(cuts)
    assert deleted(made, cleaned_text(made, found)) == sounding(made, found.gone)


def test_a_filler_is_a_word_of_its_own() -> None:
    words = [Word(text, k, k + 0.5) for k, text in enumerate("um. a—um, um".split())]
    assert [(c.first, c.end) for c in fillers(words)] == [(0, 1), (2, 3)]


@pytest.fixture
def talk(clip: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clip of 8 s whose transcript has a filler between two pauses of half a second."""
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "talk.mp4"
    path.write_bytes(clip("long").read_bytes())
    path.with_name("talk.transcript.json").write_text(to_json(transcript("/ so then / um / we the the home / /")))
    return path


def test_from_video_to_video(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `clean` writes is applied as it is: the pause is measured across the filler."""
    assert main(["clean", str(talk), "--fillers", "--pauses", "0.4", "--repeats", "--json"]) == 0
    out, err = capsys.readouterr()
    made = json.loads(out)
    text = talk.with_name("talk.clean.txt")
    assert text.read_text() == "so then [pause 0.4s] {--um--} we {--the--} the home\n"
    assert made["output"] == str(text)
    assert [(row["kind"], row["text"]) for row in made["rows"]] == [
        ("pause", "[pause 0.4s]"), ("filler", "um"), ("repeat", "the"),
    ]  # fmt: skip
    assert made["rows"][0]["seconds"] == pytest.approx(0.8)
    assert "1 filler (0.3 s), 1 repeat (0.3 s), 1 long pause (0.8 s): about 1.4 s of 8.0 s go" in err
    assert main(["diff", str(talk), str(text), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [change["kind"] for change in plan["changes"]] == ["pause", "delete", "delete"]
    assert plan["duration"] == pytest.approx(8.0 - 0.8 - 0.3 - 0.4, abs=0.16)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give --fillers, --pauses S, --repeats"),
        (["--pauses", "0"], 2, "more than 0"),
        (["--fillers", "-o", "x.srt"], 2, "plain text"),
        (["--fillers"], 1, "exists already"),
    ],
)
def test_usage(
    arguments: list[str], code: int, message: str, talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk.with_name("talk.clean.txt").write_text("mine")
    assert main(["clean", str(talk), *arguments]) == code
    assert message in capsys.readouterr().err
    assert talk.with_name("talk.clean.txt").read_text() == "mine"
