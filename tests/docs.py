"""docs/commands.md from the commands themselves: python -m tests.docs --write; without it the page is compared."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from editalk.cli.manual import EXITS, SETTINGS, VARIABLES
from editalk.cli.program import tree
from editalk.cli.run import app
from editalk.cli.sheet import Section, option_groups, sections, words_of

TARGET = Path(__file__).resolve().parent.parent / "docs" / "commands.md"


def page() -> str:
    root = tree(app).make_context("editalk", [], resilient_parsing=True)
    parts = [
        "# Commands",
        "Made by `python -m tests.docs --write` from the commands themselves; `editalk help COMMAND` and\n"
        "`editalk man COMMAND` show the same.",
    ]
    parts += [part for context in contexts(root) for part in chapter(context)]
    parts += ["## Settings", *SETTINGS.split("\n\n"), "## Environment", listed(tuple(VARIABLES.items())),
              "## Exit codes", listed(tuple((str(code), what) for code, what in EXITS.items()))]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def contexts(context: Any) -> Iterator[Any]:
    """Of every command that does something."""
    for name, command in context.command.commands.items():
        below = typer.Context(command, info_name=name, parent=context)
        if isinstance(command, TyperGroup):
            yield from contexts(below)
        else:
            yield below


def chapter(context: Any) -> Iterator[str]:
    command, words = context.command, words_of(context)
    yield f"## editalk {words}"
    yield command.help
    yield f"    editalk {words} {' '.join(command.collect_usage_pieces(context))}"
    for heading, rows in option_groups(command, context):
        yield f"**{heading}**"
        yield listed(tuple(rows))
    for section in sections(words, command):
        yield f"**{section.heading}**"
        yield from block(section)


def block(section: Section) -> Iterator[str]:
    if section.code:
        yield "\n".join(f"    {line:60} # {what}" for line, what in section.rows)
    elif section.rows:
        yield listed(section.rows)
    if section.text:
        yield section.text


def listed(rows: tuple[tuple[str, str], ...]) -> str:
    return "\n".join(f"- `{term}`: {what}" if what else f"- `{term}`" for term, what in rows)


def main() -> int:
    if "--write" in sys.argv[1:]:
        TARGET.write_text(page(), "utf-8")
        return 0
    if TARGET.read_text("utf-8") != page():
        print(f"{TARGET} is not current: python -m tests.docs --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
