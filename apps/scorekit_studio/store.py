"""The folder of a studio, and the SQLite data base in it: the only truth about jobs.

```
studio.sqlite   jobs, owners, workers          runs/ID   run folders, in the format of `scorekit run`
bin/ID          deleted runs, until emptied    new/ID    run folders that are being made
uploads/HASH    files of one person            logs/     one file for each device
```

The data base is in WAL mode: readers never wait, and a writer waits at most BUSY_SECONDS for another. Every commit
reaches the disk before it is reported, so a job that somebody was told of is not lost with the power.
"""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BUSY_SECONDS = 5.0
VERSION = 1  # of SCHEMA, kept in user_version
SPARE_CONNECTIONS = 8
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of submission
    id TEXT NOT NULL UNIQUE,                -- also the name of its folder
    owner TEXT NOT NULL,
    application TEXT NOT NULL, title TEXT NOT NULL, kind TEXT NOT NULL,
    model TEXT, device TEXT NOT NULL, seed INTEGER NOT NULL, parameters TEXT NOT NULL,
    words TEXT NOT NULL,                    -- what a search looks through, in lower case
    shape TEXT NOT NULL,                    -- jobs of one shape cost the same
    expected REAL,                          -- seconds of work, from earlier jobs of the shape
    short INTEGER NOT NULL,                 -- belongs to the short-job lane
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled', 'interrupted')),
    ask TEXT CHECK (ask IN ('cancel', 'pause', 'yield')),  -- what the running job shall do
    error TEXT, note TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,    -- how often its process was killed
    worker TEXT,                            -- the device that executes it
    created REAL NOT NULL, started REAL, ended REAL,       -- seconds since 1970, to be shown; nothing is decided by them
    seconds REAL, ram INTEGER, vram INTEGER,               -- what it took, in bytes
    sweep TEXT,                             -- jobs that were submitted as one grid
    binned REAL                             -- seconds in the bin while a server ran; NULL: not deleted
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, owner);
CREATE INDEX IF NOT EXISTS jobs_by_owner ON jobs (owner, seq);
CREATE INDEX IF NOT EXISTS jobs_at_work ON jobs (owner) WHERE worker IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_by_shape ON jobs (shape, state);
CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY, turn INTEGER NOT NULL);  -- when last served, as a counter
CREATE TABLE IF NOT EXISTS workers (
    device TEXT PRIMARY KEY, pid INTEGER, state TEXT NOT NULL, note TEXT,
    streak INTEGER NOT NULL DEFAULT 0,      -- short jobs taken in a row while a long one waited
    name TEXT, ram INTEGER, vram INTEGER    -- the device and its memory in bytes
);
"""


class StoreError(Exception):
    """The store cannot be used at the moment; the sentence says why and what to do."""


class Store:
    """A studio's folder. Safe to share between threads; each process opens its own.

    Raises StoreError where the folder cannot be made, or holds the data base of a newer version.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).expanduser().resolve()
        self.runs, self.bin, self.new = self.root / "runs", self.root / "bin", self.root / "new"
        self.uploads, self.logs = self.root / "uploads", self.root / "logs"
        self._spare: list[sqlite3.Connection] = []
        try:
            for folder in (self.runs, self.bin, self.new, self.uploads, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)  # prompts and pictures are their owners' own
        except OSError as error:
            raise StoreError(f"the store {str(self.root)!r} cannot be made: {error.strerror or error}") from None
        self._prepare()

    def _prepare(self) -> None:
        with self.read() as db:
            mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            if mode != "wal":
                raise StoreError(
                    f"the store {str(self.root)!r} is on a file system without shared memory; use a local disk"
                )
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise StoreError(f"the store {str(self.root)!r} is of a newer studio; this one reads version {VERSION}")
            if version < VERSION:
                db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection on which each statement stands for itself; its rows are mappings. Raises StoreError."""
        db = None
        try:
            db = self._spare.pop() if self._spare else self._connect()
            yield db
        except sqlite3.Error as error:
            raise StoreError(_sentence(error, self.root)) from error
        finally:
            if db is not None:
                if db.in_transaction:
                    db.rollback()
                if len(self._spare) < SPARE_CONNECTIONS:
                    self._spare.append(db)
                else:
                    db.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """The same in one transaction that nobody else writes into; undone as a whole if the block raises."""
        with self.read() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    def close(self) -> None:
        """Close idle connections; the store can still be used."""
        while self._spare:
            self._spare.pop().close()

    def folder(self, job_id: str) -> Path:
        """Where the run folder of a job is, also when it is deleted and still in the bin."""
        binned = self.bin / job_id
        return binned if binned.is_dir() else self.runs / job_id

    def free_bytes(self) -> int:
        """What can still be written to the disk."""
        return shutil.disk_usage(self.root).free

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self.root / "studio.sqlite", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA synchronous=FULL")
        return db


def _sentence(error: sqlite3.Error, root: Path) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return f"the store {str(root)!r} is locked by another process for more than {BUSY_SECONDS:g} s; try again"
    if "full" in text or "disk I/O" in text:
        return f"the disk of the store {str(root)!r} is full or failing; free some space and try again"
    return f"the store {str(root)!r} cannot be used: {text}"


def disk_trouble(error: BaseException) -> str | None:
    """One sentence if this error, or one that it came from, is a full or failing disk; else None."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
            problem: Any = "is full" if seen.errno in (errno.ENOSPC, errno.EDQUOT) else f"failed ({seen.strerror})"
            return f"the disk {problem}; the last checkpoint is kept: free some space, then continue the run"
        seen = seen.__cause__ or seen.__context__
    return None
