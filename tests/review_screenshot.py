"""A picture of the review page of the example, for the docs: `python -m tests.review_screenshot docs/review.jpg`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from editalk.cli import main as editalk
from tests.chromium import browser

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def main(out: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        page, video = Path(folder) / "talk.review.html", EXAMPLES / "talk.mp4"
        words, voice = Path(folder) / "talk.transcript.json", EXAMPLES / "voice.wav"
        for asked in (["transcribe", video, "--script", EXAMPLES / "talk.txt", "-f", "json", "-o", folder],
                      ["review", video, EXAMPLES / "edited.txt", "--transcript", words, "--voice", voice, "-o", page]):
            if code := editalk([*map(str, asked), "-q"]):
                return code
        with browser() as running:
            tab = running.new_page(viewport={"width": 1360, "height": 850}, color_scheme="light")
            tab.goto(page.as_uri())
            tab.wait_for_function("() => before.readyState >= 2 && after.readyState >= 2")
            for key in ("n", "n", *["ArrowRight"] * 9):
                tab.keyboard.press(key)
            tab.wait_for_function("() => !before.seeking && !after.seeking")
            tab.wait_for_timeout(300)
            tab.screenshot(path=out, quality=85)
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
