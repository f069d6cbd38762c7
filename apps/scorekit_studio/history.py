"""What was done: search, the bin, adopted runs, and the difference between two runs.

Deleting moves a run folder into the bin; the bin is emptied after BIN_SECONDS in which a server ran, so that a clock that
jumps forward empties nothing.
"""

import itertools
import json
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scorekit.host.errors import ParameterError
from scorekit.host.record import Run
from scorekit_studio import uploads
from scorekit_studio.job import Job, State, job_of
from scorekit_studio.limits import LimitError
from scorekit_studio.store import Store

BIN_SECONDS = 7 * 24 * 3600.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")  # of a run folder


def search(
    store: Store,
    owner: str | None,
    *,
    text: str = "",
    application: str | None = None,
    states: Sequence[State] = (),
    sweep: str | None = None,
    since: float | None = None,
    until: float | None = None,
    binned: bool = False,
    limit: int = 50,
    offset: int = 0,
) -> tuple[list[Job], int]:
    """Jobs of `owner` (None: of all), newest first, and how many there are in all.

    text    every word of it occurs in the texts of the parameters, the title, the model or the id
    since, until  seconds since 1970, of submission;  binned  those in the bin instead of the others
    """
    where, values = [f"binned IS {'NOT ' if binned else ''}NULL"], list[Any]()
    for clause, value in (
        ("owner = ?", owner),
        ("application = ?", application),
        ("sweep = ?", sweep),
        ("created >= ?", since),
        ("created < ?", until),
    ):
        if value is not None:
            where.append(clause)
            values.append(value)
    for word in text.lower().split():
        where.append("instr(words, ?) > 0")
        values.append(word)
    if states:
        where.append(f"state IN ({', '.join('?' * len(states))})")
        values += states
    chosen = " AND ".join(where)
    with store.read() as db:
        (total,) = db.execute(f"SELECT count(*) FROM jobs WHERE {chosen}", values).fetchone()
        rows = db.execute(
            f"SELECT * FROM jobs WHERE {chosen} ORDER BY seq DESC LIMIT ? OFFSET ?", [*values, limit, offset]
        )
        return [job_of(row) for row in rows], total


def delete(store: Store, job: Job) -> None:
    """Move a run to the bin. Raises ParameterError while it waits or runs."""
    if job.active or job.waiting:
        raise ParameterError(f"the run {job.id} is {job.state}; cancel it before you delete it")
    with store.write() as db:
        changed = db.execute(
            "UPDATE jobs SET binned = 0 WHERE id = ? AND binned IS NULL AND worker IS NULL "
            "AND state NOT IN ('queued', 'interrupted')",
            (job.id,),
        ).rowcount
        if changed and (store.runs / job.id).is_dir():
            (store.runs / job.id).rename(store.bin / job.id)


def restore(store: Store, job: Job) -> None:
    """Take a run out of the bin. Raises ParameterError if it is not in it, or no longer."""
    with store.write() as db:
        if not db.execute("UPDATE jobs SET binned = NULL WHERE id = ? AND binned IS NOT NULL", (job.id,)).rowcount:
            raise ParameterError(f"the run {job.id} is not in the bin")
        if (store.bin / job.id).is_dir():
            (store.bin / job.id).rename(store.runs / job.id)


def age_bin(store: Store, elapsed: float, keep: float = BIN_SECONDS) -> None:
    """Let `elapsed` seconds pass for the bin, and remove for good what has been in it for `keep`."""
    with store.write() as db:
        db.execute("UPDATE jobs SET binned = binned + ? WHERE binned IS NOT NULL", (elapsed,))
        rows = db.execute("DELETE FROM jobs WHERE binned > ? RETURNING id", (keep,)).fetchall()
    for row in rows:
        shutil.rmtree(store.bin / row["id"], ignore_errors=True)


def empty_bin(store: Store, owner: str) -> int:
    """Remove for good what a person has in the bin; returns how many runs."""
    with store.write() as db:
        rows = db.execute("DELETE FROM jobs WHERE binned IS NOT NULL AND owner = ? RETURNING id", (owner,)).fetchall()
    for row in rows:
        shutil.rmtree(store.bin / row["id"], ignore_errors=True)
    return len(rows)


def stored_by(store: Store, owner: str) -> int:
    """Bytes of a person's runs, bin and uploads."""
    with store.read() as db:
        ids = [row["id"] for row in db.execute("SELECT id FROM jobs WHERE owner = ?", (owner,))]
    folders = [store.folder(job_id) for job_id in ids]
    return sum(map(stored_bytes, [*folders, uploads.place(store, owner)]))


