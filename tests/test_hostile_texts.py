"""Texts of others: whatever they hold, a reader returns or says in a line what is wrong where, soon."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fuzz import changed
from hostile import EDITS, NAME, TARGETS, attempt, consume
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_cli import WORDS, edited, run, talking

from editalk.errors import PlanError, ReadError, SourceError, TranscriptError
from editalk.markup import read_edited
from editalk.plan import from_json
from editalk.reading import LARGEST_DATA, LARGEST_TEXT, brief, decoded, parse_json, parse_toml, read_text
from editalk.transcript import parse_transcript, read_captions

EXAMPLES = {"diff": 25, "plan": 25, "sidecar-srt": 25, "sidecar-vtt": 25}
ODD = ("\0", "\r", "\ufeff", "\u202e", "\u2060", "\x1b[2J", "1" * 5000, "[" * 2000, "{" * 2000, "--> ", "\\", '"')
Clip = Callable[[str], Path]


@st.composite
def spliced(draw: st.DrawFn, name: str) -> bytes:
    """A whole text with stretches taken out, put elsewhere, or exchanged for what its format is made of."""
    seeds = TARGETS[name].seeds()
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.sampled_from((0, 0, 1, 3, 10, 100, 1000))))
        new = draw(st.one_of(
            st.sampled_from((*TARGETS[name].tokens, *ODD)).map(str.encode), st.binary(max_size=6),
            st.text(max_size=6).map(str.encode), st.just(data[at:end] * 2),
        ))  # fmt: skip
        data = data[:at] + new + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_any_text_is_read_or_refused(name: str) -> None:
    @settings(max_examples=EXAMPLES.get(name, 60), deadline=None, suppress_health_check=list(HealthCheck))
    @given(spliced(name))
    def check(data: bytes) -> None:
        attempt(TARGETS[name], data)

    check()


@pytest.mark.parametrize("name", ["transcript", "plan"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_values_are_read_or_refused(name: str, data: st.DataObject) -> None:
    """JSON of the right kind with values taken out, exchanged, doubled or absurd."""
    seed = data.draw(st.sampled_from(TARGETS[name].seeds()))
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    attempt(TARGETS[name], json.dumps(changed(json.loads(seed), chance)).encode())


FOUND = [
    ("text", "[pause 1. um, th\n*2s] After"),
    ("vtt", "\nWEBVTT\n\x0b00:00:00.500 --> 00:00:06.500\nHello\n\n00:00:06.500 --> 00:00:07.300\nof cap"),
    ("sidecar-srt", "1\n00:00:00,500 --> 00:00:06,500\nHello,\n\n2\n00:00:06,5\n\n --> 00:00:07,300\nof captions.\n\n"
     "3\n00:00<00:01.500> 00:00:08,300\nIt's here.4\n0\n:00:10,000 --> 00:00:12,400\nAfter apause <we> go on.\n"),
    ("sidecar-srt", "1\n00:00:00,500 --> 00:00:06,500\nHello, um, this ince\n& it is\n\n2\n00:00:06,500 \r"
     "-> 00:00:07,300\nof captions.\n\n3\n00:00:07,300 --> 00:00:08,300\nIt's here.4\n0\n:00:10,000 --> 00:00:12,400\n"
     "After a pause\n"),
    ("sidecar-vtt", "WEBVTT - a\nx\n\nid\n15:01.000 --> 00:02.000 a\n<v Ann>Hello, <00Ann>Hello, <00:01.500><c.x>um</c>"
     " &amp;. &#x20;</v>\n"),
    ("transcript", '{"segments": [{"words": [{"word": "a", "start": 1' + "0" * 400 + ', "end": 2}]}]}'),
    ("transcript", '{"segments": [{"words": [{"word": "a", "start": 1' + "0" * 5000 + "}]}]}"),
    ("transcript", '{"segments": ' * 800 + "{}" + "}" * 800),
    ("transcript", "[" * 100_000),
    ("models", "a = " + "[" * 100_000), ("models", "a = 1" + "0" * 5000), ("models", "a" + ".a" * 3000 + " = 1"),
    ("settings", "[apply" + '.""' * 900 + "]\nx = 1"),
    ("settings", "seed = 1" + "0" * 5000), ("settings", "a=" * 50_000),
    ("srt", "\n\ufeff1\r\n00:00:01,5 --> 00:00:01\n00:00:00,500 --> 00:00:06,500\nHello\r\r"),
    ("srt", "1" * 5000 + ":00:01,000 --> 00:00:02,000\nx"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), FOUND, ids=range(len(FOUND)))
def test_what_fuzzing_found(name: str, text: str) -> None:
    attempt(TARGETS[name], text.encode())


MODEL = """[x]
purpose = "p"
backend = "whisper"
repository = "a/b"
revision = "main"
licence = "MIT"
licence_url = "u"
memory_gib = 1
files = [{name = "x.pt"}]
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [('"x.pt"', '"../x.pt"'), ('"x.pt"', '"/x.pt"'), ('"x.pt"', '"a/../../x.pt"'), ('"x.pt"', r'"a\\x.pt"'),
     ('"x.pt"', r'"a\u0000.pt"'), ('"x.pt"', '"' + "x" * 300 + '.pt"'),
     ('"main"', '"../../../etc"'), ('"main"', '"/etc"'),
     ("= 1\n", "= nan\n"), ("= 1\n", "= inf\n"), ("= 1\n", "= 1" + "0" * 400 + "\n"), ("= 1\n", "= -1\n"),
     ('"x.pt"}', '"x.pt", size = 9223372036854775807}'), ('"p"', r'"a\u001b[2J"'), ("[x]", "[" + "x" * 100 + "]"),
     ('"x.pt"}', '"x.pt", source = "o/n@main:a/../../x.pt"}')],
)  # fmt: skip
def test_models_that_lead_astray(old: str, new: str) -> None:
    assert attempt(TARGETS["models"], MODEL.encode()) is None
    assert attempt(TARGETS["models"], MODEL.replace(old, new).encode()) is not None


