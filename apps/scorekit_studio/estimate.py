"""What a job will need: memory from its model's files and from what equal jobs took; time from equal jobs.

A model's files say how many weights there are (the header of a safetensors file, a few kilobytes); that is the least a
job needs. What it needs beside them (activations, renderings) nobody can tell beforehand, so a job is refused only if its
weights alone, or an equal job's measured peak, are more than the machine has.
"""

import hashlib
import json
import math
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pydantic

from scorekit.host import models
from scorekit.host.errors import ParameterError
from scorekit.host.options import options

LATEST = 5  # how many earlier jobs an expectation is made of
BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "U8": 1, "I8": 1, "BOOL": 1}
FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")


@dataclass(frozen=True)
class Estimate:
    """What a job needs. `weights`: bytes of its model's weights as they are loaded (0: no model; None: not known here).

    seconds, ram, vram  of equal jobs that were done: the median time, the highest peaks in bytes; None without any
    """

    weights: int | None = None
    seconds: float | None = None
    ram: int | None = None
    vram: int | None = None


@dataclass(frozen=True)
class Capacity:
    """Memory of a device: `ram` of the machine, `vram` of its own (None for a CPU), in bytes."""

    device: str
    ram: int
    vram: int | None = None

    def refuse(self, need: Estimate) -> str | None:
        """Why a job cannot fit at all, or None. Measured peaks count; without any, the weights do."""
        measured = need.vram if self.vram is not None else need.ram
        limit = self.vram if self.vram is not None else self.ram
        asked = measured if measured is not None else need.weights
        if asked is None or asked <= limit:
            return None
        reason = "an equal job took" if measured is not None else "its model's weights alone take"
        return (
            f"this job cannot fit on {self.device}, which has {gib(limit)} of memory: {reason} {gib(asked)}; "
            "use a smaller model or size, a dtype of half precision, or another device"
        )


def gib(count: int) -> str:
    """Bytes in GB (2^30), or in MB if they are few: "12.3 GB"."""
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"


def shape_of(application: str, params: pydantic.BaseModel, model: str | None, device: str) -> str:
    """A digest that is equal for jobs of equal cost: all but texts, paths and the seed is the same."""
    described = options(type(params))
    values = params.model_dump(mode="json")
    costly = {
        name: values[name] for name, o in described.items() if o.shape in ("flag", "scalar", "choice") and not o.many
    }
    counted = {name: len(values[name]) for name, o in described.items() if o.many and isinstance(values[name], list)}
    parts = [application, model, device, costly, counted]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def known(db: sqlite3.Connection, shape: str) -> Estimate:
    """What the latest equal jobs took, without weights."""
    rows = db.execute(
        "SELECT seconds, ram, vram FROM jobs WHERE shape = ? AND state = 'done' AND seconds IS NOT NULL "
        "ORDER BY seq DESC LIMIT ?",
        (shape, LATEST),
    ).fetchall()

    def highest(column: str) -> int | None:
        return max((row[column] for row in rows if row[column] is not None), default=None)

    seconds = statistics.median(row["seconds"] for row in rows) if rows else None
    return Estimate(None, seconds, highest("ram"), highest("vram"))


def weights_of(model: str | None, dtype: str, half: bool = False) -> int | None:
    """Bytes of a model's weights in `dtype` ("auto": half precision if `half`), from its files; None if they are not here.

    Only the files that would be read count: not a second copy in another precision, and the image codec is always read as
    float32.
    """
    if model is None:
        return 0
    try:
        found = models.find(model)
        import scorekit.models

        source = scorekit.models.resolve((found.spec.source if found.spec else None) or found.name)
    except (ParameterError, ValueError):
        return None
    if source.kind == "hub":
        from scorekit.models.hub import cached

        folder = cached(source.location)
    else:
        folder = Path(source.location)
    if folder is None:
        return None
    size = {"float32": 4, "float16": 2, "bfloat16": 2}.get(dtype, 2 if half else 4)
    total = 0
    for component in sorted(p for p in folder.iterdir() if p.is_dir()):
        files = _one_copy([p for p in component.glob("*.safetensors")])
        for path in files:
            state = path.stat()
            total += _loaded_bytes(str(path), state.st_size, state.st_mtime_ns, 4 if component.name == "vae" else size)
    return total


def _one_copy(files: Sequence[Path]) -> list[Path]:
    """Without the half-precision twins of files that are there in full."""
    full = [p for p in files if ".fp16" not in p.name]
    return full or list(files)


@lru_cache(maxsize=512)
def _loaded_bytes(path: str, size: int, changed: int, width: int) -> int:  # noqa: ARG001 - size, changed: the cache's key
    """Bytes of the tensors of a safetensors file when its floats are `width` bytes wide. Reads the header only."""
    try:
        return sum(
            math.prod(row["shape"]) * (width if row["dtype"] in FLOATS else BYTES.get(row["dtype"], 1))
            for row in _header(Path(path)).values()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # a damaged file: loading it says so better


def _header(path: Path) -> Mapping[str, Any]:
    """Name to {dtype, shape} of a safetensors file; the format is 8 bytes of length, little-endian, and JSON."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(path.stat().st_size, 100_000_000):
            raise ValueError(f"{path} is no safetensors file")
        header = json.loads(file.read(length))
    return {name: row for name, row in header.items() if name != "__metadata__"}
