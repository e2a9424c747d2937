"""Two backends as one: the first makes the frames, the second their lips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from editalk.backends.base import Backend, LipPass, Rendered, WindowInput
from editalk.models import Identity


class Combined:
    """See `editalk.backends.base.Backend`: the pictures of `temporal`, their lips by `lips`."""

    def __init__(self, temporal: Backend, lips: LipPass) -> None:
        self.temporal, self.lips = temporal, lips
        self.name, self.grid_step = f"{temporal.name}+{lips.name}", temporal.grid_step
        self.key = f"{temporal.key}+{lips.key}"
        can = temporal.capabilities
        self.capabilities = replace(can, lips=True, regions=can.regions | lips.regions)

    @property
    def models(self) -> tuple[Identity, ...]:
        return *self.temporal.models, *self.lips.models

    def render(self, given: WindowInput) -> Iterator[Rendered]:
        """New pictures for the window. Where the temporal backend could draw lips itself it is asked for none."""
        asked = given
        if self.temporal.capabilities.lips:
            asked = replace(given, window=replace(given.window, lips=()))
        return self.lips.draw(given, self.temporal.render(asked))

    def figures(self) -> dict[str, int]:
        return self.temporal.figures()
