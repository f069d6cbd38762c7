"""A run on the screen: a live bar on a terminal, a plain line every few seconds elsewhere, and the end in words."""

import math
import os
import sys
import time
from typing import Any

import rich.progress
from rich.console import Console
from rich.markup import escape

from scorekit.host.context import Event
from scorekit.host.record import Run

LINE_SECONDS = 5.0
UNITS = ("B", "kB", "MB", "GB", "TB")


def clock(seconds: float | None) -> str:
    """83 s as 1:23; an unknown time as -:--."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """Bytes in decimal units, three digits: 1.23 MB."""
    for unit in UNITS:
        if count < 1000 or unit == UNITS[-1]:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    raise AssertionError("unreachable")


def numbers(metrics: dict[str, float]) -> str:
    """Metrics as "loss 0.123  psnr 24.1"."""
    return "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def place(path: os.PathLike[str]) -> str:
    """A path as a user would type it: relative to here if it lies below, else absolute."""
    relative = os.path.relpath(path)
    return os.path.abspath(path) if relative.startswith("..") else relative


class Screen:
    """Listens to a run's events. Use as a context manager around `execute(..., on_event=screen)`."""

    def __init__(self, title: str, quiet: bool) -> None:
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self._said = -math.inf
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(bar_width=30),
            rich.progress.TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            rich.progress.TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=quiet or not self.console.is_terminal,
        )
        self._task: rich.progress.TaskID | None = None
        self._title = title

    def __enter__(self) -> "Screen":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, event: Event) -> None:
        match event.kind:
            case "started":
                self.console.print(f"{escape(self._title)} in {escape(place(event.data['folder']))}")
            case "progress":
                self._progress(dict(event.data))
            case "log":
                self.console.print(escape(event.data["message"]))
            case "paused":
                self.console.print("paused, until the file 'pause' is removed")
            case "artifact":
                self.console.print(f"saved {escape(place(event.data['path']))}")

    def _progress(self, line: dict[str, Any]) -> None:
        note = f"{numbers(line['metrics'])}  {clock(line['left'])} left".strip()
        if not self._bar.disable:
            if self._task is None:
                self._task = self._bar.add_task(self._title, total=line["total"], note="")
            self._bar.update(self._task, completed=line["step"], total=line["total"], note=note)
        elif time.monotonic() - self._said >= LINE_SECONDS or line["step"] == line["total"]:
            self._said = time.monotonic()
            self.console.print(f"step {line['step']}/{line['total']}  {escape(note)}")
            sys.stdout.flush()

    def report(self, run: Run) -> None:
        """Say how the run ended: success on stdout with the place of each artifact, anything else on stderr."""
        errors = Console(stderr=True, highlight=False, soft_wrap=True)
        folder = place(run.folder)
        if run.status == "done":
            self.console.print(f"done in {run.record['time']['seconds']:.1f} s: {escape(folder)}")
            width = max((len(name) for name in run.artifacts), default=0)
            for row in run.record["artifacts"]:
                path = place(run.folder / row["name"])
                self.console.print(f"  {escape(row['name']):<{width}}  {size(row['bytes']):>8}  {escape(path)}")
            if run.metrics:
                self.console.print(f"  {escape(numbers(run.metrics))}")
            return
        if run.status == "cancelled":
            steps = run.progress()
            at = f" at step {steps[-1]['step']}" if steps else ""
            note = f" ({run.error})" if run.error else ""
            errors.print(f"cancelled{at}{escape(note)}; go on by: {escape(run.resume_command)}")
            return
        trace = run.folder / "traceback.txt"
        where = f"; the traceback is in {place(trace)}" if trace.exists() else f"; the run is in {folder}"
        errors.print(f"scorekit: {escape(f'{run.application} failed: {run.error}{where}')}")
