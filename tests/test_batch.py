"""Batches: the loop with workers that only pretend, then real ones, killed, interrupted and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from test_cli import talking

from editalk.batch import events
from editalk.batch.jobs import read_list
from editalk.batch.journal import Archive, Journal
from editalk.batch.places import Place, places
from editalk.batch.run import Policy, run
from editalk.batch.work import Outcome, lost, passing
from editalk.batch.workers import Ended, Task, Told
from editalk.errors import DeviceError, MediaError, OutputError, UsageError

Clip = Callable[[str], Path]
ROOT = Path(__file__).resolve().parent.parent


class Pretended:
    """Workers whose outcomes are written down: by job a list, an attempt each; a job that is done leaves its output."""

    def __init__(self, outcomes: dict[str, list[Outcome | BaseException]], size: int = 2) -> None:
        self.outcomes, self.size = outcomes, size
        self.waiting: deque[Task] = deque()
        self.started: list[str] = []
        self.most = 0
        self.closed: list[bool] = []

    def start(self, task: Task) -> None:
        if task.job.target.exists() and not task.job.overwrite:
            self.outcomes.setdefault(task.id, []).insert(0, Outcome(1, 0.1, None, "OutputError", "exists already"))
        self.waiting.append(task)
        self.started.append(task.id)
        self.most = max(self.most, len(self.waiting))

    def wait(self, timeout: float | None) -> Sequence[Told | Ended]:
        if not self.waiting:
            time.sleep(min(timeout or 0, 0.01))
            return []
        task = self.waiting.popleft()
        outcome = self.outcomes.get(task.id, [])[:1]
        del self.outcomes.get(task.id, [])[:1]
        made = outcome[0] if outcome else Outcome(0, 0.1, {"output": str(task.job.target)})
        if isinstance(made, BaseException):
            raise made
        if made.code == 0 or made.report is not None:
            task.job.target.write_text(f"of attempt {task.attempt}")
        return [Told(task, {"stage": "Rendering", "done": 0, "total": 9}), Ended(task, made)]

    def close(self, now: bool = False) -> None:
        self.closed.append(now)


@pytest.fixture
def six(tmp_path: Path) -> Path:
    """A list of six jobs."""
    (tmp_path / "x.txt").write_text("one")
    lines = ["id,video,edited"]
    for name in "abcdef":
        (tmp_path / f"{name}.mp4").write_text(name)
        lines.append(f"{name},{name}.mp4,x.txt")
    (tmp_path / "jobs.csv").write_text("\n".join(lines))
    return tmp_path / "jobs.csv"


def go(jobs: Path, team: Pretended, policy: Policy | None = None, journal: Path | None = None, resume: bool = False,
       archive: Path | None = None, **defaults: Any) -> list[events.Event]:  # fmt: skip
    listed = read_list(jobs, None, defaults, jobs.with_name("spool"), sys.stdin.buffer)
    book = Journal(journal, resume) if journal else None
    return list(run(listed.entries(), 6, team, policy or Policy(), book, Archive(archive) if archive else None))


def ended(found: list[events.Event]) -> events.Ended:
    assert isinstance(found[-1], events.Ended)
    assert sum(isinstance(e, events.Ended) for e in found) == 1
    return found[-1]


def of(found: list[events.Event], kind: type[events.JobEvent]) -> list[str]:
    return [event.job for event in found if isinstance(event, kind)]


BAD = Outcome(4, 0.1, None, "VoiceError", "the voice says something else")
FULL = Outcome(5, 0.1, None, "DeviceError", "out of memory", passing=True)


def test_all_goes_well(six: Path) -> None:
    team = Pretended({})
    found = go(six, team)
    assert ended(found).row == {"event": "batch-done", "jobs": 6, "done": 6, "failed": 0, "skipped": 0,
                                "interrupted": 0, "not_started": 0, "retries": 0, "code": 0,
                                "seconds": ended(found).seconds}  # fmt: skip
    assert (team.started, team.most) == (list("abcdef"), 2)
    assert team.closed[0] is False
    json.dumps([event.row for event in found])


def test_a_failure_lets_no_other_begin(six: Path) -> None:
    found = go(six, Pretended({"b": [BAD]}))
    assert (of(found, events.Failed), of(found, events.NotStarted)) == (["b"], ["d", "e", "f"])
    assert (ended(found).code, ended(found).done, ended(found).not_started) == (4, 2, 3)


def test_the_worst_code_of_those_that_went_on(six: Path) -> None:
    found = go(six, Pretended({"b": [BAD], "d": [FULL], "e": [Outcome(1, 0.1, None, "MediaError", "")]}),
               Policy(go_on=True))  # fmt: skip
    assert (ended(found).code, ended(found).done, ended(found).failed) == (5, 3, 3)


def test_only_what_may_pass_is_tried_again(six: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("editalk.batch.run.PAUSE", 0.01)
    gone = lost("was killed (signal 9)", 1.0)
    team = Pretended({"a": [gone, FULL], "b": [BAD], "c": [FULL] * 5})
    found = go(six, team, Policy(retries=2, go_on=True))
    assert [team.started.count(name) for name in "abcdef"] == [3, 1, 3, 1, 1, 1]
    assert (of(found, events.Retried), of(found, events.Failed)) == (["a", "c", "a", "c"], ["b", "c"])
    done = {event.job: event.attempt for event in found if isinstance(event, events.Done)}
    assert done["a"] == 3
    assert (ended(found).code, ended(found).retries) == (5, 4)


def test_an_attempt_is_not_stopped_by_what_the_one_before_left(six: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("editalk.batch.run.PAUSE", 0.01)
    left = Outcome(5, 0.1, {}, "WorkerLost", "", passing=True)  # its output is there, its worker is gone
    six.with_name("c.edited.mp4").write_text("somebody's own")
    found = go(six, Pretended({"a": [left]}), Policy(retries=1, go_on=True))
    assert of(found, events.Failed) == ["c"]
    assert six.with_name("a.edited.mp4").read_text() == "of attempt 2"
    assert six.with_name("c.edited.mp4").read_text() == "somebody's own"


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
def test_interrupted(six: Path, stop: BaseException, code: int) -> None:
    listed = read_list(six, None, {}, six, sys.stdin.buffer)
    team = Pretended({"c": [stop]})
    found: list[events.Event] = []
    with pytest.raises(type(stop)):
        found.extend(iter(event for event in run(listed.entries(), 6, team) if found.append(event)))
    assert (of(found, events.Interrupted), of(found, events.NotStarted)) == (["c", "d"], ["e", "f"])
    assert (ended(found).code, ended(found).done, team.closed[0]) == (code, 2, True)


def test_resume_does_what_was_not_done(six: Path, tmp_path: Path) -> None:
    journal = tmp_path / "j"
    go(six, Pretended({"b": [BAD], "e": [FULL]}), Policy(go_on=True), journal)
    six.with_name("c.edited.mp4").unlink()
    six.with_name("d.mp4").write_text("another take")
    journal.write_bytes(journal.read_bytes() + b'{"state": "done", "key": "torn')
    team = Pretended({})
    found = go(six, team, journal=journal, resume=True)
    assert team.started == ["b", "c", "d", "e"]
    assert (ended(found).code, of(found, events.Skipped)) == (0, ["a", "f"])
    assert go(six, Pretended({}), journal=journal, resume=True)[1:-1] == [
        events.Skipped(n, k, "journal", str(six.with_name(f"{n}.edited.mp4"))) for k, n in enumerate("abcdef", 2)
    ]


def test_resume_takes_nobody_elses_output(six: Path, tmp_path: Path) -> None:
    """Not one that was there before, nor one that was put in the place of the batch's own."""
    six.with_name("b.edited.mp4").write_text("somebody's own")
    journal = tmp_path / "j"
    found = go(six, Pretended({}), Policy(go_on=True), journal)
    assert of(found, events.Failed) == ["b"]
    six.with_name("c.edited.mp4").write_text("somebody's own, too")
    found = go(six, Pretended({}), Policy(go_on=True), journal, resume=True)
    assert of(found, events.Failed) == ["b", "c"]
    assert of(found, events.Skipped) == ["a", "d", "e", "f"]


