"""Help, man pages and completion: each command has tested examples, pages that groff takes, and values to offer."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from typer.core import TyperCommand

from editalk.cli import main
from editalk.cli.manual import PAGES, ROOT, TOPICS
from editalk.cli.program import tree
from editalk.cli.run import app
from editalk.cli.settings import commands

NAMES = [words for words, _ in commands(tree(app))]
EXAMPLES = [line for page in (ROOT, *PAGES.values()) for line, _ in page.examples]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_every_command_has_a_page() -> None:
    assert sorted(PAGES) == sorted(NAMES)
    assert all(page.examples for page in PAGES.values())
    known = {*NAMES, *TOPICS}
    assert {name for page in (ROOT, *PAGES.values()) for name in page.see} <= known


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_a_command(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed by the program itself; what it would do is left out."""
    monkeypatch.chdir(tmp_path)
    root, ran = tree(app), list[str]()
    for words, command in commands(root):
        if isinstance(command, TyperCommand):
            command.callback = partial(lambda ran_words, **_: ran.append(ran_words), words)
    told, _, _ = line.partition(" | ")
    told = told.partition(" >")[0]
    program, *arguments = shlex.split(told)
    assert program == "editalk"
    root.main(args=[*arguments, "--no-config"], prog_name="editalk", standalone_mode=False)
    assert len(ran) == 1
    assert " ".join(arguments).startswith(ran[0])


@pytest.mark.parametrize("words", NAMES)
def test_help_reads_well_at_80_columns(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *words.split(), "--help")
    assert (code, err) == (0, "")
    examples = [line for line, _ in PAGES[words].examples]
    long = [line for line in out.splitlines() if len(line) > 80 and line.strip() not in examples]
    assert long == []
    assert all(line in out for line in examples)
    assert "\x1b" not in out
    assert run(capsys, "help", *words.split()) == (0, out, "")


def test_topics(capsys: pytest.CaptureFixture[str]) -> None:
    for topic in TOPICS:
        code, out, _ = run(capsys, "help", topic)
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80
    assert "EDITALK_CACHE_LIMIT" in run(capsys, "help", "environment")[1]
    code, _, err = run(capsys, "help", "aply")
    assert (code, "aply" in err) == (2, True)


def test_man_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "man", "-o", str(tmp_path / "man1"))
    assert code == 0, err
    made = sorted(path.name for path in (tmp_path / "man1").iterdir())
    assert made == sorted(["editalk.1", *(f"editalk-{words.replace(' ', '-')}.1" for words in NAMES)])
    page = (tmp_path / "man1" / "editalk-apply.1").read_text("ascii")
    assert "\\-\\-fail\\-on" in page
    assert '.SH "EXAMPLES"' in page
    assert run(capsys, "man", "apply") == (0, page, "")
    assert run(capsys, "man", "-o", str(tmp_path / "man1"))[0] == 1  # they are there
    if groff := shutil.which("groff"):
        pages = [str(path) for path in (tmp_path / "man1").iterdir()]
        checked = subprocess.run([groff, "-man", "-ww", "-z", *pages], capture_output=True, text=True, check=True)
        assert checked.stderr == ""


BASH = """
source "$1"
COMP_WORDS=("${@:2}"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
_editalk_completion editalk
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with an `editalk` and its completion script."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "editalk").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m editalk "$@"\n')
    (folder / "editalk").chmod(0o755)
    made = subprocess.run([folder / "editalk", "completion", "bash"], capture_output=True, text=True, check=True)
    (folder / "editalk.bash").write_text(made.stdout)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "SCRIPT": str(folder / "editalk.bash")}


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(("line", "offered"), [
    ("editalk ap", ["apply"]),
    ("editalk apply --pre", ["--precision"]),
    ("editalk apply --backend ", ["auto", "exemplar", "dit"]),
    ("editalk apply talk.mp4 --progress j", ["json"]),
    ("editalk models pull muse", ["musetalk-1.5"]),
    ("editalk apply --voice ", [""]),  # nothing: bash offers files
])  # fmt: skip
def test_bash_completes(line: str, offered: list[str], shell: dict[str, str]) -> None:
    words = line.split(" ")
    made = subprocess.run(["bash", "-c", BASH, "bash", shell["SCRIPT"], *words], capture_output=True, text=True,
                          env=shell, check=True)  # fmt: skip
    assert (made.stdout.splitlines(), made.stderr) == (offered, "")


@pytest.mark.parametrize(("name", "part"), [("zsh", "#compdef editalk"), ("fish", "complete --command editalk"),
                                            ("powershell", "Register-ArgumentCompleter")])  # fmt: skip
def test_scripts_of_other_shells(name: str, part: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "completion", name)
    assert code == 0
    assert part in out
    if (shell := shutil.which(name)) and name != "powershell":
        (tmp_path / "script").write_text(out)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


def test_completion_is_light() -> None:
    """A key press does not wait for torch."""
    code = "import sys; from editalk.cli import main; main([]); print(sorted(sys.modules), file=sys.stderr)"
    for words in ("editalk apply --weights ", "editalk transcribe --model ", "editalk apply --backend "):
        environment = {**os.environ, "COMP_WORDS": words, "COMP_CWORD": "3", "_EDITALK_COMPLETE": "complete_bash"}
        made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        assert [name for name in ("torch", "cv2", "av", "mediapipe", "scipy") if f"'{name}'" in made.stderr] == []
        assert len(made.stdout.split()) > 1
