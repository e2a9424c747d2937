"""The training loss: masked flow matching with sound (EditYourself, sections 3.2 and 3.5, equations 1, 5 and 8)."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from editalk.backends.dit.audio_adapter import AudioAdapter
from editalk.backends.dit.ltx_video import LEVELS
from editalk.backends.dit.tokens import Tokens
from editalk.backends.dit.training.examples import Example

SHIFT = 5.0  # of the log-normal noise levels towards pure noise, where the lips are decided; 75 % lie above 0.72
DEAF = 0.1  # of the examples hear nothing


def level(rng: np.random.Generator) -> float:
    """A noise level 0 … 1, log-normal, shifted (Esser et al. 2024, section 3.1 and equation 23)."""
    odds = SHIFT * float(np.exp(rng.normal()))
    return odds / (1 + odds)


def velocity(
    net: Any, adapter: AudioAdapter, text: Tensor, tokens: Tokens, sigma: float, windows: Tensor | None
) -> Tensor:
    """[n, c]: what the network says of noisy tokens, as `LtxVideo` asks it, with gradients. `text`: [m, width];
    `windows`: [frames, W, B, C] of the sound, None: silence's place.
    """
    hearing: Any = nullcontext()
    if windows is not None:
        hearing = adapter.hearing(adapter.embed(windows[None]), tokens.frame[None], tokens.face[None])
    with hearing:
        out = net(
            hidden_states=tokens.latent[None],
            encoder_hidden_states=text[None],
            encoder_attention_mask=None,
            timestep=LEVELS * sigma * tokens.mask[None],
            video_coords=tokens.coords[..., 0].T[None],
            return_dict=False,
        )[0]
    return torch.as_tensor(out[0])


def noisy(tokens: Tokens, noise: Tensor, sigma: float) -> Tokens:
    """Noise where the mask says, at level sigma · mask (equation 5)."""
    return tokens.with_latent(torch.lerp(tokens.latent, noise, sigma * tokens.mask[:, None]))


def loss(
    net: Any, adapter: AudioAdapter, text: Tensor, given: Example, sigma: float, noise: Tensor, deaf: bool = False
) -> Tensor:
    """The mean square error of the velocity over generated tokens (equation 8)."""
    tokens = given.tokens
    found = velocity(net, adapter, text, noisy(tokens, noise, sigma), sigma, None if deaf else given.windows)
    chosen = tokens.mask > 0
    return (found - (noise - tokens.latent))[chosen].square().mean()
