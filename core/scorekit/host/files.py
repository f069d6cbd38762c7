"""Files that are either whole or absent, and their fingerprints."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HASH_BLOCK = 1 << 20  # bytes read at a time


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` with the same suffix; moved onto `path` if the block succeeds, removed if not.

    The suffix is kept because encoders (ffmpeg, Pillow, trimesh) choose the format by it. The name starts with a
    dot, so that a viewer listing `*.png` never meets a half-written file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write atomically and reach the disk: after a power cut the file is the old one or the new one."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically. Not-a-number and infinity raise ValueError: they are not JSON."""
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(path: Path) -> dict[str, Any]:
    """What identifies an input: bytes and sha256 of a file; for a folder, of its sorted list of names and sizes.

    A folder's contents are not read: data sets are large, and a change that keeps every size is rare.
    """
    path = path.resolve()
    if path.is_dir():
        files = sorted((str(p.relative_to(path)), p.stat().st_size) for p in path.rglob("*") if p.is_file())
        digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()
        return {"path": str(path), "files": len(files), "bytes": sum(n for _, n in files), "sha256_of_listing": digest}
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": sha256(path)}
