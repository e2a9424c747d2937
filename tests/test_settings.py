"""Settings: flag, variable, --config, the project's file, the user's; what may not stand there is named."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from editalk.cli import main, settings
from editalk.cli.config import template
from editalk.cli.program import tree
from editalk.cli.run import app

OPTIONS = tree(app).options


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A working folder inside a repository, and no settings of whoever runs the tests."""
    import os

    for name in [n for n in os.environ if n.startswith("EDITALK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "project" / "scenes").mkdir(parents=True)
    (tmp_path / "project" / ".git").mkdir()
    monkeypatch.chdir(tmp_path / "project" / "scenes")


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def asked(capsys: pytest.CaptureFixture[str], clip: Path, *more: str) -> str:
    """Which backend a real `apply` asks for: each name is one that there is not, and the refusal says it."""
    code, _, err = run(capsys, "apply", str(clip), str(clip.with_name("edited.txt")), *more)
    assert code == 2, err
    return err.partition("“")[2].partition("”")[0]


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """A video with a transcript and an edited text, so that `apply` gets as far as its backend."""
    source = Path(__file__).resolve().parent.parent / "examples" / "talk.mp4"
    (tmp_path / "talk.mp4").symlink_to(source)
    words = [{"word": w, "start": k, "end": k + 0.5} for k, w in enumerate(["one", "two", "three"])]
    put(tmp_path / "talk.transcript.json", json.dumps({"segments": [{"words": words}]}))
    put(tmp_path / "edited.txt", "one three")
    return tmp_path / "talk.mp4"


def test_the_strongest_wins(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weakest first, each a real run that ends where the backend is chosen."""
    put(tmp_path / "home" / "editalk" / "editalk.toml", '[apply]\nbackend = "user"')
    assert asked(capsys, talk) == "user"
    put(tmp_path / "project" / "editalk.toml", 'backend = "project"')
    assert asked(capsys, talk) == "project"
    put(tmp_path / "project" / "editalk.toml", 'backend = "project"\n[apply]\nbackend = "project-apply"')
    assert asked(capsys, talk) == "project-apply"
    night = str(put(tmp_path / "night.toml", 'backend = "night"'))
    monkeypatch.setenv("EDITALK_CONFIG", night)
    assert asked(capsys, talk) == "night"
    day = str(put(tmp_path / "day.toml", 'backend = "day"'))
    assert asked(capsys, talk, "--config", day) == "day"
    monkeypatch.setenv("EDITALK_BACKEND", "variable")
    assert asked(capsys, talk, "--config", day) == "variable"
    monkeypatch.setenv("EDITALK_APPLY_BACKEND", "variable-apply")
    assert asked(capsys, talk) == "variable-apply"
    assert asked(capsys, talk, "--backend", "flag") == "flag"
    assert asked(capsys, talk, "--no-config") == "variable-apply"
    assert run(capsys, "apply", str(talk), "x.txt", "--no-config", "--config", day)[0] == 2


def test_before_the_command_too(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = str(put(tmp_path / "day.toml", 'backend = "day"'))
    put(tmp_path / "project" / "editalk.toml", 'backend = "project"')
    edited = str(talk.with_name("edited.txt"))
    assert "“day”" in run(capsys, "--config", day, "apply", str(talk), edited)[2]
    code, _, err = run(capsys, "--no-config", "apply", str(talk), edited, "--backend", "flag")
    assert (code, "“flag”" in err) == (2, True)


def held(capsys: pytest.CaptureFixture[str], command: str, *more: str) -> dict[str, Any]:
    code, out, err = run(capsys, "config", "show", command, "--json", *more)
    assert code == 0, err
    return {row["option"]: row["value"] for row in json.loads(out)["settings"]}


def test_switches_and_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "project" / "editalk.toml", 'offload = true\nfail_on = ["join"]\nseed = 7\nprogress = "json"')
    assert held(capsys, "apply") == {"offload": True, "fail-on": ["join"], "seed": 7, "progress": "json"}
    for text, value in (("1", True), ("false", False), ("no", False), ("TRUE", True)):
        monkeypatch.setenv("EDITALK_OFFLOAD", text)
        assert held(capsys, "apply")["offload"] is value
    monkeypatch.setenv("EDITALK_FAIL_ON", "join lips")
    monkeypatch.setenv("EDITALK_APPLY_SEED", "9")
    made = held(capsys, "apply")
    assert (made["fail-on"], made["seed"]) == (["join", "lips"], 9)
    for name, value in (("EDITALK_OFFLOAD", "perhaps"), ("EDITALK_SEED", "many")):
        monkeypatch.delenv("EDITALK_APPLY_SEED", raising=False)
        monkeypatch.setenv(name, value)
        code, _, err = run(capsys, "config", "show")
        assert (code, name in err) == (2, True)
        code, _, err = run(capsys, "apply", "x.mp4", "x.txt")
        assert (code, name in err) == (2, True)
        monkeypatch.delenv(name)


def test_no_turns_off_what_a_file_turned_on(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "project" / "editalk.toml", "quiet = true")
    say = "cache", "clear", "--older-than", "1d"
    assert run(capsys, *say) == (0, "", "")
    assert "0 entries" in run(capsys, *say, "--no-quiet")[2]


WRONG = {
    "unknown": ('\n\nsed = 1', "line 3", "“sed”", "“seed”"),
    "of another command": ('[transcribe]\nseed = 1', "line 2", "“seed”", "editalk transcribe"),
    "unknown command": ('[aply]\nseed = 1', "line 1", "“aply”", "“apply”"),
    "a group": ('[models]\nprogress = "none"', "line 2", "[models.pull]", ""),
    "kind": ('seed = "1"', "line 1", "“seed”", "a whole number"),
    "a number for a switch": ('offload = 1', "line 1", "true or false", ""),
    "a switch for a number": ('[apply]\nface = true', "line 2", "a whole number", "true"),
    "choice": ('progress = "loud"', "line 1", "auto, json, none", "loud"),
    "range": ('[apply]\n# the second\nface = 0', "line 3", "“face”", "1"),
    "list": ('fail-on = "join"', "line 1", "a list", "join"),
    "output": ('[apply]\noutput = "x.mp4"', "line 2", "command line", "one job"),
    "json": ('json = true', "line 1", "command line", "read"),
    "overwrite": ('overwrite = true', "line 1", "command line", "replaced"),
    "toml": ('seed = \n', "line 1", "editalk.toml", ""),
    "latin": ('language = "\udcf6"', "UTF-8", "", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_may_not_stand_there(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, *wanted = WRONG[name]
    path = tmp_path / "project" / "editalk.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    for arguments in (["apply", "x.mp4", "x.txt"], ["config", "show"]):
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (2, ""), err
        assert all(part in err for part in [str(path), *wanted])
        assert len(err.strip().splitlines()) == 1
    assert run(capsys, "config", "path")[:2] == (0, f"{path}\n")
    assert run(capsys, "apply", "--help")[0] == 0
    assert run(capsys, "config", "show", "--no-config")[0] == 0


def test_where_the_search_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "editalk.toml", "seed = 1")
    assert settings.project_file(Path.cwd()) is None  # beyond the repository
    (tmp_path / "project" / ".git").rmdir()
    assert settings.project_file(Path.cwd()) == tmp_path / "editalk.toml"
    monkeypatch.setenv("HOME", str(tmp_path / "project"))
    assert settings.project_file(Path.cwd()) is None
    own = put(Path("editalk.toml").absolute(), "seed = 2")
    assert settings.project_file(Path.cwd()) == own
    own.parent.chmod(0o777)
    monkeypatch.setattr("os.getuid", lambda: own.stat().st_uid + 1)
    if own.stat().st_uid:  # root's files count everywhere
        assert settings.project_file(Path.cwd()) is None


def test_a_file_is_read_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = put(tmp_path / "project" / "editalk.toml", "seed = 1")
    code, out, _ = run(capsys, "config", "path", "--json", "--config", "../editalk.toml")
    assert code == 0
    assert [Path(row["path"]).resolve() for row in json.loads(out)] == [own]


def test_variables_without_effect_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EDITALK_SEDE", "EDITALK_JSON", "EDITALK_CASHE", "EDITALK_STUDIO_DOOR"):
        monkeypatch.setenv(name, "1")
    code, _, err = run(capsys, "config", "show")
    assert code == 0
    assert "did you mean EDITALK_SEED?" in err
    assert "did you mean EDITALK_CACHE?" in err
    assert "EDITALK_JSON has no effect" in err
    assert "STUDIO" not in err


def test_every_variable_of_the_program_is_known() -> None:
    """Those that the sources ask for are an option's or in the manual."""
    import editalk
    from editalk.cli.manual import VARIABLES

    known = {name for rows in OPTIONS.values() for option in rows.values() for name in option.variables}
    sources = [path for path in Path(editalk.__file__).parent.rglob("*.py") if "cli" not in path.parts]
    named = {name for path in sources for name in re.findall(r"EDITALK_[A-Z]+(?:_[A-Z]+)*", path.read_text("utf-8"))}
    assert named - known - set(VARIABLES) == set()


def test_the_template_is_valid_however_it_is_uncommented(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "config", "init")[0] == 0
    text = Path("editalk.toml").read_text("utf-8")
    assert text == template(OPTIONS)
    live = re.sub(r"^# (?=[a-z-]+ = [^…]+$)", "", text, flags=re.MULTILINE)
    assert "backend = \"auto\"" in live
    Path("editalk.toml").write_text(live, "utf-8")
    assert run(capsys, "config", "show")[0] == 0
    assert run(capsys, "config", "init")[0] == 1  # it is there
    assert run(capsys, "config", "init", "--user")[0] == 0
    assert (tmp_path / "home" / "editalk" / "editalk.toml").is_file()


@example_settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(OPTIONS["apply"])), unique=True), st.integers(0, 5))
def test_lines_are_found(keys: list[str], blank: int) -> None:
    """Of every key, behind comments and blank lines, in its table."""
    lines = ["# seed = 0", *[""] * blank, "[transcribe]", 'language = "en"', " [apply] # here",
             *(f"  {key}  = 1" for key in keys)]  # fmt: skip
    found = settings.lines_of("\n".join(lines))
    for place, key in enumerate(keys):
        assert found["apply", key] == 5 + blank + place
    assert found["apply", None] == 4 + blank
    assert ("", "seed") not in found
