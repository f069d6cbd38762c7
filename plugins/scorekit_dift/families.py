"""Which blocks to read, and at which noise, for every family of models: the defaults, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from scorekit.denoiser import Denoiser
from scorekit_dift.pico_photo import PhotoUNet


@dataclass(frozen=True)
class Defaults:
    """How features are taken from a family of models unless told otherwise.

    layers    names that `layers_named` completes
    t         noise level in [0, 1]
    ensemble  noises that are averaged
    scales    sizes of the picture, as factors, whose features are put together
    size      longer side of the picture in pixels, before `scales`; None: the model's own pictures, square
    whiten    dimensions that are left after whitening the features of a pair; 0: features as they are
    why       the reason, in a line
    """

    layers: tuple[str, ...]
    t: float
    ensemble: int
    why: str
    scales: tuple[float, ...] = (1.0,)
    size: int | None = None
    whiten: int = 0


# Steps of DDPM are counted from 0 in the papers: step k of 1000 is t = (k + 1) / 1000.
TABLE: dict[str, Defaults] = {
    "pico-photo": Defaults(
        ("down_blocks.1.resnets.0", "up_blocks.1.resnets.1", "up_blocks.2.resnets.1"),
        0.0,
        1,
        "measured: strides 4, 8 and 4 over two scales; noise destroys detail at this size; raw cosines fail without whitening",
        scales=(1.0, 0.5),
        size=400,
        whiten=320,
    ),
    "Stable Diffusion 1 and 2": Defaults(
        ("up_blocks.1",), 0.262, 8, "Tang et al. 2023: semantic matches; t = 0 with up_blocks.2 for geometric ones"
    ),
    "SDXL": Defaults(
        ("up_blocks.0",), 0.262, 8, "stride 16 of its latents' pictures, as up_blocks.1 is in SD; not in a paper, not measured"
    ),
    "SD3": Defaults(
        ("transformer_blocks.24.attn.to_q", "transformer_blocks.24.attn.to_v",
         "transformer_blocks.25.attn.to_q", "transformer_blocks.25.attn.to_v"),
        0.62, 8, "3.5 large, later work: queries and values of blocks 24 and 25 at t .52 to .72; fewer blocks: the same depth",
    ),
    "Flux": Defaults(
        ("single_transformer_blocks.8",), 0.26, 1, "the middle of its depth; later work drops massive channels, which whitening also does",
        whiten=256,
    ),
    "pixel text-to-image": Defaults(
        ("up_blocks.1", "up_blocks.2"), 0.05, 8, "little noise: at 32 px more of it destroys the shapes; whitened, as raw cosines fail",
        whiten=64,
    ),
    "other": Defaults((), 0.26, 8, "the layer nearest to two thirds of the network's depth, with the noise of the paper"),
}  # fmt: skip


def family_of(model: Denoiser) -> str:
    """The key of TABLE for a model, from the classes in its network."""
    if not isinstance(model.network, nn.Module):
        raise ValueError(f"model: {model.name} is a function without layers; take one with a network.")
    if isinstance(model.network, PhotoUNet):
        return "pico-photo"
    kinds = {type(module).__name__: module for module in model.network.children()}
    if "UNet2DConditionModel" in kinds:
        unet: Any = kinds["UNet2DConditionModel"]
        if unet.config.addition_embed_type == "text_time":
            return "SDXL"
        # In pixels the picture's own channels go in, folded or not.
        return "pixel text-to-image" if model.shape[0] == 3 else "Stable Diffusion 1 and 2"
    return {"SD3Transformer2DModel": "SD3", "FluxTransformer2DModel": "Flux"}.get(next(iter(kinds), ""), "other")


def defaults_of(model: Denoiser) -> Defaults:
    """The row of TABLE for a model, its layers completed to names of this network."""
    row = TABLE[family_of(model)]
    blocks = blocks_of(model)
    layers = list(row.layers)
    if not layers:
        layers = [blocks[round((len(blocks) - 1) * 2 / 3)]]
    names = {name for name, _ in model.network.named_modules()}  # type: ignore[attr-defined]
    found = []
    for layer in layers:
        whole = [name for name in names if name == layer or name.endswith(f".{layer}")]
        found.append(min(whole, key=len) if whole else _as_deep(layer, blocks))
    return Defaults(tuple(dict.fromkeys(found)), row.t, row.ensemble, row.why, row.scales, row.size, row.whiten)


def _as_deep(layer: str, blocks: list[str]) -> str:
    # A smaller member of the family: the block as deep as block 24 of 38 (SD3.5 large) or 8 of 38 (Flux's single ones).
    kind = layer.split(".")[0]
    same = [block for block in blocks if block.split(".")[-2] == kind] or blocks
    return same[round((len(same) - 1) * 0.6)]


def blocks_of(model: Denoiser) -> list[str]:
    """The blocks of a network: the members of its outermost lists of modules, and a middle block."""
    found: list[str] = []
    for name, module in model.network.named_modules():  # type: ignore[attr-defined]
        parent, _, last = name.rpartition(".")
        inside = any(name.startswith(f"{block}.") for block in found)
        if not inside and parent and (last.isdigit() or last == "mid_block") and next(module.children(), None):
            found.append(name)
    return found


def layers_named(model: Denoiser, asked: list[str]) -> tuple[str, ...]:
    """The full names of layers, whose beginnings may be left out: "up_blocks.1" for "unet.up_blocks.1".

    Raises ValueError for names that the network does not have, listing its blocks.
    """
    names = [name for name, _ in model.network.named_modules() if name]  # type: ignore[attr-defined]
    full = []
    for layer in asked:
        plain = layer.split("[")[0]
        fitting = [name for name in names if name == plain or name.endswith(f".{plain}")]
        if not plain or not fitting:
            raise ValueError(
                f"layers: {model.name} has no layer {layer!r}; its blocks are {', '.join(blocks_of(model))}, and layers inside them."
            )
        full.append(min(fitting, key=len) + layer[len(plain) :])
    return tuple(full)
