"""What `make docs` runs: the tutorial's commands on the example, each a picture of its terminal, into docs/pictures."""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
WIDTH = 96  # columns
FILES = ("talk.mp4", "talk.txt", "edited.txt", "voice.wav")
RUNS = {
    "transcribe": "editalk transcribe talk.mp4 --script talk.txt -f json,srt",
    "diff": "editalk diff talk.mp4 edited.txt",
    "dry-run": "editalk apply talk.mp4 edited.txt --voice voice.wav --dry-run",
    "apply": "editalk apply talk.mp4 edited.txt --voice voice.wav",
    "refused": "editalk apply talk.mp4 edited.txt --voice voice.wav",
    "cache": "editalk cache show",
}
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""Of a picture that loads nothing from elsewhere."""


def ran(line: str, folder: Path) -> Text:
    """What a terminal shows of a command that is run in a folder."""
    program, *arguments = shlex.split(line)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("EDITALK_")},
        "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "EDITALK_CACHE": str(folder / ".cache"), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    made = subprocess.run([sys.executable, "-m", program, *arguments], cwd=folder, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    shown = Text.from_ansi(made.stdout.rstrip().replace(f"{folder}/.cache", "~/.cache/editalk"))
    code = f"\n[exit {made.returncode}]" if made.returncode else ""
    return Text.assemble(("$ ", "green"), (line, "bold"), "\n", shown, (code, "yellow"))


def picture(shown: Text, name: str) -> str:
    """A terminal as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(shown)
    return console.export_svg(title="editalk", code_format=FORMAT, unique_id=f"editalk-{name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="folder that gets the pictures")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in FILES:
            shutil.copy(HERE / name, folder)
        for name, line in RUNS.items():
            (output / f"{name}.svg").write_text(picture(ran(line, folder), name), "utf-8")
            print(output / f"{name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