def test_an_archive_knows_what_was_made_whatever_it_is_called(six: Path, tmp_path: Path) -> None:
    archive = tmp_path / "done.txt"
    go(six, Pretended({"b": [BAD]}), Policy(go_on=True), archive=archive)
    for path in tmp_path.glob("*.edited.mp4"):
        path.unlink()
    (tmp_path / "a.mp4").write_text("another take")
    os.utime(tmp_path / "c.mp4", (1, 1))
    team = Pretended({})
    found = go(six, team, archive=archive)
    assert team.started == ["a", "b"]
    assert of(found, events.Skipped) == ["c", "d", "e", "f"]
    go(six, Pretended({}), archive=archive, seed=3, overwrite=True)
    assert len(archive.read_text().splitlines()) == 5 + 2 + 6


def test_batches_share_an_archive(six: Path, tmp_path: Path) -> None:
    one, other = Archive(tmp_path / "done.txt"), Archive(tmp_path / "done.txt")
    listed = read_list(six, None, {}, six, sys.stdin.buffer)
    task = next(entry for entry in listed.entries() if isinstance(entry, Task))
    assert not other.holds(task)
    assert not one.holds(task)
    one.ended(task, Outcome(0, 0.0, {}))
    assert other.holds(task)


def test_what_may_pass() -> None:
    import errno

    full = OutputError("no space is left")
    full.__cause__ = OSError(errno.ENOSPC, "full")
    assert [passing(e) for e in (DeviceError(""), full, OutputError("exists"), MediaError(""), UsageError(""))] == [
        True, True, False, False, False]  # fmt: skip


