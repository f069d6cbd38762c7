"""Real networks as Denoisers: embedded models, local folders in the diffusers format, and hub ids.

    model = load("pico-image")              # or a folder, or "stabilityai/stable-diffusion-2-1-base"
    null, mushroom = model.given(None), model.given("a red mushroom")

Finding out what a name means (`resolve`, `embedded`, `identity`) needs no torch; `load` imports it when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scorekit.models.fingerprint import identity
from scorekit.models.sources import Source, embedded, resolve

if TYPE_CHECKING:
    import torch

    from scorekit.denoiser import Denoiser

__all__ = ["Source", "embedded", "identity", "load", "resolve"]


def load(
    name: str, *, device: torch.device | str = "cpu", dtype: torch.dtype | None = None, trust_pickle: bool = False
) -> Denoiser:
    """The model `name` as a Denoiser: frozen, in evaluation mode, on `device`.

    name          an embedded model, a folder with model_index.json, or a hub id (only the files it needs are fetched)
    dtype         in which network and prompt encoder run, whatever they are stored in; None is float32. The image codec
                  always runs in float32: its gradient is the first thing that half precision ruins.
    trust_pickle  also read weights that are stored as pickle, which can run code of their author

    Raises ValueError, in one sentence, for an unknown name, a model of a family that is not supported (naming those that
    are), and weights that are missing, damaged or pickled.
    """
    from scorekit.models.loading import load_denoiser

    return load_denoiser(resolve(name), device=device, dtype=dtype, trust_pickle=trust_pickle)
