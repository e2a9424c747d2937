"""The workers of a Ray cluster: actors that stay, each with a core or a GPU of some node.

A node sees the same files at the same places as this machine, and has the same editalk.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from editalk import __version__
from editalk.batch.options import values_of
from editalk.batch.work import Outcome, lost
from editalk.batch.workers import Ended, Task, Told
from editalk.errors import DeviceError, UsageError

PATIENCE = 5.0  # seconds for a cluster to answer
FIRST = 300.0  # seconds until a first worker is ready: a cluster may have to start a machine for it
GRACE = 10.0  # seconds from the wish to stop to the end by force
TRIES = 3  # workers that fail to begin, one after the other, before there is no hope
_SETTINGS = b"\x04"  # the type of a frame, its fourth byte
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + _SETTINGS + bytes(5)
AUTO, CLIENT = "auto", "ray://"
INSTALL = "--ray needs Ray, on this machine and on every node: pip install 'editalk[ray]'"


class Actor:
    """Runs on a node. Calls run beside one another: `do` for as long as the job takes, `listen` until there is news."""

    def __init__(self) -> None:
        from editalk.batch.work import Telling, keep_to_share
        from editalk.cache import Cache

        keep_to_share()
        self._news: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._reporter = Telling(self._news.put, self._go_on)
        self._cache, self._stopped = Cache(warn=self._reporter.warn), False

    def about(self, node: str) -> dict[str, Any]:
        """`node`: the field of Ray's list of nodes that names them."""
        ray: Any = importlib.import_module("ray")  # half of it without types
        own = ray.get_runtime_context().get_node_id()
        row: dict[str, Any] = next((row for row in ray.nodes() if row["NodeID"] == own), {})
        return {"version": __version__, "node": str(row.get(node) or socket.gethostname()), "pid": os.getpid()}

    def do(self, values: dict[str, Any]) -> None:
        """`values`: see `options.values_of`."""
        from editalk.batch.options import job_of
        from editalk.batch.work import attempt

        try:
            outcome = attempt(job_of(values, Path.cwd()), self._cache, self._reporter)
            self._go_on()
        except SystemExit:
            self._news.put({"stopped": True})
            return
        self._news.put({"outcome": outcome.row})

    def _go_on(self) -> None:
        if self._stopped:
            raise SystemExit(128 + signal.SIGTERM)

    def listen(self) -> list[dict[str, Any]]:
        """What was said since, in order; waits until something is."""
        rows = [self._news.get()]
        with suppress(Empty):
            while True:
                rows.append(self._news.get_nowait())
        return rows

    def stop(self) -> None:
        """What is under way is stopped at its next step, as Ctrl-C stops `apply`."""
        self._stopped = True


