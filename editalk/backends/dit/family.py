"""What the sampling loop asks of a diffusion transformer, whichever family it is of."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from editalk.audio import Audio
from editalk.backends.dit.prompts import Prompt
from editalk.backends.dit.tokens import Tokens


class Family(Protocol):
    """A diffusion transformer that predicts velocities. It owns its network, its text embeddings and how it hears.

    `lips`: whether the sound reaches the picture (LTX-Video without trained audio layers: no). `prompt`: the text that
    it reads, another one for every window.
    """

    name: str
    lips: bool
    prompt: Prompt

    def hear(self, sound: Audio, at: NDArray[np.float64], seconds: NDArray[np.float64]) -> Any:
        """What `velocity` wants to know of the sound, computed once for a window.

        `sound`: [n, 1], 16000 samples per second. `at`: [frames] seconds into `sound` at which each video frame of the
        edited, decoded window is shown; `seconds`: [frames] the same frames' times in the coordinates of the tokens.
        Latent frame k ≥ 1 holds video frames 8(k−1)+1 … 8k, latent frame 0 holds frame 0.
        """
        ...

    def velocity(self, tokens: Tokens, sigma: float, heard: Any, cache: str | None = None) -> Tensor:
        """Velocities of the tokens, [n, c] float32, those of reference tokens included.

        `sigma`: the step's noise level, 0 … 1; a token's own is sigma · mask. `heard`: of the window, or None for
        silence's place: no sound. The tokens of one call are one block: sound outside its time is not attended to.
        `cache`: the name under which results may be reused from step to step; None: everything is computed.
        """
        ...
