"""RunContext: the one object through which an application talks to its host."""

import json
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat, TextIO

from scorekit.host import artifacts, randomness
from scorekit.host.errors import Cancelled, RunError
from scorekit.host.files import replacing, sha256, write_bytes
from scorekit.host.record import Run

if TYPE_CHECKING:
    import torch

    from scorekit.denoiser import Denoiser

PREVIEW_SECONDS = 0.25  # at most four previews a second
FLUSH_SECONDS = 0.25  # a reader of progress.jsonl sees a step at most this late
PAUSE_POLL_SECONDS = 0.1
CHECKPOINT_SECONDS = 20.0
CHECKPOINT_SHARE = 0.1  # at most this share of the time goes into writing checkpoints
PLAIN = (bool, int, float, str, bytes, type(None))


@dataclass(frozen=True)
class Event:
    """What a run tells while it runs; `data` depends on `kind`.

    started {folder};  progress {step, total, elapsed, left, metrics};  preview {path};  artifact {name, path};
    metric {name, value};  log {message};  checkpoint {step};  paused {step};  continued {};  finished {status, error}
    """

    kind: Literal[
        "started", "progress", "preview", "artifact", "metric", "log", "checkpoint", "paused", "continued", "finished"
    ]
    data: Mapping[str, Any] = field(default_factory=dict)


Listener = Callable[[Event], object]