class _Worker:
    """An actor, and what it is at. `node`: empty until it is ready."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.task: Task | None = None
        self.node, self.begun = "", time.monotonic()

    @property
    def free(self) -> bool:
        return bool(self.node) and self.task is None


Heard = tuple[_Worker, dict[str, Any] | Exception]


class ClusterWorkers:
    """See `workers.Workers`. `address`: auto (the cluster that this machine belongs to, or RAY_ADDRESS), host:port or
    ray://host:port. `wanted` None: one for each core or, with `gpus` and where the cluster has some, for each GPU.

    Raises UsageError, DeviceError.
    """

    def __init__(self, address: str, wanted: int | None, jobs: int, gpus: bool) -> None:
        self._ray = _connected(address)
        self.address = address
        try:
            there = self._ray.cluster_resources()
            self._gpus = gpus and there.get("GPU", 0) >= 1
            usual = int(there.get("GPU" if self._gpus else "CPU", 0))
            if not (wanted or usual):
                raise DeviceError(f"--ray {address}: the cluster has no cores to lend; with --workers N it is asked "
                                  "for them all the same")  # fmt: skip
        except BaseException:
            self._ray.shutdown()
            raise
        self.size = min(jobs, wanted or usual)
        self._workers: list[_Worker] = []
        self._waiting: deque[Task] = deque()
        self._heard: SimpleQueue[Heard] = SimpleQueue()
        self._open, self._failures, self._since = True, 0, time.monotonic()

    def start(self, task: Task) -> None:
        self._waiting.append(task)
        self._hire()
        self._give()

    def _hire(self) -> None:
        """Workers are asked for all at once: whichever begins first gets the first task."""
        needs: dict[str, Any] = {"num_cpus": 1} | ({"num_gpus": 1} if self._gpus else {})
        while len(self._workers) < self.size:
            made = self._ray.remote(Actor).options(max_concurrency=4, scheduling_strategy="SPREAD", **needs).remote()
            worker = _Worker(made)
            self._workers.append(worker)
            threading.Thread(target=self._attend, args=(worker,), daemon=True).start()

    def _attend(self, worker: _Worker) -> None:
        """In a thread of its own, so that signals find the main thread in Python."""
        try:
            self._heard.put((worker, self._ray.get(worker.handle.about.remote("NodeName"))))
            while True:
                for row in self._ray.get(worker.handle.listen.remote()):
                    self._heard.put((worker, row))
        except Exception as error:  # Ray's, of many kinds: the worker is gone, or the cluster is
            self._heard.put((worker, error))

    def _give(self) -> None:
        for worker in self._workers:
            if worker.free and self._waiting:
                worker.task, worker.begun = self._waiting.popleft(), time.monotonic()
                worker.handle.do.remote(values_of(worker.task.job))
                self._heard.put((worker, {"message": f"on node {worker.node}"}))

    def wait(self, timeout: float | None) -> list[Told | Ended]:
        until = None if timeout is None else time.monotonic() + timeout
        found: list[Told | Ended] = []
        while not found:
            try:
                found += self._event(*self._heard.get(timeout=self._patience(until)))
                while True:
                    found += self._event(*self._heard.get_nowait())
            except Empty:
                if until is not None and time.monotonic() >= until:
                    break
                self._check_hope()
        self._give()
        return found

    def _patience(self, until: float | None) -> float:
        return 5.0 if until is None else max(0.0, min(5.0, until - time.monotonic()))

    def _check_hope(self) -> None:
        if not any(worker.node for worker in self._workers) and time.monotonic() - self._since > FIRST:
            what = "GPU" if self._gpus else "core"
            raise DeviceError(f"--ray {self.address}: no node had a {what} free for {FIRST:.0f} s; wait for others' "
                              "work to end, or add nodes")  # fmt: skip

    def _event(self, worker: _Worker, said: dict[str, Any] | Exception) -> list[Told | Ended]:
        if isinstance(said, Exception):
            return self._gone(worker, said)
        if "version" in said:
            self._welcome(worker, said)
            return []
        task = worker.task
        if task is None:
            return []
        if "outcome" in said:
            worker.task = None
            outcome = Outcome(**said["outcome"])
            if outcome.code:
                outcome = replace(outcome, message=f"{outcome.message} (on node {worker.node})")
            return [Ended(task, outcome)]
        if "stopped" in said:
            worker.task = None
            return []
        return [Told(task, said)]

    def _welcome(self, worker: _Worker, about: dict[str, Any]) -> None:
        if about["version"] != __version__:
            raise DeviceError(f"--ray {self.address}: node {about['node']} has editalk {about['version']}, this "
                              f"machine {__version__}; install the same on all")  # fmt: skip
        worker.node, self._failures = about["node"], 0
        self._give()

    def _gone(self, worker: _Worker, error: Exception) -> list[Told | Ended]:
        if worker not in self._workers:
            return []
        self._workers.remove(worker)
        task, worker.task = worker.task, None
        if not worker.node:
            self._failures += 1
            if self._failures >= TRIES or "No module named 'editalk" in str(error):
                raise DeviceError(f"--ray {self.address}: no worker can begin on a node: {_reason(error)}; every node "
                                  "needs the same editalk, Ray and Python") from error  # fmt: skip
        if self._waiting or task is not None:
            self._hire()
        if task is None:
            return []
        return [Ended(task, lost(f"on node {worker.node} is gone: {_reason(error)}", time.monotonic() - worker.begun))]

    def close(self, now: bool = False) -> None:
        if not self._open:
            return
        self._open = False
        held, self._workers = self._workers, []
        self._waiting.clear()
        try:
            if now:
                self._stop([worker for worker in held if worker.task is not None])
        finally:  # a second Ctrl-C does not wait
            for worker in held:
                with suppress(Exception):  # the cluster may be gone
                    self._ray.kill(worker.handle)
            self._ray.shutdown()

    def _stop(self, busy: list[_Worker]) -> None:
        for worker in busy:
            with suppress(Exception):
                worker.handle.stop.remote()
        until = time.monotonic() + GRACE
        while busy and time.monotonic() < until:
            with suppress(Empty):
                worker, said = self._heard.get(timeout=max(0.0, until - time.monotonic()))
                if worker in busy and (isinstance(said, Exception) or "stopped" in said or "outcome" in said):
                    busy.remove(worker)


def _reason(error: Exception) -> str:
    """What Ray says, in a line."""
    text = str(error)
    if "node" in text and ("has died" in text or "was terminated" in text or "dead" in text):
        return "its node died"
    if "memory" in text.lower() and "kill" in text.lower():
        return "it was killed for lack of memory"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if "Error: " in line or "died unexpectedly" in line or "exit" in line.lower()]
    return (causes or lines or [type(error).__name__])[-1][:300]


def _connected(address: str) -> Any:
    """The module ray, connected. Raises UsageError, DeviceError."""
    _check_address(address)
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise DeviceError(INSTALL) from error
    if address.startswith(CLIENT):
        try:
            importlib.import_module("grpc")
        except ImportError as error:
            raise DeviceError(f"--ray {CLIENT}… needs Ray's client: pip install 'ray[client]'") from error
    there = os.environ.get("RAY_ADDRESS", "") if address == AUTO else address
    if there and there != AUTO:
        _check_there(address, there)
    try:
        with _undisturbed():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except Exception as error:  # Ray's, of many kinds
        start = "start one with `ray start --head`, or name its address" if address == AUTO else "is Ray running there?"
        raise DeviceError(f"--ray {address}: no cluster answers ({_reason(error)}); {start}") from error
    return ray


def _check_address(address: str) -> None:
    host, colon, port = address.removeprefix(CLIENT).rpartition(":")
    if address != AUTO and not (host and colon and port.isdecimal() and "/" not in host):
        raise UsageError(f"--ray {address}: not an address; auto, host:port or ray://host:port")


def _check_there(address: str, there: str) -> None:
    """Quickly: Ray itself would try for minutes. Its servers speak gRPC: HTTP/2, which begins with settings."""
    host, _, port = there.removeprefix(CLIENT).rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as asked:
            if os.environ.get("RAY_USE_TLS", "0") == "1":
                return
            asked.sendall(_GREETING)
            answer = asked.recv(9)
    except (OSError, ValueError) as error:
        raise DeviceError(f"--ray {address}: nothing answers at {there} ({error}); is Ray running there?") from error
    if answer[3:4] != _SETTINGS:
        raise DeviceError(f"--ray {address}: what answers at {there} is not Ray; the head's `ray start` "
                          "printed the address")  # fmt: skip


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ray installs handlers of signals, warns of its own matters, and writes to the standard output of the events."""
    held = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    logging.getLogger("ray").setLevel(logging.ERROR)
    worker: Any = importlib.import_module("ray._private.worker")
    worker._worker_logs_enabled = False  # it prints what nodes complain of
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in held.items():
                signal.signal(number, handler)
