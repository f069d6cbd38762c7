"""What the heads share: noised actions, a level and a context in, a prediction out.

Each layer is modulated by shifts and scales, FiLM (Perez et al. 2018), that are a sum of a function of the context and a function of
the level. The first is worked out once for each plan (`project`); the second is kept for every level that a frozen network has met,
as a sampler comes back to the same few.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import cast

import torch
from torch import Tensor, nn

from scorekit_diffusion_policy.config import NetworkConfig

WAVES = 64
MOST_LEVELS = 1024  # whose modulation is kept


class Head(nn.Module, ABC):
    """forward(x (B, horizon, A), timestep (B,), film (B, modulations)) -> (B, horizon, A).

    A subclass says in `_modulate` by how many numbers all its layers together are modulated.
    """

    level: LevelFilm
    context: nn.Linear

    @abstractmethod
    def __init__(self, config: NetworkConfig, horizon: int, action_dim: int, levels: int) -> None:
        """levels  training steps of the noise schedule"""
        super().__init__()

    def _modulate(self, config: NetworkConfig, levels: int, modulations: int) -> None:
        self.level = LevelFilm(levels, modulations)
        self.context = nn.Linear(config.trunk, modulations)

    def project(self, context: Tensor) -> Tensor:
        """What a context (B, trunk) modulates, (B, modulations), for all levels of a plan."""
        return cast(Tensor, self.context(context))

    def forward(self, x: Tensor, timestep: Tensor, film: Tensor) -> Tensor:
        return self.run(x, film + self.level(timestep).to(film.dtype))

    @abstractmethod
    def run(self, x: Tensor, film: Tensor) -> Tensor:
        """The prediction under a modulation."""


class LevelFilm(nn.Module):
    """timestep (B,) to modulations (B, n), or (1, n) where the level is the same for all samples."""

    def __init__(self, levels: int, modulations: int) -> None:
        super().__init__()
        self.levels = levels
        self.first = nn.Linear(2 * WAVES, 2 * WAVES)
        self.second = nn.Linear(2 * WAVES, modulations)
        self._kept: dict[float, Tensor] = {}
        self._weights = (0, 0)  # which they were made with

    def forward(self, timestep: Tensor) -> Tensor:
        if len(timestep) > 1 and timestep.stride(0) == 0:
            timestep = timestep[:1]
        # Only what is not being trained may be kept, and only where looking at the number is free.
        frozen = not self.training and not self.second.weight.requires_grad
        if not frozen or len(timestep) != 1 or timestep.device.type != "cpu":
            return self.made(timestep)
        weight = self.second.weight
        if (weights := (weight.data_ptr(), weight._version)) != self._weights:
            self._kept.clear()
            self._weights = weights
        value = timestep.item()
        if value not in self._kept:
            if len(self._kept) >= MOST_LEVELS:
                self._kept.clear()
            # A tensor of inference mode could not take part in the gradient of an energy later.
            with torch.inference_mode(False), torch.no_grad():
                self._kept[value] = self.made(torch.tensor([value]))
        return self._kept[value]

    def made(self, timestep: Tensor) -> Tensor:
        """The same for any timesteps, worked out anew."""
        rates = torch.exp(torch.arange(WAVES, device=timestep.device) * (-math.log(1000.0) / (WAVES - 1)))
        phase = timestep[:, None] * (1000 / self.levels) * rates
        wave = torch.cat([phase.sin(), phase.cos()], 1).to(self.first.weight.dtype)
        return cast(Tensor, self.second(nn.functional.silu(self.first(wave))))
