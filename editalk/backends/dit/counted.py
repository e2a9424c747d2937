"""How much is computed of what a whole picture would take."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editalk.audio import Audio
from editalk.backends.dit.family import Family
from editalk.backends.dit.prompts import Prompt
from editalk.backends.dit.tokens import REFERENCE, Tokens


class Counted:
    """A family that counts the tokens it is given. `picture`: tokens of a latent frame of the whole picture."""

    def __init__(self, family: Family) -> None:
        self.family, self.name, self.lips = family, family.name, family.lips
        self.tokens = self.whole = self.picture = 0

    @property
    def prompt(self) -> Prompt:
        return self.family.prompt

    @prompt.setter
    def prompt(self, text: Prompt) -> None:
        self.family.prompt = text

    def hear(self, sound: Audio, at: NDArray[np.float64], seconds: NDArray[np.float64]) -> Any:
        return self.family.hear(sound, at, seconds)

    def velocity(self, tokens: Tokens, sigma: float, heard: Any, cache: str | None = None) -> Tensor:
        own = tokens.frame[tokens.frame != REFERENCE]
        self.tokens += len(tokens)
        self.whole += self.picture * len(torch.unique(own))
        return self.family.velocity(tokens, sigma, heard, cache)
