"""Rational time rounds once, in one place, and never drifts."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editalk.timebase import FrameRange, FrameRate, TimeRange, nearest, samples

RATES = ["24000/1001", "24", "25", "30000/1001", "50", "60000/1001", "60", "1350/61"]
rates = st.sampled_from(RATES).map(FrameRate.parse)
frames = st.integers(0, 10_000_000)


@given(rates, frames)
def test_a_frame_is_found_at_its_own_time(rate: FrameRate, frame: int) -> None:
    at = rate.seconds(frame)
    assert rate.frames(at) == rate.frame_at(at) == rate.frames_to_cover(at) == frame


@given(rates, frames, st.sampled_from([16000, 44100, 48000]))
def test_samples_of_frames_do_not_drift(rate: FrameRate, frame: int, sample_rate: int) -> None:
    exact = frame * Fraction(sample_rate) / rate.value
    assert abs(rate.sample(frame, sample_rate) - exact) <= Fraction(1, 2)


@given(rates, st.fractions(0, 100_000))
def test_rounding_brackets_the_time(rate: FrameRate, seconds: Fraction) -> None:
    assert rate.frame_at(seconds) <= seconds * rate.value <= rate.frames_to_cover(seconds)
    assert rate.frames_to_cover(seconds) - rate.frame_at(seconds) <= 1
    assert abs(rate.frames(seconds) - seconds * rate.value) <= Fraction(1, 2)


@pytest.mark.parametrize(("value", "whole"), [("1/2", 1), ("3/2", 2), ("5/2", 3), ("-1/2", 0), ("2/5", 0), ("7", 7)])
def test_halves_go_up(value: str, whole: int) -> None:
    assert nearest(Fraction(value)) == whole


def test_ranges_refuse_to_run_backwards() -> None:
    with pytest.raises(ValueError, match="does not end"):
        TimeRange(2.0, 1.0)
    with pytest.raises(ValueError, match="does not end"):
        FrameRange(2, 1)


def test_frame_ranges_exclude_their_end() -> None:
    span = FrameRange(3, 6)
    assert (len(span), 3 in span, 5 in span, 6 in span) == (3, True, True, False)
    assert span.seconds(FrameRate.parse("25")) == TimeRange(0.12, 0.24)


def test_a_rate_is_positive_and_exact() -> None:
    assert str(FrameRate.parse("30000/1001")) == "30000/1001"
    assert samples(0.5, 44100) == 22050
    with pytest.raises(ValueError, match="positive"):
        FrameRate(Fraction(0))
