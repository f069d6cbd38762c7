"""A studio for one person: everything a page does goes through here, and every right is checked here.

    studio = Studio("~/studio"); studio.start()
    desk = studio.desk(user)
    job_id = desk.submit("text-to-svg", {"prompt": "a red mushroom"})
    desk.job(job_id).state

What is not this person's raises PermissionError, bad input ParameterError, too much LimitError, a store that is locked or
full StoreError: each with one sentence to show. All four are in TROUBLE.
"""

import atexit
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pydantic

import scorekit.models
from scorekit.host.errors import ParameterError
from scorekit.host.models import listing
from scorekit.host.options import explain, input_paths, options, validate
from scorekit.host.plugin import Application
from scorekit.host.record import Run
from scorekit.host.registry import Registry, discover
from scorekit_studio import archive, history, live, uploads
from scorekit_studio.estimate import Estimate
from scorekit_studio.history import Difference
from scorekit_studio.job import Job, State
from scorekit_studio.limits import LimitError, Limits, Rate
from scorekit_studio.line import Place
from scorekit_studio.people import Identity, User
from scorekit_studio.queue import Queue
from scorekit_studio.store import Store, StoreError
from scorekit_studio.supervisor import Supervisor, local_devices

USAGE_SECONDS = 10.0
TROUBLE = (PermissionError, ParameterError, LimitError, StoreError)


@dataclass
class Studio:
    """A store with its queue and workers. `start` once in a server; `desk` for each request.

    devices  to serve; None: what this machine has
    """

    root: str | Path
    limits: Limits = field(default_factory=Limits)
    identity: Identity = field(default_factory=Identity)
    devices: Sequence[str] | None = None

    def __post_init__(self) -> None:
        self.store = Store(self.root)
        self.queue = Queue(self.store, self.limits)
        self.rate = Rate(self.limits.submissions_a_minute)
        self.supervisor: Supervisor | None = None
        self.usage: dict[str, tuple[float, int]] = {}  # owner to (when, bytes)
        self._registry: Registry | None = None
        self._lock = threading.Lock()

    def start(self, **settings: Any) -> None:
        """Start the workers; `settings` of Supervisor. StoreError if another studio has the store. Once started, does nothing."""
        with self._lock:
            if self.supervisor is None:
                supervisor = Supervisor(self.queue, self.devices or local_devices(), **settings)
                supervisor.start()
                self.supervisor = supervisor
                atexit.register(self.stop)  # a server that ends in peace lets its jobs keep their state

    def stop(self) -> None:
        """Stop the workers; running jobs go on at the next start."""
        atexit.unregister(self.stop)
        with self._lock:
            if self.supervisor is not None:
                self.supervisor.stop()
                self.supervisor = None

    def registry(self, refresh: bool = False) -> Registry:
        """The installed applications; `refresh` looks again."""
        if self._registry is None or refresh:
            self._registry = discover(strict=False)
        return self._registry

    def desk(self, user: User) -> "Desk":
        return Desk(self, user)


