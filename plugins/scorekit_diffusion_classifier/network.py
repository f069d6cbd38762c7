"""The class-conditional denoiser for small grey pictures: residual convolutions at a quarter of the resolution.

Pixels are folded 4 x 4 into channels, so that 28 x 28 is 7 x 7: on a CPU large convolutions on few places are several times as fast as
the usual U-Net, whose time goes into norms and activations at full size. Time and class scale and shift every block (FiLM).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

FOLD = 4
GROUPS = 8


class ClassDenoiser(nn.Module):
    """network(x (B, 1, S, S), timestep (B,) in [0, 1000), classes (B,)) -> v, like x. The class after the last is the null class."""

    def __init__(self, classes: int, channels: int, blocks: int, embedding: int = 128) -> None:
        super().__init__()
        self.enter = nn.Conv2d(FOLD * FOLD, channels, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(channels, embedding) for _ in range(blocks))
        self.leave = nn.Sequential(
            nn.GroupNorm(GROUPS, channels), nn.SiLU(), nn.Conv2d(channels, FOLD * FOLD, 3, padding=1)
        )
        self.time = nn.Sequential(nn.Linear(embedding, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.classes = nn.Embedding(classes + 1, embedding)
        last = self.leave[2]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)

    def forward(self, x: Tensor, timestep: Tensor, classes: Tensor) -> Tensor:
        waves = _waves(timestep, self.classes.embedding_dim).to(x.dtype)
        told = functional.silu(self.time(waves) + self.classes(classes))
        h = self.enter(functional.pixel_unshuffle(x, FOLD))
        for block in self.blocks:
            h = block(h, told)
        return functional.pixel_shuffle(self.leave(h), FOLD)


class _Block(nn.Module):
    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.first_norm = nn.GroupNorm(GROUPS, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * channels)
        self.second_norm = nn.GroupNorm(GROUPS, channels, affine=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)  # a new block changes nothing

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.film(told)[:, :, None, None].chunk(2, 1)
        inner = self.first(functional.silu(self.first_norm(h)))
        inner = functional.silu(self.second_norm(inner) * (1 + scale) + shift)
        out: Tensor = h + self.second(inner)
        return out


def _waves(timestep: Tensor, width: int) -> Tensor:
    """Sines and cosines of the timestep (Vaswani et al. 2017): (B, width)."""
    rates = torch.exp(torch.arange(width // 2, device=timestep.device) * (-math.log(10_000) / (width // 2)))
    angles = timestep.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], 1)
