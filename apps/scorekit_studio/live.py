"""A run while it goes on, read from its folder: cheap enough for twice a second, from any process.

Nothing here trusts that a file is whole: a last line that is still being written, or half a picture, is left for later.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TAIL_BYTES = 16_384  # of progress.jsonl, to find its last whole line in; of log.txt
MOST_POINTS = 1000  # of a curve; beyond it every second point is dropped


@dataclass(frozen=True)
class Step:
    """The newest line of progress: `step` of `total`, `elapsed` and `left` in seconds, metrics by name."""

    step: int
    total: int
    elapsed: float
    left: float | None
    metrics: dict[str, float]

    @property
    def share(self) -> float:
        """Done, from 0 to 1."""
        return self.step / self.total if self.total else 0.0


def last_step(folder: Path) -> Step | None:
    """The newest step of a run; None before the first one."""
    for text in reversed(_tail(folder / "progress.jsonl").split(b"\n")[:-1]):
        if step := _step(text):
            return step
    return None


def left_seconds(folder: Path) -> float | None:
    """Seconds that a run still needs, as its own steps say; None if they do not say."""
    step = last_step(folder)
    return None if step is None else step.left


def log_lines(folder: Path, most: int = 50) -> list[str]:
    """The newest lines of the run's log."""
    return _tail(folder / "log.txt").decode(errors="replace").splitlines()[-most:]


@dataclass(frozen=True)
class Preview:
    """A picture of a run, as JPEG; `stamp` changes with it."""

    jpeg: bytes
    stamp: int


def preview(folder: Path, after: int | None = None) -> Preview | None:
    """The newest preview, or None: there is none, it still has the stamp `after`, or it is not whole."""
    path = folder / "preview.jpg"
    try:
        stamp = path.stat().st_mtime_ns
        if stamp == after:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    whole = content.startswith(b"\xff\xd8") and content.rstrip(b"\0").endswith(b"\xff\xd9")
    return Preview(content, stamp) if whole else None


@dataclass
class Curves:
    """The metrics of a run over its steps; `update` reads what was added since, so that it may be called often.

    steps, metrics  the steps, and for each name its values at those steps (None where it was not given); at most
                    MOST_POINTS, evenly thinned
    """

    folder: Path
    steps: list[int] = field(default_factory=list)
    metrics: dict[str, list[float | None]] = field(default_factory=dict)
    _place: int = 0
    _file: int | None = None
    _every: int = 1
    _seen: int = 0

    def update(self) -> bool:
        """Read on; True if there was something new. A run that began again begins again here, too."""
        try:
            with open(self.folder / "progress.jsonl", "rb") as file:
                state = os.fstat(file.fileno())
                if state.st_ino != self._file or state.st_size < self._place:
                    self.steps, self.metrics, self._place, self._every, self._seen = [], {}, 0, 1, 0
                    self._file = state.st_ino
                file.seek(self._place)
                added = file.read()
        except OSError:
            return False
        whole, newline, _ = added.rpartition(b"\n")
        self._place += len(whole) + len(newline)
        for text in whole.split(b"\n"):
            if step := _step(text):
                self._add(step)
        return bool(newline)

    def _add(self, step: Step) -> None:
        if self._seen % self._every == 0:
            for name in step.metrics:
                self.metrics.setdefault(name, [None] * len(self.steps))
            self.steps.append(step.step)
            for name, values in self.metrics.items():
                values.append(step.metrics.get(name))
            if len(self.steps) > MOST_POINTS:
                self._every *= 2
                self.steps = self.steps[::2]
                self.metrics = {name: values[::2] for name, values in self.metrics.items()}
        self._seen += 1


def _step(text: bytes) -> Step | None:
    try:
        row: Any = json.loads(text)
        return Step(row["step"], row["total"], row["elapsed"], row["left"], row["metrics"])
    except (ValueError, KeyError, TypeError):
        return None


def _tail(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            return file.read()
    except OSError:
        return b""
