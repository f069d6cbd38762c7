"""A residual MLP over all actions of a plan at once: the fastest head on a CPU, and as good as any on short horizons."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from scorekit_diffusion_policy.config import NetworkConfig
from scorekit_diffusion_policy.networks.head import Head


class MLPHead(Head):
    """`depth` blocks of `width`: h + W2 silu(W1 film(norm(h)))."""

    def __init__(self, config: NetworkConfig, horizon: int, action_dim: int, levels: int) -> None:
        super().__init__(config, horizon, action_dim, levels)
        self._modulate(config, levels, 2 * config.width * config.depth)
        self.shape = (horizon, action_dim)
        self.first = nn.Linear(horizon * action_dim, config.width)
        self.blocks = nn.ModuleList(Block(config.width) for _ in range(config.depth))
        self.last = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, horizon * action_dim))
        nn.init.zeros_(cast(nn.Linear, self.last[1]).weight)

    def run(self, x: Tensor, film: Tensor) -> Tensor:
        h = self.first(x.flatten(1))
        for block, part in zip(self.blocks, film.chunk(len(self.blocks), 1), strict=True):
            h = block(h, part)
        return cast(Tensor, self.last(h)).reshape(-1, *self.shape)


class Block(nn.Module):
    """One residual block, twice as wide inside, modulated behind its norm; the identity when new."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        nn.init.zeros_(self.down.weight)

    def forward(self, h: Tensor, film: Tensor) -> Tensor:
        shift, scale = film.chunk(2, 1)
        normed = self.norm(h)
        modulated = torch.addcmul(shift, normed.to(scale.dtype), scale + 1)
        return cast(Tensor, h + self.down(nn.functional.silu(self.up(modulated))))
