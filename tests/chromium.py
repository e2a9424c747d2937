"""The system's Chromium, driven by Playwright: no network, no profile kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


def executable() -> str | None:
    """Of the system's Chromium; None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


def required() -> bool:
    return os.environ.get("EDITALK_CHROMIUM_REQUIRED") == "1"


@contextmanager
def browser() -> Iterator[Any]:
    """Playwright's browser. Raises RuntimeError where the system has none."""
    from playwright.sync_api import sync_playwright

    path = executable()
    if path is None:
        raise RuntimeError(f"none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield running
        running.close()
