"""The latent grid of a video VAE."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    KEEP = "keep"
    INSERT = "insert"
    DELETE = "delete"
    RENOISE = "renoise"


@dataclass(frozen=True)
class LatentEdit:
    """What happens to `count` latent frames from `start` of the window's source latents on."""

    action: Action
    start: int
    count: int
