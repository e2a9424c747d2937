"""`editalk batch`: a list of jobs, done by the workers of this machine."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import ExitStack, closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from editalk.cli import complete
from editalk.cli.options import (
    BackendName,
    Device,
    Language,
    LipPassName,
    Mode,
    Offload,
    Overwrite,
    PrecisionName,
    Quiet,
    RegionName,
    Seed,
    Verbose,
    WeightsName,
)
from editalk.cli.sheet import EVERYWHERE
from editalk.console import Console, ProgressMode
from editalk.errors import OutputError, UsageError

if TYPE_CHECKING:
    from editalk.batch.events import Event
    from editalk.batch.jobs import Checked
    from editalk.batch.journal import Journal
    from editalk.batch.junit import Report
    from editalk.batch.workers import Workers
    from editalk.cli.ticker import Ticker


class ListForm(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    TOML = "toml"


def batch_command(
    jobs: Annotated[
        Path, typer.Argument(metavar="JOBS", help="A list of jobs, CSV, JSONL or TOML; - for standard input.",
                             show_default=False),
    ],
    form: Annotated[
        ListForm | None, typer.Option("--list-format", help="Of JOBS; by its suffix or its text where not given.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Jobs at once: one for each GPU or core.")
    ] = None,
    retries: Annotated[
        int, typer.Option("--retries", metavar="N", min=0, help="Further attempts where a failure may pass.")
    ] = 0,
    continue_on_error: Annotated[
        bool, typer.Option("--continue-on-error", help="Begin further jobs after one failed.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Skip the jobs that the journal says are done.")
    ] = False,
    journal: Annotated[
        Path | None, typer.Option("--journal", metavar="FILE", help="Instead of JOBS.journal beside JOBS.")
    ] = None,
    archive: Annotated[
        Path | None, typer.Option("--archive", metavar="FILE", help="Skip and remember what was done in any batch.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="On a Ray cluster: auto, host:port or ray://host:port."),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Also write a report for build servers, JUnit's XML.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan every job; render, check, write nothing.")] = False,
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", metavar="KIND", autocompletion=complete.checks,
                     help="As of apply, for every job; so are those of Backend."),
    ] = None,
    language: Language = None,
    backend: BackendName = "auto",
    weights: WeightsName = None,
    precision: PrecisionName = None,
    offload: Offload = False,
    lip_pass: LipPassName = None,
    region: RegionName = None,
    device: Device = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Annotated[
        bool, typer.Option("--json", rich_help_panel=EVERYWHERE, help="A JSON line per event on standard output.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:  # fmt: skip
    """Do many jobs of `apply`."""
    from editalk.batch.jobs import check, read_list
    from editalk.batch.journal import Archive
    from editalk.batch.run import Policy, run
    from editalk.cache import scratch
    from editalk.cli.ticker import Ticker

    given = {
        "dry-run": dry_run, "fail-on": fail_on, "language": language, "backend": backend, "weights": weights,
        "precision": precision, "offload": offload, "lip-pass": lip_pass, "region": region, "device": device,
        "seed": seed, "overwrite": overwrite,
    }  # fmt: skip
    console = Console(quiet, progress, as_json)
    path = None if str(jobs) == "-" else jobs
    with ExitStack() as stack:
        spool = stack.enter_context(scratch()) / "jobs"
        listed = read_list(path, form.value if form else None, _said(given), spool, sys.stdin.buffer)
        held = check(listed, continue_on_error)
        book = None if dry_run else _journal(path if listed.path == path else None, journal, resume, console)
        if book is not None:
            stack.enter_context(closing(book))
        done = stack.enter_context(closing(Archive(archive))) if archive is not None and not dry_run else None
        report = None
        if junit is not None:
            from editalk.batch.junit import Report

            report = Report(junit, str(jobs))
            stack.callback(report.write)
        team = _team(ray, workers, held)
        ticker = Ticker(console, as_json, verbose)
        steps = stack.enter_context(
            closing(run(listed.entries(), held.jobs, team, Policy(retries, continue_on_error), book, done))
        )
        with ticker.running():
            code = _follow(steps, ticker, report)
    raise typer.Exit(code)


def _said(given: dict[str, Any]) -> dict[str, Any]:
    """What was asked for; the rest is left to the list."""
    from editalk.batch.options import default_of

    return {name: value for name, value in given.items() if value and value != default_of(name)}


def _journal(jobs: Path | None, given: Path | None, resume: bool, console: Console) -> Journal | None:
    """Beside the list unless told otherwise; where that cannot be, none, unless it is needed."""
    from editalk.batch.journal import Journal

    path = given or (jobs.with_name(f"{jobs.name}.journal") if jobs is not None else None)
    if path is None:
        if resume:
            raise UsageError("--resume: a list that is no file has no journal beside it; name one with --journal FILE")
        return None
    try:
        return Journal(path, resume)
    except OutputError as error:
        if given is not None or resume:
            raise
        console.warn(f"{error}; without a journal --resume will not be possible (--journal FILE)")
        return None


def _team(ray: str | None, wanted: int | None, held: Checked) -> Workers:
    from editalk.batch.places import on_gpus, places

    if ray is None:
        from editalk.batch.local import LocalWorkers

        return LocalWorkers(places(wanted, held.jobs, held.backends, held.devices))
    from editalk.batch.cluster import ClusterWorkers

    return ClusterWorkers(ray, wanted, held.jobs, on_gpus(held.backends, held.devices))


def _follow(steps: Generator[Event, None, None], ticker: Ticker, report: Report | None) -> int:
    """Shows what happens; the batch's exit code. What interrupts the showing is the batch's to handle, too."""
    from editalk.batch.events import Ended

    code = 0
    stop: BaseException | None = None
    while True:
        try:
            event = next(steps) if stop is None else steps.throw(stop)
        except StopIteration:
            return code
        stop = None
        if isinstance(event, Ended):
            code = event.code
        if report is not None:
            report.hear(event)
        try:
            ticker.show(event)
        except (KeyboardInterrupt, SystemExit) as error:
            stop = error
