"""Man pages in roff, made from the commands themselves."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from editalk import __version__
from editalk.cli.manual import PAGES
from editalk.cli.sheet import Section, option_groups, sections, words_of


def pages(root: Any) -> dict[str, str]:
    """File name → page, of the program and every command below it."""
    found = {f"{_name(words_of(root))}.1": page(root.command, root)}
    if isinstance(root.command, TyperGroup):
        for name, command in root.command.commands.items():
            found |= pages(typer.Context(command, info_name=name, parent=root))
    return found


def page(command: Any, context: Any) -> str:
    words = words_of(context)
    about = command.help or ""
    lines = [f'.TH "{_name(words).upper()}" "1" "" "editalk {__version__}" "User Commands"', ".SH NAME",
             f"{_plain(_name(words))} \\- {_plain(about.splitlines()[0].rstrip('.') if about else '')}", ".SH SYNOPSIS",
             f".B {_plain(context.command_path)}", _plain(" ".join(command.collect_usage_pieces(context))),
             ".SH DESCRIPTION", _plain(about)]  # fmt: skip
    if isinstance(command, TyperGroup):
        rows = tuple((f"editalk {words} {name}".replace("  ", " "), below.get_short_help_str(200))
                     for name, below in command.commands.items() if not below.hidden)  # fmt: skip
        lines += _section(Section("Commands", rows))
    for heading, found in option_groups(command, context):
        lines += _section(Section(heading, tuple(found)))
    for section in sections(words, command):
        lines += _see(section) if section.heading == "See also" else _section(section)
    return "\n".join(lines) + "\n"


def _name(words: str) -> str:
    return "-".join(["editalk", *words.split()])


def _plain(text: str) -> str:
    """Text that roff takes as it is, in ASCII."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in escaped)
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in escaped.splitlines())


def _section(section: Section) -> list[str]:
    lines = [f'.SH "{section.heading.upper()}"']
    for term, what in section.rows:
        if section.code:
            lines += [".PP", f"{_plain(what)}:", ".PP", ".RS", ".nf", _plain(term), ".fi", ".RE"]
        else:
            lines += [".TP", f"\\fB{_plain(term)}\\fR", _plain(what)]
    return [*lines, _plain(section.text)] if section.text else lines


def _see(section: Section) -> list[str]:
    """Pages by their names; topics stay what one types."""
    names = [name.removeprefix("editalk help ") for name in section.text.split(", ")]
    shown = [f".BR {_plain(_name(name))} (1)" if name in PAGES else f".B editalk help {_plain(name)}" for name in names]
    return ['.SH "SEE ALSO"', *(line + (" ," if k < len(shown) - 1 else "") if line.startswith(".BR")
                                else line for k, line in enumerate(shown))]  # fmt: skip