def test_workers_share_cores_and_have_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("editalk.batch.places.cores", lambda: tuple(range(12)))
    monkeypatch.setattr("editalk.batch.places.memory", lambda: (64.0, 9.0))
    four = places(None, 100, ["exemplar"], ["auto"])  # as far as memory goes
    assert four == tuple(Place({"OMP_NUM_THREADS": "3"}, (k, k + 1, k + 2)) for k in (0, 3, 6, 9))
    assert [p.cores for p in places(5, 100, ["exemplar"], ["auto"])] == [
        (0, 1), (2, 3), (4, 5, 6), (7, 8), (9, 10, 11)]  # fmt: skip
    crowd = places(20, 100, ["exemplar"], ["auto"])  # more than there are cores: one each, none for three
    assert {len(p.cores) for p in crowd} == {1}
    assert max(Counter(p.cores for p in crowd).values()) == 2
    assert len(places(None, 3, ["exemplar"], ["auto"])) == 3
    assert places(1, 100, ["exemplar"], ["auto"]) == (Place({"OMP_NUM_THREADS": "12"}),)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,7")
    assert places(None, 100, ["dit", "auto"], ["auto"]) == tuple(
        Place({"CUDA_VISIBLE_DEVICES": k}) for k in "37")  # fmt: skip
    assert places(3, 100, ["dit"], ["cuda"])[2] == Place({"CUDA_VISIBLE_DEVICES": "3"})
    assert places(1, 100, ["dit"], ["cuda:7"]) == (Place(),)
    assert places(1, 100, ["dit"], ["cpu"]) == (Place(),)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system holds no process to cores")
def test_a_process_keeps_to_its_cores() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "from editalk.cores import cores, keep_to, share; all = cores(); keep_to(all[-1:]);"
         "import cv2; print(cores() == all[-1:], share(), cv2.getNumThreads())"],
        env={k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.split() == ["True", "1", "1"]


# ------------------------------------------------------------------------------------------------- real processes


@pytest.fixture
def talks(clip: Clip, tmp_path: Path) -> Path:
    """Four real jobs, the third of which is of no video."""
    lines = ["id,video,edited"]
    for k, text in enumerate(("one two five six seven eight", "one two three four eight", "x", "three four five")):
        folder = tmp_path / f"t{k}"
        folder.mkdir()
        talking(clip("25"), folder, 2.0)
        (folder / "edited.txt").write_text(text)
        lines.append(f"t{k},t{k}/talk.mp4,t{k}/edited.txt")
    (tmp_path / "t2" / "talk.mp4").write_bytes(b"no video at all")
    (tmp_path / "jobs.csv").write_text("\n".join(lines))
    return tmp_path / "jobs.csv"


def start(jobs: Path, *more: str, **kinds: Any) -> subprocess.Popen[str]:
    env = {**os.environ, "EDITALK_CACHE": str(jobs.parent / "cache"), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "editalk", "batch", str(jobs), "--json", *more]
    # where tests run in the background SIGINT is ignored, and so it would be here
    kinds.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            start_new_session=True, **kinds)  # fmt: skip


def rows(batch: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, err = batch.communicate(timeout=120)
    assert "Traceback" not in err
    return [json.loads(line) for line in out.splitlines()]


def workers_of(process: int) -> list[int]:
    """Processes that run a worker for it."""
    import psutil

    return [child.pid for child in psutil.Process(process).children() if "editalk.batch.worker" in child.cmdline()]


def gone(processes: list[int], within: float = 15.0) -> bool:
    import psutil

    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(p) and psutil.Process(p).status() != "zombie" for p in processes):
            return True
        time.sleep(0.1)
    return False


def left_over(folder: Path) -> list[str]:
    """Half-written files."""
    return [str(p) for p in folder.rglob("*") if ".part" in p.name or ".making" in p.name]


