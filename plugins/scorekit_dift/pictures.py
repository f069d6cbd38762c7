"""Pictures from outside, read with care, and their sizes for a model."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.host.pictures import open_picture
from scorekit.models.codecs import PixelCodec, VAECodec
from scorekit.models.networks import PlainUNet, TextUNet
from scorekit_dift.pico_photo import PhotoUNet

SMALLEST = 16  # pixels of a side
STRIDE = 64  # sizes that every U-Net here can halve as often as it likes


def read_picture(path: Path, name: str, *, alpha: bool = False) -> Tensor:
    """A picture (3, H, W) in [0, 1], transparency laid over white; with `alpha` (4, H, W) as it is.

    name  the parameter that gave the path, for messages

    Raises ValueError for files that are no pictures, damaged, smaller than 16 px or larger than 50 megapixels.
    """
    picture = open_picture(path, name, smallest=SMALLEST, alpha=alpha)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def working_size(picture: tuple[int, int], model: Denoiser, longer: int | None, stride: int) -> tuple[int, int]:
    """(height, width) at which a model sees a picture (height, width): multiples of `stride`, in the picture's proportions.

    longer  of the two sides in pixels; None: the model's own size. Models that take one size only see that, whatever is asked.
    """
    own = own_size(model)
    if not resizable(model) or longer is None:
        return own
    factor = longer / max(picture)
    height, width = (max(stride, round(side * factor / stride) * stride) for side in picture)
    return height, width


def own_size(model: Denoiser) -> tuple[int, int]:
    """(height, width) of the pictures that a model makes."""
    height, width = getattr(model.codec, "size", model.shape[-2:])
    return int(height), int(width)


def resizable(model: Denoiser) -> bool:
    """Whether features can be taken from pictures of other sizes than the model's own: of U-Nets, on pixels or latents."""
    return isinstance(model.network, PhotoUNet | PlainUNet | TextUNet) and isinstance(
        model.codec, PixelCodec | VAECodec
    )


def at_size(model: Denoiser, size: tuple[int, int]) -> Denoiser:
    """The model for pictures of `size` = (height, width), sharing its weights; itself where it has that size."""
    own = own_size(model)
    if size == own:
        return model
    if not resizable(model):
        raise ValueError(f"size: {model.name} takes pictures of {own[0]} x {own[1]} px only.")
    sized = copy.copy(model)
    sized.shape = (
        model.shape[0],
        *(mine * side // theirs for mine, side, theirs in zip(model.shape[1:], size, own, strict=True)),
    )
    sized.codec = PixelCodec(size) if isinstance(model.codec, PixelCodec) else VAECodec(model.codec.vae, size)  # type: ignore[union-attr]
    return sized
