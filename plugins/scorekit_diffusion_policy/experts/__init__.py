"""Experts that demonstrate tasks and label states that a policy has got into."""

from typing import Protocol

import numpy as np

from scorekit_diffusion_policy.environments import PUSHT_NAMES, metaworld
from scorekit_diffusion_policy.environments.world import World

__all__ = ["Expert", "make_expert"]


class Expert(Protocol):
    """Acts on the true state of a world, whoever brought it there."""

    def reset(self, seed: int) -> None:
        """Begin an episode. `seed` decides where the expert decides at random."""

    def act(self, world: World) -> np.ndarray:
        """The action (A,) float32 for the state that `world` is in."""


def make_expert(task: str) -> Expert:
    """The expert of `task`. Raises ValueError where there is none."""
    if task in PUSHT_NAMES:
        from scorekit_diffusion_policy.experts.pusht import PushTExpert

        return PushTExpert()
    if task.startswith(metaworld.PREFIX):
        from scorekit_diffusion_policy.experts.metaworld import MetaWorldExpert

        return MetaWorldExpert(task)
    if task.startswith("Reacher-"):
        from scorekit_diffusion_policy.experts.reacher import ReacherExpert

        return ReacherExpert()
    raise ValueError(f"there is no expert for {task!r}; there are experts for pusht, metaworld/<task> and Reacher-v5")