def plan(change: Callable[[dict[str, Any]], object]) -> str:
    data = json.loads(TARGETS["plan"].seeds()[1])
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("source.frames", lambda p: p["source"].update(frames=10**12)),
        ("source.rate", lambda p: p["source"].update(rate="1e999999999")),
        ("source.rate", lambda p: p["source"].update(rate="9999999999/1")),
        ("source.samples", lambda p: p["source"].update(samples=1)),
        ("source.channels", lambda p: p["source"].update(channels=10**400)),
        ("source.name", lambda p: p["source"].update(name="\ud800")),
        ("voices[0].path", lambda p: p["voices"][0].update(path="a\0b")),
        ("timeline", lambda p: p["timeline"].clear()),
        ("timeline[0]", lambda p: p["timeline"][0].update(frames=-1)),
        ("timeline[0]", lambda p: p["timeline"].reverse()),
        ("timeline[0]", lambda p: p["timeline"][0].update(source=-5)),
        ("timeline", lambda p: p["timeline"][-1].update(frames=10**10)),
        ("sound", lambda p: p["sound"][-1].update(samples=10**14)),
        ("sound[0]", lambda p: p["sound"][0].update(source_samples=10**14)),
        ("sound[0]", lambda p: p["sound"][0].update(source_samples=0)),
        ("sound[0]", lambda p: p["sound"][0].update(offset=-(10**9))),
        ("sound[0].gain_db", lambda p: p["sound"][0].update(gain_db=float("nan"))),
        ("sound[0]", lambda p: p["sound"][0].update(gain_db=1e6)),
        ("sound[0]", lambda p: p["sound"][0].update(fade=10**9)),
        ("sound[0].origin", lambda p: p["sound"][0].update(origin=[])),
        ("sound[0]", lambda p: p["sound"][0].update(voice=7)),
        ("windows[0]", lambda p: p["windows"][0]["span"].update(start=-3)),
        ("windows[0]", lambda p: p["windows"][0]["span"].update(end=10**9)),
        ("windows[1]", lambda p: p["windows"].insert(0, p["windows"][0])),
        ("windows[0]", lambda p: p["windows"][0]["pieces"].clear()),
        ("windows[0]", lambda p: p["windows"][0]["joins"].append({"frame": 3, "left": 10**9, "right": None})),
        ("windows[0]", lambda p: p["windows"][0]["operations"].append(99)),
        ("windows[0]", lambda p: p["windows"][0]["strip"]["edits"][0].update(count=10**12)),
        ("windows[0].lips", lambda p: p["windows"][0]["lips"].append({"start": 0, "end": 10**9})),
        ("windows[0].context", lambda p: p["windows"][0].update(context={"start": 5, "end": 1})),
        ("timeline", lambda p: p["windows"].clear()),
        ("operations[0]", lambda p: p["operations"][0]["timeline"].update(end=10**9)),
        ("operations[0]", lambda p: p["operations"][0].update(region="../x")),
        ("captions[0]", lambda p: p["captions"][0].update(start=1e300)),
        ("captions[0]", lambda p: p["captions"][0].update(end=-1.0)),
        ("unknown key", lambda p: p.update({"\x1b" * 500: 1})),
        ("version", lambda p: p.update(version=[[]] * 500)),
        ("voice_covers", lambda p: p.update(voice_covers="all")),
    ],
)  # fmt: skip
def test_plans_that_cannot_be_rendered(place: str, change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(PlanError) as caught:
        from_json(plan(change), NAME)
    assert NAME in str(caught.value)
    assert place in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_whole_plan_is_none_of_them() -> None:
    consume(from_json(plan(lambda p: None)))


# ------------------------------------------------------------------------------------------------------ size and time


WORDS_OF = '{"segments":[{"words":[{"word":"'


def seconds(name: str, data: bytes) -> float:
    """CPU seconds, the least of two."""
    took = []
    for _ in range(2):
        begin = time.process_time()
        attempt(TARGETS[name], data)
        took.append(time.process_time() - begin)
    return min(took)


@pytest.mark.parametrize(
    ("name", "head", "unit", "tail"),
    [
        ("text", "", "[a]{rerender=face} ", ""), ("text", "", "....", "x"), ("text", "[pause 1", " ", "x]"),
        ("text", "", "[pause [", ""), ("text", "", "[[a]{retime=1s} ", ""), ("text", "", "~~a~~ ", ""),
        ("markdown", "", "*_", ""), ("markdown", "", "**Ann:** x\n\n", ""), ("edited-vtt", "", "&amp;<v a>", ""),
        ("srt", "00:00:01,000 --> 00:00:02,000 a", " ", "b\nx\n"), ("srt", "", "1:", ""),
        ("vtt", "", "00:00:01,000 --> 00:00:02,000\nx\n\n", ""),
        ("transcript", WORDS_OF + ' a","start":1,"end":2}', ',{"word":"a","start":1,"end":2}', "]}]}"),
        ("transcript", WORDS_OF + ' a","start":1}', ',{"word":" a"}', ',{"word":" a","end":2}]}]}'),
        ("settings", "", " ", "x"), ("settings", "", "a.", "a = 1"), ("models", "", "[a]\n", ""),
        ("settings", "", "= ", ""),
    ],
)  # fmt: skip
def test_time_grows_with_the_size(name: str, head: str, unit: str, tail: str) -> None:
    """Twelve times the text takes far less than 144 times as long; the better of two tries, on a busy machine."""
    small, large = (
        min(seconds(name, (head + unit * (size // len(unit)) + tail).encode()) for _ in range(2))
        for size in (4_000, 48_000)
    )
    assert large < 60 * max(small, 0.01)


@pytest.mark.parametrize("kind", ["other words", "halves swapped", "every second", "one word"])
def test_time_of_a_comparison_grows_with_the_words(kind: str) -> None:
    from editalk.diff import diff
    from editalk.transcript import Word

    def took(count: int) -> float:
        chance = random.Random(1)
        words = [f"{chance.choice('bdfgklm')}{chance.choice('aeiou')}{chance.choice('lnrst')}" for _ in range(count)]
        texts = {
            "other words": [w + "x" for w in words], "halves swapped": words[count // 2 :] + words[: count // 2],
            "every second": [w + "x" * (k % 2) for k, w in enumerate(words)], "one word": ["a" * count],
        }  # fmt: skip
        text = read_edited(" ".join(texts[kind]), ".txt")
        begin = time.process_time()
        diff([Word(w, k, k + 0.5) for k, w in enumerate(words)], text)
        return time.process_time() - begin

    took(1000)  # the dictionary is loaded
    small, large = (min(took(size) for _ in range(3)) for size in (1000, 6000))  # the machine's speed changes
    assert large < 18 * max(small, 0.02)


def test_texts_are_not_read_beyond_their_limit(tmp_path: Path) -> None:
    for most, error in ((LARGEST_TEXT, ReadError), (LARGEST_DATA, TranscriptError)):
        path = tmp_path / "x"
        with path.open("wb") as file:
            file.truncate(most + 1)  # a hole: nothing of it is on the disk
        with pytest.raises(error, match=f"{path}: larger than {most >> 20} MiB"):
            read_text(path, error, most)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device")
def test_a_device_without_end_is_refused() -> None:
    with pytest.raises(ReadError, match="larger than"):
        read_text(Path("/dev/zero"), ReadError)


@pytest.mark.parametrize(
    ("data", "message"),
    [("Hi".encode("utf-16"), "UTF-16"), (b"a\nb\xff", r"line 2 \(byte 3\)"),
     (b"a\n\nb\0", r"NUL characters \(line 3\)"),
     ("Hi".encode("utf-32-be"), "NUL"), (b"\xed\xa0\x80", "not UTF-8")],
)  # fmt: skip
def test_other_encodings_are_named(data: bytes, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        decoded(data, "x", ReadError)


def test_odd_characters_are_taken_as_they_come() -> None:
    made = read_edited(decoded("\ufeffone\rtwo \u202ethree\u202c fo\x1bur\r\rfive".encode(), "x", ReadError), ".txt")
    assert [(t.text, t.line, t.paragraph) for t in made.tokens] == [
        ("one", 1, 0), ("two", 2, 0), ("\u202ethree\u202c", 2, 0), ("four", 2, 0), ("five", 4, 1),
    ]  # fmt: skip
    word = '{"segments": [{"words": [{"word": "a\\u0000\\ud800b", "start": 0, "end": 1}]}]}'
    assert parse_transcript(word).words[0].text == "a\ufffd?b"
    assert [c.lines for c in read_captions("\ufeff1\r00:01 --> 00:02\rx\r", "srt").cues] == [("x",)]


def test_what_messages_repeat() -> None:
    assert brief("a" * 500) == "a" * 59 + "…"
    assert brief("a\nb\x1b[2J\u202e") == r"a\nb\x1b[2J\u202e"
    for bad in ("[" * 9999, "1" * 9999, '{"a": 1'):
        with pytest.raises(ReadError, match=r"^x: "):
            parse_json(bad, "x", ReadError)
        with pytest.raises(ReadError, match=r"^x: "):
            parse_toml(f"a = {bad}", "x", ReadError)


# -------------------------------------------------------------------------------------------------------- command line


@pytest.fixture(scope="module")
def talk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking(request.getfixturevalue("clip")("25"), tmp_path_factory.mktemp("talk"), 2.0)


TEXTS: dict[str, bytes] = {
    "bytes": bytes(range(256)), "utf16": "one two".encode("utf-16"), "nul": b"one\0two", "deep": b"[" * 100_000,
    "digits": b'{"segments": ' + b"1" * 5000 + b"}", "null": b"null", "surrogate": b'{"segments": "\\ud800"}',
    "open": b"one {++two", "struck": b"one {--nine--} two",
}  # fmt: skip
EDITED = [("open", 3), ("struck", 3), ("bytes", 3), ("utf16", 3), ("nul", 3)]
DATA = [(name, 3) for name in ("bytes", "utf16", "nul", "deep", "digits", "null", "surrogate")]


@pytest.mark.parametrize(
    ("command", "suffix", "kinds"),
    [
        (["diff", "TALK", "FILE"], ".txt", EDITED),
        (["diff", "TALK", "FILE"], ".srt", [("bytes", 3), ("open", 3), ("deep", 3)]),
        (["diff", "TALK", "WORDS", "--transcript", "FILE"], ".json", DATA),
        (["plan", "TALK", "FILE"], ".md", EDITED),
        (["apply", "TALK", "FILE", "--dry-run"], ".txt", EDITED),
        (["apply", "TALK", "--plan", "FILE"], ".json", DATA),
        (["apply", "TALK", "WORDS", "--captions", "FILE", "--dry-run"], ".vtt",
         [("bytes", 3), ("utf16", 3), ("open", 3)]),
        (["review", "TALK", "FILE"], ".txt", EDITED),
        (["transcribe", "TALK", "--script", "FILE", "-o", "OUT"], ".txt", [("bytes", 3), ("utf16", 3), ("open", 3)]),
        (["clean", "TALK", "--fillers", "--transcript", "FILE", "-o", "OUT"], ".json", DATA[:4]),
        (["config", "show", "--config", "FILE"], ".toml", [("bytes", 2), ("deep", 2), ("nul", 2), ("digits", 2)]),
        (["models", "list"], ".toml", [("bytes", 3), ("deep", 3), ("utf16", 3), ("open", 3)]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and isinstance(value[0], str) else None,
)
def test_commands_say_in_a_line_what_is_wrong(
    command: list[str], suffix: str, kinds: list[tuple[str, int]], talk: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("editalk.models.registry.registry_path", lambda: tmp_path / "hostile.toml")
    if command[0] != "models":
        monkeypatch.undo()
        monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))
    file = tmp_path / f"hostile{suffix}"
    words = {"TALK": str(talk), "FILE": str(file), "WORDS": edited(tmp_path, " ".join(WORDS)),
             "OUT": str(tmp_path / "o")}  # fmt: skip
    for kind, code in kinds:
        file.write_bytes(TEXTS[kind])
        got, out, err = run(capsys, *[words.get(word, word) for word in command])
        told = [line for line in err.splitlines() if line.startswith("editalk: ")]
        assert got == code, f"{kind}: {err}"
        assert len(told) == 1, f"{kind}: {err}"
        assert file.name in told[0], told[0]
        assert "unexpected" not in err, f"{kind}: {err}"
        assert "Traceback" not in out + err, f"{kind}: {err}"


@pytest.mark.skipif(os.name != "posix", reason="paths of POSIX")
def test_a_plan_opens_no_voice_but_its_own(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Whatever its paths say: what has other bytes is not opened as media."""
    from editalk.pipeline import _voices_of

    made = from_json(TARGETS["plan"].seeds()[0].decode())
    opened = []
    monkeypatch.setattr("editalk.pipeline.open_voices", lambda *a: opened.append(a))
    for path in ("/etc/passwd", "/dev/zero", "..", ".", "", "/", "x" * 5000, "../../voice.wav", "C:\\v.wav", "\udcff"):
        data = json.loads(TARGETS["plan"].seeds()[0])
        data["voices"][0]["path"] = path
        with pytest.raises(SourceError, match="is not there, or has changed"):
            _voices_of(from_json(json.dumps(data)), tmp_path / "plan.json")
    assert made.voices
    assert not opened


def test_edits_are_what_they_were() -> None:
    """The seeds are whole: else nothing above begins from a valid text."""
    assert len(EDITS) == 2
    for name, target in TARGETS.items():
        assert any(attempt(target, seed) is None for seed in target.seeds()), name
