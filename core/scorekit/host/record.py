"""The run folder as a record: `run.json` and what can be read beside it. Readable while the run is going on.

```
run.json        what was asked, what it was made with, how it ended (the fields below)
progress.jsonl  one line a step: {"step", "total", "elapsed" s, "left" s or null, "metrics": {name: number}}
preview.jpg     the newest preview          log.txt        lines of RunContext.log
checkpoint.pt   state of an unfinished run  traceback.txt  of a crash
cancel, pause   flag files: their presence asks the run to stop, or to wait until the file is gone
```
"""

import json
import os
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from scorekit.host.errors import ParameterError
from scorekit.host.files import write_json
from scorekit.host.provenance import is_alive

Status = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
SCHEMA = 1  # version of run.json


def now() -> str:
    """UTC time, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Run:
    """One run folder. Reading is safe from any process; only the process that executes the run writes.

    `record` is run.json as a dict:
    schema; application; title; kind; plugin {module, class, distribution, version}; status; error (a sentence or null);
    parameters; seed; model (as asked); device, dtype, trust_pickle (as asked); machine (as used, null before the start);
    models {name: {kind, path, sha256, files}}; inputs {parameter: [{path, sha256, bytes}]}; artifacts [{name, bytes, media_type,
    sha256}]; metrics {name: number}; time {created, started, ended, seconds, paused}; attempts; checkpoint (its step
    or null); process {pid, started, birth, host} or null; versions; command (repeats the run).
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.folder = folder
        self.record = record

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Run":
        """Read a run folder. Raises ParameterError if it is none."""
        path = Path(folder)
        try:
            record = json.loads((path / "run.json").read_text())
            known = record["schema"] <= SCHEMA and isinstance(record["application"], str) and bool(record["status"])
        except FileNotFoundError:
            raise ParameterError(f"{str(path)!r} is not a run folder: it holds no run.json") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ParameterError(f"{str(path / 'run.json')!r} cannot be read: {error}") from None
        if not known:
            raise ParameterError(f"{str(path / 'run.json')!r} is of a newer scorekit; this one reads schema {SCHEMA}")
        return cls(path, record)

    def update(self, **changes: Any) -> None:
        """Change fields and write run.json."""
        self.record.update(changes)
        write_json(self.folder / "run.json", self.record)

    @property
    def status(self) -> Status:
        """How it stands. `interrupted`: run.json says running, but that process is gone (killed, or power lost)."""
        status = cast(Status, self.record["status"])
        if status == "running" and not is_alive(self.record.get("process") or {}):
            return "interrupted"
        return status

    @property
    def resumable(self) -> bool:
        """Whether `execute(..., resume=True)` would start it: it waits, or ended without being done."""
        return self.status in ("queued", "failed", "cancelled", "interrupted")

    @property
    def application(self) -> str:
        return str(self.record["application"])

    @property
    def error(self) -> str | None:
        """One sentence on why it failed."""
        return cast("str | None", self.record.get("error"))

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.record["metrics"])

    @property
    def artifacts(self) -> dict[str, Path]:
        """Name to path of everything saved, in the order of saving."""
        return {a["name"]: self.folder / a["name"] for a in self.record["artifacts"]}

    @property
    def resume_command(self) -> str:
        verb = "train" if self.record["kind"] == "training" else "run"
        return shlex.join(["scorekit", verb, "--resume", str(self.folder)])

    def progress(self) -> list[dict[str, Any]]:
        """The lines of progress.jsonl; a last line that is still being written is left out."""
        try:
            lines = (self.folder / "progress.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        parsed = []
        for line in lines:
            try:
                parsed.append(json.loads(line))
            except ValueError:
                break
        return parsed

    def summary(self) -> dict[str, Any]:
        """What `--json` prints at the end of a run."""
        keys = ("application", "status", "error", "seed", "model", "metrics", "artifacts", "time")
        chosen = {key: self.record[key] for key in keys} | {"status": self.status}
        return {"folder": str(self.folder), "run": str(self.folder / "run.json"), **chosen}
