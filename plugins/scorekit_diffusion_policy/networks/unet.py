"""A 1-D U-Net along the time of a plan, the backbone of Chi et al. 2023 (arXiv:2303.04137), with shifts and scales in each block."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from scorekit_diffusion_policy.config import NetworkConfig
from scorekit_diffusion_policy.networks.head import Head

KERNEL = 5
GROUPS = 8
# Where a CPU multiplies matrices faster than it convolves: few places in a batch, many channels. Measured at batches 1 and 32.
FEW_PLACES, MANY_CHANNELS = 128, 128


class UNetHead(Head):
    """`depth` levels of channels width, 2 width, 4 width, ...; between levels the time is halved, rounded up.

    A horizon of any length is taken: on the way up each level is cropped to the length that it had on the way down.
    """

    def __init__(self, config: NetworkConfig, horizon: int, action_dim: int, levels: int) -> None:
        if config.width % GROUPS:
            raise ValueError(f"width of a unet must be a multiple of {GROUPS}, not {config.width}.")
        widths = [config.width * 2**level for level in range(config.depth)]
        sizes = [*widths, widths[-1], *widths[::-1]]  # of the blocks down, in the middle, and up
        super().__init__(config, horizon, action_dim, levels)
        self._modulate(config, levels, 2 * sum(sizes))
        self._split = [2 * size for size in sizes]
        before = [action_dim, *widths[:-1]]
        self.down = nn.ModuleList(Block(a, b) for a, b in zip(before, widths, strict=True))
        self.halvings = nn.ModuleList(nn.Conv1d(width, width, 3, stride=2, padding=1) for width in widths[:-1])
        self.middle = Block(widths[-1], widths[-1])
        self.doublings = nn.ModuleList(
            nn.ConvTranspose1d(a, b, 4, stride=2, padding=1) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.up = nn.ModuleList(Block(2 * width, width) for width in widths[::-1])
        self.last = nn.Conv1d(widths[0], action_dim, 1)
        nn.init.zeros_(self.last.weight)

    def run(self, x: Tensor, film: Tensor) -> Tensor:
        parts = iter(torch.split_with_sizes(film, self._split, 1))
        h, skips = x.transpose(1, 2), []
        for index, block in enumerate(self.down):
            h = self.halvings[index - 1](h) if index else h
            h = block(h, next(parts))
            skips.append(h)
        h = self.middle(h, next(parts))
        for index, block in enumerate(self.up):
            skip = skips.pop()
            h = self.doublings[index - 1](h)[..., : skip.shape[-1]] if index else h
            h = block(torch.cat([h, skip], 1), next(parts))
        return cast(Tensor, self.last(h).transpose(1, 2))


class Block(nn.Module):
    """Two convolutions with group norms, modulated between them, and a shortcut around both."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(Convolution(before, width, KERNEL, padding=KERNEL // 2), nn.GroupNorm(GROUPS, width))
        self.second = nn.Sequential(Convolution(width, width, KERNEL, padding=KERNEL // 2), nn.GroupNorm(GROUPS, width))
        self.shortcut = nn.Conv1d(before, width, 1) if before != width else nn.Identity()

    def forward(self, x: Tensor, film: Tensor) -> Tensor:
        shift, scale = film[..., None].chunk(2, 1)
        h = nn.functional.silu(self.first(x))
        h = torch.addcmul(shift, h.to(scale.dtype), scale + 1)
        return cast(Tensor, nn.functional.silu(self.second(h)) + self.shortcut(x))


class Convolution(nn.Conv1d):
    """nn.Conv1d of stride 1, worked out as one product of matrices (im2col) on a CPU where that is faster."""

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, places = x.shape
        many = min(channels, self.out_channels) >= MANY_CHANNELS
        if x.device.type != "cpu" or batch * places > FEW_PLACES or not many:
            return super().forward(x)
        kernel, pad = self.kernel_size[0], cast(int, self.padding[0])
        windows = nn.functional.pad(x, (pad, pad)).unfold(2, kernel, 1)  # (B, C, T, K)
        rows = windows.transpose(1, 2).reshape(batch * places, channels * kernel)
        return nn.functional.linear(rows, self.weight.flatten(1), self.bias).reshape(batch, places, -1).transpose(1, 2)
