"""The workers of one machine: processes that stay, each with its share of the cores or a GPU of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import editalk
from editalk.batch.options import values_of
from editalk.batch.places import Place
from editalk.batch.work import Outcome, lost
from editalk.batch.workers import Ended, Task, Told
from editalk.errors import DeviceError

GRACE = 10.0  # seconds from the wish to stop to the end by force; a worker takes less
LAST_WORDS = 30  # lines of what a worker wrote to standard error


class LocalWorkers:
    """See `workers.Workers`; a worker whose job failed for want of memory or of a device is replaced, too.

    `places`: what each of them gets.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.size = len(places)
        self._places = places
        self._heard: SimpleQueue[tuple[_Process, dict[str, Any] | None]] = SimpleQueue()
        self._processes: list[_Process | None] = [None] * self.size
        self._leaving: list[_Process] = []

    def start(self, task: Task) -> None:
        place = next(k for k, held in enumerate(self._processes) if held is None or held.task is None)
        process = self._processes[place]
        if process is None or not process.give(task):
            process = self._processes[place] = _Process(self._places[place], self._heard)
            process.give(task)  # where it is gone already, `wait` hears of it

    def wait(self, timeout: float | None) -> list[Told | Ended]:
        found: list[Told | Ended] = []
        with suppress(Empty):
            found += self._event(*self._heard.get(timeout=timeout))
            while True:
                found += self._event(*self._heard.get_nowait())
        return found

    def _event(self, process: _Process, row: dict[str, Any] | None) -> list[Told | Ended]:
        task = process.task
        if row is None:
            if process in self._processes:
                self._processes[self._processes.index(process)] = None
            if process in self._leaving:
                self._leaving.remove(process)
            why = process.end()
            process.task = None
            return [] if task is None else [Ended(task, lost(why, process.seconds, process.last_words))]
        if task is None:
            return []
        if "outcome" in row:
            process.task = None
            outcome = Outcome(**row["outcome"])
            if outcome.code == DeviceError.exit_code:  # what it holds of a device or of memory may be what is wrong
                self._processes[self._processes.index(process)] = None
                self._leaving.append(process)
                process.leave(now=True)
            return [Ended(task, outcome)]
        return [Told(task, row)]

    def close(self, now: bool = False) -> None:
        held = self._leaving + [process for process in self._processes if process is not None]
        self._processes, self._leaving = [None] * self.size, []
        try:
            for process in held:
                process.leave(now)
            deadline = time.monotonic() + GRACE
            for process in held:
                with suppress(subprocess.TimeoutExpired):
                    process.popen.wait(max(0.0, deadline - time.monotonic()))
        finally:  # a second Ctrl-C does not wait
            for process in held:
                process.popen.kill()
                process.popen.wait()


class _Process:
    """A worker, and what it is at. What it says goes to `heard`, None when it is gone."""

    def __init__(self, place: Place, heard: SimpleQueue[tuple[_Process, dict[str, Any] | None]]) -> None:
        self.task: Task | None = None
        self._heard, self._begun = heard, time.monotonic()
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        own = str(Path(editalk.__file__).resolve().parent.parent)
        found = os.pathsep.join([own, *filter(None, [os.environ.get("PYTHONPATH")])])
        try:
            self.popen = subprocess.Popen(
                [sys.executable, "-P", "-m", "editalk.batch.worker", *map(str, place.cores)],
                env={**os.environ, "PYTHONPATH": found, **place.environment}, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise DeviceError(f"no worker can be started: {error.strerror or error}; take fewer --workers") from error
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._listen, self._overhear)]
        for thread in self._threads:
            thread.start()

    @property
    def seconds(self) -> float:
        """Since it was given its task."""
        return time.monotonic() - self._begun

    @property
    def last_words(self) -> str:
        self._threads[1].join(1.0)
        return "\n".join(self._last_words)

    def give(self, task: Task) -> bool:
        """False where it is gone."""
        assert self.popen.stdin is not None
        try:
            self.popen.stdin.write(json.dumps(values_of(task.job)).encode() + b"\n")
            self.popen.stdin.flush()
        except OSError:
            return False
        self.task, self._begun = task, time.monotonic()
        return True

    def _listen(self) -> None:
        assert self.popen.stdout is not None
        with self.popen.stdout as lines:
            for line in lines:
                with suppress(ValueError):  # torn by a kill
                    self._heard.put((self, json.loads(line)))
        self._heard.put((self, None))

    def _overhear(self) -> None:
        assert self.popen.stderr is not None
        with self.popen.stderr as lines:
            for line in lines:
                self._last_words.append(line.decode("utf-8", "replace").rstrip())

    def leave(self, now: bool) -> None:
        """It ends by itself where nobody gives it anything any more."""
        assert self.popen.stdin is not None
        if now and self.popen.poll() is None:
            self.popen.terminate()
        with suppress(OSError):
            self.popen.stdin.close()

    def end(self) -> str:
        """What became of it, once it says nothing more."""
        try:
            code = self.popen.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            return "said nothing more"
        if code >= 0:
            return f"exited (code {code})"
        if code == -signal.SIGKILL:
            return f"was killed (signal {-code}), perhaps for lack of memory"
        return f"died (signal {-code}: {signal.strsignal(-code)})"
