"""The process that computes on one device: it takes jobs from the queue and executes them by the core's host, one at a time.

It dies with its parent, holds the lock of its device for as long as it lives, and imports torch once. Everything that is
said to it and by it goes through the data base and the run folders, so either side may be killed at any moment.

    python -m scorekit_studio.worker STORE DEVICE --parent PID --locks FOLDER [--prepare MODULE ...]
"""

import argparse
import ctypes
import dataclasses
import faulthandler
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TypeVar

import filelock

from scorekit.host import registry, runs
from scorekit.host.context import Event
from scorekit.host.errors import ParameterError
from scorekit.host.plugin import Application
from scorekit.host.record import Run
from scorekit_studio import estimate, measure, warm
from scorekit_studio.job import Job, State
from scorekit_studio.limits import Limits
from scorekit_studio.pristine import pristine
from scorekit_studio.queue import Queue
from scorekit_studio.store import Store, StoreError, disk_trouble

IDLE_SECONDS = 0.1  # between two looks into the line
STORE_WAIT_SECONDS = 1.0  # between two tries while the store cannot be written
BLOCKED = 75  # exit code: another process has the device
PR_SET_PDEATHSIG = 1
Result = TypeVar("Result")


class Worker:
    """One device's worker. `run` returns when it was asked to stop."""

    def __init__(self, queue: Queue, device: str) -> None:
        import torch

        self.queue, self.device = queue, device
        self.torch_device = torch.device(device)
        vram = measure.total_vram(self.torch_device)
        self.warm = warm.Warm(vram if vram is not None else measure.total_ram())
        self.stopping = False
        self._blocked = False  # for want of space on the disk
        self._registry = registry.discover(strict=False)
        self._job: Job | None = None
        self._aside = False  # the running job was stopped to go on later

    def run(self, prepare: list[str]) -> None:
        """Take jobs until SIGTERM. `prepare`: modules to import when nothing waits, so that the first job need not."""
        signal.signal(signal.SIGTERM, self._stop)
        self._say("idle")
        while not self.stopping:
            try:
                job = self._next()
            except StoreError as error:
                print(error, file=sys.stderr, flush=True)
                time.sleep(STORE_WAIT_SECONDS)
                continue
            if job is not None:
                self._execute(job)
            elif prepare:
                with suppress(Exception):  # a module that cannot be imported says so in the job that needs it
                    importlib.import_module(prepare.pop(0))
            else:
                time.sleep(IDLE_SECONDS)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _next(self) -> Job | None:
        free, least = self.queue.store.free_bytes(), self.queue.limits.free_bytes
        if free < least:
            self._blocked = True
            self._say("blocked", f"the disk has {free >> 20} MB left; no job starts below {least >> 20} MB")
            time.sleep(STORE_WAIT_SECONDS)
            return None
        if self._blocked:
            self._blocked = False
            self._say("idle")
        return self.queue.claim(self.device)

    def _execute(self, job: Job) -> None:
        """One job, from claim to the word in the data base, which is repeated until the store takes it."""
        self._job, self._aside, folder = job, False, self.queue.store.runs / job.id
        self._try(lambda: self._say("busy", None))
        peak = measure.Peak(self.torch_device)
        state: State = "failed"
        error: str | None = None
        note: str | None = None
        seconds: float | None = None
        try:
            if Run.load(folder).record["status"] == "running":  # its end could not be written then: a full disk
                runs.settle(folder, "interrupted")
            self._make_room(job)
            with pristine():
                run = runs.execute(
                    self._application(job), out=folder, resume=True, on_event=self._hear, loader=self.warm.load
                )
            seconds, state, error = run.record["time"]["seconds"], run.status, run.error
            if state == "cancelled":
                (state, note), error = self._put_aside(run), None
        except ParameterError as problem:
            error = str(problem)
        except StoreError as problem:
            error = str(problem)
        except OSError as problem:
            error = disk_trouble(problem) or f"the run folder cannot be used: {problem}"
        except Exception as problem:  # of the host: the worker goes on, whatever one folder did to it
            error = f"{type(problem).__name__}: {problem}"
        # An application's own failure on a full disk arrives as a failed run, with the system's words.
        if state == "failed" and error and "Errno 28" in error:
            error = disk_trouble(OSError(28, "")) or error
        if state == "failed":
            with suppress(ParameterError, OSError):
                runs.settle(folder, "failed", error)
        self._try(
            lambda: self.queue.finish(
                job.id, state, error=error, note=note, seconds=seconds, ram=peak.ram(), vram=peak.vram()
            )
        )
        self._job = None
        self.warm.review()
        self._try(lambda: self._say("stopping" if self.stopping else "idle"))

    def _application(self, job: Job) -> type[Application]:
        """The class; looked for anew if it is not known, as a plugin may have been installed since."""
        try:
            return self._registry.get(job.application, job.kind)
        except ParameterError:
            importlib.invalidate_caches()
            self._registry = registry.discover(strict=False)
            return self._registry.get(job.application, job.kind)

    def _make_room(self, job: Job) -> None:
        """Unload models if this job needs their memory. ParameterError if it would not fit even then."""
        with self.queue.store.read() as db:
            known = estimate.known(db, job.shape)
        own = measure.own_bytes(self.torch_device)
        gpu = self.torch_device.type == "cuda"
        peak = known.vram if gpu else known.ram
        # A peak was measured with what the process held anyway, weights come on top of that.
        need = peak - own if peak is not None else estimate.weights_of(job.model, "auto", gpu)
        if need is None or need <= measure.free_bytes(self.torch_device):
            return
        self.warm.clear()
        measure.release(self.torch_device)
        need, free = need + own - measure.own_bytes(self.torch_device), measure.free_bytes(self.torch_device)
        if need > free:
            raise ParameterError(
                f"this job needs about {estimate.gib(need)} of memory on {self.device}, where {estimate.gib(free)} are free now: other "
                "programs use the rest; continue it when they have ended"
            )

    def _hear(self, event: Event) -> None:
        """Between two steps of the run, when it sees its pause file."""
        if self._job is None or event.kind not in ("paused", "continued"):
            return
        folder = self.queue.store.runs / self._job.id
        with suppress(StoreError):
            ask = self.queue.get(self._job.id).ask
            if event.kind == "continued":
                if ask is None:
                    self.queue.mark(self._job.id, state="running")
            elif ask in ("pause", "yield") and event.data["step"] is not None:
                self._aside = True
                (folder / "cancel").touch()  # it ends here with its state kept; `_put_aside` knows why
            elif ask == "yield":
                (folder / "pause").unlink(missing_ok=True)
                self.queue.mark(self._job.id, ask=None, note="it keeps no checkpoints, so it cannot give way to others")
            else:
                note = "it keeps no checkpoints, so it waits in memory, and its device with it"
                self.queue.mark(self._job.id, state="paused", ask=None, note=note)

    def _put_aside(self, run: Run) -> tuple[State, str | None]:
        """State and note of a job whose run was stopped: cancelled, or to go on later."""
        job = self._try(lambda: self.queue.get(run.folder.name))
        # One that waited in memory stays paused when the server stops.
        ask = "pause" if job.ask is None and job.state == "paused" and self.stopping else job.ask
        if ask == "cancel" or not (ask or self._aside or self.stopping):
            return "cancelled", None
        with suppress(OSError):
            run.update(status="interrupted")
        kept = f"kept at step {run.record['checkpoint']}" if run.record["checkpoint"] is not None else "it begins again"
        return ("paused", kept) if ask == "pause" else ("queued", f"it gave way; {kept}")

    def _say(self, state: str, note: str | None = None) -> None:
        say(self.queue.store, self.device, state, note)

    def _try(self, action: Callable[[], Result]) -> Result:
        """Do it, again and again while the store cannot be written (locked, full): what a job did must not be lost."""
        while True:
            try:
                return action()
            except StoreError as error:
                print(error, file=sys.stderr, flush=True)
                time.sleep(STORE_WAIT_SECONDS)


