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
    from pathlib import Path

    import torch

    from scorekit.denoiser import Denoiser
    from scorekit.models.lora import LoRA

__all__ = ["Source", "embedded", "identity", "load", "resolve"]


def load(
    name: str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    trust_pickle: bool = False,
    size: tuple[int, int] | None = None,
    lora: LoRA | None = None,
    controlnet: str | Path | None = None,
    offload: bool = False,
    channels_last: bool = False,
    compile: bool = False,
) -> Denoiser:
    """The model `name` as a Denoiser: frozen, in evaluation mode, on `device`.

    name           an embedded model, a folder with model_index.json, or a hub id, "owner/name" or "owner/name@revision" (only the
                   files it needs are fetched)
    dtype          in which network and prompt encoders run, whatever they are stored in; None is float32. The image codec always
                   runs in float32: its gradient is the first thing that half precision ruins.
    trust_pickle   also read weights that are stored as pickle, which can run code of their author
    size           (height, width) in pixels of the pictures; None is the model's own size (1024 for Flux, which names none)
    lora           LoRAs to add to the weights: a .safetensors file, a folder or a hub id, a pair of one and its scale, or a list
                   of those
    controlnet     folder or hub id of a ControlNet; `scorekit.models.controlnet.with_control` hands it its picture
    offload        text encoders, network and autoencoder take turns on the device, and rest in the CPU's memory in between: the device
                   needs to hold the largest of them only. Not for several threads at once
    channels_last  the network's weights in the memory order that convolutions on a GPU prefer
    compile        `torch.compile` the network: minutes at the first call, faster from the second on

    Models that guidance was distilled into (LCM, Flux) answer with guidance 8 and 3.5; `scorekit.models.prompts.with_guidance` sets
    another one. SDXL is told that its pictures are uncut and were of the size that is asked for; `with_sizes` there says otherwise.
    Class-conditional models (DiT) take the names of classes, or their numbers as text, for prompts.

    Raises ValueError, in one sentence, for an unknown name, a model of a family that is not supported (naming those that
    are), weights that are missing, damaged or pickled, and for options that the model or its family cannot honour.
    """
    from scorekit.models.loading import Wishes, load_denoiser

    wishes = Wishes(
        device=device,
        dtype=dtype,
        trust_pickle=trust_pickle,
        size=size,
        lora=lora,
        controlnet=controlnet,
        offload=offload,
        channels_last=channels_last,
        compile=compile,
    )
    return load_denoiser(resolve(name), wishes)