def test_two_workers_as_one(talks: Path) -> None:
    """Results do not depend on the number of workers, the order, or on what a worker did before."""
    made = {}
    for size in ("1", "2"):
        batch = start(talks, "--workers", size, "--continue-on-error", "-y", "--journal", f"{talks}.{size}")
        found = rows(batch)
        assert batch.returncode == found[-1]["code"] == 1
        assert (found[-1]["done"], found[-1]["failed"]) == (3, 1)
        assert found[0]["workers"] == int(size)
        failed = [row for row in found if row["event"] == "job-failed"]
        assert [row["job"] for row in failed] == ["t2"]
        assert "not a media file" in failed[0]["message"]
        reports = {row["job"]: row["report"] for row in found if row["event"] == "job-done"}
        assert set(reports) == {"t0", "t1", "t3"}
        made[size] = {
            job: {k: v for k, v in r.items() if k not in ("seconds", "signature")}
            | {"pictures": pictures(Path(r["output"]))}
            for job, r in reports.items()
        }
        lines = talks.read_text().splitlines()
        talks.write_text("\n".join([lines[0], *lines[:0:-1]]))  # the other way round
        for window in (talks.parent / "cache" / "window").iterdir():
            window.unlink()
    assert made["1"] == made["2"]
    assert left_over(talks.parent) == []


def pictures(path: Path) -> list[int]:
    """The number that each frame shows."""
    import av
    from conftest import number_in

    with av.open(str(path)) as box:
        return [number_in(frame.to_ndarray(format="gray")) for frame in box.decode(video=0)]


def wait_for(batch: subprocess.Popen[str], event: str) -> dict[str, Any]:
    assert batch.stdout is not None
    for line in batch.stdout:
        row: dict[str, Any] = json.loads(line)
        if row["event"] == event:
            return row
    raise AssertionError(f"no {event}")


def test_a_killed_worker_is_replaced_and_its_job_tried_again(talks: Path) -> None:
    batch = start(talks, "--workers", "1", "--retries", "1", "--continue-on-error")
    wait_for(batch, "job-started")
    killed = workers_of(batch.pid)
    assert len(killed) == 1
    os.kill(killed[0], signal.SIGKILL)
    found = rows(batch)
    retried = [row for row in found if row["event"] == "job-retried"]
    assert [row["job"] for row in retried] == ["t0"]
    assert retried[0]["message"] == "its worker was killed (signal 9), perhaps for lack of memory"
    assert (found[-1]["done"], found[-1]["code"], found[-1]["retries"]) == (3, 1, 1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_batch_leaves_nothing_behind_and_goes_on(number: int, code: int, talks: Path) -> None:
    batch = start(talks, "--workers", "2")
    wait_for(batch, "job-progress")
    held = workers_of(batch.pid)
    if number == signal.SIGINT:
        os.killpg(batch.pid, number)  # as a terminal does
    else:
        batch.send_signal(number)
    found = rows(batch)
    assert batch.returncode == found[-1]["code"] == code
    assert found[-1]["interrupted"] + found[-1]["done"] >= 1
    assert found[-1]["not_started"] >= 1
    assert gone(held, 1.0)
    assert left_over(talks.parent) == []
    again = start(talks, "--resume", "--continue-on-error")
    assert (rows(again)[-1]["failed"], again.returncode) == (1, 1)
    assert all((talks.parent / f"t{k}" / "talk.edited.mp4").exists() for k in (0, 1, 3))


def test_workers_end_with_whoever_gave_them_work(talks: Path) -> None:
    batch = start(talks, "--workers", "2")
    wait_for(batch, "job-progress")
    held = workers_of(batch.pid)
    batch.kill()
    batch.communicate()
    assert gone(held)
    assert left_over(talks.parent) == []


def test_models_are_loaded_once_for_many_jobs() -> None:
    """Of weights as well as of recognisers: one thing at a time, anew only where it is another."""
    from editalk.asr.sphinx import recogniser
    from editalk.backends.kept import Kept

    loads: list[str] = []

    def load(name: str) -> Callable[[], str]:
        return lambda: (loads.append(name), name)[1]

    kept = Kept[str]()
    assert [kept.get(name, load(name)) for name in "aabba"] == list("aabba")
    assert loads == list("aba")
    assert recogniser() is recogniser()


def test_a_recogniser_hears_the_same_whatever_it_heard_before() -> None:
    import numpy as np

    from editalk.asr.recognise import _pocketsphinx
    from editalk.asr.sphinx import forget

    rng = np.random.default_rng(1)
    t = np.arange(16000) / 16000
    sounds = [(0.3 * np.sin(2 * np.pi * (120 + 40 * k) * t) * (np.sin(7 * t) > 0) + 0.02 * rng.standard_normal(len(t)))
              .astype(np.float32) for k in range(3)]  # fmt: skip
    forget()
    first = _pocketsphinx(sounds[0])
    _pocketsphinx(sounds[1] * 0.1)
    _pocketsphinx(sounds[2] * 2)
    forget()
    assert _pocketsphinx(sounds[0]) == first
