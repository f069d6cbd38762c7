"""The models that `--model` understands: embedded ones, those of plugins, local folders and hub ids.

Listing and checking read small local files only; torch is imported when a model is loaded.
"""

import importlib.resources
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorekit.host.errors import ParameterError
from scorekit.host.plugin import ModelSpec
from scorekit.host.registry import discover

if TYPE_CHECKING:
    import torch

    from scorekit.denoiser import Denoiser


@dataclass(frozen=True)
class Found:
    """What a name stands for. `name` is what a run records: a local folder is made absolute, so that it is found again."""

    name: str
    spec: ModelSpec | None = None  # of a plugin; None: scorekit.models knows it


def find(name: str) -> Found:
    """The model that a user means by `name`. Raises ParameterError, naming the known ones, if there is none."""
    import scorekit.models

    try:
        source = scorekit.models.resolve(name)
    except ValueError as error:
        brought = discover(strict=False).models
        if name in brought:
            return Found(name, brought[name])
        more = f" Plugins bring {', '.join(sorted(brought))}." if brought else ""
        raise ParameterError(f"{error}{more}") from None
    return Found(source.location if source.kind == "folder" else name)


def load(
    name: str, device: "torch.device", dtype: "torch.dtype", trust_pickle: bool
) -> "tuple[Denoiser, dict[str, Any]]":
    """The denoiser, and what identifies its weights.

    Raises ParameterError for an unknown name and for a model that cannot be read: both are the user's to mend.
    """
    import scorekit.models

    found = find(name)
    if found.spec is not None and found.spec.load is not None:
        return found.spec.load(device=device, dtype=dtype), {"name": name, "kind": "plugin", "sha256": None}
    source = (found.spec.source if found.spec else None) or found.name
    try:
        denoiser = scorekit.models.load(source, device=device, dtype=dtype, trust_pickle=trust_pickle)
    except ValueError as error:
        raise ParameterError(str(error)) from error
    return denoiser, scorekit.models.identity(source)


def listing() -> list[dict[str, Any]]:
    """Rows of `scorekit models`: {name, origin ("embedded" or a plugin), summary, license, bytes, path}."""
    zoo = Path(str(importlib.resources.files("scorekit") / "zoo"))
    rows = [_embedded(index.parent) for index in sorted(zoo.glob("*/model_index.json"))]
    for spec in discover(strict=False).models.values():
        row = {"name": spec.name, "origin": "plugin", "summary": spec.summary, "license": spec.license}
        rows.append({**row, "bytes": None, "path": spec.source})
    return rows


def _embedded(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / "scorekit.json").read_text())
    except (OSError, ValueError):
        card = {}
    size = sum(p.stat().st_size for p in folder.rglob("*.safetensors"))
    summary = str(card.get("summary") or _first_sentence(folder / "README.md"))
    row = {"name": folder.name, "origin": "embedded", "summary": summary, "license": str(card.get("license", ""))}
    return {**row, "bytes": size, "path": str(folder)}


def _first_sentence(card: Path) -> str:
    """The first line of prose in a model card, past its metadata block and headings."""
    try:
        lines = card.read_text().splitlines()
    except OSError:
        return ""
    if lines and lines[0] == "---" and "---" in lines[1:]:
        lines = lines[lines.index("---", 1) + 1 :]
    return next((line.strip() for line in lines if line.strip() and line[0] not in "#!<|"), "")
