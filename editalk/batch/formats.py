"""The three ways to write a list of jobs: each gives a line's number and its values, as they are needed."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from editalk.batch.options import by_name, named, parsed
from editalk.errors import JobsError
from editalk.reading import parse_toml

FORMATS = ("csv", "jsonl", "toml")
SUFFIXES = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".toml": "toml"}
ID = "id"  # the key that is no option: what a job is called
LONGEST = 1 << 20  # characters of a line
LARGEST = 1 << 26  # of a TOML file, which is read whole

Row = tuple[int, Mapping[str, Any] | JobsError, Mapping[str, Any]]
"""The number of a line, from 1, its values by option name, or why it has none, and the list's own defaults."""


def form_of(path: Path | None, head: str) -> str:
    """The format of a list, by its file's suffix, else by how its text begins."""
    if path is not None and path.suffix.lower() in SUFFIXES:
        return SUFFIXES[path.suffix.lower()]
    lines = (line.strip().lstrip("\ufeff") for line in head.splitlines())
    begin = next((line for line in lines if line and not line.startswith("#")), "")
    if begin.startswith("{"):
        return "jsonl"
    return "toml" if begin.startswith("[") else "csv"


def csv_rows(file: IO[str]) -> Iterator[Row]:
    """A header of option names; cells are text, empty ones as if left out.

    Several values of one option are parted by semicolons or stand in columns of the same name. Commas, tabs or
    semicolons part the cells, whichever the header has most of.
    """
    lines = _lines(file)
    number, head = next(((k, line) for k, line in lines if line.strip()), (1, ""))
    mark = max(",\t;", key=head.count)
    try:
        names = next(csv.reader([head], delimiter=mark, strict=True), [])
        keys = [ID if name.strip() == ID else named(name).name for name in names]
    except (csv.Error, JobsError) as error:
        raise JobsError(f"line {number}: {error}") from error
    rows = csv.reader((line for _, line in lines), delimiter=mark, strict=True)
    while True:
        at = number + rows.line_num + 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield at, JobsError(f"not CSV: {error}"), {}
            continue
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield at, _cells(keys, cells), {}


def _cells(keys: list[str], cells: list[str]) -> Mapping[str, Any] | JobsError:
    if len(cells) != len(keys):
        return JobsError(f"{len(cells)} cells under a header of {len(keys)}; a text with the separator in it needs "
                         "quotes")  # fmt: skip
    found: dict[str, Any] = {}
    for key, cell in zip(keys, cells, strict=True):
        if cell.strip():
            value = cell.strip() if key == ID else parsed(named(key), cell)
            if key in found and not isinstance(value, list):
                return JobsError(f"“{key}” is given twice")
            found[key] = found.get(key, []) + value if isinstance(value, list) else value
    return found


def jsonl_rows(file: IO[str]) -> Iterator[Row]:
    """An object a line; blank lines do not count."""
    for number, line in _lines(file):
        if line.strip():
            yield number, _object(line), {}


def _object(line: str) -> Mapping[str, Any] | JobsError:
    try:
        value = json.loads(line, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        return JobsError(f"not JSON: {error.msg} (column {error.colno})")
    except (ValueError, RecursionError) as error:
        return JobsError(f"not JSON: {error}")
    except JobsError as error:
        return error
    return value if isinstance(value, dict) else JobsError("not a JSON object: a job is {\"video\": …}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise JobsError(f"“{key}” is given twice")
        found[key] = value
    return found


def toml_rows(file: IO[str]) -> Iterator[Row]:
    """A table [[job]] a job, and [defaults] for all; read whole."""
    text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise JobsError(f"more than {LARGEST >> 20} million characters of TOML, which is read whole; write JSONL")
    data = parse_toml(text, "not TOML", JobsError)
    jobs, defaults = data.pop("job", []), data.pop("defaults", {})
    if data:
        raise JobsError(f"“{next(iter(data))}” is not known; there are [defaults] and [[job]]")
    if not isinstance(defaults, dict) or not isinstance(jobs, list) or not all(isinstance(j, dict) for j in jobs):
        raise JobsError("[defaults] is one table, [[job]] a table for each job")
    if ID in defaults:
        raise JobsError(f"“{ID}” is for one job, not for [defaults]")
    try:
        common = by_name(defaults)
    except JobsError as error:
        raise JobsError(f"[defaults]: {error}") from error
    heads = [k for k, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*[\"']?job[\"']?\s*\]\]", line)]
    if len(heads) != len(jobs):  # written in one line
        heads = list(range(1, len(jobs) + 1))
    for line, job in zip(heads, jobs, strict=True):
        yield line, job, common


def _lines(file: IO[str]) -> Iterator[tuple[int, str]]:
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            raise JobsError(f"line {number}: longer than {LONGEST >> 20} million characters, not a list of jobs")
        yield number, line


ROWS: dict[str, Callable[[IO[str]], Iterator[Row]]] = {"csv": csv_rows, "jsonl": jsonl_rows, "toml": toml_rows}
