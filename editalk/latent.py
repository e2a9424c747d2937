"""The latent grid of a video VAE: where an edit of frames becomes an edit of latent frames.

Latent 0 of a strip is its frame 0; latent k ≥ 1 is its frames step·(k−1)+1 … step·k (EditYourself, section 3; the step
is 8 for LTX and a property of the backend). An edit is exact in frames, the grid is not: the strip's phase is chosen so
that the left side of the first change lies on a latent boundary, every change takes the nearest number of latent
frames, and `rest` says how many frames the generated latents must be resampled by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from editalk.timebase import FrameRange

RENOISED = 1  # latent frames on either side of a deletion that are re-noised (EditYourself, section 3.3)


class Action(StrEnum):
    KEEP = "keep"
    INSERT = "insert"
    DELETE = "delete"
    RENOISE = "renoise"


@dataclass(frozen=True)
class LatentEdit:
    """What happens to `count` latent frames from latent `start` of the strip on; an INSERT goes before `start`."""

    action: Action
    start: int
    count: int


@dataclass(frozen=True)
class Strip:
    """Source frames that are encoded for a window, and what is done to their latents.

    `source`: source frames, in order, one range after the other; `edits` tile the strip's latents in order (INSERTs lie
    between); `rest`: output frames minus the frames that the edited latents decode to, in (−step, step) per change.
    """

    source: tuple[FrameRange, ...]
    edits: tuple[LatentEdit, ...]
    rest: int


@dataclass(frozen=True)
class Change:
    """Strip frames [at, at + old) become `new` frames."""

    at: int
    old: int
    new: int


def latents(frames: int, step: int) -> int:
    """How many latent frames the first `frames` frames of a strip reach into."""
    return 0 if frames <= 0 else 1 + -(-(frames - 1) // step)


def phase(change_at: int, step: int) -> int:
    """How many frames to give up at the front of a strip so that frame `change_at` begins a latent frame."""
    return (change_at - 1) % step if change_at > 0 else 0


def latent_edits(frames: int, changes: Sequence[Change], step: int) -> tuple[tuple[LatentEdit, ...], int]:
    """The edits of a strip of `frames` frames and the rest that resampling absorbs.

    `changes` are ascending and disjoint. Every latent that a change touches is at least re-noised, and so are the
    neighbours of a deletion. What is added to or taken from a span that stays (a Retime) is spread evenly over it.
    """
    total = latents(frames, step)
    action = [Action.KEEP] * total
    inserted: dict[int, int] = {}
    rest = 0
    for change in changes:
        first = min(latents(change.at, step), total)
        end = max(first, min(latents(change.at + change.old, step), total))
        delta = round((change.new - change.old) / step)
        gone = min(-delta, end - first) if delta < 0 else 0
        spread = change.old > 0 and change.new > 0
        for i in range(delta):
            k = first + (i + 1) * (end - first) // (delta + 1) if spread else end
            inserted[k] = inserted.get(k, 0) + 1
        rest += change.new - change.old - step * (delta if delta > 0 else -gone)
        for k in range(max(0, first - RENOISED), min(total, end + RENOISED)):
            if action[k] is Action.KEEP:
                action[k] = Action.RENOISE
        middle = first + (end - first - gone) // 2
        for i in range(gone):
            k = first + (2 * i + 1) * (end - first) // (2 * gone) if spread else middle + i
            action[k] = Action.DELETE
    return _runs(action, inserted), rest


def _runs(action: Sequence[Action], inserted: dict[int, int]) -> tuple[LatentEdit, ...]:
    edits: list[LatentEdit] = []
    for k in range(len(action) + 1):
        if k in inserted:
            edits.append(LatentEdit(Action.INSERT, k, inserted[k]))
        if k == len(action):
            break
        last = edits[-1] if edits else None
        if last and last.action is action[k] and last.start + last.count == k:
            edits[-1] = LatentEdit(last.action, last.start, last.count + 1)
        else:
            edits.append(LatentEdit(action[k], k, 1))
    return tuple(edits)
