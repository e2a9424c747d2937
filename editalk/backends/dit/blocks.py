"""Time-aware position shift fusion: one denoising step on every block, the blocks elsewhere in the next step."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 17  # latent frames of a block: 129 video frames (EditYourself, section 3.4)
SHIFT = 7  # latent frames by which the partition moves from step to step; it has no divisor in common with WIDTH
MIDDLE = (0.3, 0.7)  # share of the steps between which the partition stays, so that results can be reused


@dataclass(frozen=True)
class Block:
    """Latent frames that are denoised together; `cache` names what may be reused from the step before."""

    frames: range
    cache: str | None


def resting(step: int, steps: int) -> bool:
    """Whether a step is one of the middle ones, in which blocks stay where they are."""
    return MIDDLE[0] * steps <= step < MIDDLE[1] * steps


def offset(step: int, steps: int) -> int:
    """Latent frames, 0 … WIDTH − 1, by which the partition of a step lies before that of the first."""
    moves = sum(not resting(i, steps) for i in range(1, step + 1))
    return SHIFT * moves % WIDTH


def partition(frames: int, step: int, steps: int, cached: bool = True) -> tuple[Block, ...]:
    """The blocks of a denoising step; together they hold every latent frame at least once.

    All are WIDTH wide where there are that many: one that reaches beyond an end is moved inside, so that there frames
    are seen from two blocks and their velocities averaged. Middle steps name their blocks (`cached`).
    """
    width = min(WIDTH, frames)
    last = frames - width
    starts = range(-offset(step, steps), frames, WIDTH) if frames > WIDTH else range(1)
    found = sorted({min(max(0, start), last) for start in starts})
    keep = cached and resting(step, steps)
    return tuple(Block(range(s, s + width), str(s) if keep else None) for s in found)
