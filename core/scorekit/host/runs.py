"""Executing a run: one function behind the command line, the studio and Python.

```python
from scorekit.host import discover, execute
run = execute(discover().get("text-to-3d"), {"prompt": "a red mushroom"}, "runs/mushroom", seed=1)
run.status, run.artifacts["mesh.glb"]
```
"""

import os
import re
import secrets
import shlex
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pydantic

from scorekit.host import artifacts, devices, models, options, provenance, solvers
from scorekit.host.context import Event, Listener, RunContext
from scorekit.host.errors import Cancelled, ParameterError, RunError
from scorekit.host.files import fingerprint
from scorekit.host.guards import locked, signals
from scorekit.host.plugin import Application
from scorekit.host.randomness import seeded
from scorekit.host.record import SCHEMA, Run, Status, now

if TYPE_CHECKING:
    from scorekit.denoiser import Denoiser

__all__ = ["Event", "Loader", "Run", "execute", "queue", "settle"]

Loader = Callable[..., "tuple[Denoiser, dict[str, Any]]"]  # as `models.load`: (name, device=, dtype=, trust_pickle=)

LARGEST_SEED = 2**63 - 1
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}(\.\w+)?")  # names that files.replacing gives


def execute(
    app: type[Application],
    params: pydantic.BaseModel | Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    model: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    trust_pickle: bool = False,
    resume: bool = False,
    on_event: Listener | None = None,
    loader: Loader = models.load,
) -> Run:
    """Run an application in a folder to its end, and return the run: done, failed or cancelled.

    params  an instance of `app.Params`, or a mapping; what is not given has its default
    out     the run folder, new or empty; default: runs/NAME-<time>
    trust_pickle  also read weights stored as pickle, which can run code of their author
    resume  go on in the existing folder `out` (queued, interrupted, cancelled or failed) with the folder's own
            parameters, seed, model, device, dtype and trust; those arguments are then not used
    on_event  called with each Event, in this thread
    loader    loads models for `ctx.model`; a process that executes many runs may keep some loaded

    A failure of the application does not raise: see `Run.status` and `Run.error`; a crash leaves traceback.txt.
    Raises ParameterError for bad input, also found by the application itself; a new folder is then removed again.
    In the main thread SIGINT and SIGTERM cancel at the next `ctx.progress`, a second SIGINT at once.
    """
    tell: Listener = on_event or (lambda _: None)
    if resume:
        if out is None:
            raise ParameterError("--resume needs the run folder")
        return _perform(app, _reopen(app, Path(out)), tell, loader)
    folder = Path(out) if out is not None else _unused(app.name)
    made = _missing_parents(folder)
    run = queue(app, params, folder, seed, model, device, dtype, trust_pickle)
    try:
        return _perform(app, run, tell, loader)
    except ParameterError:
        if not run.record["artifacts"]:
            _discard(folder, made)
        raise


def queue(
    app: type[Application],
    params: pydantic.BaseModel | Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    model: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    trust_pickle: bool = False,
) -> Run:
    """Check everything that can be checked without torch, and make the folder with status `queued`.

    Arguments as of `execute`, which starts the run with `resume=True`. Raises ParameterError; nothing is then made.
    """
    if isinstance(params, pydantic.BaseModel):
        params = {name: getattr(params, name) for name in params.model_fields_set}
    checked = options.validate(app.Params, params or {})
    if not 0 <= seed <= LARGEST_SEED:
        raise ParameterError(f"--seed must be a whole number from 0 to {LARGEST_SEED}; got {seed}")
    devices.check_words(device, dtype)
    model = _checked_model(app, model)
    folder = Path(out) if out is not None else _unused(app.name)
    record = _record(app, checked, seed, model, device, dtype, trust_pickle)
    made, ours = _missing_parents(folder), False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            if any(p.name != ".lock" for p in folder.iterdir()):
                raise ParameterError(
                    f"--out {str(folder)!r} is not empty; name a new folder, or go on with a run by --resume {folder}"
                )
            ours = True
            run = Run(folder, record)
            run.update()
    except OSError as error:
        if ours or folder in made:  # never touch what was there before
            _discard(folder, made)
        raise ParameterError(f"--out {str(folder)!r} cannot be written: {error.strerror or error}") from None
    return run


