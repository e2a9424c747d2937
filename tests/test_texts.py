"""Text files out: whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from editalk.errors import OutputError
from editalk.mux import place
from editalk.texts import beside, withdraw, write_texts


def test_long_names_that_begin_alike_are_files_of_their_own(tmp_path: Path) -> None:
    texts = {tmp_path / f"{'long' * 12}.{suffix}": suffix for suffix in ("otio", "edl")}
    write_texts(texts)
    assert {p: p.read_text() for p in tmp_path.iterdir()} == texts


def test_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(OutputError):
        write_texts({tmp_path / "a.txt": "new", tmp_path / "none" / "b.txt": "new"})
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "mine")]


def _killed(tmp_path: Path, code: str) -> None:
    """Of a process that ends at once, without any cleaning up, where `code` says."""
    head = (
        "import os, sys; from pathlib import Path; from editalk import texts; out = Path(sys.argv[1]) / 'talk.mp4'\n"
        "wanted = {out.with_suffix('.srt'): 'one', out.with_suffix('.vtt'): 'two'}\n"
    )
    run = subprocess.run([sys.executable, "-c", head + code, str(tmp_path)], capture_output=True, text=True)
    assert run.returncode == 9, run.stderr


def test_what_a_killed_run_put_beside_an_output_goes_with_the_next(tmp_path: Path) -> None:
    _killed(tmp_path, "with texts.beside(wanted, False, out): os._exit(9)")
    assert {p.name for p in tmp_path.iterdir()} > {"talk.srt", "talk.vtt"}
    (tmp_path / "talk.vtt").write_text("changed by somebody since")
    withdraw(tmp_path / "talk.mp4")
    assert not (tmp_path / "talk.srt").exists()
    assert (tmp_path / "talk.vtt").read_text() == "changed by somebody since"
    (tmp_path / "talk.vtt").unlink()
    with beside({tmp_path / "talk.srt": "one", tmp_path / "talk.vtt": "two"}, False, tmp_path / "talk.mp4"):
        (tmp_path / "talk.mp4").write_text("video")
    assert {p.name for p in tmp_path.iterdir()} == {"talk.srt", "talk.vtt", "talk.mp4"}


def test_where_the_output_is_there_all_of_it_was(tmp_path: Path) -> None:
    _killed(tmp_path, "with texts.beside(wanted, False, out): out.write_text('video'); os._exit(9)")
    withdraw(tmp_path / "talk.mp4")
    assert {p.name for p in tmp_path.iterdir() if p.name[0] != "."} == {"talk.mp4", "talk.srt", "talk.vtt"}


def test_texts_go_where_the_output_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with beside({tmp_path / "talk.srt": "one"}, False, tmp_path / "talk.mp4"):
            assert (tmp_path / "talk.srt").exists()
            raise OutputError("no space")

    with pytest.raises(OutputError, match="no space"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_has_appeared_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("somebody's")
    texts = {tmp_path / "a.txt": "new", tmp_path / "b.txt": "new"}
    with pytest.raises(OutputError, match="has appeared"):
        write_texts(texts, overwrite=False)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("b.txt", "somebody's")]
    write_texts(texts)
    assert {p.read_text() for p in tmp_path.iterdir()} == {"new"}


@pytest.mark.parametrize("links", [True, False])
def test_placing_without_and_with_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "part").write_text("new")
    place(tmp_path / "part", tmp_path / "out", False)
    (tmp_path / "part").write_text("newer")
    with pytest.raises(OutputError, match="has appeared"):
        place(tmp_path / "part", tmp_path / "out", False)
    if not links:
        assert (tmp_path / "out").read_text() == "new"
    place(tmp_path / "part", tmp_path / "out", True)
    assert (tmp_path / "out").read_text() == "newer"


def refuse(source: Path, target: Path) -> None:
    raise PermissionError(1, "no hard links here")


def test_what_belongs_together_is_put_there_by_one_process_at_a_time(tmp_path: Path) -> None:
    """Over one another: the texts are those of the process whose output it is."""
    code = (
        "import sys; from pathlib import Path; from editalk import texts; own = sys.argv[2]\n"
        "out = Path(sys.argv[1]) / 'talk.mp4'\n"
        "for k in range(40):\n"
        "    made = {out.with_suffix(s): f'{own}{k}' for s in ('.srt', '.vtt')}\n"
        "    with texts.beside(made, True, out):\n"
        "        assert {p.read_text() for p in made} == {f'{own}{k}'}\n"
        "        out.write_text(f'{own}{k}')"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], stderr=subprocess.PIPE, text=True)
               for name in "ab"]  # fmt: skip
    for process in running:
        assert process.communicate()[1] == ""
    assert len({path.read_text() for path in tmp_path.iterdir()}) == 1
