"""The `ltx-video` family: LTX-Video 0.9.5 and later on diffusers' LTXVideoTransformer3DModel, with the paper's audio
layers where somebody has trained them (EditYourself, section 3.1 and 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editalk.audio import Audio
from editalk.backends.dit.audio_adapter import GROUP, AudioAdapter
from editalk.backends.dit.audio_features import AudioFeatures, audio_features
from editalk.backends.dit.audio_windows import windows
from editalk.backends.dit.caching import context
from editalk.backends.dit.loading import load_module
from editalk.backends.dit.parallel import share
from editalk.backends.dit.prompts import Prompt
from editalk.backends.dit.tokens import REFERENCE, Tokens
from editalk.errors import ModelsError

LEVELS = 1000.0  # the timestep of pure noise
TOGETHER = 16  # latent frames whose windows are in memory at once: 80 MB of Whisper-small's states
ADAPTER, ENCODER = "audio_adapter", "audio_encoder"  # in a weights folder


@dataclass(frozen=True)
class Guidance:
    """How far the model is pushed away from weaker passes of itself; the distilled one needs none.

    `text`: from the negative prompt (1: not; 3 is LTXConditionPipeline's default); `sound`: from the picture that hears
    nothing (1: not; the paper names no value).
    """

    text: float = 3.0
    sound: float = 1.0


@dataclass(frozen=True)
class Hearing:
    """Audio layers and the representation of sound that they were trained with; ModelsError where it is another."""

    adapter: AudioAdapter
    features: AudioFeatures

    def __post_init__(self) -> None:
        wanted, found = self.adapter.config, self.features
        for name in ("rate", "blocks", "channels"):
            if getattr(wanted, name) != getattr(found, name):
                raise ModelsError(
                    f"the audio adapter was trained with {wanted.representation}, {name} {getattr(wanted, name):g}; "
                    f"{found.name} has {getattr(found, name):g}"
                )

    @torch.no_grad()
    def embed(self, sound: Audio, at: NDArray[np.float64]) -> Tensor:
        """[F, K, D] embeddings for the latent frames of the video frames shown at `at` ([8 (F − 1) + 1] seconds)."""
        net, config = self.adapter.projection, self.adapter.config
        like = net.positions
        features = self.features.features(sound).to(like.device, like.dtype)
        times = np.concatenate([np.repeat(at[:1], GROUP - 1), at])  # latent frame 0 hears its only frame eight times
        parts = [
            net(windows(features, config.rate, times[i : i + TOGETHER * GROUP], config.window)[None])[0]
            for i in range(0, len(times), TOGETHER * GROUP)
        ]
        return torch.cat(parts)


def load_hearing(folder: Path, encoder: Path | None, device: torch.device | str, dtype: torch.dtype) -> Hearing | None:
    """The trained audio layers of a weights folder; None where it has none.

    `encoder`: the folder of the Whisper model that hears, where the adapter wants one and the weights folder does not
    bring it as audio_encoder. Raises ModelsError for what cannot be read or does not fit, UsageError where Whisper is
    wanted and not there.
    """
    if not (folder / ADAPTER).is_dir():
        return None
    adapter = AudioAdapter.load(folder / ADAPTER, device, dtype)
    own = folder / ENCODER
    features = audio_features(adapter.config.representation, own if own.is_dir() else encoder, device, dtype)
    return Hearing(adapter, features)


@dataclass(frozen=True)
class _Pass:
    """One run of the network: the name of its cache, the prompt, how far the model is pushed away from it, whether it
    hears.
    """

    name: str
    text: Tensor
    weight: float = 0.0
    deaf: bool = False


def load_transformer(folder: Path, dtype: torch.dtype) -> Any:
    """The LTXVideoTransformer3DModel of a weights folder, on the CPU. Raises ModelsError."""
    from diffusers import LTXVideoTransformer3DModel

    return load_module(LTXVideoTransformer3DModel, folder / "transformer", dtype)


class LtxVideo:
    """`net`: LTXVideoTransformer3DModel. `hearing`: installed here, and moved to the network's device by the caller;
    without it, or with layers nobody has trained, there are no lips. `guidance` None: one pass a step.
    """

    name = "ltx-video"

    def __init__(
        self, net: Any, prompt: Prompt, hearing: Hearing | None = None, guidance: Guidance | None = None
    ) -> None:
        """Raises ModelsError where adapter and network do not fit, ValueError where guidance by text is wanted and
        `prompt` has no negative one.
        """
        if guidance is not None and guidance.text != 1 and prompt.negative is None:
            raise ValueError("guidance by text needs a negative prompt")
        self.net, self.prompt, self.hearing, self.guidance = net, prompt, hearing, guidance
        self.lips = hearing is not None and hearing.adapter.trained
        if hearing is not None:
            hearing.adapter.install(net)

    def hear(self, sound: Audio, at: NDArray[np.float64], seconds: NDArray[np.float64]) -> Tensor | None:
        """See Family. Embeddings of the window's latent frames, [F, K, D]; None without audio layers. Tokens find
        theirs by their latent frame, so that `seconds` does not matter.
        """
        return None if self.hearing is None else self.hearing.embed(sound, at)

    def velocity(self, tokens: Tokens, sigma: float, heard: Any, cache: str | None = None) -> Tensor:
        """See Family. Times are counted from the block's start, which only rounds differently.

        Guidance, each direction for itself: v + (text − 1) · (v − v_negative) + (sound − 1) · (v − v_deaf).
        """
        own = tokens.frame != REFERENCE
        tokens = tokens.shifted(-float(tokens.coords[own, 0, 0].min()) if bool(own.any()) else 0.0)
        v = self._run(tokens, sigma, heard, _Pass("cond", self.prompt.positive.video), cache)
        pushed = v
        for each in self._weaker(heard is not None):
            pushed = pushed + each.weight * (v - self._run(tokens, sigma, heard, each, cache))
        return pushed

    def _weaker(self, hears: bool) -> Iterator[_Pass]:
        """The passes of guidance."""
        g, negative = self.guidance or Guidance(text=1, sound=1), self.prompt.negative
        if g.text != 1 and negative is not None:
            yield _Pass("uncond", negative.video, g.text - 1)
        if g.sound != 1 and hears:
            yield _Pass("deaf", self.prompt.positive.video, g.sound - 1, deaf=True)

    @torch.no_grad()
    def _run(self, tokens: Tokens, sigma: float, heard: Tensor | None, each: _Pass, cache: str | None) -> Tensor:
        """Velocities [n, c] float32 of one pass of the network over one block.

        Where and when a token stands is its upper left corner and its start, as in LTXConditionPipeline.
        """
        device, dtype = tokens.latent.device, self.net.dtype
        with ExitStack() as stack:
            stack.enter_context(context(self.net, None if cache is None else f"{cache}/{each.name}"))
            if self.hearing is not None and heard is not None and not each.deaf:
                frame, face = share(self.net, tokens.frame[None]), share(self.net, tokens.face[None])
                stack.enter_context(self.hearing.adapter.hearing(heard[None], frame, face))
            v = self.net(
                hidden_states=tokens.latent[None].to(dtype),
                encoder_hidden_states=each.text[None].to(device, dtype),
                encoder_attention_mask=None,
                timestep=LEVELS * sigma * tokens.mask[None],
                video_coords=tokens.coords[..., 0].T[None],
                return_dict=False,
            )[0]
        return torch.as_tensor(v[0].float())
