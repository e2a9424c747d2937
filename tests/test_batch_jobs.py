"""Lists of jobs: three ways to write the same, whatever may stand there, and what is said of what may not."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editalk.batch.formats import SUFFIXES, form_of
from editalk.batch.jobs import Broken, JobList, check, read_list
from editalk.batch.options import Option, job_of, options, values_of
from editalk.batch.workers import Task
from editalk.cli.program import tree
from editalk.cli.run import app
from editalk.errors import EditalkError, JobsError
from editalk.pipeline.job import Job

PRINTED = {"json", "quiet", "verbose", "progress", "config", "no-config", "help"}  # how `apply` talks, not what it does


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.mp4", "a.txt", "b;2.txt", "v1.wav", "v 2.wav"):
        (tmp_path / name).write_text("x")
    return tmp_path


def listed(folder: Path, name: str, text: str | bytes, **defaults: Any) -> JobList:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_list(path, None, defaults, folder / "spool", io.BytesIO())


def jobs(found: JobList) -> list[Job]:
    entries = list(found.entries())
    assert all(isinstance(entry, Task) for entry in entries), entries
    return [entry.job for entry in entries if isinstance(entry, Task)]


def test_a_job_takes_what_apply_takes() -> None:
    """Every option of `apply` that is about the edit, and its two arguments, under the same names."""
    command = next(c for n, c in tree(app).commands.items() if n == "apply")
    names = {next((o for o in p.opts if o.startswith("--")), p.name or "").lstrip("-") for p in command.params}
    assert set(options()) == names - PRINTED


WANTED = (
    Job(Path("a.mp4"), Path("a.txt"), (Path("v1.wav"), Path("v 2.wav")), fail_on=("join",), face=2, offload=True),
    Job(Path("b.mp4"), plan=Path("a.txt"), output=Path("out.mp4"), seed=3),
)
WRITTEN = {
    "jobs.csv": "video,edited,voice,fail-on,face,offload,plan,output,seed\n"
    "a.mp4,a.txt,v1.wav;v 2.wav,join,2,true,,,\n\nb.mp4,,,,,,a.txt,out.mp4,3\n",
    "semicolons.csv": "\ufeffvideo;edited;voice;voice;fail_on;face;offload;plan;output;seed\r\n"
    "a.mp4;a.txt;v1.wav;v 2.wav;join;2;yes;;;\r\nb.mp4;;;;;;no;a.txt;out.mp4;3\r\n",
    "jobs.jsonl": '{"video": "a.mp4", "edited": "a.txt", "voice": ["v1.wav", "v 2.wav"], "fail_on": ["join"],'
    ' "face": 2, "offload": true, "output": null}\n\n'
    '{"video": "b.mp4", "plan": "a.txt", "output": "out.mp4", "seed": 3}',
    "jobs.toml": '[defaults]\nseed = 3\n[[job]]\nvideo = "a.mp4"\nedited = "a.txt"\nvoice = ["v1.wav", "v 2.wav"]\n'
    'fail-on = ["join"]\nface = 2\noffload = true\nseed = 0\n\n[[job]]\nvideo = "b.mp4"\nplan = "a.txt"\n'
    'output = "out.mp4"\n',
}  # fmt: skip


def under(folder: Path, job: Job) -> Job:
    """With absolute paths."""
    moved = {f: folder / getattr(job, f) for f in ("video", "edited", "plan", "output") if getattr(job, f) is not None}
    return replace(job, voice=tuple(folder / v for v in job.voice), **moved)


@pytest.mark.parametrize("name", WRITTEN)
def test_three_ways_to_write_the_same(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = listed(folder, name, WRITTEN[name])
    assert jobs(found) == [under(folder, job) for job in WANTED]
    assert check(found, tolerant=False).jobs == 2
    stdin = io.BytesIO(WRITTEN[name].encode())
    monkeypatch.chdir(folder)
    sniffed = read_list(None, None, {}, folder / "spool", stdin)
    assert sniffed.form == SUFFIXES[Path(name).suffix]
    assert jobs(sniffed) == jobs(found)


def test_the_line_beats_the_command_line_beats_defaults_of_the_list(folder: Path) -> None:
    text = '[defaults]\nseed = 1\nbackend = "exemplar"\n[[job]]\nvideo = "a.mp4"\nedited = "a.txt"\n' \
        '[[job]]\nvideo = "b.mp4"\nedited = "a.txt"\nseed = 3\n'  # fmt: skip
    found = jobs(listed(folder, "x.toml", text, seed=2))
    assert [(job.seed, job.backend) for job in found] == [(2, "exemplar"), (3, "exemplar")]


HEAD = "video,edited,face\n"
WRONG = {
    "an unknown column": ("vidoe,edited\na.mp4,a.txt", "line 1", "did you mean “video”?"),
    "no video": ("edited\na.txt", "line 2", "no video"),
    "too few cells": (HEAD + "a.mp4,a.txt,1\na.mp4,a.txt", "line 3", "2 cells under a header of 3"),
    "not a number": (HEAD + "a.mp4,a.txt,left", "line 2", "a whole number, not 'left'"),
    "out of range": (HEAD + "a.mp4,a.txt,0", "line 2", "count from 1"),
    "a broken quote": (HEAD + '"a.mp4,a.txt,1', "line 2", "not CSV"),
    "no such video": (HEAD + "c.mp4,a.txt,", "line 2", "c.mp4: no such file"),
    "no such voice": ("video,edited,voice\na.mp4,a.txt,v1.wav;v3.wav", "line 2", "v3.wav: no such file"),
    "a check that there is not": ("video,edited,fail-on\na.mp4,a.txt,looks", "line 2", "looks"),
    "neither text nor plan": ("video\na.mp4", "line 2", "EDITED or --plan"),
    "nothing": ("video,edited\n", "no jobs", ""),
    "one output twice": ("video,edited,output\na.mp4,a.txt,\nb.mp4,a.txt,./a.edited.mp4", "lines 2 and 3", "write"),
    "one id twice": ("id,video,edited\nx,a.mp4,a.txt\nx,b.mp4,a.txt", "lines 2 and 3", "be called x"),
    "latin": (b"video,edited\n\xe4.mp4,a.txt", "UTF-8", ""),
}
WRONG_LINES = {
    "not JSON": ('{"video": "a.mp4"', "line 1", "not JSON"),
    "no object": ('["a.mp4"]', "line 1", "not a JSON object"),
    "a key twice": ('{"video": "a.mp4", "video": "b.mp4"}', "line 1", "given twice"),
    "one option in two spellings": ('{"video": "a.mp4", "edited": "a.txt", "fail_on": [], "fail-on": []}', "line 1",
                                    "given twice"),
    "a text for a list": ('{"video": "a.mp4", "edited": "a.txt", "voice": "v1.wav"}', "line 1", "must be a list"),
    "a switch for a number": ('\n{"video": "a.mp4", "edited": "a.txt", "seed": true}', "line 2", "a whole number"),
    "deep": ("[" * 100_000, "line 1", "not JSON"),
    "a number of many digits": ('{"video": "a.mp4", "seed": ' + "9" * 5000 + "}", "line 1", "not JSON"),
    "an id of two lines": ('{"video": "a.mp4", "edited": "a.txt", "id": "a\\nb"}', "line 1", "a text of one line"),
    "a name with a NUL": ('{"video": "a\\u0000.mp4", "edited": "a.txt"}', "line 1", "a file name"),
    "endless": ('{"video": "' + "a" * (1 << 20), "line 1", "longer than"),
}  # fmt: skip
WRONG_TABLES = {
    "not TOML": ("[[job]\n", "not TOML", "line 1"),
    "another table": ('[jobs]\nvideo = "a.mp4"', "“jobs”", "[[job]]"),
    "in the defaults": ('[defaults]\nsed = 1\n[[job]]\nvideo = "a.mp4"', "[defaults]", "did you mean “seed”?"),
    "in the second job": ('[[job]]\nvideo = "a.mp4"\nedited = "a.txt"\n\n[[job]]\nvideo = 3', "line 5", "a file name"),
}


@pytest.mark.parametrize(("form", "name"), [(form, name) for form, rows in
                                            (("csv", WRONG), ("jsonl", WRONG_LINES), ("toml", WRONG_TABLES))
                                            for name in rows])  # fmt: skip
def test_what_is_no_job_is_told_with_its_place(form: str, name: str, folder: Path) -> None:
    text, *wanted = {"csv": WRONG, "jsonl": WRONG_LINES, "toml": WRONG_TABLES}[form][name]
    with pytest.raises(EditalkError) as caught:
        check(listed(folder, f"x.{form}", text), tolerant=False)
    assert str(folder / f"x.{form}") in str(caught.value)
    for part in wanted:
        assert part in str(caught.value)


def test_broken_lines_are_jobs_that_fail_where_others_go_on(folder: Path) -> None:
    text = '{"video": "a.mp4", "edited": "a.txt"}\n{"video"\n{"video": "b.mp4", "plan": "a.txt"}'
    found = listed(folder, "x.jsonl", text)
    held = check(found, tolerant=True)
    assert (held.jobs, held.broken) == (3, 1)
    entries = list(found.entries())
    assert [type(e) for e in entries] == [Task, Broken, Task]
    assert [e.id for e in entries] == ["1-a", "2", "3-b"]
    assert isinstance(entries[1], Broken)
    assert isinstance(entries[1].error, JobsError)


def test_a_list_is_never_held_whole(folder: Path) -> None:
    """The first jobs of a list are there before its end is looked at."""
    text = '{"video": "a.mp4", "edited": "a.txt"}\n' * 3 + '{"video": "' + "a" * (1 << 21)
    entries = listed(folder, "x.jsonl", text).entries()
    assert [next(entries).line for _ in range(3)] == [1, 2, 3]
    with pytest.raises(JobsError):
        next(entries)


def value(option: Option) -> st.SearchStrategy[Any]:
    texts = st.text(st.characters(exclude_characters="\0"), min_size=1).filter(lambda t: t != "none")
    kinds = {bool: st.booleans(), int: st.integers(), float: st.floats(allow_nan=False), str: texts, Path: texts}
    one = kinds[option.kind]
    return st.lists(one) if option.several else one


@given(st.fixed_dictionaries({"video": value(options()["video"])},
                             optional={n: value(o) for n, o in options().items() if n != "video"}))  # fmt: skip
def test_a_job_survives_the_way_to_a_worker(values: dict[str, Any]) -> None:
    job = job_of(values, Path("/somewhere"))
    assert job_of(json.loads(json.dumps(values_of(job))), Path("/elsewhere")) == job


def test_formats_by_their_looks() -> None:
    assert form_of(Path("x.NDJSON"), "") == "jsonl"
    assert form_of(None, "# mine\n\n[[job]]") == "toml"
    assert form_of(None, "video,edited") == "csv"