def recover(store: Store) -> None:
    """Tidy what a killed server left half done: folders on their way into the line, or to and from the bin."""
    with store.read() as db:
        known = {row["id"]: row["binned"] for row in db.execute("SELECT id, binned FROM jobs")}
    for folder in store.new.iterdir():
        shutil.rmtree(folder, ignore_errors=True)
    for here, there, belongs_there in ((store.runs, store.bin, True), (store.bin, store.runs, False)):
        for folder in here.iterdir():
            if folder.name in known and (known[folder.name] is not None) == belongs_there:
                folder.rename(there / folder.name)
            elif folder.name not in known and here == store.bin:
                shutil.rmtree(folder, ignore_errors=True)


def adopt(store: Store, owner: str) -> list[str]:
    """Take run folders into the history that `scorekit run --out STORE/runs/NAME` wrote; returns their ids.

    A run that is still going on is left for later.
    """
    with store.read() as db:
        known = {row["id"] for row in db.execute("SELECT id FROM jobs")}
    found = []
    for folder in sorted(store.runs.iterdir()):
        if folder.name in known or not NAME.fullmatch(folder.name) or folder.is_symlink():
            continue
        try:
            run = Run.load(folder)
        except ParameterError:
            continue
        if run.status in ("done", "failed", "cancelled"):
            found.append((run, _seconds_since_1970(run.record["time"])))
    for run, (created, started, ended) in sorted(found, key=lambda pair: pair[1][0]):
        r = run.record
        texts = [v for v in r["parameters"].values() if isinstance(v, str)]
        with store.write() as db:
            db.execute(
                "INSERT OR IGNORE INTO jobs (id, owner, application, title, kind, model, device, seed, parameters, words, shape, "
                "short, state, error, created, started, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0, ?, ?, ?, ?, ?)",
                (
                    run.folder.name, owner, r["application"], r["title"], r["kind"], r["model"], r["device"], r["seed"],
                    json.dumps(r["parameters"]), " ".join([run.folder.name, r["title"], r["model"] or "", *texts]).lower(),
                    run.status, run.error, created, started, ended,
                ),
            )  # fmt: skip
    return [run.folder.name for run, _ in found]


def _seconds_since_1970(times: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
    from datetime import datetime

    def seconds(text: str | None) -> float | None:
        try:
            return datetime.fromisoformat(text).timestamp() if text else None
        except ValueError:
            return None

    return seconds(times.get("created")) or time.time(), seconds(times.get("started")), seconds(times.get("ended"))


@dataclass(frozen=True)
class Difference:
    """Of two runs: {name: (of the first, of the second)}, None where one has no such thing; only what differs.

    metrics holds all metrics of both, also equal ones.
    """

    parameters: dict[str, tuple[Any, Any]]
    metrics: dict[str, tuple[float | None, float | None]]
    settings: dict[str, tuple[Any, Any]]  # application, model, seed, device, dtype, weights, plugin version, seconds
    versions: dict[str, tuple[Any, Any]]


def compare(first: Run, second: Run) -> Difference:
    """What two runs differ in."""
    a, b = first.record, second.record

    def settings(record: Mapping[str, Any]) -> dict[str, Any]:
        machine = record.get("machine") or {}
        return {
            "application": record["application"],
            "plugin version": (record.get("plugin") or {}).get("version"),
            "model": record["model"],
            "weights": {name: m.get("sha256") for name, m in record["models"].items()},
            "seed": record["seed"],
            "device": machine.get("name") or record["device"],
            "dtype": machine.get("dtype") or record["dtype"],
            "seconds": record["time"]["seconds"],
        }

    return Difference(
        parameters=_differing(a["parameters"], b["parameters"]),
        metrics={n: (a["metrics"].get(n), b["metrics"].get(n)) for n in [*a["metrics"], *b["metrics"]]},
        settings=_differing(settings(a), settings(b)),
        versions=_differing(a["versions"], b["versions"]),
    )


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = dict.fromkeys([*a, *b])
    return {name: (a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)}


def grid(base: Mapping[str, Any], axes: Mapping[str, Sequence[Any]], most: int) -> list[dict[str, Any]]:
    """Every combination of the axes' values over `base`, the last axis varying fastest; `seed` may be an axis.

    Raises ParameterError for an axis without values or with one twice, LimitError for more than `most` combinations.
    """
    for name, values in axes.items():
        if not values or any(value in list(values)[:i] for i, value in enumerate(values)):
            raise ParameterError(f"the values of {name} in a grid must be one or more, each once; got {list(values)!r}")
    count = 1
    for values in axes.values():
        count *= len(values)
    if count > most:
        sizes = " x ".join(str(len(values)) for values in axes.values())
        raise LimitError(f"a grid has at most {most} runs; this one has {sizes} = {count}")
    return [{**base, **dict(zip(axes, chosen, strict=True))} for chosen in itertools.product(*axes.values())]


def stored_bytes(folder: Path) -> int:
    """Bytes of all files in a folder."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 0 if path.is_symlink() else path.lstat().st_size
        except OSError:
            continue  # it was replaced while we looked
    return total
