"""A worker of this machine: `python -m editalk.batch.worker [CORE …]`, a process that does one job after the other.

On standard input a job a line, `options.values_of` as JSON; on standard output what happens: {"stage", "done",
"total"}, {"message"}, {"warning"}, and at a job's end {"outcome"}. Where its standard input ends, whoever gave the jobs
is gone or has no more: it stops what it does, as at SIGTERM, and leaves nothing half-written.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NoReturn

from editalk.cores import keep_to

GRACE = 8.0  # seconds from the wish to stop to the end by force


_busy = threading.Event()


class _Stop:
    """Whether the worker is to end; raised again where the work goes on, as an import may lose an exception."""

    wanted = False

    def now(self, number: int, frame: object) -> NoReturn:
        self.wanted = True
        signal.signal(number, signal.SIG_IGN)  # a second one must not disturb the cleaning up
        _end_by_force()
        raise SystemExit(128 + number)

    def go_on(self) -> None:
        if self.wanted:
            raise SystemExit(128 + signal.SIGTERM)


def _end_by_force() -> None:
    """In case it hangs."""
    timer = threading.Timer(GRACE, os._exit, (128 + signal.SIGTERM,))
    timer.daemon = True
    timer.start()


def _listen(jobs: SimpleQueue[bytes | None]) -> None:
    """Standard input, line by line; at its end a job that is under way is stopped."""
    with os.fdopen(os.dup(0), "rb") as given:
        for line in given:
            _busy.set()
            jobs.put(line)
    jobs.put(None)
    if _busy.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: whoever gives the jobs decides
    if sys.argv[1:]:
        keep_to(map(int, sys.argv[1:]))
    stop = _Stop()
    signal.signal(signal.SIGTERM, stop.now)
    out = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no event

    def send(row: dict[str, Any]) -> None:
        line = json.dumps(row).encode() + b"\n"
        while line:
            line = line[os.write(out, line) :]

    jobs: SimpleQueue[bytes | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    from editalk.batch.options import job_of
    from editalk.batch.work import Telling, attempt, keep_to_share
    from editalk.cache import Cache

    keep_to_share()
    reporter = Telling(send, stop.go_on)
    cache = Cache(warn=reporter.warn)
    while (line := jobs.get()) is not None:
        outcome = attempt(job_of(json.loads(line), Path.cwd()), cache, reporter)
        stop.go_on()
        _busy.clear()
        send({"outcome": outcome.row})
    return 0


if __name__ == "__main__":
    try:
        code = main()  # when it returns the cache has been forgotten, and with it what it alone held
    except BrokenPipeError:  # nobody listens any more
        code = 1
    os._exit(code)  # whoever gave the jobs waits: taking down what the libraries built takes half a second
