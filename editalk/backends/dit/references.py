"""Reference tokens: who is speaking, for every block; what the scene looks like, for blocks that hold nothing clean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from editalk.backends.dit.times import forward_backward, referring, sentinel, span_of
from editalk.backends.dit.tokens import Tokens

FACES = 6  # latent frames of which a block sees the lower face (EditYourself, section 3.4)


@dataclass(frozen=True)
class References:
    """What a block may look at beside itself (section 3.4). `tokens`: the window's, clean, on the model's device;
    `faces`: [n] bool, those of a lower face; `content`: [latent frames] bool, those that hold footage; `clean`: [latent
    frames] bool, those of them that stay as they are. `count`: latent frames of face references.
    """

    tokens: Tokens
    faces: Tensor
    content: Tensor
    clean: Tensor
    count: int
    step: int
    rate: float

    def __call__(self, block: range) -> Sequence[Tokens]:
        return [*self.face_references(block), *self.frame_references(block)]

    def face_references(self, block: range) -> list[Tokens]:
        """Lower faces of up to `count` latent frames in the block or, where it has too few, near it; each at a sentinel
        time of its own.
        """
        shown = torch.unique(self.tokens.frame[self.faces]).tolist()
        usable = [k for k in shown if self.content[k]]
        off = {k: max(block.start - k, k - block.stop + 1, 0) for k in usable}
        inside = [k for k in usable if not off[k]]
        chosen = _spread(inside, self.count) if len(inside) >= self.count else sorted(usable, key=off.__getitem__)
        begin = span_of(block.start, self.step, self.rate)[0]
        found = []
        for place, k in enumerate(sorted(chosen[: self.count])):
            start, end = sentinel(place, self.step, self.rate)
            face = self.tokens[((self.tokens.frame == k) & self.faces).nonzero()[:, 0]]
            found.append(referring(face, (begin + start, begin + end)))
        return found

    def frame_references(self, block: range) -> list[Tokens]:
        """For a block without clean latents: the last clean latent frame before it and the first behind it."""
        if self.clean[block.start : block.stop].any():
            return []
        clean = self.clean.nonzero()[:, 0].tolist()
        before, behind = [k for k in clean if k < block.start][-1:], [k for k in clean if k >= block.stop][:1]
        return [
            referring(self.tokens[(self.tokens.frame == k).nonzero()[:, 0]],
                      forward_backward(block, k, self.step, self.rate))
            for k in before + behind
        ]  # fmt: skip


def _spread(places: list[int], count: int) -> list[int]:
    """`count` of the places, evenly."""
    if count <= 0:
        return []
    at = torch.linspace(0, len(places) - 1, count).round().long().tolist()
    return [places[i] for i in at]
