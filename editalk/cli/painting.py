"""The word diff on a terminal: marks that read without colour, and colour."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from editalk.diff import DiffSpan, Style
from editalk.pipeline.changes import Change, Comparison

WIDE = 160  # columns where it is no terminal
COLOURS = {
    Style.KEPT: "", Style.CAPTION: "yellow", Style.REMOVED: "red strike", Style.ADDED: "green",
    Style.MOVED_FROM: "cyan dim", Style.MOVED_TO: "cyan",
}  # fmt: skip
MARK = "magenta"
NAMES = {"insert": "added", "delete": "removed", "replace": "replaced", "move": "moved", "pause": "pause",
         "retime": "retimed", "rerender": "new lips"}  # fmt: skip


def show(made: Comparison) -> None:
    """Print the text, a table of its changes, and the sums, on standard output."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    console.print(painted(made), soft_wrap=True)
    shown = [change for change in made.changes if change.kind != "caption"]
    if shown:
        console.print()
        console.print(table(shown, made))
    console.print()
    for line in sums(made):
        console.print(Text(line, "bold"), soft_wrap=True)


def painted(made: Comparison) -> Text:
    """The script with what was removed from it; what was moved stands at both of its places with its number."""
    text = Text()
    moves = {edit: n for n, edit in enumerate(
        dict.fromkeys(span.edit for span in made.spans if span.style is Style.MOVED_TO), 1)}  # fmt: skip
    pauses: dict[int, list[float]] = {}
    for pause in made.script.pauses:
        pauses.setdefault(pause.before, []).append(pause.seconds)
    for k, span in enumerate(made.spans):
        text.append("\n\n" if span.paragraph else " " if k else "")
        if span.token is not None:
            for seconds in pauses.pop(span.token, ()):
                text.append(f"[pause {seconds:g}s] ", MARK)
            if span.token in made.labels:
                text.append(f"{made.labels[span.token]}: ", "bold")
        text.append(_marked(span, moves), COLOURS[span.style])
    for seconds in (s for rest in pauses.values() for s in rest):
        text.append(f" [pause {seconds:g}s]", MARK)
    return text


def _marked(span: DiffSpan, moves: dict[int, int]) -> str:
    if span.style is Style.REMOVED:
        return f"[-{span.text}-]"
    if span.style is Style.ADDED:
        return f"{{+{span.text}+}}"
    if span.style is Style.CAPTION:
        return f"{{={span.text}=}}"
    if span.style is Style.MOVED_FROM:
        return f"[{span.text} →{moves[span.edit]}]"
    if span.style is Style.MOVED_TO:
        return f"{{{moves[span.edit]}→ {span.text}}}"
    return span.text


def table(changes: list[Change], made: Comparison) -> Table:
    """A line for every change: when (in the edited video), what, seconds out and in, frames to render, words."""
    rows = Table(box=None, pad_edge=False, header_style="bold")
    for name, width in (("at", 6), ("change", 8), ("out s", 5), ("in s", 5), ("frames", 6)):
        rows.add_column(name, justify="left" if name == "change" else "right", no_wrap=True, min_width=width)
    rows.add_column("words", no_wrap=True, overflow="ellipsis")
    for change in changes:
        out, coming = _seconds(change)
        words = Text(change.new if change.kind != "delete" else change.old)
        if change.kind == "replace":
            words = Text(f"{change.old} → {change.new}")
        rows.add_row(_clock(change.timeline[0]), NAMES[change.kind], out, coming, str(change.frames), words)
    return rows


def _seconds(change: Change) -> tuple[str, str]:
    """Of footage that goes, and of what comes (new words, a passage, a pause): about."""
    out = change.source[1] - change.source[0] if change.source and change.kind in ("delete", "replace") else None
    coming = change.new_seconds
    if change.kind in ("move", "rerender"):
        coming = change.timeline[1] - change.timeline[0]
    return ("" if out is None else f"{out:.1f}"), ("" if coming is None else f"{coming:.1f}")


def sums(made: Comparison) -> Iterator[str]:
    """What all changes come to."""
    rows = made.changes
    words = sum(change.kind != "caption" for change in rows)
    captions = len(rows) - words
    out = sum(c.source[1] - c.source[0] for c in rows if c.source and c.kind in ("delete", "replace"))
    new = sum(c.new_seconds or 0.0 for c in rows if c.kind in ("insert", "replace"))
    only = f", and {captions} of captions only" if captions else ""
    sizes = [f"{out:.1f} s of words out"] * (out > 0) + [f"about {new:.1f} s of new speech"] * (new > 0)
    yield f"{_count(words, 'change')}{only}{': ' * bool(sizes)}{', '.join(sizes)}"
    report = made.report
    frames, todo = made.plan.frames, made.frames_to_render
    yield (f"{report['source_duration']:.1f} s become about {report['duration']:.1f} s; {todo} of {frames} frames to "
           f"render ({100 * todo / max(frames, 1):.0f} %)")  # fmt: skip
    if todo:
        times = made.render_seconds
        yield (f"rendering takes about {_rough(times['exemplar'])} with exemplar (two cores), about "
               f"{_rough(times['dit'])} with dit (one H200, loading and VAE not counted)")  # fmt: skip


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'s' * (number != 1)}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 10), 600)
    return f"{minutes}:{rest / 10:04.1f}"


def _rough(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{max(1, round(seconds))} s"
