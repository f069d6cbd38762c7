"""How observations and actions are put to a network: see `representation.Representation`."""

from __future__ import annotations

from scorekit_diffusion_policy.config import PolicyConfig
from scorekit_diffusion_policy.representations.generic import Generic
from scorekit_diffusion_policy.representations.pusht import PushTFrame
from scorekit_diffusion_policy.representations.representation import History, Representation

__all__ = ["Generic", "History", "PushTFrame", "Representation", "make_representation"]


def make_representation(config: PolicyConfig) -> Representation:
    """The representation that a configuration names; ValueError where the observations do not fit it."""
    return PushTFrame(config) if config.representation == "pusht-frame" else Generic(config)
