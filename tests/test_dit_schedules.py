"""Noise levels: the numbers of diffusers' pipelines and of the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editalk.backends.dit import schedules


def scheduled(steps: int, tokens: int, given: dict[str, Any]) -> list[float]:
    """What diffusers' scheduler makes of LTXPipeline's and LTX2Pipeline's request."""
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.ltx.pipeline_ltx import calculate_shift

    scheduler = FlowMatchEulerDiscreteScheduler(**given)
    c = scheduler.config
    mu = calculate_shift(tokens, c.base_image_seq_len, c.max_image_seq_len, c.base_shift, c.max_shift)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
    return [float(s) for s in scheduler.sigmas]


LTX2_SCHEDULER = {"use_dynamic_shifting": True, "base_shift": 0.95, "max_shift": 2.05, "base_image_seq_len": 1024,
                  "max_image_seq_len": 4096, "shift_terminal": 0.1}  # fmt: skip


@pytest.mark.parametrize(("steps", "tokens"), [(30, 4096), (8, 1000), (40, 20000), (2, 17)])
def test_full_schedules_equal_diffusers(steps: int, tokens: int) -> None:
    expected = pytest.approx(scheduled(steps, tokens, LTX2_SCHEDULER), abs=1e-5)
    assert list(schedules.ltx2(steps, tokens)) == expected
    assert list(schedules.ltx_video(steps, tokens, LTX2_SCHEDULER)) == expected
    plain = {"use_dynamic_shifting": True}
    assert list(schedules.ltx_video(steps, tokens, plain)) == pytest.approx(scheduled(steps, tokens, plain), abs=1e-5)


def test_full_schedule_equals_the_reference() -> None:
    """LTX2Scheduler().execute(steps=5) of the reference, for its default of 4096 tokens."""
    golden = [0.9999998211860657, 0.9174419045448303, 0.7907201051712036, 0.5714600086212158, 0.10000002384185791, 0.0]
    assert list(schedules.ltx2(5)) == pytest.approx(golden, abs=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 5, 30])
def test_linear_quadratic_equals_diffusers(steps: int) -> None:
    from diffusers.pipelines.ltx.pipeline_ltx_condition import linear_quadratic_schedule

    ours = schedules.ltx_video(steps, 999, {"use_dynamic_shifting": False})
    assert list(ours) == pytest.approx([*linear_quadratic_schedule(steps).tolist(), 0.0], abs=1e-5)


def test_distilled_schedules_equal_diffusers() -> None:
    from diffusers.pipelines.ltx2 import utils

    assert list(schedules.LTX2_DISTILLED) == [*utils.DISTILLED_SIGMA_VALUES, 0.0]
    assert list(schedules.LTX2_SECOND_PASS) == [*utils.STAGE_2_DISTILLED_SIGMA_VALUES, 0.0]
    assert schedules.LTX_VIDEO_FIRST_PASS == (1.0, 0.9937, 0.9875, 0.9812, 0.975, 0.9094, 0.725, 0.0)


@given(st.integers(1, 60), st.integers(1, 40000), st.booleans())
@settings(deadline=None, max_examples=60)
def test_schedules_fall_to_zero(steps: int, tokens: int, dynamic: bool) -> None:
    config = {"use_dynamic_shifting": dynamic}
    for sigmas in (schedules.ltx2(steps, tokens), schedules.ltx_video(steps, tokens, config)):
        assert len(sigmas) == steps + 1
        assert sigmas[0] == pytest.approx(1)
        assert sigmas[-1] == 0
        assert all(a > b for a, b in zip(sigmas, sigmas[1:], strict=False))
