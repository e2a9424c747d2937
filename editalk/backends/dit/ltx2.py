"""The `ltx2` family: LTX-2.3 on diffusers' LTX2VideoTransformer3DModel, picture and frozen sound in one network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from editalk.audio import Audio
from editalk.backends.dit.audio_latents import AudioLatents
from editalk.backends.dit.caching import context
from editalk.backends.dit.parallel import share
from editalk.backends.dit.prompts import Embeds, Prompt
from editalk.backends.dit.tokens import Tokens

MARGIN = 0.5  # seconds of sound before and behind a block that its tokens may attend to


@dataclass(frozen=True)
class Guidance:
    """How far the full model is pushed away from weaker passes of itself; the distilled one needs none.

    The defaults are those of ltx_pipelines and diffusers for LTX-2.3. `text`: from the negative prompt (1: not);
    `sound`: from the picture that hears nothing (1: not); `perturbed`: from the network without the self-attention of
    `blocks` (0: not; Hyung et al. 2024), if its configuration has `perturbed_attn`; `rescale`: share by which the
    result gets the spread of the unguided one back (Lin et al. 2024, section 3.4).
    """

    text: float = 3.0
    sound: float = 3.0
    perturbed: float = 1.0
    blocks: tuple[int, ...] = (28,)
    rescale: float = 0.7


@dataclass(frozen=True)
class Heard:
    """`latents`: [n, c] float32, clean; `coords`: [n, 2] float32, start and end in the seconds of the tokens."""

    latents: Tensor
    coords: Tensor


@dataclass(frozen=True)
class _Pass:
    """One run of the network, what it reads, and what is taken from it to make it weaker.

    `weight`: how far the result is pushed away from this one.
    """

    name: str
    text: Tensor
    weight: float = 0.0
    deaf: bool = False
    blocks: tuple[int, ...] = ()


class Ltx2:
    """`net`: LTX2VideoTransformer3DModel of LTX-2.0 or later."""

    name = "ltx2"
    lips = True

    def __init__(self, net: Any, sounds: AudioLatents, prompt: Prompt, guidance: Guidance | None = None) -> None:
        """Raises ValueError where `prompt` has not what the family and the guidance need, or the network has not the
        blocks that guidance perturbs.
        """
        if prompt.positive.audio is None:
            raise ValueError("the prompt's embeddings are not of this family: they have nothing for the sound")
        if guidance is not None and guidance.text != 1 and prompt.negative is None:
            raise ValueError("guidance by text needs a negative prompt")
        if guidance is not None and max(guidance.blocks, default=0) >= len(net.transformer_blocks):
            raise ValueError(
                f"guidance perturbs {guidance.blocks}, the network has {len(net.transformer_blocks)} blocks"
            )
        self.net, self.sounds, self.prompt, self.guidance = net, sounds, prompt, guidance

    def hear(self, sound: Audio, at: NDArray[np.float64], seconds: NDArray[np.float64]) -> Heard:
        """See Family. The sound is never changed, so it is encoded once."""
        latents = self.sounds.encode(sound)
        spans = self.net.audio_rope.prepare_audio_coords(1, len(latents), latents.device)[0, 0]
        times = retimed(spans.double().cpu().numpy(), at, seconds)
        return Heard(latents, torch.from_numpy(times).to(latents))

    def velocity(self, tokens: Tokens, sigma: float, heard: Any, cache: str | None = None) -> Tensor:
        """See Family. Times are counted from the block's start, which only rounds differently; guidance is Guidance's.

        Without sound the two streams do not attend to each other: it is the pass that guidance by sound relies on,
        whereas a made-up sound, zeros for instance, would be heard: zero is the mean of all sounds, not silence.
        """
        start, end = _span(tokens)
        near = None if heard is None else around(heard, start - MARGIN, end + MARGIN)
        sound = None if near is None else replace(near, coords=near.coords - start)
        block = tokens.shifted(-start)
        v = self._run(block, sigma, sound, _Pass("cond", self.prompt.positive.video), cache)
        if self.guidance is None:
            return v
        weaker = [
            (each.weight, self._run(block, sigma, sound, each, cache)) for each in self._weaker(sound is not None)
        ]
        pushed = v + sum(weight * (v - other) for weight, other in weaker)
        return _rescaled(tokens.latent, (sigma * tokens.mask)[:, None], v, pushed, self.guidance.rescale)

    def _weaker(self, hears: bool) -> list[_Pass]:
        """The passes of guidance; the prompt for the sound stays, as the sound is given (a2vid_two_stage.py)."""
        text, negative, found = self.prompt.positive.video, self.prompt.negative, []
        g = self.guidance or Guidance(text=1, sound=1, perturbed=0)
        if g.text != 1 and negative is not None:
            found.append(_Pass("uncond", negative.video, g.text - 1))
        if g.perturbed != 0 and g.blocks and self.net.config.perturbed_attn:
            found.append(_Pass("perturbed", text, g.perturbed, blocks=g.blocks))
        if g.sound != 1 and hears:
            found.append(_Pass("deaf", text, g.sound - 1, deaf=True))
        return found

    @torch.no_grad()
    def _run(self, tokens: Tokens, sigma: float, heard: Heard | None, each: _Pass, cache: str | None) -> Tensor:
        """Velocities [n, c] float32 of one pass of the network over one block."""
        device, dtype = tokens.latent.device, self.net.dtype
        levels = self.net.config.timestep_scale_multiplier * sigma * tokens.mask[None]
        still = torch.zeros(1, device=device)
        nothing = Heard(torch.zeros(1, self.net.config.audio_in_channels), torch.zeros(1, 2))
        sound = heard or nothing
        with ExitStack() as stack:
            stack.enter_context(context(self.net, None if cache is None else f"{cache}/{each.name}"))
            stack.enter_context(own_levels(self.net, share(self.net, levels)[0], still))
            for block in each.blocks:
                stack.enter_context(_unperturbed(self.net.transformer_blocks[block].audio_attn1))
            v = self.net(
                hidden_states=tokens.latent[None].to(dtype),
                audio_hidden_states=sound.latents[None].to(device, dtype),
                encoder_hidden_states=each.text[None].to(device, dtype),
                audio_encoder_hidden_states=_sound(self.prompt.positive)[None].to(device, dtype),
                timestep=levels,
                audio_timestep=still,
                sigma=still + self.net.config.timestep_scale_multiplier * sigma,
                audio_sigma=still,
                video_coords=tokens.coords.transpose(0, 1)[None],
                audio_coords=sound.coords[None, None].to(device),
                isolate_modalities=each.deaf or heard is None,
                spatio_temporal_guidance_blocks=list(each.blocks) or None,
                use_cross_timestep=True,
                return_dict=False,
            )[0]
        return torch.as_tensor(v[0].float())


def retimed(times: NDArray[np.float64], at: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Times in the sound as times of the tokens; before the first and behind the last frame both run alike."""
    inside = np.interp(times, at, seconds)
    return np.asarray(inside + np.minimum(times - at[0], 0) + np.maximum(times - at[-1], 0), np.float32)


