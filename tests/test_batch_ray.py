"""A batch on a Ray cluster of two nodes, both on this machine."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_cli import _own_cache, run, talking  # noqa: F401

from editalk.batch import events
from editalk.batch.jobs import JobList
from editalk.batch.run import Policy
from editalk.batch.run import run as run_batch
from editalk.errors import DeviceError

STORE = 80 * 2**20
LONG = 180.0  # seconds, for a machine that does much else


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of two nodes of a core each; they need no /dev/shm."""
    pytest.importorskip("ray", reason="pip install 'editalk[ray]'")
    from ray.cluster_utils import Cluster

    folder = Path(tempfile.mkdtemp(prefix="er-", dir="/tmp"))  # paths of sockets are short
    before = dict(os.environ)
    (folder / "ray").mkdir()
    os.environ.update(EDITALK_CACHE=str(folder / "cache"), OMP_NUM_THREADS="1", RAY_TMPDIR=str(folder))
    node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": STORE, "plasma_directory": str(folder)}
    made = Cluster(initialize_head=True, head_node_args=node | {"node_name": "one", "include_dashboard": False})
    try:
        made.add_node(**node, node_name="two")
        os.environ.clear()
        os.environ.update(before)
        yield made.address
    finally:
        made.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def jobs(clip: Callable[[str], Path], tmp_path: Path) -> Path:
    """Four jobs, one of them of a file that is no video."""
    talking(clip("25"), tmp_path, 2.0)
    (tmp_path / "edited.txt").write_text("one two five six seven eight")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    rows = [{"id": f"j{k}", "video": "broken.mp4" if k == 3 else "talk.mp4", "edited": "edited.txt",
             "output": f"out{k}.mp4", "seed": k} for k in range(4)]  # fmt: skip
    path = tmp_path / "jobs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def started(jobs: Path, *more: str) -> subprocess.Popen[str]:
    attended = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        [sys.executable, "-m", "editalk", "batch", str(jobs), "--json", *more], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, preexec_fn=attended,
    )  # fmt: skip


def actors() -> list[psutil.Process]:
    """Those of this test's nodes, which are its children."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            found += [process] * any("ray::Actor" in word for word in process.cmdline())
        except psutil.Error:
            continue
    return found


def test_both_nodes_work(cluster: str, jobs: Path) -> None:
    from editalk.batch.cluster import ClusterWorkers

    handler = signal.getsignal(signal.SIGTERM)
    team = ClusterWorkers(cluster, None, 9, gpus=True)  # it has none, so cores are taken
    assert team.size == 2
    team._hire()
    until = time.monotonic() + LONG
    while not all(worker.node for worker in team._workers) and time.monotonic() < until:
        team.wait(1.0)
    with pytest.raises(DeviceError, match=r"node three has editalk 0\.0, this machine"):
        team._event(team._workers[0], {"version": "0.0", "node": "three"})
    entries = list(JobList(jobs, jobs.name, "jsonl", jobs.parent, {}).entries())
    seen = list(run_batch(entries, len(entries), team, Policy(go_on=True)))
    nodes = {e.message for e in seen if isinstance(e, events.Said) and e.message.startswith("on node")}
    assert nodes == {"on node one", "on node two"}
    assert {e.job for e in seen if isinstance(e, events.Done)} == {"j0", "j1", "j2"}
    (failed,) = (e for e in seen if isinstance(e, events.Failed))
    assert (failed.job, failed.code) == ("j3", 1)
    assert "broken.mp4" in failed.message
    assert failed.message.endswith(("(on node one)", "(on node two)"))
    assert all((jobs.parent / f"out{k}.mp4").exists() for k in range(3))
    assert isinstance(seen[-1], events.Ended)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_worker_is_killed(cluster: str, jobs: Path, tmp_path: Path) -> None:
    """Its job is done by another one."""
    report = tmp_path / "report.xml"
    asked = ("--ray", cluster, "--retries", "2", "--continue-on-error", "--junit", str(report))
    rows = []
    with started(jobs, *asked) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            rows.append(json.loads(line))
            if rows[-1].get("message", "").startswith("on node") and not any(r["event"] == "job-done" for r in rows):
                for actor in actors():
                    actor.kill()
                break
        rows += map(json.loads, process.stdout)
        said = [json.loads(line) for line in process.stderr]
    assert process.returncode == 1, said
    again = [row for row in rows if row["event"] == "job-retried"]
    assert {(row["error"], row["code"]) for row in again} == {("WorkerLost", 5)}
    assert "its worker on node " in again[0]["message"]
    assert {row["job"] for row in rows if row["event"] == "job-done"} == {"j0", "j1", "j2"}
    assert [row["message"].endswith(("one)", "two)")) for row in rows if row["event"] == "job-failed"] == [True]
    assert 'name="attempts" value="2"' in report.read_text("utf-8")


def test_an_interrupted_batch(cluster: str, jobs: Path, tmp_path: Path) -> None:
    rows = []
    with started(jobs, "--ray", cluster) as process:
        assert process.stdout is not None
        for line in process.stdout:
            rows.append(json.loads(line))
            if rows[-1].get("message", "").startswith("on node"):
                process.send_signal(signal.SIGINT)
                break
        rows += map(json.loads, process.stdout)
    assert process.returncode == 130
    assert rows[-1]["event"] == "batch-done"
    assert rows[-1]["code"] == 130
    assert rows[-1]["interrupted"] + rows[-1]["done"] >= 1
    assert not list(tmp_path.glob(".*part*"))
    until = time.monotonic() + LONG
    while actors() and time.monotonic() < until:
        time.sleep(0.2)
    assert actors() == []


@pytest.mark.parametrize(
    ("address", "code", "message"),
    [("nowhere", 2, "auto, host:port"), ("host:port", 2, "not an address"), ("127.0.0.1:{port}", 5, "nothing answers"),
     ("auto", 5, "ray start --head"), ("ray://127.0.0.1:{port}", 5, "ray")],
)  # fmt: skip
def test_no_cluster(
    address: str, code: int, message: str, jobs: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pytest.importorskip("ray", reason="pip install 'editalk[ray]'")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", lambda: set(), raising=False)
    monkeypatch.setattr("ray._private.services.find_bootstrap_address", lambda *_: None, raising=False)
    monkeypatch.setattr("ray._private.services._cached_find_gcs_addresses", lambda: frozenset(), raising=False)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # taken, but nobody listens
        asked = address.format(port=held.getsockname()[1])
        begin = time.monotonic()
        got, out, err = run(capsys, "batch", str(jobs), "--continue-on-error", "--ray", asked)
    assert (got, out) == (code, ""), err
    assert message in err
    assert time.monotonic() - begin < 30


def test_a_server_that_is_not_ray(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray", reason="pip install 'editalk[ray]'")

    class Web(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asked = f"127.0.0.1:{server.server_port}"
        code, _, err = run(capsys, "batch", str(jobs), "--continue-on-error", "--ray", asked)
        server.shutdown()
    assert (code, f"what answers at {asked} is not Ray" in err) == (5, True), err


def test_without_ray(jobs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = run(capsys, "batch", str(jobs), "--continue-on-error", "--ray", "auto")
    assert (code, "pip install 'editalk[ray]'" in err) == (5, True)
