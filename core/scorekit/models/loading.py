"""From a Source to a Denoiser: fetch what is missing, find the family, build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scorekit.denoiser import Denoiser
from scorekit.models.controlnet import controlnet_folder
from scorekit.models.families import family_of
from scorekit.models.families.family import Family
from scorekit.models.folder import ModelFolder
from scorekit.models.hub import download
from scorekit.models.lora import LoRA, adapters
from scorekit.models.offload import Turns
from scorekit.models.sources import Source
from scorekit.models.weights import choose


@dataclass(frozen=True)
class Wishes:
    """What `scorekit.models.load` was asked for beside the model; its docstring says what each means."""

    device: torch.device | str = "cpu"
    dtype: torch.dtype | None = None
    trust_pickle: bool = False
    size: tuple[int, int] | None = None
    lora: LoRA | None = None
    controlnet: str | Path | None = None
    offload: bool = False
    channels_last: bool = False
    compile: bool = False


def load_denoiser(source: Source, wishes: Wishes) -> Denoiser:
    """`scorekit.models.load`, for a name that is resolved."""
    dtype = wishes.dtype or torch.float32
    if not dtype.is_floating_point:
        raise ValueError(f"dtype must be a floating-point type such as torch.float32 or torch.float16, not {dtype}.")
    folder = ModelFolder(Path(source.location), source.name, _usable(wishes.device), dtype, wishes.trust_pickle)
    if source.kind == "hub":
        folder = replace(folder, path=_fetched(folder, source))
    family = family_of(folder)
    folder = replace(folder, offload=Turns(folder.device) if wishes.offload else None)
    if wishes.size is not None:
        folder = replace(folder, size=_checked_size(wishes.size, family, folder))
    if wishes.lora is not None:
        unet = folder.config("unet/config.json") if "unet" in folder.parts else None
        folder = replace(folder, adapters=adapters(wishes.lora, family.lora, folder.parts, unet, folder.name))
    if wishes.controlnet is not None:
        if not family.controlnet:
            raise ValueError(f"controlnet: {folder.name} is of a family that takes no ControlNet.")
        folder = replace(folder, controlnet=controlnet_folder(wishes.controlnet, folder))
    denoiser = family.build(folder)
    if isinstance(denoiser.network, nn.Module):
        if wishes.channels_last:
            if any(weight.ndim == 5 for weight in denoiser.network.parameters()):
                raise ValueError(f"channels_last is for pictures; {folder.name} is a model of videos.")
            denoiser.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if wishes.compile:
            denoiser.network.compile()
    return denoiser


def _checked_size(size: Any, family: Family, folder: ModelFolder) -> tuple[int, int]:
    if not family.resizable:
        raise ValueError(f"size: {folder.name} makes pictures of one size only.")
    whole = isinstance(size, (tuple, list)) and all(isinstance(n, int) and not isinstance(n, bool) for n in size)
    if not whole or len(size) != 2:
        raise ValueError(f"size must be (height, width) in pixels, not {size!r}.")
    return size[0], size[1]


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
        described_folder = replace(folder, path=described)
        return family_of(described_folder).components(described_folder)

    def weights(files: Sequence[str], component: str) -> Sequence[str]:
        return choose(files, component, half=half, trust_pickle=folder.trust_pickle, model=source.name).files

    return download(source.location, components, weights)