def around(heard: Heard, start: float, end: float) -> Heard | None:
    """The latents that sound in part within [start, end]; None where there are none."""
    inside = (heard.coords[:, 1] > start) & (heard.coords[:, 0] < end)
    return Heard(heard.latents[inside], heard.coords[inside]) if bool(inside.any()) else None


def _rescaled(x: Tensor, level: Tensor, v: Tensor, pushed: Tensor, rescale: float) -> Tensor:
    """The pushed velocity with the share `rescale` of the spread that v's x0 has; `level`: [n, 1], the tokens' own.

    In x0, over all tokens: as the reference's MultiModalGuider has it.
    """
    plain, x0 = x - v * level, x - pushed * level
    factor = rescale * plain.std() / x0.std() + 1 - rescale
    return torch.where(level > 0, (x - factor * x0) / level, pushed)


def _span(tokens: Tokens) -> tuple[float, float]:
    """Start and end, seconds, of what is not reference."""
    own = tokens.coords[tokens.frame >= 0, 0]
    return float(own[:, 0].min()), float(own[:, 1].max())


def _sound(embeds: Embeds) -> Tensor:
    assert embeds.audio is not None
    return embeds.audio


@contextmanager
def own_levels(net: Any, video: Tensor, audio: Tensor) -> Iterator[None]:
    """Within it each stream's own noise level sets scale and shift of the cross-attention between picture and sound.

    So the models were trained: the other stream's level sets the gates alone (the reference's transformer_args.py; its
    makers' correction of the same mistake in ComfyUI, pull request 14097). diffusers 0.42 gives the other stream's to
    both, which is no difference until one of them is frozen.
    """
    with ExitStack() as stack:
        stack.enter_context(_before(net.av_cross_attn_video_scale_shift, lambda args, kwargs: ((video,), kwargs)))
        stack.enter_context(_before(net.av_cross_attn_audio_scale_shift, lambda args, kwargs: ((audio,), kwargs)))
        yield


@contextmanager
def _unperturbed(attention: nn.Module) -> Iterator[None]:
    """diffusers perturbs picture and sound alike; where the sound is given the reference leaves it as it is."""
    plain = {"perturbation_mask": None, "all_perturbed": False}
    with _before(attention, lambda args, kwargs: (args, kwargs | plain)):
        yield


_Change = Callable[[tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]


@contextmanager
def _before(module: nn.Module, change: _Change) -> Iterator[None]:
    """Within it the module is called with other arguments."""
    handle = module.register_forward_pre_hook(lambda _, args, kwargs: change(args, kwargs), with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
