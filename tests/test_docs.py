"""The documentation: its generated page is current, its links lead somewhere, its pictures load nothing."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from editalk.cli.program import tree
from editalk.cli.run import app
from editalk.cli.settings import commands
from tests.docs import TARGET, page

DOCS = TARGET.parent
PAGES = sorted(DOCS.glob("*.md"))


def test_the_commands_page_is_current() -> None:
    """python -m tests.docs --write makes it so."""
    assert TARGET.read_text("utf-8") == page()


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", path.read_text("utf-8"))
    assert [t for t in targets if "://" not in t and not (path.parent / t).exists()] == []


def test_pictures_load_nothing() -> None:
    pictures = sorted((DOCS / "pictures").glob("*.svg"))
    assert pictures
    for path in pictures:
        text = path.read_text("utf-8")
        assert set(re.findall(r"https?://[^\"' )]+", text)) <= {"http://www.w3.org/2000/svg", "https://www.textualize.io"}
        assert "/tmp" not in text


@pytest.mark.parametrize("name", ["tutorial.md", "install.md", "settings.md"])
def test_commands_in_the_pages_exist(name: str) -> None:
    known = {words for words, _ in commands(tree(app))}
    lines = re.findall(r"^    (?:.*(?:&&|\|\||;) )?editalk (.+)$", (DOCS / name).read_text("utf-8"), re.MULTILINE)
    for line in lines:
        words = shlex.split(line.partition(" #")[0].replace("…", ""), posix=True)
        assert words[0] in known or words[0].startswith("-"), line
