"""From a Source to a Denoiser: fetch what is missing, find the family, build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from scorekit.denoiser import Denoiser
from scorekit.models.families import family_of
from scorekit.models.folder import ModelFolder
from scorekit.models.hub import download
from scorekit.models.sources import Source
from scorekit.models.weights import choose


def load_denoiser(
    source: Source, *, device: torch.device | str, dtype: torch.dtype | None, trust_pickle: bool
) -> Denoiser:
    """`scorekit.models.load`, for a name that is resolved."""
    dtype = dtype or torch.float32
    if not dtype.is_floating_point:
        raise ValueError(f"dtype must be a floating-point type such as torch.float32 or torch.float16, not {dtype}.")
    folder = ModelFolder(Path(source.location), source.name, _usable(device), dtype, trust_pickle)
    if source.kind == "hub":
        folder = replace(folder, path=_fetched(folder, source))
    return family_of(folder).build(folder)


def _usable(device: torch.device | str) -> torch.device:
    try:
        device = torch.device(device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or ["unknown"])[0].rstrip(".")
        raise ValueError(
            f"device {str(device)!r} cannot be used on this machine ({reason}); use cpu, or a GPU that torch can see."
        ) from None
    return device


def _fetched(folder: ModelFolder, source: Source) -> Path:
    half = folder.dtype.itemsize == 2

    def components(described: Path) -> Sequence[str]:
        return family_of(replace(folder, path=described)).components

    def weights(files: Sequence[str], component: str) -> Sequence[str]:
        return choose(files, component, half=half, trust_pickle=folder.trust_pickle, model=source.name).files

    return download(source.location, components, weights)
