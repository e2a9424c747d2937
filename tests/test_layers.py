"""A module imports only what stands above it; the order is the way of the data."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import editalk

ROOT = Path(editalk.__file__).resolve().parent
LAYERS = (
    "errors", "reading", "cores", "timebase", "spoken", "inputs", "cache", "reporting", "models", "audio", "media",
    "transcript", "asr", "markup", "diff", "clean", "voice", "cuts", "operations", "latent", "plan", "dub",
    "soundtrack", "sidecars", "face", "analysis", "backends", "watermark", "compose", "splice", "mux", "texts",
    "interchange", "quality", "review", "provenance", "pipeline", "doctor", "upkeep", "terminal", "crash", "batch",
    "console", "cli", "__main__",
)  # fmt: skip


def layer(path: Path) -> str:
    """A module's place in the order; folders count as one."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, layer) of every import of the project, those inside functions and of types included."""
    package = ["editalk", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "editalk" else [module]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "editalk" and len(parts) > 1 and parts[1] != "__version__":
                yield node.lineno, parts[1]


MODULES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


def test_every_module_has_its_place() -> None:
    assert len(set(LAYERS)) == len(LAYERS)
    assert {layer(path) for path in MODULES} <= set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_only_what_stands_above(path: Path) -> None:
    own = layer(path)
    above = set(LAYERS[: LAYERS.index(own) + 1])
    wrong = [f"line {line}: {own} imports {name}" for line, name in imported(path) if name not in above]
    assert wrong == []


def test_only_the_command_line_prints() -> None:
    """Data on stdout and messages are the command line's alone."""
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES if layer(path) not in ("cli", "console")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]  # fmt: skip
    assert printing == []
