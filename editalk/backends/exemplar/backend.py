"""A render window → pictures: base footage first, then the mouth."""

from __future__ import annotations

from collections.abc import Iterator

from editalk.backends.base import Capabilities, Image, Rendered, WindowInput
from editalk.backends.exemplar.morph import LONGEST, JoinMorph, join_frame, plan_join
from editalk.plan.types import Join
from editalk.reporting import Reporter


class Exemplar:
    """See `editalk.backends.base.Backend`."""

    name = "exemplar"
    grid_step = 8
    capabilities = Capabilities(temporal=True, lips=True, regions=frozenset({"mouth"}))

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter

    def render(self, given: WindowInput) -> Iterator[Rendered]:
        base = BaseFootage(given)
        for frame in range(given.window.span.start, given.window.span.end):
            picture = base.picture(frame)
            if picture is not None:
                yield Rendered(frame, picture)


class BaseFootage:
    """What the frames of a window show before any lips are drawn."""

    def __init__(self, given: WindowInput) -> None:
        self.given = given
        self.joins: list[tuple[Join, JoinMorph]] = []
        cuts = [j for j in given.window.joins if j.left is not None and j.right is not None]
        for k, join in enumerate(cuts):
            others = [abs(o.frame - join.frame) // 2 for o in cuts if o is not join]
            assert join.left is not None
            assert join.right is not None
            self.joins.append((join, plan_join(given.footage, given.track, join.left, join.right, given.natural_steps,
                                               min([LONGEST, *others]))))  # fmt: skip

    def picture(self, frame: int) -> Image | None:
        for join, morph in self.joins:
            offset = frame - join.frame
            if -morph.before <= offset < morph.after:
                return join_frame(self.given.footage, self.given.track, join.left, join.right, morph, offset)
        return None
