"""The page put together: one HTML file that loads nothing and runs nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_PLACE = re.compile(r"\{\{(\w+)\}\}")
_POLICY = (
    "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; media-src blob:; base-uri 'none'; "
    "form-action 'none'"
)


def page(data: Mapping[str, Any], before: bytes, after: bytes) -> str:
    """The page of an edit. `data`: what the script reads, see `page.js`; `before`, `after`: the proxies, MP4."""
    style, script = _part("page.css"), "\n".join(_part(name) for name in ("page.js", "timeline.js"))
    parts = {
        "title": html.escape(f"{data['output']}: review"),
        "policy": html.escape(_POLICY.format(script=_digest(script), style=_digest(style))),
        "style": style,
        "script": script,
        "data": _embedded(data),
        "before": base64.b64encode(before).decode(),
        "after": base64.b64encode(after).decode(),
    }
    return _PLACE.sub(lambda place: parts[place[1]], _part("page.html"))


@cache
def _part(name: str) -> str:
    return (files("editalk.review") / name).read_text("utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(data: Mapping[str, Any]) -> str:
    """JSON in which nothing can end the element that holds it."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