def settle(
    folder: str | os.PathLike[str], status: Literal["failed", "cancelled", "interrupted"], error: str | None = None
) -> Run:
    """Write the end of a run that cannot write it itself: it never started, or its process is gone. Its checkpoint stays.

    A run that ended by itself is left as it is. Raises ParameterError if it is no run folder or is still being executed.
    """
    path = Path(folder)
    Run.load(path)  # a folder that is none gets no lock file
    with locked(path):
        run = Run.load(path)
        if run.record["status"] in ("queued", "running", "interrupted"):
            if run.record["status"] == "running" and (steps := run.progress()):
                run.record["time"]["seconds"] = round(run.record["time"]["seconds"] + steps[-1]["elapsed"], 3)
            _end(run, lambda _: None, status, error)
        return run


def _checked_model(app: type[Application], model: str | None) -> str | None:
    if app.default_model is None:
        if model is not None:
            raise ParameterError(f"{app.name} takes no --model")
        return None
    name = model if model is not None else app.default_model
    return models.find(name).name


def _record(
    app: type[Application],
    params: pydantic.BaseModel,
    seed: int,
    model: str | None,
    device: str,
    dtype: str,
    trust_pickle: bool,
) -> dict[str, Any]:
    verb = "train" if app.kind == "training" else "run"
    choices = [f"--seed={seed}", f"--device={device}", f"--dtype={dtype}"]
    if model is not None:
        choices += [f"--model={model}", *(["--trust-pickle"] if trust_pickle else [])]
    return {
        "schema": SCHEMA,
        "application": app.name,
        "title": app.title,
        "kind": app.kind,
        "plugin": {"module": app.__module__, "class": app.__qualname__, **provenance.origin(app.__module__)},
        "status": "queued",
        "error": None,
        "parameters": options.dump(params),
        "seed": seed,
        "model": model,
        "device": device,
        "dtype": dtype,
        "trust_pickle": trust_pickle,
        "machine": None,
        "models": {},
        "inputs": _inputs(params),
        "artifacts": [],
        "metrics": {},
        "time": {"created": now(), "started": None, "ended": None, "seconds": 0.0, "paused": 0.0},
        "attempts": 0,
        "checkpoint": None,
        "process": None,
        "versions": {},
        "command": shlex.join(["scorekit", verb, app.name, *options.command_line(params), *choices]),
    }


def _inputs(params: pydantic.BaseModel) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for name, path in options.input_paths(params):
        try:
            found.setdefault(name, []).append(fingerprint(path))
        except OSError as error:
            raise ParameterError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    return found


def _reopen(app: type[Application], folder: Path) -> Run:
    run = Run.load(folder)
    if run.application != app.name:
        raise ParameterError(f"--resume {str(folder)!r} is a run of {run.application}, not of {app.name}")
    if run.status == "done":
        raise ParameterError(f"--resume {str(folder)!r} is done; repeat it in a new folder by: {run.record['command']}")
    if run.status == "running":
        raise ParameterError(f"--resume {str(folder)!r} is running, in process {run.record['process']['pid']}")
    params = options.validate(app.Params, run.record["parameters"])
    if _inputs(params) != run.record["inputs"]:
        raise ParameterError(f"--resume {str(folder)!r}: an input file has changed since the run began")
    _checked_model(app, run.record["model"])
    return run


