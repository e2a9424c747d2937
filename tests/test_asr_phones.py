"""Phones of words whose times are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from editalk.asr.phones import PASSAGE, Timed, _passages, known_phones, phones_within
from editalk.audio import Audio


def noise(seconds: float) -> Audio:
    return Audio(np.random.default_rng(0).normal(0, 0.05, (round(16000 * seconds), 1)).astype(np.float32), 16000)


def test_sound_that_does_not_say_the_words_has_no_phones() -> None:
    assert known_phones([], noise(1.0)) == ()
    assert known_phones("an entirely different sentence".split(), noise(2.0)) == ()
    assert phones_within([("hello", 0.2, 0.6), ("there", 0.7, 1.0)], noise(1.5), 0.0) == ()


def test_words_outside_the_sound_are_left_out() -> None:
    assert phones_within([("hello", 0.2, 0.6), ("there", 9.0, 9.5)], noise(1.0), 5.0) == ()


@given(st.lists(st.tuples(st.floats(0.05, 1.0), st.floats(0, 2)), max_size=40))
def test_passages_are_all_words_in_order(lengths: list[tuple[float, float]]) -> None:
    words: list[Timed] = []
    at = 0.0
    for k, (length, pause) in enumerate(lengths):
        words.append((str(k), at, at + length))
        at += length + pause
    passages = [list(p) for p in _passages(words)]
    assert [w for p in passages for w in p] == words
    for before, after in pairwise(passages):
        assert after[0][1] - before[-1][2] >= 0.2 - 1e-9
    for p in passages:
        for k in range(1, len(p)):
            assert p[k][1] - p[k - 1][2] < 0.2 or p[k - 1][2] - p[0][1] < PASSAGE
