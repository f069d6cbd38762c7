"""What identifies a model's weights, for the record of a run. No torch here."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from scorekit.models.hub import cached
from scorekit.models.sources import resolve


def identity(name: str) -> dict[str, Any]:
    """{name, kind, path, sha256, files} of a model.

    files   the sha256 of every safetensors file, by its path in the folder
    sha256  of the lines "path digest": one value for all of them; None where there are none
    path    the folder; None for a hub model that is not in the local cache (the hub is not asked)

    Digests are kept for as long as a file's size and time of change stay.
    Raises ValueError for a name that `resolve` refuses.
    """
    source = resolve(name)
    folder = cached(source.location) if source.kind == "hub" else Path(source.location)
    files: dict[str, str] = {}
    for path in sorted(folder.rglob("*.safetensors")) if folder else ():
        state, inside = path.stat(), path.relative_to(str(folder))
        files[inside.as_posix()] = _digest(str(path), state.st_size, state.st_mtime_ns)
    lines = "".join(f"{file} {digest}\n" for file, digest in files.items())
    return {
        "name": source.name,
        "kind": source.kind,
        "path": str(folder) if folder else None,
        "sha256": hashlib.sha256(lines.encode()).hexdigest() if files else None,
        "files": files,
    }


@lru_cache(maxsize=1024)
def _digest(path: str, size: int, changed: int) -> str:  # noqa: ARG001 - size and time are there for the cache's key
    # The hub's cache names a large file's blob by its sha256: gigabytes need not be read again.
    blob = Path(path).resolve().name
    if re.fullmatch(r"[0-9a-f]{64}", blob):
        return blob
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
