"""The whole network of a policy, as it is trained and saved: representation, trunk, head."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from scorekit.prediction import Kind
from scorekit.schedule import VP, Flow, Schedule
from scorekit_diffusion_policy.config import PolicyConfig
from scorekit_diffusion_policy.encoders import PictureEncoder
from scorekit_diffusion_policy.networks import Trunk, make_head
from scorekit_diffusion_policy.representations import make_representation


class PolicyModel(nn.Module):
    """forward(x (D * B, horizon, A), timestep (D * B,), **inputs of batch B) -> like x.

    The observation is read once and answers for D draws of noise, which lie one batch after the other.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.representation = make_representation(config)
        features, self.pictures = self.representation.features, None
        pictures = [one.shape for one in config.observations.values() if one.dtype == "uint8"]
        if pictures:
            self.pictures = PictureEncoder(sum(shape[-1] for shape in pictures), config.obs_steps)
            features += self.pictures.features
        self.trunk = Trunk(features, config.network.trunk, config.network.trunk_depth)
        self.head = make_head(config.network, config.horizon, config.action_dim, config.levels)

    def context(self, features: Tensor, pixels: Tensor | None = None) -> Tensor:
        """The observation as the trunk has read it, (B, trunk)."""
        if self.pictures is not None and pixels is not None:
            features = torch.cat([features, self.pictures(pixels)], 1)
        return cast(Tensor, self.trunk(features))

    def film(self, features: Tensor, pixels: Tensor | None = None) -> Tensor:
        """What the head is modulated by: the observation's part of every level, (B, modulations)."""
        return self.head.project(self.context(features, pixels))

    def forward(self, x: Tensor, timestep: Tensor, features: Tensor, pixels: Tensor | None = None) -> Tensor:
        film = self.film(features, pixels)
        return cast(Tensor, self.head(x, timestep, film.repeat(len(x) // len(film), 1)))


def schedule_of(config: PolicyConfig) -> Schedule:
    """Straight paths for flow, Nichol and Dhariwal's cosine for all else."""
    return Flow(config.levels) if config.prediction == "flow" else VP.cosine(config.levels)


def kind_of(config: PolicyConfig) -> Kind:
    """How the network's answer is read; a plan by regression is an x0 that depends on no noise."""
    return "x0" if config.prediction == "regression" else config.prediction
