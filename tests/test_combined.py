"""Two backends as one: frames by one, lips by the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from editalk.backends.base import Capabilities, LipPass, Rendered, WindowInput
from editalk.backends.combined import Combined
from editalk.latent import Strip
from editalk.models import Identity
from editalk.plan import Piece, Region, RenderWindow
from editalk.timebase import FrameRange


class Frames:
    """Makes the frames of the window that have no footage; with `lips`, those that get new lips, too."""

    name, key = "frames", "frames 1"
    models = (Identity("frames"),)
    grid_step = 4

    def __init__(self, lips: bool) -> None:
        self.capabilities = Capabilities(True, lips, frozenset({"head"}))
        self.asked: list[WindowInput] = []

    def render(self, given: WindowInput) -> Iterator[Rendered]:
        self.asked.append(given)
        new = {f for p in given.window.pieces if p.source is None for f in range(p.start, p.end)}
        lips = {f for s in given.window.lips for f in range(s.start, s.end)} if self.capabilities.lips else set()
        for frame in sorted(new | lips):
            yield Rendered(frame, np.full((4, 4, 3), 1, np.uint8))

    def figures(self) -> dict[str, int]:
        return {"frames": len(self.asked)}


class Lips:
    name, key = "lips", "lips 2"
    models = (Identity("lips"),)
    regions = frozenset({"mouth"})

    def draw(self, given: WindowInput, made: Iterable[Rendered]) -> Iterator[Rendered]:
        ready = {one.frame: one for one in made}
        lips = {f for s in given.window.lips for f in range(s.start, s.end)}
        for frame in sorted({*ready, *lips}):
            one = ready.get(frame) or Rendered(frame, np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), frame)
            yield replace(one, image=one.image + np.uint8(10 * (frame in lips)))


def given() -> WindowInput:
    """Frames 0 … 9; 3 and 4 are new, 2 … 5 get lips."""
    span = FrameRange(0, 10)
    pieces = (Piece(0, 3, 0, 3), Piece(3, 2, None, 0), Piece(5, 5, 3, 5))
    window = RenderWindow(span, pieces, (), (FrameRange(2, 6),), Region.MOUTH, span, Strip((), (), 0), ())
    rest: dict[str, Any] = dict.fromkeys(WindowInput.__dataclass_fields__)
    return WindowInput(**{**rest, "window": window})


def test_it_is_both() -> None:
    temporal = Frames(lips=False)
    lips: LipPass = Lips()
    both = Combined(temporal, lips)
    assert (both.name, both.key, both.grid_step) == ("frames+lips", "frames 1+lips 2", 4)
    assert both.figures() == {"frames": 0}
    assert both.capabilities == Capabilities(True, True, frozenset({"head", "mouth"}))


@pytest.mark.parametrize("own", [True, False])
def test_lips_are_drawn_once(own: bool) -> None:
    temporal, asked = Frames(own), given()
    made = {m.frame: int(m.image[0, 0, 0]) for m in Combined(temporal, Lips()).render(asked)}
    assert made == {2: 10, 3: 11, 4: 11, 5: 10}
    assert temporal.asked[0].window.lips == (() if own else asked.window.lips)
    assert replace(temporal.asked[0].window, lips=asked.window.lips) == asked.window
