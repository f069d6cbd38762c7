"""Killing everything: what was running goes on from its checkpoint, and nothing is lost or done for ever."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from studio_jobs import PATIENCE, SERVER, ended, journal, stepping, until

from scorekit.host import execute
from scorekit.host.record import Run
from scorekit_studio import supervisor
from scorekit_studio.desk import Studio
from scorekit_studio.limits import Limits
from scorekit_studio.store import StoreError
from scorekit_studio.supervisor import Supervisor, end_group, import_paths


def server(folder: Path, before: str = "") -> "subprocess.Popen[str]":
    """A studio's server in a process of its own; `before`: code that it runs first."""
    command = [sys.executable, "-c", f"import sys\n{before}{SERVER}", str(folder / "store"), str(folder / "locks")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


@pytest.fixture
def folder(plugin: ModuleType, memory: Path) -> Iterator[Path]:
    assert plugin.Steps.name == "steps"
    yield memory
    pid = worker_pid(Studio(memory / "store"))
    if pid and psutil.pid_exists(pid):
        end_group(pid)


def worker_pid(studio: Studio) -> int | None:
    with studio.store.read() as db:
        row = db.execute("SELECT pid FROM workers").fetchone()
    return None if row is None or row["pid"] is None else int(row["pid"])


def test_kill_9_of_the_worker_and_then_of_the_server(folder: Path, steps: Any, tmp_path: Path) -> None:
    studio = Studio(folder / "store")  # without workers: it submits to the server's queue
    job_id = studio.queue.submit("ann", steps, {"steps": 60, "gate": 40, "rest": 0.02}, seed=4)
    waiting = studio.queue.submit("bob", steps)
    first = server(folder)
    try:
        stepping(studio, job_id, 10)
        killed = worker_pid(studio)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        until(lambda: studio.queue.get(job_id).attempts == 1)
        assert studio.queue.get(job_id).state in ("interrupted", "running")
        until(lambda: len(journal(studio, job_id)) > 25, 60)
        second = worker_pid(studio)
        assert second not in (None, killed)
        first.kill()
        until(
            lambda: second is not None and not psutil.pid_exists(second), 5, "the death of the worker with its parent"
        )
    finally:
        first.kill()
        first.wait()
    assert Run.load(studio.store.runs / job_id).status == "interrupted"
    (studio.store.runs / job_id / "open").touch()
    again = server(folder)
    try:
        assert ended(studio, job_id, 60).state == "done"
        assert studio.queue.get(job_id).attempts == 2
        assert ended(studio, waiting, 60).state == "done"
    finally:
        again.kill()
        again.wait()
    # Each death repeats at most the steps since the last checkpoint.
    worked = journal(studio, job_id)
    assert set(worked) == set(range(1, 61))
    assert worked.count(1) == 1
    assert len(worked) <= 60 + 2 * 15
    whole = execute(steps, {"steps": 60}, tmp_path / "whole", seed=4, device="cpu")
    mine = json.loads((studio.store.runs / job_id / "sum.json").read_text())
    assert mine == json.loads(whole.artifacts["sum.json"].read_text())


def test_a_job_that_takes_its_process_with_it_again_and_again_is_given_up(
    studio: Studio, plugin: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio.queue, "limits", replace(studio.limits, attempts=2))
    job_id = studio.queue.submit("ann", plugin.Rogue, {"how": "oom"})
    job = ended(studio, job_id, 90)
    assert (job.state, job.attempts) == ("failed", 2)
    assert job.error == "its process was killed 2 times, so it is not started again by itself"
    assert Run.load(studio.store.runs / job_id).error == job.error


def test_two_servers_share_neither_store_nor_device(folder: Path) -> None:
    studio = Studio(folder / "store", devices=["cpu"])
    studio.start(locks=folder / "locks", prepare=())
    until(lambda: studio.supervisor and studio.supervisor.status()[0]["pid"])
    rival = Studio(folder / "store", devices=["cpu"])
    with pytest.raises(StoreError, match="is used by another studio; stop it first"):
        rival.start(locks=folder / "locks", prepare=())
    # Another store, the same device: its worker waits for the device, and says so.
    other = Studio(folder / "other", devices=["cpu"])
    other.start(locks=folder / "locks", prepare=())
    try:
        until(lambda: other.supervisor and other.supervisor.status()[0]["state"] == "blocked")
        assert other.supervisor is not None
        assert other.supervisor.status()[0]["note"] == "cpu is used by another scorekit server on this machine"
    finally:
        other.stop()
    studio.stop()


def test_the_end_of_a_server_in_peace_costs_no_attempt(folder: Path, steps: Any) -> None:
    studio = Studio(folder / "store")
    job_id = studio.queue.submit("ann", steps, {"steps": 5000, "rest": 0.05})
    process = server(folder, "import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n")
    try:
        stepping(studio, job_id, 3)
        process.terminate()
        assert process.wait(20 * PATIENCE) == 0
    finally:
        process.kill()
    job = studio.queue.get(job_id)
    # A worker that a busy machine lets no time to end is found interrupted by the next server, and goes on all the same.
    assert job.state in ("queued", "interrupted")
    assert job.attempts == 0
    kept, last = Run.load(studio.store.runs / job_id).record["checkpoint"], journal(studio, job_id)[-1]
    assert kept == last if job.state == "queued" else last - 1 <= kept <= last


def idle(studio: Studio) -> Supervisor:
    return Supervisor(studio.queue, ["cpu"])


def test_a_run_that_ended_before_its_worker_could_say_so_is_done(folder: Path, steps: Any) -> None:
    studio = Studio(folder / "store")
    job_id = studio.queue.submit("ann", steps)
    assert studio.queue.claim("cpu") is not None
    execute(steps, None, studio.store.runs / job_id, resume=True, device="cpu")
    idle(studio)._recover()
    job = studio.queue.get(job_id)
    assert (job.state, job.worker) == ("done", None)


def test_what_was_asked_before_a_death_holds_after_it(folder: Path, steps: Any) -> None:
    studio = Studio(folder / "store", Limits(running=10))
    jobs = [studio.queue.submit("ann", steps) for _ in range(3)]
    for number in range(3):
        studio.queue.claim(f"cuda:{number}")
    studio.queue.cancel(jobs[0], "ann")
    studio.queue.pause(jobs[1], "ann")
    idle(studio)._recover()
    assert [studio.queue.get(j).state for j in jobs] == ["cancelled", "paused", "interrupted"]
    assert [Run.load(studio.store.runs / j).status for j in jobs] == ["cancelled", "interrupted", "interrupted"]


def test_a_stranger_with_an_old_workers_number_is_left_alone() -> None:
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        time.sleep(0.2)
        end_group(stranger.pid)
        time.sleep(0.2)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_workers_standard_library_is_not_hidden_by_our_own_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    package = Path(supervisor.__file__).parent
    monkeypatch.syspath_prepend(str(package / "pages"))
    monkeypatch.syspath_prepend(str(package))  # as Streamlit does for its script
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(import_paths())}
    code = "import queue, scorekit_studio; print(queue.Empty.__module__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "_queue\n"
