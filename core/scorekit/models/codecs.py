"""Codecs: between pictures in [0, 1] and the space in which a model diffuses, differentiable both ways."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from itertools import islice
from typing import Any

import torch
from torch import Tensor


def resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture (B, C, H, W) at `size` = (height, width), low-pass filtered where it shrinks."""
    if picture.shape[-2:] == size:
        return picture
    return torch.nn.functional.interpolate(picture, size, mode="bilinear", antialias=True, align_corners=False)


def beside(statistic: float | Tensor, x: Tensor) -> float | Tensor:
    """A number, or numbers for each channel, where x is: an autoencoder may have rested elsewhere when they were read from it."""
    return statistic.to(x.device) if isinstance(statistic, Tensor) else statistic


def space_of(autoencoder: Any) -> Hashable:
    """What tells the latents of one autoencoder from those of another: its class, and sums over its first weights.

    Two copies of one autoencoder agree, on whatever devices; reading the sums waits for the device once.
    """
    return type(autoencoder).__name__, *(
        float(weight.detach().cpu().double().sum()) for weight in islice(autoencoder.parameters(), 8)
    )


class PixelCodec:
    """For models that diffuse pixels in [-1, 1]: pictures (B, C, H, W) of any size are resized to the model's."""

    space: Hashable = "pixels"

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def encode(self, data: Tensor) -> Tensor:
        return resized(data, self.size) * 2 - 1

    def decode(self, x: Tensor) -> Tensor:
        return ((x + 1) / 2).clamp(0, 1)


class VAECodec:
    """For models that diffuse the latents of an autoencoder (Rombach et al. 2022).

        x = (mean of the encoder - shift) * scaling

    with the autoencoder's shift_factor and scaling_factor, or, where it has statistics for each channel, latents_mean and
    scaling_factor / latents_std.

    The mean, not a sample: distillation wants the gradient of one fixed function, and the posterior's spread is far below
    any noise level of interest. The autoencoder computes in its own dtype (float32 as loaded here); results return in the
    caller's.

    vae   an AutoencoderKL
    size  (height, width) of the pictures that give the model's latents; others are resized to it
    """

    def __init__(self, vae: Any, size: tuple[int, int]) -> None:
        self.vae, self.size = vae, size
        self.scaling: float | Tensor = float(vae.config.scaling_factor)
        self.shift: float | Tensor = float(getattr(vae.config, "shift_factor", None) or 0.0)
        mean, std = (getattr(vae.config, name, None) for name in ("latents_mean", "latents_std"))
        if mean is not None and std is not None:
            self.shift, deviation = (
                torch.tensor(values, dtype=vae.dtype, device=vae.device)[:, None, None] for values in (mean, std)
            )
            self.scaling = self.scaling / deviation

    @cached_property
    def space(self) -> Hashable:
        """See `scorekit.denoiser.Codec`."""
        return space_of(self.vae)

    def encode(self, data: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [0, 1] as latents (B, C, h, w)."""
        picture = resized(data, self.size).to(self.vae.dtype) * 2 - 1
        mean: Tensor = self.vae.encode(picture).latent_dist.mean
        return ((mean - beside(self.shift, mean)) * beside(self.scaling, mean)).to(data.dtype)

    def decode(self, x: Tensor) -> Tensor:
        """Latents (B, C, h, w) as pictures (B, 3, H, W) in [0, 1]."""
        latents = x.to(self.vae.dtype) / beside(self.scaling, x) + beside(self.shift, x)
        picture: Tensor = self.vae.decode(latents, return_dict=False)[0]
        return ((picture + 1) / 2).clamp(0, 1).to(x.dtype)
