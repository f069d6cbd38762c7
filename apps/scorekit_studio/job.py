"""One job, as the data base holds it."""

import json
import sqlite3
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, cast

State = Literal["queued", "running", "paused", "done", "failed", "cancelled", "interrupted"]
WAITING: tuple[State, ...] = ("queued", "interrupted")  # a worker may take it
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Job:
    """What is asked for, and how it stands.

    state     queued, running, paused, done, failed, cancelled; interrupted: its process was killed, it goes on by itself
    ask       what a running job was asked to do and has not done yet: cancel, pause, yield; else None
    error     a sentence on why it failed;  note  a sentence on how it was dealt with
    attempts  how often its process was killed;  worker  the device that executes it
    expected  seconds of work, known from equal jobs, else None;  short  it is in the short-job lane
    created, started, ended  seconds since 1970;  seconds, ram, vram  what it took (bytes)
    sweep     shared by the jobs of one grid;  binned  seconds in the bin, None if it is not deleted
    """

    seq: int
    id: str
    owner: str
    application: str
    title: str
    kind: Literal["application", "training"]
    model: str | None
    device: str
    seed: int
    parameters: dict[str, Any]
    words: str
    shape: str
    expected: float | None
    short: bool
    state: State
    ask: Literal["cancel", "pause", "yield"] | None
    error: str | None
    note: str | None
    attempts: int
    worker: str | None
    created: float
    started: float | None
    ended: float | None
    seconds: float | None
    ram: int | None
    vram: int | None
    sweep: str | None
    binned: float | None

    @property
    def waiting(self) -> bool:
        """A worker may take it."""
        return self.state in WAITING

    @property
    def active(self) -> bool:
        """A worker executes it, or holds it in memory while it is paused."""
        return self.worker is not None

    @property
    def ended_for_good(self) -> bool:
        """Done, failed or cancelled: nothing happens to it unless somebody asks."""
        return self.state in ENDED

    def redacted(self) -> "Job":
        """What somebody else may see of it: that it is there, of which application, and how it stands."""
        return replace(
            self, owner="", parameters={}, words="", shape="", seed=0, error=None, note=None, sweep=None, model=None
        )


def job_of(row: sqlite3.Row) -> Job:
    """The Job of a row of the table `jobs`."""
    values = {field.name: row[field.name] for field in fields(Job)}
    values["parameters"] = json.loads(cast(str, values["parameters"]))
    values["short"] = bool(values["short"])
    return Job(**values)