def say(store: Store, device: str, state: str, note: str | None = None, **more: object) -> None:
    """Write what a worker does into the data base: starting, idle, busy, blocked, stopping, down."""
    with store.write() as db:
        db.execute("INSERT INTO workers (device, state) VALUES (?, ?) ON CONFLICT (device) DO NOTHING", (device, state))
        for name, value in {"state": state, "note": note, **more}.items():
            db.execute(f"UPDATE workers SET {name} = ? WHERE device = ?", (value, device))


def die_with(parent: int) -> None:
    """Die when the parent does, however it does. Linux sends the signal; elsewhere a thread looks for it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the signal was asked for
        os._exit(1)
    threading.Thread(target=watch, daemon=True).start()


def lock_device(device: str, locks: Path) -> filelock.FileLock | None:
    """Hold a device, on this machine, for the life of the process; None if another process has it.

    A GPU goes by its own number: the same one may be cuda:0 for one server and cuda:1 for another.
    """
    name = device.replace(":", "-")
    if device.startswith("cuda"):
        import torch

        name = f"cuda-{getattr(torch.cuda.get_device_properties(torch.device(device)), 'uuid', name)}"
    locks.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        locks.chmod(0o1777)  # servers of several people share the devices
    lock = filelock.FileLock(locks / f"{name}.lock", timeout=0, mode=0o666, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        return None
    return lock


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scorekit_studio.worker")
    parser.add_argument("store", type=Path)
    parser.add_argument("device")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--locks", type=Path, required=True)
    parser.add_argument("--limits", default="{}", help="fields of Limits, as JSON")
    parser.add_argument("--prepare", nargs="*", default=[])
    args = parser.parse_args(arguments)
    die_with(args.parent)
    faulthandler.enable(all_threads=True)  # into stderr, the device's log
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(
            "500"
        )  # short of memory, the system ends this process, not the server
    store = Store(args.store)
    known = {field.name for field in dataclasses.fields(Limits)}
    queue = Queue(store, Limits(**{k: v for k, v in json.loads(args.limits).items() if k in known}))
    os.environ["SCOREKIT_DEVICE"] = args.device
    lock = lock_device(args.device, args.locks)
    if lock is None:
        say(
            store, args.device, "blocked", f"{args.device} is used by another scorekit server on this machine", pid=None
        )
        return BLOCKED
    import torch

    device = torch.device(args.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else args.device
    ram, vram = measure.total_ram(), measure.total_vram(device)
    say(store, args.device, "starting", pid=os.getpid(), name=name, ram=ram, vram=vram)
    Worker(queue, args.device).run(list(args.prepare))
    say(store, args.device, "down", pid=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
