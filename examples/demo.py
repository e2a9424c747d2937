"""What `make demo` runs: transcribe, diff and apply on the example, then a table of what to look at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def editalk(*arguments: str | Path) -> str:
    """What the command prints on standard output; its messages go to the terminal as they come."""
    shown = [
        str(a.relative_to(Path.cwd())) if isinstance(a, Path) and a.is_relative_to(Path.cwd()) else str(a)
        for a in arguments
    ]
    print(f"\n$ editalk {' '.join(shown)}", flush=True)
    made = subprocess.run([sys.executable, "-m", "editalk", *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    if made.returncode:
        print(made.stdout, end="")
        sys.exit(made.returncode)
    return made.stdout


def table(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    rows = Table("edit", "words", "in the source", "in the result", title="\nWhat to look at", title_justify="left")
    for operation in report["operations"]:
        rows.add_row(
            operation["kind"], operation["text"], span(operation.get("source")), span(operation.get("timeline"))
        )
    print_ = Console(width=100).print
    print_(rows)
    joins = ", ".join(f"{join['at']:.2f} s{'' if join['ok'] else ' (may show)'}" for join in report["joins"])
    print_(f"Joins, where frames meet that were no neighbours: {joins or 'none'}")
    print_(
        f"{report['frames']} frames ({report['duration']:.2f} s): {report['frames_identical']} are the source's own, "
        f"{report['frames_rendered']} new; {sum(report['seconds'].values()):.1f} s with backend {report['backend']}"
    )


def span(seconds: list[float] | None) -> str:
    return f"{seconds[0]:.2f} to {seconds[1]:.2f} s" if seconds else "-"


def main() -> int:
    build = Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo").resolve()
    build.mkdir(parents=True, exist_ok=True)
    talk, edited, result = HERE / "talk.mp4", HERE / "edited.txt", build / "talk.edited.mp4"
    transcript = build / "talk.transcript.json"
    editalk("transcribe", talk, "--script", HERE / "talk.txt", "-o", build, "-y")
    print(editalk("diff", talk, edited, "--transcript", transcript), end="")
    options = ("--transcript", transcript, "--voice", HERE / "voice.wav", "-o", result, "-y", "--json")
    report = json.loads(editalk("apply", talk, edited, *options))
    table(report)
    print(f"\nPlay it: {result}\nbeside:  {talk}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
