"""Work that a second thread does while the first goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

MOST = 3  # calls that wait, each of which holds a picture


@contextmanager
def behind(most: int = MOST) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Gives a function that has calls made in a second thread, in their order, and waits where `most` are not made yet.

    What goes wrong in one is raised by a later one or at the end. All are made, or with an error (Ctrl-C too) no more
    are begun, when the context is left.
    """
    waiting: deque[Future[None]] = deque()
    worker = ThreadPoolExecutor(1)

    def later(call: Callable[[], None]) -> None:
        while waiting and (len(waiting) >= most or waiting[0].done()):
            waiting.popleft().result()
        waiting.append(worker.submit(call))

    try:
        yield later
        while waiting:
            waiting.popleft().result()
    finally:
        worker.shutdown(cancel_futures=True)
