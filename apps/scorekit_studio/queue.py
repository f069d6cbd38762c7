"""The queue: jobs in SQLite, a run folder for each. The only code that changes the state of a job.

Why not a library: a run has to survive `kill -9` of everything and be stopped while it runs. huey lost the task that it
had taken off its queue when the worker was killed, and cannot stop a running one; brokers (celery, rq, dramatiq) need a
server beside the studio. None of them is fair between people by itself.

States: queued -> running -> done | failed | cancelled; running -> paused -> queued (put aside with its checkpoint) or ->
running (held in memory, if it has no checkpoint); running -> queued when it gives way to others; running -> interrupted
when its process was killed, which a worker takes as it takes a queued one.
"""

import json
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pydantic

from scorekit.host import models, options, runs
from scorekit.host.errors import ParameterError
from scorekit.host.plugin import Application
from scorekit_studio import estimate, line
from scorekit_studio.job import Job, State, job_of
from scorekit_studio.limits import LimitError, Limits
from scorekit_studio.live import left_seconds
from scorekit_studio.store import Store

MAY_RUN = """j.state IN ('queued', 'interrupted') AND j.binned IS NULL AND j.device IN ('auto', :device)
    AND (SELECT count(*) FROM jobs AS r WHERE r.owner = j.owner AND r.worker IS NOT NULL) < :running"""
# `line.forecast` plays this order forward; a test holds them together.
CLAIM = f"""
UPDATE jobs SET state = 'running', worker = :device, ask = NULL, note = NULL, error = NULL, ended = NULL,
    started = coalesce(started, :now)
WHERE seq = (
    SELECT j.seq FROM jobs AS j LEFT JOIN owners AS o ON o.owner = j.owner WHERE {MAY_RUN}
    ORDER BY j.short <> coalesce((SELECT streak < {line.SHORT_STREAK} FROM workers WHERE device = :device), 1),
        coalesce(o.turn, 0), j.seq
    LIMIT 1)
RETURNING *"""