@dataclass(frozen=True)
class Desk:
    """What `user` may do and see. Job ids are those of `submit`, also in links (`?run=ID`)."""

    studio: Studio
    user: User

    @property
    def _as(self) -> str | None:
        """Whose jobs may be touched; None: everybody's."""
        return None if self.user.admin else self.user.id

    # New jobs.

    def submit(
        self,
        application: str | type[Application],
        parameters: Mapping[str, Any] | None = None,
        *,
        model: str | None = None,
        seed: int = 0,
        device: str = "auto",
    ) -> str:
        """Put a job into the line; returns its id.

        application  its class, or its name: where an application and a training recipe share one, the application's
        """
        app, (given,) = self._checked(application, [dict(parameters or {})], model)
        self.studio.rate.take(self.user.id)
        return self.studio.queue.submit(self.user.id, app, given, model=model, seed=seed, device=device)

    def sweep(
        self,
        application: str | type[Application],
        parameters: Mapping[str, Any],
        axes: Mapping[str, Sequence[Any]],
        *,
        model: str | None = None,
        seed: int = 0,
        device: str = "auto",
    ) -> tuple[str, list[str]]:
        """Submit every combination of the axes' values, `seed` among them if wanted; returns the sweep's id and the jobs'."""
        points = history.grid({"seed": seed, **parameters}, axes, self.studio.limits.sweep)
        seeds = [self._whole(point.pop("seed")) for point in points]
        app, grid = self._checked(application, points, model)
        self.studio.rate.take(self.user.id, len(grid))
        name = f"sweep-{secrets.token_hex(5)}"
        jobs = self.studio.queue.submit_all(self.user.id, app, grid, model=model, seed=seeds, device=device, sweep=name)
        return name, jobs

    def need(
        self,
        application: str | type[Application],
        parameters: Mapping[str, Any] | None = None,
        *,
        model: str | None = None,
        device: str = "auto",
    ) -> tuple[Estimate, str | None]:
        """What a job would take, and the sentence that would refuse it for its size, or None."""
        app, (given,) = self._checked(application, [dict(parameters or {})], model)
        return self.studio.queue.need(app, given, model=model, device=device)

    def upload(self, name: str, content: bytes) -> Path:
        """Keep a file; its path may then be given as a parameter."""
        self.studio.rate.take(self.user.id)
        self._refuse_full()
        return uploads.keep(self.studio.store, self.studio.limits, self.user.id, name, content)

    def _checked(
        self, application: str | type[Application], grid: Sequence[dict[str, Any]], model: str | None
    ) -> tuple[type[Application], Sequence[dict[str, Any]]]:
        """The class, and parameters that this person may give: texts of bounded length, files of their own."""
        self._refuse_full()
        app = application if isinstance(application, type) else self.studio.registry().get(application)
        if model is not None and not self.user.local:
            self._refuse_model(model)
        most = self.studio.limits.text_characters
        for given in grid:
            for name, value in given.items():
                if isinstance(value, str) and len(value) > most:
                    raise LimitError(f"{name} has {len(value)} characters; a text may have at most {most}")
            self._refuse_foreign_files(app, given)
        return app, grid

    def _refuse_foreign_files(self, app: type[Application], given: dict[str, Any]) -> None:
        if self.user.local:
            return
        defaults = {path.resolve() for _, path in input_paths(validate(app.Params, {}))}
        try:  # not `validate`: whether a file of the server exists is nobody's business
            made = app.Params.model_validate({**validate(app.Params, {}).model_dump(), **given})
        except pydantic.ValidationError as error:
            raise ParameterError(explain(error, options(app.Params))) from None
        for name, path in input_paths(made):
            if path.resolve() not in defaults and not uploads.owned(self.studio.store, self.user.id, path):
                raise PermissionError(f"{name} must be a file that you uploaded")

    def _refuse_model(self, model: str) -> None:
        """Others than the local user name models, not folders of the server."""
        if model in {row["name"] for row in listing()}:
            return
        try:
            hub = scorekit.models.resolve(model).kind == "hub"
        except ValueError:
            hub = False
        if not hub or Path(model).exists():
            raise PermissionError(f"model must be a name of the list of models or a hub id; {model!r} is neither")

    def _refuse_full(self) -> None:
        limits, store = self.studio.limits, self.studio.store
        free = store.free_bytes()
        if free < limits.free_bytes:
            raise StoreError(f"the disk of the studio has only {free >> 20} MB left; free some space and try again")
        if (used := self.stored_bytes()) > limits.stored_bytes:
            raise LimitError(
                f"your runs and files take {used / 2**30:.1f} GB; one person may have {limits.stored_bytes / 2**30:.1f} GB: "
                "delete some runs and empty the bin"
            )

    @staticmethod
    def _whole(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ParameterError(f"seed must be a whole number; got {value!r}")
        return value

    # Jobs.

    def job(self, job_id: str) -> Job:
        return self.studio.queue.get(job_id, self._as)

    def run(self, job_id: str) -> Run:
        """The run folder of a job: status, metrics, artifacts, provenance. Read it anew to see it change."""
        return Run.load(self.folder(job_id))

    def folder(self, job_id: str) -> Path:
        """For `live`: last_step, preview, log_lines, Curves."""
        return self.studio.store.folder(self.job(job_id).id)

    def cancel(self, job_id: str) -> Job:
        return self.studio.queue.cancel(job_id, self._as)

    def pause(self, job_id: str) -> Job:
        return self.studio.queue.pause(job_id, self._as)

    def go_on(self, job_id: str) -> Job:
        """Continue a paused job; take up one that failed or was cancelled from its checkpoint."""
        self._refuse_full()
        return self.studio.queue.go_on(job_id, self._as)

    def left(self, job_id: str) -> float | None:
        """Seconds that a running job still needs, None if nobody knows."""
        return self.studio.queue.left(self.job(job_id))

    def line(self) -> list[tuple[Job, Place | None]]:
        """All that runs or waits, in the order in which it was or will be taken; other people's without what they asked for.

        The place is None for what runs.
        """
        queue = self.studio.queue
        places = queue.forecast()
        waiting = sorted(queue.waiting(), key=lambda j: places[j.id].position if j.id in places else len(places) + 1)
        rows: list[tuple[Job, Place | None]] = [(job, None) for job in queue.active()]
        rows += [(job, places.get(job.id)) for job in waiting]
        return [(job if self._as in (None, job.owner) else job.redacted(), place) for job, place in rows]

    def place(self, job_id: str) -> Place | None:
        """Where a waiting job stands, and when it should start."""
        return self.studio.queue.forecast().get(self.job(job_id).id)

    # Results.

    def artifact(self, job_id: str, name: str) -> Path:
        """The file of an artifact. ParameterError for a name that is none."""
        try:
            return archive.artifact(self.run(job_id), name)
        except ValueError as error:
            raise ParameterError(str(error)) from None

    def zip(self, job_id: str, target: BinaryIO | None = None) -> tuple[str, BinaryIO]:
        """The whole run as a zip: a file name, and the open file (in memory unless `target` is given)."""
        run = self.run(job_id)
        return archive.download_name(run), archive.zip_run(run, target)

    def live(self, job_id: str) -> tuple[live.Step | None, list[str]]:
        """The newest step and log lines."""
        folder = self.folder(job_id)
        return live.last_step(folder), live.log_lines(folder)

    # History.

    def search(
        self,
        text: str = "",
        *,
        application: str | None = None,
        states: Sequence[State] = (),
        sweep: str | None = None,
        since: float | None = None,
        until: float | None = None,
        binned: bool = False,
        everybody: bool = False,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[list[Job], int]:
        """This person's jobs, newest first, and how many there are; `everybody`: all people's, for an admin."""
        if everybody and not self.user.admin:
            raise PermissionError("only an administrator sees everybody's runs")
        return history.search(
            self.studio.store,
            None if everybody else self.user.id,
            text=text, application=application, states=states, sweep=sweep, since=since, until=until, binned=binned,
            limit=limit, offset=offset,
        )  # fmt: skip

    def adopt(self) -> list[str]:
        """Take runs that the command line wrote into STORE/runs into the history; for the local user."""
        return history.adopt(self.studio.store, self.user.id) if self.user.local else []

    def compare(self, first: str, second: str) -> Difference:
        return history.compare(self.run(first), self.run(second))

    def delete(self, job_id: str) -> None:
        """Move a run to the bin; `restore` brings it back."""
        history.delete(self.studio.store, self.job(job_id))

    def restore(self, job_id: str) -> None:
        history.restore(self.studio.store, self.job(job_id))

    def empty_bin(self) -> int:
        """Remove for good what this person has in the bin; returns how many runs."""
        self.studio.usage.pop(self.user.id, None)
        return history.empty_bin(self.studio.store, self.user.id)

    def stored_bytes(self) -> int:
        """Bytes of this person's runs, bin and uploads; counted anew after USAGE_SECONDS."""
        now, kept = time.monotonic(), self.studio.usage.get(self.user.id)
        if kept is None or now - kept[0] > USAGE_SECONDS:
            kept = (now, history.stored_by(self.studio.store, self.user.id))
            self.studio.usage[self.user.id] = kept
        return kept[1]

    def workers(self) -> list[dict[str, Any]]:
        """For each device: {device, name, state, note, pid, ram, vram, streak}."""
        supervisor = self.studio.supervisor
        return [] if supervisor is None else supervisor.status()
