"""A transformer whose tokens are the actions of a plan, modulated as in DiT (Peebles and Xie 2023, arXiv:2212.09748)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from scorekit_diffusion_policy.config import NetworkConfig
from scorekit_diffusion_policy.networks.head import Head

HEAD_WIDTH = 32


class TransformerHead(Head):
    """`depth` blocks of `width`; every action attends to every other."""

    def __init__(self, config: NetworkConfig, horizon: int, action_dim: int, levels: int) -> None:
        if config.width % HEAD_WIDTH:
            raise ValueError(f"width of a transformer must be a multiple of {HEAD_WIDTH}, not {config.width}.")
        super().__init__(config, horizon, action_dim, levels)
        self._modulate(config, levels, 6 * config.width * config.depth)
        self.first = nn.Linear(action_dim, config.width)
        self.places = nn.Parameter(0.02 * torch.randn(horizon, config.width))
        self.blocks = nn.ModuleList(Block(config.width) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.last = nn.Linear(config.width, action_dim)
        nn.init.zeros_(self.last.weight)

    def run(self, x: Tensor, film: Tensor) -> Tensor:
        h = self.first(x) + self.places
        for block, part in zip(self.blocks, film[:, None].chunk(len(self.blocks), 2), strict=True):
            h = block(h, part)
        return cast(Tensor, self.last(self.norm(h)))


class Block(nn.Module):
    """Attention and a feed-forward layer, each behind a modulated norm and before a gate; the modulation when new opens the gates half."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))

    def forward(self, h: Tensor, film: Tensor) -> Tensor:
        shift, scale, gate, shift2, scale2, gate2 = film.chunk(6, 2)
        h = h + (gate + 0.5) * self._attended(torch.addcmul(shift, self.norms[0](h).to(scale.dtype), scale + 1))
        fed = self.feed(torch.addcmul(shift2, self.norms[1](h).to(scale.dtype), scale2 + 1))
        return cast(Tensor, h + (gate2 + 0.5) * fed)

    def _attended(self, h: Tensor) -> Tensor:
        q, k, v = (part.reshape(*part.shape[:2], self.heads, -1).transpose(1, 2) for part in self.qkv(h).chunk(3, 2))
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return cast(Tensor, self.out(mixed.transpose(1, 2).flatten(2)))
