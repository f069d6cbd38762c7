"""ControlNet (Zhang et al. 2023): a second network that makes a picture, its edges or depths say, part of the condition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from scorekit.denoiser import Condition
from scorekit.models.folder import ModelFolder
from scorekit.models.hub import download_component
from scorekit.models.sources import hub_id
from scorekit.models.weights import choose


def with_control(condition: Condition, picture: Tensor, scale: float = 1.0) -> Condition:
    """The condition with a picture that a model loaded with `controlnet=` follows.

        edges = with_control(model.prompts(["a red mushroom"]), picture)
        null  = with_control(model.prompts(None), picture)
        score = model.given(null) + 5.0 * (model.given(edges) - model.given(null))

    Conditions of one expression must agree in having a picture; where one shall not follow it, give it scale 0.

    picture  (B, 3, H, W) or (1, 3, H, W) in [0, 1], as large as the model's pictures
    scale    of what the ControlNet adds; 0 is the model without it

    Raises ValueError for a picture of another shape or range.
    """
    if picture.ndim != 4 or picture.shape[1] != 3:
        raise ValueError(f"picture must be (B, 3, H, W), not {tuple(picture.shape)}.")
    if picture.min() < 0 or picture.max() > 1:
        raise ValueError(
            f"picture must lie in [0, 1]; its values go from {float(picture.min()):.3g} to {float(picture.max()):.3g}."
        )
    fields = condition.fields | {"control": picture, "control_scale": picture.new_full((1,), scale)}
    return Condition(fields, label=f"{condition.label} with a control picture")


def controlnet_folder(name: str | Path, folder: ModelFolder) -> ModelFolder:
    """Where the ControlNet `name` is, to be loaded as `folder` is; fetched if it is a hub id.

    Raises ValueError for what is neither a folder with config.json nor a hub id.
    """
    path = Path(name).expanduser()
    if not path.is_dir():
        if not hub_id(str(name)):
            raise ValueError(
                f"controlnet: {str(name)!r} is neither a folder with config.json nor a hub id like owner/name."
            )
        half = folder.dtype.itemsize == 2
        path = download_component(
            str(name),
            lambda files: choose(files, ".", half=half, trust_pickle=folder.trust_pickle, model=str(name)).files,
        )
        found = replace(folder, path=path, name=str(name), adapters=(), controlnet=None)
    else:
        found = replace(folder, path=path.resolve(), name=path.resolve().name, adapters=(), controlnet=None)
    kind = found.config("config.json").get("_class_name")
    if kind != "ControlNetModel":
        raise ValueError(f"controlnet: {found.name} is a {kind}; it must be a ControlNetModel.")
    return found


def controlnet_beside(folder: ModelFolder, unet: Any) -> Any:
    """The ControlNet that the folder was given, for this unet; None where it was given none.

    Raises ValueError where it was made for another one.
    """
    if folder.controlnet is None:
        return None
    from diffusers import ControlNetModel

    network = folder.controlnet.network(".", ControlNetModel)
    for setting in ("in_channels", "block_out_channels", "cross_attention_dim", "addition_embed_type"):
        theirs, ours = (getattr(net.config, setting, None) for net in (network, unet))
        if _plain(theirs) != _plain(ours):
            raise ValueError(
                f"controlnet: {folder.controlnet.name} was made for another unet than {folder.name}'s: {setting} is {theirs}, not {ours}."
            )
    if network.config.global_pool_conditions:
        raise ValueError(f"controlnet: {folder.controlnet.name} pools its picture (shuffle), which is not supported.")
    return network


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) else value
