"""The program as a tree of commands: what every command has without saying so.

Settings from files and the environment, `--no-…` for every switch that these can turn on, and a manual in its help.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from editalk.cli import settings
from editalk.cli.manual import VARIABLES
from editalk.cli.settings import Options, Settings
from editalk.cli.sheet import EVERYWHERE, option_groups, sections, words_of, write
from editalk.console import Console, ProgressMode
from editalk.errors import OutputError, UsageError

CONFIG, NO_CONFIG = "editalk.config", "editalk.no-config"


def _no_files(context: typer.Context, wanted: bool) -> None:
    if wanted:
        context.meta[NO_CONFIG] = True
        _check_both(context)


def _files(context: typer.Context, path: Path | None) -> None:
    """Eager, so that what the files say is there before the other options are looked at."""
    source = context.get_parameter_source("config")
    if path is not None and source is not None and source.name == "COMMANDLINE":
        context.meta[CONFIG] = path
        _check_both(context)
    root, words = context.find_root().command, words_of(context)
    if context.resilient_parsing or not isinstance(root, Group) or words not in root.options:
        return
    rows = {key: option for key, option in root.options[words].items() if option.never is None}
    if rows and not context.meta.get(NO_CONFIG):
        root.settings = settings.load(root.options, context.meta.get(CONFIG, path))
        values = root.settings.of(words)
        context.default_map = {rows[key].made_by.name: values[key].value for key in values if key in rows}


def _check_both(context: typer.Context) -> None:
    if context.meta.get(CONFIG) and context.meta.get(NO_CONFIG):
        raise UsageError("--config and --no-config: leave out one of them")


ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", envvar="EDITALK_CONFIG", is_eager=True, expose_value=False,
                 callback=_files, rich_help_panel=EVERYWHERE, help="Settings that beat every editalk.toml."),
]  # fmt: skip
NoConfig = Annotated[
    bool,
    typer.Option("--no-config", is_eager=True, expose_value=False, callback=_no_files, rich_help_panel=EVERYWHERE,
                 help="Read no settings files."),
]  # fmt: skip


def _every(no_config: NoConfig = False, config: ConfigFile = None) -> None:
    """What each command takes besides its own."""


class Command(TyperCommand):
    def format_options(self, ctx: Any, formatter: Any) -> None:
        for heading, rows in option_groups(self, ctx):
            with formatter.section(heading):
                formatter.write_dl(rows, col_max=28)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        write(formatter, sections(words_of(ctx), self))

    def invoke(self, ctx: Any) -> Any:
        root = ctx.find_root().command
        root.verbose = bool(ctx.params.get("verbose"))
        console = Console(bool(ctx.params.get("quiet")), ctx.params.get("progress", ProgressMode.AUTO),
                          bool(ctx.params.get("as_json")))  # fmt: skip
        root.rows = console.rows
        for line in settings.idle_variables(root.options, tuple(VARIABLES)):
            console.warn(line)
        limit = _cache_limit() if "progress" in ctx.params else None  # of commands that work for long
        try:
            return super().invoke(ctx)
        finally:
            if limit is not None:
                _keep_cache_below(limit)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Without Typer's braces around what must be given, and no mark twice."""
        pieces = " ".join(super().collect_usage_pieces(ctx))
        return [pieces.replace("{", "").replace("}", "").replace("[[", "[").replace("]]", "]").replace("…...", "…")]


def _cache_limit() -> int | None:
    """Bytes, before the work: a limit that cannot be read must not be found after it. Raises UsageError."""
    from editalk.upkeep import bytes_of

    given = os.environ.get("EDITALK_CACHE_LIMIT")
    try:
        return bytes_of(given) if given else None
    except UsageError as error:
        raise UsageError(f"EDITALK_CACHE_LIMIT: {error}") from error


def _keep_cache_below(limit: int) -> None:
    from editalk.upkeep import clear, usage

    with suppress(OutputError):  # whatever the command made is made
        if usage().size > limit:
            clear(limit=limit)


class Group(TyperGroup):
    """`settings`: of the command that runs, where it has any; `verbose`: whether it was asked to say more; `rows`:
    whether standard error is for programs.
    """

    settings = Settings()
    verbose = False
    rows = False

    @cached_property
    def options(self) -> Options:
        return settings.options(self)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        for heading, rows in option_groups(self, ctx):
            with formatter.section(heading):
                formatter.write_dl(rows, col_max=28)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        write(formatter, sections(words_of(ctx), self))


class Program(typer.Typer):
    """A Typer whose commands are all made the same way."""

    def __init__(self, about: str) -> None:
        super().__init__(
            cls=Group, help=about, add_completion=False, no_args_is_help=True, rich_markup_mode=None,
            pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
        )  # fmt: skip

    def command(self, name: str | None = None, **rest: Any) -> Callable[..., Any]:
        return super().command(name, cls=Command, **rest)


def tree(program: Program) -> Group:
    """The commands, each with what every command has."""
    root = typer.main.get_command(program)
    assert isinstance(root, Group)
    every = typer.Typer(add_completion=False)
    every.command()(_every)
    for _, command in settings.commands(root):
        if isinstance(command, TyperCommand):
            command.params += [p for p in typer.main.get_command(every).params if p.name in ("config", "no_config")]
    for rows in root.options.values():
        for option in rows.values():
            made = option.made_by
            made.envvar, made.show_envvar = list(option.variables) or None, False
            if made.is_bool_flag and not made.secondary_opts:
                made.show_default = False
                made.secondary_opts = [f"--no-{option.key}"] if option.never is None else []
    return root


def origin(error: Any, root: Group) -> str:
    """Where a value that the parser refused comes from, if not from the command line: “ (EDITALK_SEED)”, or nothing."""
    context, made = getattr(error, "ctx", None), getattr(error, "param", None)
    if context is None or made is None:
        return ""
    source = context.get_parameter_source(made.name)
    if source is None or source.name not in ("ENVIRONMENT", "DEFAULT_MAP"):
        return ""
    if source.name == "ENVIRONMENT":
        return f" ({next(name for name in made.envvar if os.environ.get(name))})"
    values = root.settings.of(words_of(context))
    return next((f" ({values[key].place})" for key in values if f"--{key}" in made.opts), "")