def _perform(app: type[Application], run: Run, tell: Listener, loader: Loader) -> Run:
    params = options.validate(app.Params, run.record["parameters"])
    stop = threading.Event()
    with locked(run.folder), signals(stop):
        waiting = run.record["attempts"] == 0
        if waiting and (run.folder / "cancel").exists():  # cancelled while it was queued
            return _end(run, tell, "cancelled")
        device = devices.resolve_device(run.record["device"])
        dtype = devices.resolve_dtype(run.record["dtype"], device)
        solvers.bring()
        _start(run, device, dtype)
        tell(Event("started", {"folder": str(run.folder)}))
        load = partial(loader, device=device, dtype=dtype, trust_pickle=run.record["trust_pickle"])
        ctx = RunContext(run, device, dtype, load, tell, stop)
        began, before = time.monotonic(), dict(run.record["time"])

        def end(status: Status, error: str | None = None) -> Run:
            with suppress(OSError):  # a disk that is full of what made the run fail must not hide why it failed
                ctx.close()
            active = time.monotonic() - began - ctx.paused_seconds
            run.record["time"]["seconds"] = round(before["seconds"] + active, 3)
            run.record["time"]["paused"] = round(before["paused"] + ctx.paused_seconds, 3)
            return _end(run, tell, status, error)

        try:
            with seeded(run.record["seed"], device):
                try:
                    app().run(params, ctx)
                except Cancelled:  # inside `seeded`: the checkpoint keeps the run's generators, not the caller's
                    return end("cancelled", _try_to_keep(ctx))
            ctx.close()
        except KeyboardInterrupt:  # the second Ctrl-C: the state may be in the middle of a step, so it is not kept
            return end("cancelled")
        except ParameterError as error:
            end("failed", str(error))
            raise
        except (
            RunError,
            FloatingPointError,
        ) as error:  # the latter names the step at which numbers stopped being finite
            return end("failed", str(error))
        except (Exception, SystemExit) as error:
            with suppress(OSError):
                (run.folder / "traceback.txt").write_text(traceback.format_exc())
            return end("failed", _sentence(error))
        return end("done")


def _start(run: Run, device: Any, dtype: Any) -> None:
    """Clear what an earlier attempt left, and say in run.json who executes it now, where and with what."""
    for path in run.folder.rglob(".*"):
        if TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink()
    for name in ("cancel", "traceback.txt", *([] if run.record["attempts"] == 0 else ["pause"])):
        (run.folder / name).unlink(missing_ok=True)
    run.record["time"].update(started=run.record["time"]["started"] or now(), ended=None)
    run.update(
        status="running",
        error=None,
        attempts=run.record["attempts"] + 1,
        process=provenance.process_identity(),
        machine={**provenance.describe_device(device), "dtype": str(dtype).removeprefix("torch.")},
        versions=provenance.versions(),
    )


def _end(run: Run, tell: Listener, status: Status, error: str | None = None) -> Run:
    leftovers = ["cancel", "pause", *(["checkpoint.pt"] if status == "done" else [])]
    run.record["time"]["ended"] = now()
    run.update(status=status, error=error, process=None, **({"checkpoint": None} if status == "done" else {}))
    for name in leftovers:  # after run.json: killed in between, a finished run is still done
        (run.folder / name).unlink(missing_ok=True)
    tell(Event("finished", {"status": status, "error": error}))
    return run


def _try_to_keep(ctx: RunContext) -> str | None:
    """Write the last offered state; a cancelled run stays cancelled even if that fails, and says so."""
    try:
        ctx.keep_state()
    except Exception as error:
        return f"the state could not be kept: {_sentence(error)}"
    return None


def _sentence(error: BaseException) -> str:
    """A crash in one line. Out of memory is the one crash a user can do something about."""
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return "out of memory; use a smaller size, fewer samples at a time, or another --device"
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _unused(name: str) -> Path:
    """runs/NAME-<time>, with a tail if two runs start in one second."""
    folder = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    return folder if not folder.exists() else folder.with_name(f"{folder.name}-{secrets.token_hex(2)}")


def _missing_parents(folder: Path) -> list[Path]:
    """The folders that creating `folder` would create, the innermost first."""
    return [p for p in (folder, *folder.parents) if not p.exists()]


def _discard(folder: Path, made: list[Path]) -> None:
    """Remove the host's own files from a run folder, and of the folders `made` those that are then empty."""
    if folder.is_dir():
        for name in artifacts.OWN_FILES:
            (folder / name).unlink(missing_ok=True)
    for path in made:
        try:
            path.rmdir()
        except OSError:
            return
