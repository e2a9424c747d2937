"""Words against the edited text."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editalk.diff import Style, Tag, WordEdit, attributes, describe, diff, pauses, spoken_tokens
from editalk.diff.sound import same_sound
from editalk.errors import MarkupError
from editalk.markup import EditedText, Mark, Token, parse
from editalk.transcript import Word

EQUAL, INSERT, DELETE, REPLACE, MOVE = Tag


def said(text: str, pauses_before: dict[int, float] | None = None) -> list[Word]:
    """Words at an even pace; `pauses_before`: seconds of silence before some of them."""
    words, now = [], 0.0
    for index, text_of_word in enumerate(text.split()):
        now += (pauses_before or {}).get(index, 0.0)
        words.append(Word(text_of_word, now, now + 0.08 * len(text_of_word)))
        now = words[-1].end
    return words


def show(edit: WordEdit, words: Sequence[Word], tokens: Sequence[Token]) -> str:
    old = " ".join(word.text for word in words[edit.source_start : edit.source_end])
    new = " ".join(token.text for token in tokens[edit.target_start : edit.target_end])
    both = old if old == new else f"{old}|{new}"
    return f"{edit.tag}{'*' if edit.caption else ''}: {both}"


def edits(before: str, after: str, pauses_before: dict[int, float] | None = None) -> list[str]:
    words, edited = said(before, pauses_before), parse(after)
    found = diff(words, edited)
    check(found, words, edited)
    return [show(edit, words, spoken_tokens(edited)) for edit in found]


def check(found: Sequence[WordEdit], words: Sequence[Word], edited: EditedText) -> None:
    """What always holds."""
    target = 0
    sources: list[int] = []
    for edit in found:
        assert edit.target_start == target <= edit.target_end
        target = edit.target_end
        sources += range(edit.source_start, edit.source_end)
        source, new = edit.source_end - edit.source_start, edit.target_end - edit.target_start
        assert (source > 0) == (edit.tag is not INSERT)
        assert (new > 0) == (edit.tag is not DELETE)
        if edit.tag not in (EQUAL, MOVE):
            assert not edit.caption
    assert target == len(spoken_tokens(edited))
    assert sorted(sources) == list(range(len(words)))
    kept = [edit.source_start for edit in found if edit.tag is EQUAL]
    assert kept == sorted(kept)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("so um I think", "so I think", ["equal: so", "delete: um|", "equal: I think"]),
        ("we go home", "we go right home", ["equal: we go", "insert: |right", "equal: home"]),
        ("the cat sat", "the dog sat", ["equal: the", "replace: cat|dog", "equal: sat"]),
        ("hello World", "Hello, world", ["equal*: hello World|Hello, world"]),
        (
            "the cat came from here",
            "the cut came from here",
            ["equal: the", "replace: cat|cut", "equal: came from here"],
        ),
        ("fill the form in", "fill the from in", ["equal: fill the", "replace: form|from", "equal: in"]),
        (
            "their color is Jon",
            "There colour is John",
            ["equal*: their color|There colour", "equal: is", "equal*: Jon|John"],
        ),
        ("they realise it", "they realize it", ["equal: they", "equal*: realise|realize", "equal: it"]),
        ("say uh now", "say a now", ["equal: say", "replace: uh|a", "equal: now"]),
    ],
)
def test_words(before: str, after: str, expected: list[str]) -> None:
    assert edits(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("I have twenty one cats", "I have 21 cats", ["equal: I have", "equal*: twenty one|21", "equal: cats"]),
        ("in 2019 there", "in twenty nineteen there", ["equal: in", "equal*: 2019|twenty nineteen", "equal: there"]),
        ("just 20 now", "just twenty now", ["equal: just", "equal*: 20|twenty", "equal: now"]),
        ("a twenty-one b", "a twenty one b", ["equal: a", "equal*: twenty-one|twenty one", "equal: b"]),
        ("everyday it is", "every day it is", ["equal*: everyday|every day", "equal: it is"]),
        ("so um I am", "so—I am", ["equal*: so|so—", "delete: um|", "equal: I am"]),
        ("so—I am", "so—I am", ["equal: so—I|so— I", "equal: am"]),
    ],
)
def test_one_word_may_be_many(before: str, after: str, expected: list[str]) -> None:
    assert edits(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("so I am", "so – I am!", ["equal*: so|so –", "equal: I", "equal*: am|am!"]),
        ("so – I am", "so I am", ["equal*: so –|so", "equal: I am"]),
        ("so – I am", "so – I am", ["equal: so –", "equal: I am"]),
        ("one two", "# one two –", ["equal*: one two|# one two –"]),
        ("a b", "– – –", ["delete: a b|"]),
        ("hi [laughs] there", "hi [laughs] there", ["equal: hi [laughs] there"]),
        ("hi [laughs] there", "hi there", ["equal: hi", "delete: [laughs]|", "equal: there"]),
        ("hi there", "hi [laughs] there", ["equal*: hi|hi [laughs]", "equal: there"]),
        ("hi there", "[music] hi there", ["equal*: hi|[music] hi", "equal: there"]),
    ],
)
def test_punctuation_and_events_are_never_to_be_said(before: str, after: str, expected: list[str]) -> None:
    assert edits(before, after) == expected


def test_a_tie_is_cut_at_the_longer_pause() -> None:
    assert edits("see this and that and those now", "see this and those now", {4: 0.8})[1] == "delete: and that|"
    assert (
        edits("see this and that and those now", "see this and those now", {3: 0.8, 5: 0.8})[1] == "delete: that and|"
    )
    first = [Word("X", 0, 1), Word("the", 1, 1.2), Word("the", 1.2, 1.4), Word("the", 2.0, 2.2), Word("cat", 2.2, 2.5)]
    found = diff(first, parse("X the the cat"))
    assert [(e.source_start, e.source_end) for e in found if e.tag is DELETE] in ([(1, 2)], [(2, 3)], [(3, 4)])
    assert any(2.0 in (first[e.source_start].start, first[e.source_end].start) for e in found if e.tag is DELETE)
    assert edits("the the cat", "the cat")[0] == "delete: the|"


def test_short_words_between_replacements_are_made_with_them() -> None:
    assert edits("we saw red cars in old towns", "we saw blue vans in new places") == [
        "equal: we saw",
        "replace: red cars in old towns|blue vans in new places",
    ]
    apart = edits("we saw red cars, in old towns", "we saw blue vans, in new places", {4: 0.6})
    assert apart[2] == "equal: in"
    assert edits("we saw big cars in old towns", "we saw cars in towns")[1::2] == ["delete: big|", "delete: old|"]


A = "One two three four five."
B = "Six seven eight nine ten."
C = "Now we are at the end of it."


def test_moves() -> None:
    assert edits(f"{A} {B} {C}", f"{B} {A} {C}") == [f"move: {B}", f"equal: {A}", f"equal: {C}"]
    assert edits(f"{A} {B} Thank you. {C}", f"Thank you. {A} {B} {C}") == [
        "move: Thank you.",
        f"equal: {A} {B}",
        f"equal: {C}",
    ]
    struck = edits(f"{A} {B} {C}", f"Six ~~seven~~ eight nine ten. {A} {C}")
    assert struck == ["move: Six", "delete: seven|", "move: eight nine ten.", f"equal: {A}", f"equal: {C}"]
    more = edits(f"{A} {B} {C}", f"Six seven eight and nine ten. {A} {C}")
    assert more == [f"move: {A}" if line.startswith("move") else line for line in more]
    assert [line for line in more if line.startswith(("insert", "replace"))] == ["insert: |and"]


def test_a_copy_is_new_speech() -> None:
    assert edits(f"{A} {B} {C}", f"{A} {B} {C} {A}") == [f"equal: {A} {B} {C}", f"insert: |{A}"]


def test_a_short_phrase_far_away_is_no_move() -> None:
    filler = " ".join(f"word{chr(97 + k % 26)}{chr(97 + k // 26)}" for k in range(600))
    found = edits(f"at an end of {filler} x", f"{filler} at an end of x")
    assert [line.partition(":")[0] for line in found] == ["delete", "equal", "insert", "equal"]


def test_the_words_of_a_moved_sentence_that_begins_like_the_next() -> None:
    found = edits(f"{A} So we go on again. So I say it now. {B}", f"{A} So I say it now. {B} So we go on again.")
    assert not any(line.startswith(("insert", "replace")) for line in found)


def test_marks_bind_to_the_words_they_name() -> None:
    assert edits("the cat the dog", "the cat ~~the~~ dog") == ["equal: the cat", "delete: the|", "equal: dog"]
    assert edits("the cat the dog", "{--the--} cat the dog")[0] == "delete: the|"
    assert edits("a twenty one b", "a ~~21~~ b")[1] == "delete: twenty one|"
    assert edits("a b c", "a {++b++} b c") == ["equal: a", "insert: |b", "equal: b c"]
    assert edits("the color it", "the {~~color~>colour~~} it")[1] == "equal*: color|colour"
    assert edits("the color it", "the colo{++u++}r it")[1] == "equal*: color|colour"
    assert edits("every day on", "every{-- --}day on")[0] == "equal*: every day|everyday"
    assert edits("say it now", "say {~~it~>it~~} now")[1] == "replace: it"


@pytest.mark.parametrize(
    ("text", "place"),
    [("a\nb {--x--} c", (2, 6)), ("a ~~c~~ b", (1, 5)), ("a ~~b~~ ~~b~~ c", (1, 5)), ("a [pause] b c", (1, 3))],
)
def test_marks_that_name_what_is_not_there(text: str, place: tuple[int, int]) -> None:
    with pytest.raises(MarkupError) as caught:
        diff(said("a b c"), parse(text))
    assert (caught.value.line, caught.value.column) == place


def test_spans_over_the_spoken_tokens() -> None:
    edited = parse("~~um~~ so – [the ~~big~~ cat]{retime=1s} [pause 1s] – sat [–]{rerender=face} [pause 2s]")
    assert [token.text for token in spoken_tokens(edited)] == ["so –", "the", "cat –", "sat –"]
    assert [(a.first, a.end) for a in attributes(edited)] == [(1, 3), (3, 4)]
    assert [(p.before, p.seconds) for p in pauses(edited)] == [(3, 1.0), (4, 2.0)]


def test_description_in_reading_order() -> None:
    words, edited = said(f"{A} um {B} {C}"), parse(f"{B} {A}\n\nNow we were at the end of It.")
    spans = describe(diff(words, edited), words, spoken_tokens(edited))
    assert [(span.style, span.text) for span in spans] == [
        (Style.MOVED_TO, B),
        (Style.KEPT, A),
        (Style.REMOVED, "um"),
        (Style.MOVED_FROM, B),
        (Style.KEPT, "Now we"),
        (Style.REMOVED, "are"),
        (Style.ADDED, "were"),
        (Style.KEPT, "at the end of"),
        (Style.CAPTION, "It."),
    ]
    assert [span.paragraph for span in spans].index(True) == 4
    assert spans[0].seconds == pytest.approx(words[10].end - words[6].start)


def test_sounds() -> None:
    assert all(same_sound(*pair) for pair in [("their", "there"), ("sarah", "sara"), ("kubernetes", "cubernetes")])
    assert not any(same_sound(*pair) for pair in [("cat", "cut"), ("form", "from"), ("then", "than"), ("uh", "a")])


def talk(seed: int, count: int = 10_000) -> tuple[list[Word], str]:
    """A transcript and its text with 40 deletions, 4 moved sentences and 15 new words, and one more deletion."""
    rng = random.Random(seed)
    vocabulary = [
        "".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(1 + k % 4)) for k in range(3000)
    ]
    drawn = rng.choices(vocabulary, [1 / (k + 2.7) for k in range(3000)], k=count)
    script: list[str] = []
    while len(script) < count:
        sentence = drawn[len(script) : len(script) + rng.randint(6, 16)]
        script += [sentence[0].capitalize(), *sentence[1:-1], sentence[-1] + "."][: len(sentence)]
    words = said(" ".join(script), {k: rng.choice([0, 0, 0.2, 0.5]) for k in range(count)})
    for _ in range(41):
        start = rng.randrange(len(script) - 10)
        del script[start : start + rng.randint(1, 6)]
    for _ in range(4):
        ends = [k + 1 for k, word in enumerate(script) if word.endswith(".")]
        number = rng.randrange(len(ends) - 1)
        start, end = ends[number : number + 2]
        sentence = script[start:end]
        del script[start:end]
        place = rng.choice([k + 1 for k, word in enumerate(script) if word.endswith(".")])
        script[place:place] = sentence
    for k in range(15):
        script.insert(rng.randrange(len(script)), f"zorvex{chr(97 + k)}")
    return words, " ".join(script)


@pytest.mark.parametrize("seed", range(3))
def test_a_long_talk_with_sixty_edits(seed: int) -> None:
    words, text = talk(seed)
    edited = parse(text)
    seconds = []
    for _ in range(3):  # the first also reads the dictionary; other programs may slow one down
        start = time.process_time()
        found = diff(words, edited)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1.0
    check(found, words, edited)
    made = sum(edit.target_end - edit.target_start for edit in found if edit.tag in (INSERT, REPLACE))
    assert 15 <= made <= 17
    assert any(edit.tag is MOVE for edit in found)


def test_another_text_altogether_takes_no_longer() -> None:
    words, _ = talk(1)
    _, text = talk(2)
    start = time.process_time()
    edited = parse(text)
    check(diff(words, edited), words, edited)
    assert time.process_time() - start < 5.0


VOCABULARY = [
    "the",
    "a",
    "I",
    "um",
    "cat",
    "cut",
    "21",
    "twenty",
    "one",
    "end.",
    "Oh,",
    "so—I",
    "–",
    "their",
    "there",
    "go",
]
SCRIPT = st.lists(st.sampled_from(VOCABULARY), max_size=25)


@settings(max_examples=300, deadline=None)
@given(SCRIPT, SCRIPT)
def test_any_text_against_any_words(before: list[str], after: list[str]) -> None:
    words, edited = said(" ".join(before)), parse(" ".join(after))
    check(diff(words, edited), words, edited)


@settings(max_examples=150, deadline=None)
@given(SCRIPT)
def test_the_same_text_changes_nothing(script: list[str]) -> None:
    words = said(" ".join(script))
    found = diff(words, parse(" ".join(script)))
    if any(word != "–" for word in script):
        assert {edit.tag for edit in found} == {EQUAL}
    assert not any(edit.caption for edit in found)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_removals_never_ask_for_speech(data: st.DataObject) -> None:
    script = data.draw(SCRIPT)
    kept = [word for word in script if word == "–" or data.draw(st.booleans())]
    words, edited = said(" ".join(script)), parse(" ".join(kept))
    found = diff(words, edited)
    check(found, words, edited)
    assert {edit.tag for edit in found} <= {EQUAL, DELETE}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["the", "cat", "I", "go"]), st.sampled_from(Mark)), max_size=20))
def test_marked_text_says_exactly_what_happens(marked: list[tuple[str, Mark]]) -> None:
    words = said(" ".join(word for word, mark in marked if mark is not Mark.INSERTED))
    forms = {Mark.PLAIN: "{}", Mark.INSERTED: "{{++{}++}}", Mark.DELETED: "{{--{}--}}"}
    edited = parse(" ".join(forms[mark].format(word) for word, mark in marked))
    found = diff(words, edited)
    check(found, words, edited)
    gone = sorted(k for e in found if e.tag in (DELETE, REPLACE) for k in range(e.source_start, e.source_end))
    old = [mark for _, mark in marked if mark is not Mark.INSERTED]
    assert gone == [k for k, mark in enumerate(old) if mark is Mark.DELETED]
    come = sorted(k for e in found if e.tag in (INSERT, REPLACE) for k in range(e.target_start, e.target_end))
    new = [mark for _, mark in marked if mark is not Mark.DELETED]
    assert come == [k for k, mark in enumerate(new) if mark is Mark.INSERTED]
