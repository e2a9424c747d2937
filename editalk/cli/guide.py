"""Help on commands and topics, man pages, and completion scripts."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from editalk.cli import complete
from editalk.cli.manual import ENVIRONMENT, EXITS, SETTINGS, TOPICS, VARIABLES
from editalk.cli.options import Overwrite
from editalk.console import Console
from editalk.errors import UsageError

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="COMMAND", help="A command, or a topic.", show_default=False,
                   autocompletion=complete.commands),
]  # fmt: skip


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def help_command(context: typer.Context, words: Words = None) -> None:
    """Help on a command, or on settings, environment or exit-codes."""
    name = " ".join(words or [])
    if name in TOPICS:
        print(topic(name))
        return
    print(_context(context, words or []).get_help())


def topic(name: str) -> str:
    """A page of plain text."""
    rows = {"environment": list(VARIABLES.items()), "exit-codes": [(str(c), what) for c, what in EXITS.items()]}
    formatter = typer.Context.formatter_class(max_width=80)
    if name in rows:
        if name == "environment":
            formatter.write_text(ENVIRONMENT)
            formatter.write_paragraph()
        formatter.write_dl(rows[name], col_max=28)
        return formatter.getvalue().rstrip("\n")
    for part in SETTINGS.split("\n\n"):
        for line in part.split("\n"):
            if line.startswith("    "):
                formatter.write(f"{line}\n")
            else:
                formatter.write_text(line)
        formatter.write_paragraph()
    return formatter.getvalue().rstrip("\n")


def man_command(
    words: Words = None,
    folder: Annotated[
        Path | None, typer.Option("-o", "--output-dir", metavar="DIR", help="Write every page there: editalk-apply.1 …")
    ] = None,
    overwrite: Overwrite = False,
    context: typer.Context = None,  # type: ignore[assignment]
) -> None:
    """Print the man page of a command, or write all of them."""
    from editalk.cli.man import page, pages
    from editalk.texts import check_text_target, make_folder, write_texts

    root = context.find_root()
    if folder is None:
        here = _context(context, words or [])
        print(page(here.command, here), end="")
        return
    if words:
        raise UsageError("--output-dir writes every page; leave out the command")
    texts = {folder / name: text for name, text in pages(root).items()}
    for target in texts:
        check_text_target(target, overwrite, made=True)
    make_folder(folder)
    write_texts(texts, overwrite)
    Console().say(f"wrote {len(texts)} pages into {folder}")


def completion_command(
    shell: Annotated[Shell, typer.Argument(help="Whose script.", show_default=False)],
) -> None:
    """Print a shell's completion script; nothing is installed."""
    from typer._completion_shared import get_completion_script

    print(get_completion_script(prog_name="editalk", complete_var="_EDITALK_COMPLETE", shell=shell.value))


def _context(context: typer.Context, words: list[str]) -> typer.Context:
    """Of a command by its words. Raises UsageError."""
    from typer.core import TyperGroup

    here = context.find_root()
    for word in words:
        group = here.command
        found = group.get_command(here, word) if isinstance(group, TyperGroup) else None
        if found is None:
            raise UsageError(f"there is no command or topic “{' '.join(words)}”; topics: {', '.join(TOPICS)}")
        here = typer.Context(found, info_name=word, parent=here)
    return here  # type: ignore[return-value]
