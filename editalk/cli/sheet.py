"""A command's manual as data: options under headings, examples, files, exit codes; help, man and docs print it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from typer.core import TyperCommand, TyperGroup

from editalk.cli.manual import EXITS, PAGES, ROOT, Page

EVERYWHERE = "Everywhere"
"""The heading of options that most commands have."""
VARIABLE = ("EDITALK_OPTION", "an option, e.g. EDITALK_PROGRESS; files can set them, too: `editalk help settings`")


@dataclass(frozen=True)
class Section:
    """`rows`: pairs of what is explained and its explanation; `code`: whether the first of each is a command line."""

    heading: str
    rows: tuple[tuple[str, str], ...] = ()
    text: str = ""
    code: bool = False


def words_of(context: Any) -> str:
    """A command's words, “models pull”."""
    names: list[str] = []
    while context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return " ".join(names)


def option_groups(command: TyperCommand | TyperGroup, context: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    """(heading, rows) of a command's arguments and options; what most commands have comes last."""
    groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    last: list[tuple[str, str]] = []
    for made in command.get_params(context):
        record = made.get_help_record(context)
        if record is None:
            continue
        key = next((o for o in made.opts if o.startswith("--")), "")
        row = (record[0].replace(f"{key} / --no-{key[2:]}", f"--[no-]{key[2:]}"), record[1])
        panel = getattr(made, "rich_help_panel", None)
        if made.param_type_name == "argument":
            groups["Arguments"].append((re.sub(r" <[\w\[\]]+>$", "", row[0]), row[1]))  # its name says it
        elif panel == EVERYWHERE or key == "--help":
            last.append(row)
        else:
            groups.setdefault(panel or "Options", []).append(row)
    return [(heading, rows) for heading, rows in [*groups.items(), (EVERYWHERE, last)] if rows]


def sections(words: str, command: TyperCommand | TyperGroup) -> list[Section]:
    """What comes after the options."""
    page: Page | None = ROOT if not words else PAGES.get(words)
    if page is None:
        return []
    see = [f"editalk help {name}" for name in page.see]
    derived = any(name.startswith("EDITALK_") for made in command.params for name in made.envvar or ()
                  if "config" not in made.name)  # fmt: skip
    environment = page.environment + ((VARIABLE,) if derived else ())
    found = [
        Section("Examples", page.examples, code=True),
        Section("Notes", text=page.notes),
        Section("Files", page.files),
        Section("Environment", environment),
        Section("Exit status", tuple((str(code), EXITS[code]) for code in page.exits)),
        Section("See also", text=", ".join(see)),
    ]
    return [section for section in found if section.rows or section.text]


def write(formatter: Any, found: list[Section]) -> None:
    """Into the help of the command line."""
    for section in found:
        with formatter.section(section.heading):
            if section.code:
                for line, what in section.rows:
                    formatter.write_text(f"# {what}")
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")
            elif section.rows:
                formatter.write_dl(section.rows, col_max=28)
            if section.text:
                formatter.write_text(section.text)
