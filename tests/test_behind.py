"""A second thread that lags behind: in order, bounded, and gone when something goes wrong on either side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from editalk.pipeline.behind import behind


def hand_over(calls: Sequence[Callable[[], None]], fault: type[BaseException] | None = None) -> None:
    with behind(5) as later:
        for call in calls:
            later(call)
        if fault is not None:
            raise fault


def test_calls_are_made_in_order_by_another_thread() -> None:
    made: list[int] = []
    threads: set[int] = set()

    def call(k: int) -> None:
        time.sleep(0.001 * (k % 3))
        made.append(k)
        threads.add(threading.get_ident())

    with behind(2) as later:
        for k in range(20):
            later(partial(call, k))
            assert k - len(made) <= 2
    assert made == list(range(20))
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


@pytest.mark.parametrize("calls", [1, 9])
def test_what_goes_wrong_behind_is_raised(calls: int) -> None:
    def fail() -> None:
        raise OSError("the disk is full")

    before = threading.active_count()
    with pytest.raises(OSError, match="full"):
        hand_over([fail] * calls)
    assert threading.active_count() == before


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_what_goes_wrong_in_front_ends_it(fault: type[BaseException]) -> None:
    made: list[int] = []
    hold = threading.Event()

    def call(k: int) -> None:
        hold.wait(0.2)
        made.append(k)

    before = threading.active_count()
    with pytest.raises(fault):
        hand_over([partial(call, k) for k in range(5)], fault)
    assert threading.active_count() == before
    assert len(made) <= 1  # no call is begun after it
