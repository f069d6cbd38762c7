"""Models by name or folder, as video models."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from scorekit.denoiser import Denoiser
from scorekit.host.plugin import RunContext
from scorekit_video_adapter.extra_frames import inflated
from scorekit_video_adapter.pico_video import SETTINGS, WEIGHTS, load


def find(name: str, ctx: RunContext, frames: int | None = None) -> Denoiser:
    """The video model of a name: one of the host's, or a folder that `scorekit train video-adapter` made.

    frames  of the clips that an image model is inflated to (`extra_frames.inflated`); None: image models are refused

    Raises ParameterError for a name that nothing answers to, ValueError for a model that neither is one of videos nor becomes one.
    """
    folder = Path(name)
    if all((folder / file).is_file() for file in (WEIGHTS, SETTINGS)):
        model = load(folder, device=ctx.device, dtype=ctx.dtype)
    else:
        model = ctx.model(name)
    if len(model.shape) == 3 and frames is not None:
        return inflated(model, frames)
    if len(model.shape) != 4:
        raise ValueError(f"{name} makes samples of shape {model.shape}, which are no clips: take a video model.")
    return model


def parameters_of(model: Denoiser) -> int:
    """How many numbers its network was trained for, without text encoder and autoencoder; 0 where it has no network."""
    network = model.network
    return sum(value.numel() for value in network.parameters()) if isinstance(network, nn.Module) else 0