class Queue:
    """Jobs of everybody. Methods with `owner` refuse, by PermissionError, a job of somebody else; None may touch all.

    Raises StoreError from any method while the store cannot be used.
    """

    def __init__(self, store: Store, limits: Limits | None = None) -> None:
        self.store, self.limits = store, limits or Limits()

    # What people do.

    def submit(
        self,
        owner: str,
        application: type[Application],
        parameters: Mapping[str, Any] | pydantic.BaseModel | None = None,
        *,
        model: str | None = None,
        seed: int = 0,
        device: str = "auto",
    ) -> str:
        """Put a job into the line; returns its id. Raises ParameterError for bad input or a job that cannot fit, LimitError."""
        given = parameters if isinstance(parameters, pydantic.BaseModel) else dict(parameters or {})
        return self.submit_all(owner, application, [given], model=model, seed=seed, device=device)[0]

    def submit_all(
        self,
        owner: str,
        application: type[Application],
        grid: Sequence[Mapping[str, Any] | pydantic.BaseModel],
        *,
        model: str | None = None,
        seed: int | Sequence[int] = 0,
        device: str = "auto",
        sweep: str | None = None,
    ) -> list[str]:
        """Submit one job for each element of `grid`, or, if any cannot be taken, none. `seed`: of all, or of each."""
        device = self._served(device)
        made: list[tuple[str, runs.Run]] = []
        try:
            seeds = [seed] * len(grid) if isinstance(seed, int) else list(seed)
            for parameters, number in zip(grid, seeds, strict=True):
                job_id = f"{application.name}-{secrets.token_hex(5)}"
                folder = self.store.new / job_id
                made.append((job_id, runs.queue(application, parameters, folder, number, model, device)))
                checked = made[-1][1].record["parameters"]
                if refusal := self.need(application, checked, model=model, device=device)[1]:
                    raise ParameterError(refusal)
            with self.store.write() as db:
                self._refuse_many(db, owner, len(made))
                for job_id, run in made:
                    self._insert(db, owner, application, job_id, run, sweep)
                for job_id, run in made:  # last: a folder that is in its place belongs to a row
                    run.folder.rename(self.store.runs / job_id)
        except BaseException:
            for job_id, _ in made:
                shutil.rmtree(self.store.new / job_id, ignore_errors=True)
                shutil.rmtree(self.store.runs / job_id, ignore_errors=True)
            raise
        return [job_id for job_id, _ in made]

    def _refuse_many(self, db: Any, owner: str, more: int) -> None:
        query = "SELECT count(*) FROM jobs WHERE owner = ? AND state IN ('queued', 'interrupted')"
        (waiting,) = db.execute(query, (owner,)).fetchone()
        if waiting + more > self.limits.waiting:
            raise LimitError(
                f"at most {self.limits.waiting} jobs of one person wait at a time; you have {waiting} waiting, "
                f"and this would add {more}: wait for some to end, or cancel them"
            )

    def _insert(
        self, db: Any, owner: str, application: type[Application], job_id: str, run: runs.Run, sweep: str | None
    ) -> None:
        record = run.record
        params = options.validate(application.Params, record["parameters"])
        shape = estimate.shape_of(application.name, params, record["model"], record["device"])
        expected = estimate.known(db, shape).seconds
        texts = [v for v in record["parameters"].values() if isinstance(v, str)]
        db.execute(
            "INSERT INTO jobs (id, owner, application, title, kind, model, device, seed, parameters, words, shape, expected, short, "
            "state, created, sweep) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?)",
            (
                job_id, owner, application.name, application.title, application.kind, record["model"], record["device"],
                record["seed"], json.dumps(record["parameters"]),
                " ".join([job_id, application.title, record["model"] or "", *texts]).lower(),
                shape, expected, expected is not None and expected <= line.SHORT_SECONDS, time.time(), sweep,
            ),
        )  # fmt: skip

    def _served(self, device: str) -> str:
        """`device` by the name that its worker has; ParameterError if no worker serves it (and there are workers)."""
        device = "cuda:0" if device == "cuda" else device
        served = [capacity.device for capacity in self.capacities()]
        if device != "auto" and served and device not in served:
            raise ParameterError(f"--device {device} is not served by this studio; it has auto, {', '.join(served)}")
        return device

    def need(
        self,
        application: type[Application],
        parameters: Mapping[str, Any] | None = None,
        *,
        model: str | None = None,
        device: str = "auto",
    ) -> tuple[estimate.Estimate, str | None]:
        """What a job would take, and why it cannot fit on any device that may take it (None: it may). Raises ParameterError."""
        params = options.validate(application.Params, parameters or {})
        name = model if model is not None else application.default_model
        name = None if name is None else models.find(name).name
        device = self._served(device)
        with self.store.read() as db:
            known = estimate.known(db, estimate.shape_of(application.name, params, name, device))
        capacities = [c for c in self.capacities() if device in ("auto", c.device)]
        weights = {
            half: estimate.weights_of(name, "auto", half)
            for half in {c.vram is not None for c in capacities} or {False}
        }
        needs = {half: replace(known, weights=count) for half, count in weights.items()}
        refusals = [c.refuse(needs[c.vram is not None]) for c in capacities]
        return needs[max(needs)], refusals[0] if refusals and all(refusals) else None

    def get(self, job_id: str, owner: str | None = None) -> Job:
        """The job. PermissionError if there is none, or it is somebody else's: in the same words, as that is private too."""
        with self.store.read() as db:
            return self._own(db, job_id, owner)

    def cancel(self, job_id: str, owner: str | None) -> Job:
        """Cancel: a waiting job at once, a running one as soon as it says that it goes on, by force after a few seconds.

        Raises ParameterError if it has ended otherwise. What is cancelled stays so: a button may be pressed twice.
        """
        job = self._ask(job_id, owner, "cancel", "cancelled")
        if job.state == "cancelled":
            with suppress(ParameterError, OSError):  # the data base is the truth; the folder's record follows it
                runs.settle(self.store.runs / job.id, "cancelled")
        return job

    def pause(self, job_id: str, owner: str | None) -> Job:
        """Pause: a waiting job leaves the line; a running one stops at its next step and gives its device to others."""
        return self._ask(job_id, owner, "pause", "paused")

    def _ask(self, job_id: str, owner: str | None, ask: str, at_once: State) -> Job:
        with self.store.write() as db:
            job = self._own(db, job_id, owner)
            if job.state == at_once:
                return job
            if job.ended_for_good:
                raise ParameterError(f"the run {job_id} is {job.state}; it cannot be {at_once}")
            ended = time.time() if ask == "cancel" else None
            job = _update(db, job_id, **({"ask": ask} if job.active else {"state": at_once, "ended": ended}))
        if job.active:
            self.flag(job)
        return job

    def go_on(self, job_id: str, owner: str | None) -> Job:
        """Continue a paused job; put one that failed or was cancelled into the line again, to go on from its checkpoint.

        Raises ParameterError if it is done or deleted, LimitError if too many wait. What waits or runs is left as it is.
        """
        with self.store.write() as db:
            job = self._own(db, job_id, owner)
            if (job.waiting or job.state == "running") and job.ask is None:
                return job
            if job.active and (job.state == "paused" or job.ask == "pause"):
                job = _update(db, job_id, ask=None)
            elif job.state in ("paused", "failed", "cancelled") and job.binned is None:
                self._refuse_many(db, job.owner, 1)
                job = _update(db, job_id, state="queued", attempts=0, error=None, note=None, ended=None)
            else:
                raise ParameterError(f"the run {job_id} is {job.state}; there is nothing to continue")
        for name in ("pause", *(() if job.active else ("cancel",))):
            with suppress(OSError):
                (self.store.runs / job.id / name).unlink(missing_ok=True)
        return job

    # What workers and their supervisor do.

    def claim(self, device: str) -> Job | None:
        """Take the job that is next for a device, if any. Two workers never get the same one."""
        values = {"device": device, "running": self.limits.running, "now": time.time()}
        with self.store.read() as db:  # a look costs no lock; most looks find nothing
            if db.execute(f"SELECT 1 FROM jobs AS j WHERE {MAY_RUN} LIMIT 1", values).fetchone() is None:
                return None
        with self.store.write() as db:
            long = db.execute(f"SELECT 1 FROM jobs AS j WHERE {MAY_RUN} AND NOT j.short LIMIT 1", values).fetchone()
            row = db.execute(CLAIM, values).fetchone()
            if row is None:
                return None
            job = job_of(row)
            db.execute(
                "INSERT INTO owners VALUES (?, (SELECT coalesce(max(turn), 0) + 1 FROM owners)) "
                "ON CONFLICT (owner) DO UPDATE SET turn = excluded.turn",
                (job.owner,),
            )
            streak = "streak + 1" if job.short and long else "0"
            db.execute(f"UPDATE workers SET streak = {streak} WHERE device = ?", (device,))
        return job

    def finish(
        self, job_id: str, state: State, *, error: str | None = None, note: str | None = None, **measured: Any
    ) -> None:
        """Say how a worker leaves a job; measured: seconds, ram, vram. A job that no worker has is left as it is."""
        with self.store.write() as db:
            job = self._own(db, job_id, None)
            if job.active:
                ended = time.time() if state in ("done", "failed", "cancelled") else None
                kept = {name: value for name, value in measured.items() if value is not None}
                _update(db, job_id, state=state, worker=None, ask=None, error=error, note=note, ended=ended, **kept)

    def interrupt(self, job_id: str, cause: str) -> Job:
        """Say that a job's process was killed: it waits to go on from its checkpoint, unless that was the last attempt."""
        with self.store.write() as db:
            job = self._own(db, job_id, None)
            attempts = job.attempts + 1
            if job.ask == "cancel":
                changes: dict[str, Any] = {"state": "cancelled", "ended": time.time()}
            elif attempts >= self.limits.attempts:
                error = f"{cause} {attempts} times, so it is not started again by itself"
                changes = {"state": "failed", "error": error, "ended": time.time()}
            else:
                state = "paused" if job.ask == "pause" or job.state == "paused" else "interrupted"
                note = (
                    f"{cause}; it goes on from its last checkpoint (attempt {attempts + 1} of {self.limits.attempts})"
                )
                changes = {"state": state, "note": note}
            return _update(db, job_id, worker=None, ask=None, attempts=attempts, **changes)

    def mark(self, job_id: str, **changes: Any) -> None:
        """Change state, ask or note of a job while a worker has it."""
        with self.store.write() as db:
            if self._own(db, job_id, None).active:
                _update(db, job_id, **changes)

    def flag(self, job: Job) -> None:
        """Put the file into the run folder by which its process sees what it is asked to do."""
        name = {"cancel": "cancel", "pause": "pause", "yield": "pause"}.get(job.ask or "")
        with suppress(OSError):  # on a full disk the supervisor's deadline does it
            if name:
                (self.store.runs / job.id / name).touch()

    def active(self) -> list[Job]:
        """The jobs that workers have."""
        with self.store.read() as db:
            return [job_of(row) for row in db.execute("SELECT * FROM jobs WHERE worker IS NOT NULL ORDER BY seq")]

    def waiting(self) -> list[Job]:
        """The jobs in the line, by submission; `forecast` has the order in which they are taken."""
        query = "SELECT * FROM jobs WHERE state IN ('queued', 'interrupted') AND binned IS NULL ORDER BY seq"
        with self.store.read() as db:
            return [job_of(row) for row in db.execute(query)]

    def capacities(self) -> list[estimate.Capacity]:
        """The devices that workers have served since the server started, with their memory."""
        with self.store.read() as db:
            rows = db.execute("SELECT * FROM workers WHERE ram IS NOT NULL ORDER BY device")
            return [estimate.Capacity(row["device"], row["ram"], row["vram"]) for row in rows]

    def forecast(self) -> dict[str, line.Place]:
        """For each waiting job its place in the line and the seconds until it should start."""
        with self.store.read() as db:
            turns = {row["owner"]: row["turn"] for row in db.execute("SELECT * FROM owners")}
            workers = db.execute("SELECT device, streak FROM workers ORDER BY device").fetchall()
        busy = {job.worker: job for job in self.active()}
        servers = []
        for row in workers:
            job = busy.get(row["device"])
            free_in = self.left(job) or line.UNKNOWN_SECONDS if job else 0.0
            servers.append(line.Server(row["device"], free_in, job.owner if job else None, row["streak"]))
        queue = [
            line.Waiting(j.id, j.seq, j.owner, j.device, j.short, j.expected or line.UNKNOWN_SECONDS)
            for j in self.waiting()
        ]
        places = line.forecast(queue, servers or [line.Server("auto")], turns, self.limits.running)
        return {place.id: place for place in places}

    def left(self, job: Job) -> float | None:
        """Seconds that a running job still needs: what its steps say, else what equal jobs took; None if nobody knows."""
        told = left_seconds(self.store.runs / job.id) if job.state == "running" else None
        return told if told is not None else job.expected

    @staticmethod
    def _own(db: Any, job_id: str, owner: str | None) -> Job:
        row = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if row is None or (owner is not None and row["owner"] != owner):
            raise PermissionError(f"there is no run {job_id!r} of yours")
        return job_of(row)


def _update(db: Any, job_id: str, **changes: Any) -> Job:
    names = ", ".join(f"{name} = :{name}" for name in changes)
    row = db.execute(f"UPDATE jobs SET {names} WHERE id = :id RETURNING *", {**changes, "id": job_id}).fetchone()
    return job_of(row)