class RunContext:
    """Given to `Application.run`. Made by the host, used from the thread that executes the run.

    folder     the run folder; files reach it through `save` only
    device, dtype, seed     where, in what precision and with which seed to compute
    """

    def __init__(
        self,
        run: Run,
        device: "torch.device",
        dtype: "torch.dtype",
        load_model: "Callable[[str], tuple[Denoiser, dict[str, Any]]]",
        on_event: Listener,
        stop: threading.Event,
    ) -> None:
        self.folder = run.folder
        self.device = device
        self.dtype = dtype
        self.seed = int(run.record["seed"])
        self.paused_seconds = 0.0
        self._run = run
        self._load_model = load_model
        self._models: dict[str, Denoiser] = {}
        self._tell = on_event
        self._stop = stop
        self._generator: torch.Generator | None = None
        self._started = time.monotonic()
        self._first: tuple[int, float] | None = None  # (step, working time) of the first progress of this process
        self._lines: TextIO | None = None
        self._flushed = 0.0
        self._previewed = -math.inf
        self._waiting_preview: Any = None
        self._restored = False
        self._state: tuple[Callable[[], dict[str, Any]], int] | None = None
        self._saved_state = time.monotonic()
        self._checkpoint_every = float(os.environ.get("SCOREKIT_CHECKPOINT_SECONDS", CHECKPOINT_SECONDS))

    @property
    def generator(self) -> "torch.Generator":
        """A torch generator on `device`, seeded with `seed`; always the same object within a run."""
        if self._generator is None:
            import torch

            self._generator = torch.Generator(self.device).manual_seed(self.seed)
        return self._generator

    def model(self, name: str | None = None) -> "Denoiser":
        """The denoiser `name`, or the run's `--model`, on `device` in `dtype`, loaded once.

        run.json records the hash of its weights. Raises ParameterError for a name that nothing answers to, RunError
        if the run has no model.
        """
        wanted = name or self._run.record["model"]
        if wanted is None:
            raise RunError(f"{self._run.application} asks for a model but declares no default_model")
        if wanted not in self._models:
            with randomness.untouched(
                self.device
            ):  # a model that is at hand already draws nothing: same seed, same result
                self._models[wanted], identity = self._load_model(wanted)
            self._run.update(models={**self._run.record["models"], wanted: identity})
        return self._models[wanted]

    def progress(self, step: int, total: int, **metrics: SupportsFloat) -> None:
        """Say that `step` of `total` steps are done, with the current metrics. Call it in every step.

        Here a run can be paused, cancelled and time-sliced: raises Cancelled when asked to stop. Raises RunError
        when a metric is not finite. In a loop: first `checkpoint`, then `progress`.
        """
        if not 0 <= step <= total:
            raise ValueError(f"progress: step must be from 0 to total; got step {step} of {total}")
        values = {name: self._finite(name, value, f" at step {step}") for name, value in metrics.items()}
        elapsed = time.monotonic() - self._started - self.paused_seconds
        self._first = self._first or (step, elapsed)
        done, spent = step - self._first[0], elapsed - self._first[1]
        left = round(spent / done * (total - step), 1) if done > 0 else None
        line = {"step": step, "total": total, "elapsed": round(elapsed, 3), "left": left, "metrics": values}
        self._write_line(line)
        self._tell(Event("progress", line))
        self._obey()

    def preview(self, image: Any) -> None:
        """Show how it looks now: a PIL image, (H, W, 3) uint8, a (3, H, W) tensor in [0, 1], or a function that
        returns one. At most four a second are written to preview.jpg; a function is called only when one is due.
        """
        if time.monotonic() - self._previewed < PREVIEW_SECONDS:
            # Kept, so that the last picture of a run is shown; a function is not: later it would see another state.
            self._waiting_preview = None if callable(image) else image
            return
        self._write_preview(image() if callable(image) else image)

    def metric(self, name: str, value: SupportsFloat) -> None:
        """Record a final, finite result of the run. Raises RunError for not-a-number and infinity."""
        number = self._finite(name, value, "")
        self._run.update(metrics={**self._run.record["metrics"], name: number})
        self._tell(Event("metric", {"name": name, "value": number}))

    def save(self, name: str, content: Any) -> Path:
        """Write an artifact whole or not at all, by extension and type (see `artifacts.write`); returns its path.

        bytes; str; dict or list (.json); PIL image, array or tensor (.png, .jpg, .webp); dict of tensors
        (.safetensors); trimesh geometry (.glb, .obj, .ply, .stl); a Path, which is moved here; or a function
        that writes to the temporary path it is given (.mp4, .wav, .parquet, ...). The same name again replaces.
        Raises ValueError for a name outside the run folder or of a host's file, TypeError when the content does not
        fit the extension, RunError when it would be empty or has values that are not finite.
        """
        written = artifacts.write(artifacts.inside(self.folder, name), content)
        rows = {row["name"]: row for row in self._run.record["artifacts"]}
        for path in written:
            key = path.relative_to(self.folder).as_posix()
            rows[key] = {
                "name": key,
                "bytes": path.stat().st_size,
                "media_type": artifacts.media_type(key),
                "sha256": sha256(path),
            }
        self._run.update(artifacts=list(rows.values()))
        self._tell(Event("artifact", {"name": name, "path": str(written[0])}))
        return written[0]

    def checkpoint(self, state: Callable[[], dict[str, Any]], step: int) -> None:
        """Offer the state after `step` finished steps; call it in every step, before `progress`.

        `state` is called only when a checkpoint is due (every 20 s, or SCOREKIT_CHECKPOINT_SECONDS; less often
        when writing is slow) and when the run is cancelled. It returns dicts and lists of tensors, numbers and
        strings; the generators' states are added by the host. Raises TypeError for anything else in it.
        """
        self._state = (state, step)
        if time.monotonic() - self._saved_state >= self._checkpoint_every:
            self._write_checkpoint()

    def restore(self) -> dict[str, Any] | None:
        """The state of the last checkpoint if this run is resumed, with tensors on `device`; else None.

        Also puts `generator` and the global generators back to where they were: build networks and optimisers
        first, call this last before the loop, and the resumed run ends as the uninterrupted one would have.
        Raises RunError for a checkpoint that cannot be read.
        """
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return None
        import torch

        try:
            saved = torch.load(path, map_location=self.device, weights_only=True)
            state, step, random_state = saved["state"], int(saved["step"]), saved["random"]
        except Exception as error:
            raise RunError(f"{path} cannot be read ({error}); delete it to start the run over") from error
        randomness.put_back(random_state, self.device, self.generator)
        self._forget_lines_after(step)
        self._tell(Event("log", {"message": f"resumed from step {step}"}))
        result: dict[str, Any] = state
        return result

    def log(self, message: str) -> None:
        """A line for the user, on screen and in log.txt."""
        with open(self.folder / "log.txt", "a") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {message}\n")
        self._tell(Event("log", {"message": message}))

    # What follows is the host's, not the application's.

    def close(self) -> None:
        """Write what throttling held back: the last lines of progress and the last preview."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None
        if self._waiting_preview is not None:
            image, self._waiting_preview = self._waiting_preview, None
            self._write_preview(image)

    def keep_state(self) -> None:
        """Write the state that was offered last, if any: what a cancelled run resumes from."""
        if self._state is not None:
            self._write_checkpoint()

    def _finite(self, name: str, value: SupportsFloat, where: str) -> float:
        number = float(value)
        if not math.isfinite(number):
            raise RunError(f"{name} is not finite{where}")
        return number

    def _obey(self) -> None:
        cancel, pause = self.folder / "cancel", self.folder / "pause"
        if pause.exists() and not self._stop.is_set():
            began = time.monotonic()
            if self._lines is not None:
                self._lines.flush()
            self._tell(Event("paused", {"step": self._state[1] if self._state else None}))
            while pause.exists() and not cancel.exists() and not self._stop.wait(PAUSE_POLL_SECONDS):
                pass
            self.paused_seconds += time.monotonic() - began
            self._tell(Event("continued"))
        if self._stop.is_set() or cancel.exists():
            raise Cancelled

    def _write_line(self, line: Mapping[str, Any]) -> None:
        if self._lines is None:
            if not self._restored:  # started from the beginning: lines of an earlier attempt do not count
                self._forget_lines_after(-1)
            self._lines = open(self.folder / "progress.jsonl", "a")  # noqa: SIM115 (closed by close())
        self._lines.write(json.dumps(line) + "\n")
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self._lines.flush()
            self._flushed = time.monotonic()

    def _forget_lines_after(self, step: int) -> None:
        self._restored = True
        kept = [line for line in self._run.progress() if line["step"] <= step]
        write_bytes(self.folder / "progress.jsonl", "".join(json.dumps(line) + "\n" for line in kept).encode())

    def _write_preview(self, image: Any) -> None:
        path = self.folder / "preview.jpg"
        write_bytes(path, artifacts.encode_jpeg(image))
        self._waiting_preview = None
        self._previewed = time.monotonic()
        self._tell(Event("preview", {"path": str(path)}))

    def _write_checkpoint(self) -> None:
        import torch

        assert self._state is not None
        state, step = self._state[0](), self._state[1]
        _check_plain(state, "state")
        began = time.monotonic()
        content = {"step": step, "state": state, "random": randomness.snapshot(self.device, self._generator)}
        with replacing(self.folder / "checkpoint.pt") as temporary, open(temporary, "wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        self._saved_state = time.monotonic()
        cost = self._saved_state - began
        self._checkpoint_every = max(self._checkpoint_every, cost / CHECKPOINT_SHARE)
        self._run.update(checkpoint=step)
        self._tell(Event("checkpoint", {"step": step}))


def _check_plain(value: Any, where: str) -> None:
    """Raise TypeError, naming the place, for what `torch.load(weights_only=True)` would refuse on resume."""
    import torch

    if isinstance(value, dict):
        for key, item in value.items():
            _check_plain(key, f"a key of {where}")
            _check_plain(item, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check_plain(item, f"{where}[{index}]")
    elif not isinstance(value, torch.Tensor) and type(value) not in PLAIN:
        kind = type(value).__name__
        raise TypeError(f"a checkpoint holds tensors, numbers, strings, lists and dicts; {where} is {kind}")
