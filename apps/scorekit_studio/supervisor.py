"""Keeps one worker alive for each device, and keeps the studio's word: what is cancelled stops, what was killed goes on.

Runs in a thread of the server. The thread also starts the processes: on Linux a child that asked to die with its parent
dies with the *thread* that started it, and a web server's own threads come and go.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
import psutil

from scorekit.host import runs
from scorekit.host.errors import ParameterError
from scorekit.host.record import Run
from scorekit_studio import history
from scorekit_studio.job import Job
from scorekit_studio.queue import Queue
from scorekit_studio.store import StoreError
from scorekit_studio.worker import BLOCKED, say

TICK_SECONDS = 0.1
KILL_SECONDS = 2.4  # from the wish to cancel to SIGKILL, so that it is over within 3 s
SLICE_SECONDS = 120.0  # a longer job gives way when somebody else waits
HOLD_SECONDS = 300.0  # a job that is paused in memory goes on after this when somebody waits
STOP_SECONDS = 4.0  # that running jobs have to keep their state when the server stops
RETRY_SECONDS = (0.0, 0.0, 5.0, 15.0, 60.0)  # before the next start, by how often a worker died without taking a job
UPKEEP_SECONDS = 30.0
LOG_BYTES = 20_000_000
PREPARE = ("scorekit.models.loading",)
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS}


@dataclass
class _Seat:
    """A device and the process that serves it."""

    device: str
    process: "subprocess.Popen[bytes] | None" = None
    fruitless: int = 0  # starts in a row that served no job
    next_start: float = 0.0


@dataclass
class _Watch:
    """What is known of a running job, by the clock that nobody can set."""

    since: float
    cancel_since: float | None = None
    held_since: float | None = None
    asked_to_yield: bool = False


@dataclass
class Supervisor:
    """Workers for `devices` on a queue. `start`, and `stop` at the end; all else happens by itself.

    locks    where the locks of devices are, the same for all servers of a machine
    prepare  modules that an idle worker imports beforehand
    """

    queue: Queue
    devices: Sequence[str]
    locks: Path = field(default_factory=lambda: Path(tempfile.gettempdir()) / "scorekit-devices")
    prepare: Sequence[str] = PREPARE
    slice_seconds: float = SLICE_SECONDS
    hold_seconds: float = HOLD_SECONDS

    def __post_init__(self) -> None:
        self._seats = [_Seat(device) for device in self.devices]
        self._watches: dict[str, _Watch] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._upkeep_at = time.monotonic()
        self._complaint = ""
        self._lock = filelock.FileLock(self.queue.store.root / "server.lock", timeout=0, thread_local=False)

    def start(self) -> None:
        """Recover what an earlier server left, and start the workers. StoreError if another server has the store."""
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise StoreError(
                f"the store {str(self.queue.store.root)!r} is used by another studio; stop it first"
            ) from None
        self._recover()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the workers; running jobs keep their state and go on when a server starts again."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS + 10)
        self._lock.release()

    def _run(self) -> None:
        while not self._stopping.is_set():
            for seat in self._seats:
                self._safely(lambda seat=seat: self._tend(seat))  # type: ignore[misc]
            self._safely(self._watch_jobs)
            self._safely(self._upkeep)
            self._stopping.wait(TICK_SECONDS)
        self._safely(self._end)

    def _safely(self, action: Callable[[], object]) -> None:
        """A locked store, a full disk, a damaged folder must not end the supervision: the next tick tries again."""
        try:
            action()
        except Exception as error:
            if str(error) != self._complaint:  # once, not ten times a second
                self._complaint = str(error)
                print(f"studio: {type(error).__name__}: {error}", file=sys.stderr, flush=True)

    # Workers.

    def _tend(self, seat: _Seat) -> None:
        if seat.process is not None:
            code = seat.process.poll()
            if code is None:
                return
            self._buried(seat, code)
        if time.monotonic() >= seat.next_start:
            seat.process = self._spawn(seat.device)

    def _spawn(self, device: str) -> "subprocess.Popen[bytes]":
        log = self.queue.store.logs / f"{device.replace(':', '-')}.log"
        command = [sys.executable, "-P", "-m", "scorekit_studio.worker", str(self.queue.store.root), device]
        command += ["--parent", str(os.getpid()), "--locks", str(self.locks)]
        command += ["--limits", json.dumps(dataclasses.asdict(self.queue.limits)), "--prepare", *self.prepare]
        with open(log, "ab") as output:
            # A session of its own: Ctrl-C in the terminal is the server's, and what a plugin started dies with its group.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(import_paths())},  # it imports what we import
            )

    def _buried(self, seat: _Seat, code: int) -> None:
        """A worker's process has ended: settle its job, and decide when to start the next one."""
        assert seat.process is not None
        end_group(seat.process.pid)
        jobs = [job for job in self.queue.active() if job.worker == seat.device]
        for job in jobs:
            self._bury(job, code)
        seat.process = None
        seat.fruitless = 0 if jobs else seat.fruitless + 1
        seat.next_start = time.monotonic() + RETRY_SECONDS[min(seat.fruitless, len(RETRY_SECONDS) - 1)]
        if code != BLOCKED:
            note = None if jobs else f"the worker ended by itself ({_cause(code)}); its log says why"
            say(self.queue.store, seat.device, "down", note, pid=None)

    def _bury(self, job: Job, code: int | None) -> None:
        """Say of a job whose process is gone how it ended, or that it goes on. `code`: of the process, None: not known."""
        folder = self.queue.store.runs / job.id
        try:
            run = Run.load(folder)
        except ParameterError as problem:
            self.queue.finish(job.id, "failed", error=str(problem))
            return
        status = run.record["status"]
        if status in ("done", "failed"):  # it had ended; only the word about it was lost
            self.queue.finish(job.id, status, error=run.error, seconds=run.record["time"]["seconds"])
        elif code is not None and (code >= 0 or -code in CRASHES) and job.ask != "cancel":
            error = f"the application ended its process ({_cause(code)}); other jobs are not touched"
            self._keep_trace(job, folder)
            with suppress(ParameterError, OSError):
                runs.settle(folder, "failed", error)
            self.queue.finish(job.id, "failed", error=error)
        else:
            after = self.queue.interrupt(
                job.id, "its process was killed" if code is not None else "the server was killed"
            )
            with suppress(ParameterError, OSError):
                runs.settle(folder, _status(after), after.error)
        self._watches.pop(job.id, None)

    def _keep_trace(self, job: Job, folder: Path) -> None:
        """What Python wrote into the device's log while it died: where in which thread."""
        with suppress(OSError):
            log = self.queue.store.logs / f"{(job.worker or '').replace(':', '-')}.log"
            tail = log.read_bytes()[-65536:]
            place = tail.rfind(b"Fatal Python error")
            if place >= 0:
                (folder / "traceback.txt").write_bytes(tail[place:])

    def _end(self) -> None:
        """Stop: running jobs are asked to keep their state, and then killed."""
        for seat in self._seats:
            if seat.process is not None and seat.process.poll() is None:
                self._safely(lambda seat=seat: say(self.queue.store, seat.device, "stopping"))  # type: ignore[misc]
                seat.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for seat in self._seats:
            if seat.process is None:
                continue
            try:
                seat.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                seat.process.kill()
                seat.process.wait()
            end_group(seat.process.pid)
            for job in self.queue.active():
                if job.worker == seat.device:
                    paused = job.state == "paused" or job.ask == "pause"
                    self.queue.finish(job.id, "paused" if paused else "interrupted", note="the server was stopped")
                    with suppress(ParameterError, OSError):
                        runs.settle(self.queue.store.runs / job.id, "interrupted")
            say(self.queue.store, seat.device, "down", pid=None)

    # Jobs.

    def _recover(self) -> None:
        """Find what an earlier server was doing when it was killed, and let it go on."""
        with self.queue.store.read() as db:
            workers = db.execute("SELECT device, pid FROM workers").fetchall()
        for row in workers:
            if row["pid"] is not None:
                end_group(row["pid"])
        for job in self.queue.active():
            self._bury(job, None)
        with self.queue.store.write() as db:
            db.execute("DELETE FROM workers")
            db.executemany("INSERT INTO workers (device, state) VALUES (?, 'starting')", [(d,) for d in self.devices])
        history.recover(self.queue.store)

    def _watch_jobs(self) -> None:
        now, jobs = time.monotonic(), self.queue.active()
        self._watches = {job.id: self._watches.get(job.id) or _Watch(now) for job in jobs}
        waiting = self.queue.waiting() if jobs else []
        for job in jobs:
            watch = self._watches[job.id]
            self.queue.flag(job)  # a resumed run clears old flags when it starts, and may clear a new one with them
            watch.cancel_since = (watch.cancel_since or now) if job.ask == "cancel" else None
            watch.held_since = (watch.held_since or now) if job.state == "paused" else None
            others = [
                w for w in waiting if w.device in ("auto", job.worker) and (w.owner != job.owner or w.short > job.short)
            ]
            if watch.cancel_since is not None and now - watch.cancel_since > KILL_SECONDS:
                self._kill(job)
            elif watch.held_since is not None and now - watch.held_since > self.hold_seconds and others:
                self.queue.go_on(job.id, None)
            elif self._has_had_its_time(job, watch, now) and others:
                watch.asked_to_yield = True
                self.queue.mark(job.id, ask="yield")

    def _has_had_its_time(self, job: Job, watch: _Watch, now: float) -> bool:
        free_to_ask = job.state == "running" and job.ask is None and not watch.asked_to_yield
        return free_to_ask and now - watch.since > self.slice_seconds

    def _kill(self, job: Job) -> None:
        """End the process of a job that does not stop by itself; `_tend` finds it dead and settles the job."""
        for seat in self._seats:
            if seat.device == job.worker and seat.process is not None:
                end_group(seat.process.pid)
                seat.process.kill()

    def _upkeep(self) -> None:
        now = time.monotonic()
        if now - self._upkeep_at < UPKEEP_SECONDS:
            return
        elapsed, self._upkeep_at = now - self._upkeep_at, now
        history.age_bin(self.queue.store, elapsed)
        for log in self.queue.store.logs.glob("*.log"):
            if log.stat().st_size > LOG_BYTES:
                os.truncate(log, 0)  # it is written by appending, so the next line starts at the beginning

    def status(self) -> list[dict[str, Any]]:
        """For each device: {device, name, state, note, pid, ram, vram, streak}."""
        with self.queue.store.read() as db:
            return [dict(row) for row in db.execute("SELECT * FROM workers ORDER BY device")]


