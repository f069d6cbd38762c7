"""The networks of a policy: a trunk that reads the observation once for each plan, and a head that is run at every level."""

from __future__ import annotations

from scorekit_diffusion_policy.config import NetworkConfig
from scorekit_diffusion_policy.networks.head import Head
from scorekit_diffusion_policy.networks.mlp import MLPHead
from scorekit_diffusion_policy.networks.transformer import TransformerHead
from scorekit_diffusion_policy.networks.trunk import Trunk
from scorekit_diffusion_policy.networks.unet import UNetHead

__all__ = ["Head", "MLPHead", "TransformerHead", "Trunk", "UNetHead", "make_head"]


def make_head(config: NetworkConfig, horizon: int, action_dim: int, levels: int) -> Head:
    """The head that a configuration names.

    levels  training steps of the noise schedule
    """
    heads: dict[str, type[Head]] = {"mlp": MLPHead, "unet": UNetHead, "transformer": TransformerHead}
    return heads[config.kind](config, horizon, action_dim, levels)
