"""Matches between two pictures, to be looked at place by place.

matches.json holds {"points": rows, "mutual": rows} with rows {x, y, target_x, target_y, score} in pixels, as `dift` saves; features.npz
or features.safetensors, where saved, hold "source" and "target", vectors (C, h, w) of a grid over each picture.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scorekit.host.record import Run
from scorekit_studio.viewers import tensors
from scorekit_studio.viewers.envelope import Part, pack
from scorekit_studio.viewers.pictures import decoded
from scorekit_studio.viewers.tables import json_document
from scorekit_studio.viewers.trouble import Unshowable

TABLE = "matches.json"
MOST_MATCHES = 4000
MOST_VALUES = 64_000_000  # of a feature map in its file
MOST_SENT = 12_000_000  # bytes of one that go to the browser


def message(path: Path, run: Run, beside: Mapping[str, Path]) -> bytes:
    """The message for the component `matches`. Raises Unshowable where the pictures or the matches are missing."""
    document = json_document(path)
    found = pictures(run, beside)
    if found is None:
        raise Unshowable("The run kept no source and target pictures, so its matches are shown as a table only.")
    parts: dict[str, Part] = {}
    sizes = []
    for name, file in zip(("source", "target"), found, strict=True):
        parts[name], size, _ = decoded(file, 1600)
        sizes.append(size)
    rows = shares(document, sizes[0], sizes[1])
    features = next((beside[name] for name in ("features.safetensors", "features.npz") if name in beside), None)
    shapes: dict[str, list[int]] | None = None
    if features is not None:
        try:
            grids = {name: quantised(tensors.load(features, name, MOST_VALUES)) for name in ("source", "target")}
        except Unshowable:
            grids = {}
        if grids and len({grid.shape[0] for grid in grids.values()}) == 1:
            shapes = {name: list(grid.shape) for name, grid in grids.items()}
            parts |= {f"{name} features": ("application/octet-stream", grid.tobytes()) for name, grid in grids.items()}
    if not rows and shapes is None:
        raise Unshowable("The file holds no matches.")
    return pack(parts, matches=rows, features=shapes)


def pictures(run: Run, beside: Mapping[str, Path]) -> tuple[Path, Path] | None:
    """Source and target: artifacts of these names, else the run's inputs where they still are what they were."""
    found: list[Path] = []
    for name in ("source", "target"):
        saved = next((beside[name + suffix] for suffix in (".png", ".jpg", ".webp") if name + suffix in beside), None)
        file = saved or _input(run, name)
        if file is None:
            return None
        found.append(file)
    return found[0], found[1]


def _input(run: Run, name: str) -> Path | None:
    listed = (run.record.get("inputs") or {}).get(name) or []
    if len(listed) != 1:
        return None
    path = Path(listed[0]["path"])
    try:
        if path.is_file() and path.stat().st_size == listed[0]["bytes"]:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            return path if digest == listed[0]["sha256"] else None
    except (OSError, KeyError):
        pass
    return None


def shares(document: Any, source: tuple[int, int], target: tuple[int, int]) -> list[list[float]]:
    """Rows [u, v, u', v', score]: places as shares of the width and height of the pictures, those asked for first, then by score."""
    if not isinstance(document, Mapping):
        raise Unshowable("The file holds no matches.")
    rows = []
    try:
        for group in ("points", "mutual"):
            listed = document.get(group) or []
            part = [
                [
                    float(row["x"]) / source[0],
                    float(row["y"]) / source[1],
                    float(row["target_x"]) / target[0],
                    float(row["target_y"]) / target[1],
                    float(row.get("score", 0.0)),
                ]
                for row in listed
            ]
            rows += part if group == "points" else sorted(part, key=lambda row: -row[4])
    except (TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError):
        raise Unshowable("The matches in the file cannot be read.") from None
    good = [
        [round(value, 5) for value in row]
        for row in rows
        if all(np.isfinite(row)) and all(0 <= value <= 1 for value in row[:4])
    ]
    return good[:MOST_MATCHES]


def quantised(values: np.ndarray) -> np.ndarray:
    """Vectors (C, h, w) as int8 of about equal length: each to length 1, then the largest number to 127. Coarser where too many."""
    if values.ndim != 3 or not values.size or not np.isfinite(values).all():
        raise Unshowable("The features are no vectors on a grid.")
    while values.size > MOST_SENT:
        values = values[:, ::2, ::2]
    unit = values / np.maximum(np.linalg.norm(values, axis=0, keepdims=True), 1e-12)
    return np.asarray((unit * (127 / max(float(np.abs(unit).max()), 1e-12))).round(), np.int8)
