"""A window's strip and its latent edits → the edited latent sequence, and which frames of the timeline it shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editalk.backends.dit.masks import frames_of
from editalk.latent import Action, LatentEdit, Strip
from editalk.plan.types import RenderWindow

RENOISE = 0.75  # mask of the neighbours of a deletion: they keep a quarter of what they were (section 3.3)
NEW = -1


@dataclass(frozen=True)
class EditedStrip:
    """`frames`: [encoded] source frames to encode, in order, 1 + step·k of them; the last `padding` only repeat the one
    before. `latents`: [edited] which latent of these stands at each place of the edited sequence, NEW where one
    is inserted; `mask`: [edited] share of noise.
    """

    frames: tuple[int, ...]
    padding: int
    latents: tuple[int, ...]
    mask: tuple[float, ...]

    def apply(self, latents: Tensor) -> Tensor:
        """[encoded latents, c, h, w] → [edited, c, h, w]; inserted ones are 0, to be replaced by noise."""
        made = torch.zeros(len(self.latents), *latents.shape[1:], dtype=latents.dtype)
        for place, k in enumerate(self.latents):
            if k != NEW:
                made[place] = latents[k]
        return made

    def kept(self, step: int) -> NDArray[np.int64]:
        """[frames that the edited sequence decodes to] the source frame that each of them is, NEW where generated."""
        shown: list[int] = []
        for place, (k, mask) in enumerate(zip(self.latents, self.mask, strict=True)):
            frames = [self.frames[f] for f in frames_of(k, step)] if k != NEW and not mask else []
            shown += frames or [NEW] * len(frames_of(place, step))
        return np.array(shown, np.int64)


def edited_strip(strip: Strip, step: int) -> EditedStrip:
    """The latent insertions and deletions of a strip, neighbours of a deletion re-noised (EditYourself, section 3.3).

    New content before the first frame needs that frame in a latent that is not the first: it is encoded with repeats of
    itself in front, which are generated anew like their neighbours. The last frame is repeated to fill its latent.
    """
    frames = [f for piece in strip.source for f in range(piece.start, piece.end)]
    edits = [e for e in strip.edits if e.count]
    if edits and edits[0].action is Action.INSERT and edits[0].start == 0:
        frames = frames[:1] * step + frames
        edits = [edits[0], *(LatentEdit(e.action, e.start + 1, e.count) for e in edits[1:])]
    padding = -(len(frames) - 1) % step
    latents: list[int] = []
    mask: list[float] = []
    for edit in edits:
        if edit.action is Action.INSERT:
            latents += [NEW] * edit.count
            mask += [1.0] * edit.count
        elif edit.action is not Action.DELETE:
            latents += range(edit.start, edit.start + edit.count)
            mask += [RENOISE if edit.action is Action.RENOISE else 0.0] * edit.count
    return EditedStrip((*frames, *frames[-1:] * padding), padding, tuple(latents), tuple(mask))


def shown_at(window: RenderWindow, strip: EditedStrip, step: int) -> NDArray[np.float64]:
    """[frames of the window's context] where in the decoded sequence each timeline frame lies; NaN: it is not in it.

    Frames that are kept lie where they are decoded; what is generated between two of them is stretched evenly (the rest
    that the latent grid leaves).
    """
    kept = strip.kept(step)
    knots = list(_kept_places(window, kept))
    known = dict(knots)
    last = len(kept) - 1
    first_seen, last_seen = _place(window, strip.frames[0]), _place(window, strip.frames[-1])
    if window.pieces[0].source is None or first_seen is None:
        knots.insert(0, (window.context.start - 0.5, -0.5))
    elif first_seen not in known:
        knots.insert(0, (first_seen, 0))
    if window.pieces[-1].source is None or last_seen is None:
        knots.append((window.context.end - 0.5, last + 0.5))
    elif last_seen not in known:
        knots.append((last_seen, last - strip.padding))
    timeline = np.arange(window.context.start, window.context.end, dtype=np.float64)
    times, decoded = zip(*knots, strict=True)
    return np.interp(timeline, times, decoded, left=np.nan, right=np.nan)


def _kept_places(window: RenderWindow, kept: NDArray[np.int64]) -> Iterator[tuple[float, float]]:
    """Timeline frame and decoded frame of all that is kept, ascending in both."""
    decoded = 0
    for piece in window.pieces:
        if piece.source is None or piece.resampled:
            continue
        for frame in range(max(piece.start, window.context.start), min(piece.end, window.context.end)):
            found = np.flatnonzero(kept[decoded:] == piece.source + frame - piece.start)
            if len(found):
                decoded += int(found[0])
                yield frame, decoded
                decoded += 1


def _place(window: RenderWindow, source: int) -> float | None:
    """The timeline frame that shows a source frame; None where none does."""
    for piece in window.pieces:
        if piece.source is not None and piece.source <= source < piece.source_end:
            return piece.start + (source - piece.source) * piece.frames / piece.source_frames
    return None
