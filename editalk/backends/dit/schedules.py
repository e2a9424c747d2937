"""Noise levels of the denoising steps: what distilled weights were trained for, and full schedules for the others.

All are falling and end in 0; `len − 1` is the number of steps. The numbers are those of the models' own pipelines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

LTX2_STEPS = 30  # of the full schedule of LTX-2.3 (ltx_pipelines, LTX_2_3_PARAMS)
LTX2_TOKENS = 4096  # for which ltx_pipelines makes its schedules, whatever the picture's size
LTX_VIDEO_STEPS = 30  # of 0.9.7-dev

LTX2_DISTILLED = (1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0)
LTX2_SECOND_PASS = (0.909375, 0.725, 0.421875, 0.0)
"""After the latent upsampler, also of the full model, which then has the distilled LoRA."""

LTX_VIDEO_DISTILLED = (1.0, 0.9937, 0.9875, 0.9812, 0.975, 0.9094, 0.725, 0.4219, 0.0)
"""The levels that 0.9.7-distilled knows, for one pass alone."""
LTX_VIDEO_FIRST_PASS = (*LTX_VIDEO_DISTILLED[:-2], 0.0)
LTX_VIDEO_SECOND_PASS = (0.9094, 0.725, 0.4219, 0.0)


def ltx2(steps: int = LTX2_STEPS, tokens: int = LTX2_TOKENS) -> tuple[float, ...]:
    """The full schedule of LTX-2.x: the more tokens, the longer it stays noisy; the last step begins at 0.1."""
    return (*_stretched(_shifted(_even(steps), _shift(tokens, 1024, 4096, 0.95, 2.05)), 0.1), 0.0)


def ltx_video(steps: int, tokens: int, config: Mapping[str, Any]) -> tuple[float, ...]:
    """The full schedule of LTX-Video by its folder's scheduler/scheduler_config.json.

    With dynamic shifting (up to 0.9.1) that of LTXPipeline, which depends on the number of tokens; without (0.9.5 and
    later) the linear-quadratic one of LTXConditionPipeline.
    """
    if not config.get("use_dynamic_shifting", False):
        shift = float(config.get("shift", 1.0))
        return (*(shift * s / (1 + (shift - 1) * s) for s in linear_quadratic(steps)), 0.0)
    base, most = int(config.get("base_image_seq_len", 256)), int(config.get("max_image_seq_len", 4096))
    least, longest = float(config.get("base_shift", 0.5)), float(config.get("max_shift", 1.15))
    sigmas = _shifted(_even(steps), _shift(tokens, base, most, least, longest))
    terminal = config.get("shift_terminal")
    return (*(_stretched(sigmas, float(terminal)) if terminal else sigmas), 0.0)


def linear_quadratic(steps: int, threshold: float = 0.025) -> tuple[float, ...]:
    """`steps` levels without the last 0: half of them down to 1 − threshold evenly, the rest on a parabola to 0."""
    if steps < 2:
        return (1.0,)
    linear = steps // 2
    rest = steps - linear
    missing = linear - threshold * steps
    square = missing / (linear * rest**2)
    slope = threshold / linear - 2 * missing / rest**2
    start = [i * threshold / linear for i in range(linear)]
    end = [square * i**2 + slope * i + square * linear**2 for i in range(linear, steps)]
    return tuple(1 - x for x in (*start, *end))


def _even(steps: int) -> list[float]:
    return [1 - i / steps for i in range(steps)]


def _shift(tokens: int, base: int, most: int, least: float, longest: float) -> float:
    return least + (longest - least) * (tokens - base) / (most - base)


def _shifted(sigmas: Sequence[float], shift: float) -> list[float]:
    """Esser et al. 2024, equation 23, with the shift's logarithm."""
    return [math.exp(shift) / (math.exp(shift) + (1 / s - 1)) for s in sigmas]


def _stretched(sigmas: Sequence[float], terminal: float) -> list[float]:
    """1 stays, the last becomes `terminal`."""
    if sigmas[-1] == 1:  # one step
        return list(sigmas)
    scale = (1 - terminal) / (1 - sigmas[-1])
    return [1 - (1 - s) * scale for s in sigmas]