def import_paths() -> list[str]:
    """Where this process imports from, without the folders of this package.

    Streamlit puts the folder of its script among them, where `queue.py` would stand before the standard library's.
    """
    package = Path(__file__).parent.resolve()
    return [path for path in sys.path if path and not Path(path).resolve().is_relative_to(package)]


def end_group(leader: int) -> None:
    """Kill the processes that a worker, now dead or dying, and its plugins started.

    The group's number is the worker's process id, which the system gives to nobody else while the group has a member. If
    it has a leader that is no worker, the number was given anew and the group is left alone.
    """
    with suppress(psutil.Error):
        if (
            "scorekit_studio.worker" not in psutil.Process(leader).cmdline()
        ):  # of a zombie: ZombieProcess, a psutil.Error
            return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def local_devices() -> list[str]:
    """The devices that a studio serves unless told otherwise: all CUDA devices, or MPS, or the CPU. Imports torch."""
    import torch

    if count := torch.cuda.device_count():
        return [f"cuda:{i}" for i in range(count)]
    return ["mps"] if torch.backends.mps.is_available() else ["cpu"]


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.strsignal(-code) or f"signal {-code}"
    except ValueError:
        return f"signal {-code}"


def _status(job: Job) -> Any:
    """What run.json says of a job that was interrupted."""
    return job.state if job.state in ("failed", "cancelled") else "interrupted"
