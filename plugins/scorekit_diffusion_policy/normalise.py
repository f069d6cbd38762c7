"""Normalisation as part of the model: its statistics are buffers, saved with the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Normaliser(nn.Module):
    """(value - offset) / scale along the last axes, and back.

    shape  of offset and scale; broadcasts against the values. Before `fit_*` or loading it changes nothing.
    """

    offset: Tensor
    scale: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("offset", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def fit_min_max(self, values: Tensor) -> None:
        """The range of values (N, *shape) becomes [-1, 1]; what never changes becomes 0.

        A range below 1e-6 of the size of its values is rounding, and counts as none.
        """
        low, high = values.float().amin(0), values.float().amax(0)
        half = (high - low) / 2
        small = half <= 1e-6 * torch.maximum(low.abs(), high.abs()).clamp(min=1e-6)
        self.offset.copy_((low + high) / 2)
        self.scale.copy_(torch.where(small, 1.0, half))

    def fit_rms(self, values: Tensor, axes: tuple[int, ...]) -> None:
        """The root mean square of values (N, *shape) becomes 1; it is shared along `axes`, counted with N as 0."""
        mean = values.double().square().mean((0, *axes), keepdim=True)[0].sqrt().float()
        self.offset.zero_()
        self.scale.copy_(torch.where(mean > 0, mean, 1.0).expand_as(self.scale))

    def forward(self, values: Tensor) -> Tensor:
        return (values - self.offset) / self.scale

    def inverse(self, normalised: Tensor) -> Tensor:
        """What `forward` was given."""
        return normalised * self.scale + self.offset
