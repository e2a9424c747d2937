"""File names as people and attackers make them, through the command line; and what they may do to a terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from broken_media import WORDS, Ended, Run, commands, write_texts_of_clip
from conftest import ClipSpec, write_clip

from editalk.errors import MediaError, OutputError
from editalk.media.container import check_file
from editalk.mux.target import check_place
from editalk.terminal import shown

NAMES = [
    "a b.mp4", "it's \"a\".mp4", "a\nb.mp4", "a\tb.mp4", "-v.mp4", "%03d.mp4", "a*?[b].mp4", "file:x.mp4", "http:x.mp4",
    "concat:a|b.mp4", "~.mp4", "a\x1b[31mb.mp4", "\u202eabc.mp4", "é\u200b.mp4", os.fsdecode(b"a\xff\xfeb.mp4"),
    "<b>&amp;.mp4", "$(touch x).mp4", "pipe:.mp4", "\nwarning: no.mp4",
]  # fmt: skip


REVIEWED = {"<b>&amp;.mp4", os.fsdecode(b"a\xff\xfeb.mp4"), "a\nb.mp4"}


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with commands() as given:
        yield given


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "clip.mp4"
    return write_clip(path, ClipSpec(frames=30, size=(96, 64), layout="mono", sample_rate=16000))


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    write_texts_of_clip(tmp_path)
    return tmp_path


def quiet(ended: Ended) -> bool:
    """Whether nothing of what was printed acts on a terminal, and every line is the program's own."""
    lines = ended.err.splitlines() if ended.err else []
    return not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", ended.err + ended.out) and not any(
        line.startswith("warning: no.") for line in lines
    )


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_is_a_name(name: str, desk: Path, made: Path, run: Run) -> None:
    shutil.copy(made, desk / name)
    edited = f"e{name[:60]}.txt"
    (desk / "e.txt").rename(desk / edited)
    before = set(os.listdir(desk))
    ended = run(["apply", "--json", "--timeline", "otio,fcpxml,edl,xml", "--captions-out", "srt",
                 *(["--review"] if name in REVIEWED else []), "--transcript", "t.json", "--", name, edited],
                desk)  # fmt: skip
    assert ended.code == 0, ended.err
    assert ended.clean
    assert quiet(ended)
    stem = name.removesuffix(".mp4")
    report = json.loads(ended.out)
    assert os.fsencode(report["output"]) == os.fsencode(f"{stem}.edited.mp4")
    suffixes = ("mp4", "srt", "otio", "fcpxml", "edl", "xml", "removed.edl", "removed.otio", "ledger.json")
    suffixes += ("review.html",) if name in REVIEWED else ()
    assert set(os.listdir(desk)) - before == {f"{stem}.edited.{s}" for s in suffixes}
    again = run(["apply", "--transcript", "t.json", "--", name, edited], desk)  # OUT is there already
    assert again.code == 1
    assert quiet(again)
    assert len(again.err.splitlines()) == 1


@pytest.mark.parametrize("name", ["a" * 251 + ".mp4", "é" * 125 + ".mp4", "a" * 244 + ".mp4"], ids=len)
def test_a_long_name_works_or_is_told(name: str, desk: Path, made: Path, run: Run) -> None:
    shutil.copy(made, desk / name)
    (desk / "s.txt").write_text(" ".join(WORDS))
    before = set(os.listdir(desk))
    for command in (["transcribe", "--script", "s.txt", name], ["apply", "--transcript", "t.json", name, "e.txt"],
                    ["apply", "--review", "--transcript", "t.json", name, "e.txt"]):  # fmt: skip
        ended = run(command, desk)
        assert ended.clean, ended.err
        if ended.code:
            assert "too long" in ended.err
            assert set(os.listdir(desk)) == before
        for extra in set(os.listdir(desk)) - before:
            (desk / extra).unlink()
    long = "o" * 251 + ".mp4"
    assert run(["apply", "-o", long, "--no-ledger", "--transcript", "t.json", name, "e.txt"], desk).code == 0
    assert set(os.listdir(desk)) == before | {long}


@pytest.mark.parametrize(
    ("name", "message"),
    [("broken.mp4", "no such file"), ("loop.mp4", "no"), ("dir.mp4", "is a folder"), ("fifo.mp4", "not an ordinary"),
     ("/dev/zero", "not an ordinary"), ("/dev/stdin", "not an ordinary"), ("/proc/self/maps", "empty"),
     ("x" * 300 + ".mp4", "name"), ("x/" * 3000 + "a.mp4", "name")],
    ids=lambda v: ascii(v)[:20],
)  # fmt: skip
def test_what_is_no_file_is_no_video_and_no_voice(name: str, message: str, desk: Path, made: Path, run: Run) -> None:
    (desk / "broken.mp4").symlink_to("nowhere")
    (desk / "loop.mp4").symlink_to("loop.mp4")
    (desk / "dir.mp4").mkdir()
    os.mkfifo(desk / "fifo.mp4")
    for given in ([name, "e.txt"], [str(made), "e.txt", "--voice", name]):
        ended = run(["plan", "--transcript", "t.json", *given], desk, 20)
        assert ended.clean, (ended.code, ended.err)
        assert ended.code == 1
        assert message in ended.err


def test_a_link_is_followed_and_the_source_is_never_written_over(desk: Path, made: Path, run: Run) -> None:
    shutil.copy(made, desk / "a.mp4")
    (desk / "link.mp4").symlink_to("a.mp4")
    os.link(desk / "a.mp4", desk / "hard.mp4")
    content = made.read_bytes()
    for out in ("a.mp4", "link.mp4", "hard.mp4"):
        ended = run(["apply", "-y", "-o", out, "--transcript", "t.json", "link.mp4", "e.txt"], desk)
        assert ended.code == 1
        assert "is the source itself" in ended.err
    assert (desk / "a.mp4").read_bytes() == content
    assert run(["apply", "--transcript", "t.json", "link.mp4", "e.txt"], desk).code == 0
    assert (desk / "link.edited.mp4").is_file()


@pytest.mark.parametrize(
    ("text", "seen"),
    [("plain “text” é", "plain “text” é"), ("a\x1b[31mb", r"a\x1b[31mb"), ("a\rb\tc\0", r"a\rb\tc\x00"),
     ("a\nb", r"a\nb"), ("words:\n  one\n  two", "words:\n  one\n  two"), ("\u202eabc", r"\u202eabc"),
     (os.fsdecode(b"\xff"), r"\xff"), ("\x9b2J", r"\x9b2J"), ("x\n", r"x\n")],
    ids=ascii,
)  # fmt: skip
def test_what_acts_on_a_terminal_is_written_out(text: str, seen: str) -> None:
    assert shown(text) == seen


def test_a_name_with_a_zero_in_it_is_told() -> None:
    """No command line can hold one, but JSON can: a batch's list, a plan."""
    with pytest.raises(MediaError, match="no such file"):
        check_file(Path("a\0b.mp4"))
    with pytest.raises(OutputError, match="no file can have this name"):
        check_place(Path("a\0b.mp4"), overwrite=True)
