"""Diffusion policy: demonstrations from experts, training, and policies that act in Gymnasium.

Importing this package is cheap; torch and the simulators are imported when an application runs.
"""

from scorekit.host.plugin import Application, hookimpl
from scorekit_diffusion_policy.collect import CollectDemonstrations
from scorekit_diffusion_policy.run import RunPolicy
from scorekit_diffusion_policy.train import TrainPolicy

__all__ = ["CollectDemonstrations", "RunPolicy", "TrainPolicy"]


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    """The applications of this package, and its training recipe."""
    return [RunPolicy, CollectDemonstrations, TrainPolicy]
