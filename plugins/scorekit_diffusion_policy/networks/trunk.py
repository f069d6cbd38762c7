"""The network that reads the observation: a residual MLP with layer norms."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn


class Residual(nn.Module):
    """x + W2 silu(W1 norm(x)), twice as wide inside; the identity when new."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, x + self.down(nn.functional.silu(self.up(self.norm(x)))))


class Trunk(nn.Module):
    """Features (B, F) to a context (B, width)."""

    def __init__(self, features: int, width: int, depth: int) -> None:
        super().__init__()
        self.first = nn.Linear(features, width)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.norm(self.blocks(self.first(features))))
