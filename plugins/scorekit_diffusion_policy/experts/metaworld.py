"""Meta-World's own scripted experts."""

import warnings
from typing import Any

import numpy as np

from scorekit_diffusion_policy.environments.metaworld import PREFIX, MetaWorld
from scorekit_diffusion_policy.environments.world import World


class MetaWorldExpert:
    """The scripted policy that Meta-World ships for `task`. It needs no randomness of its own."""

    def __init__(self, task: str) -> None:
        from metaworld.policies import ENV_POLICY_MAP

        warnings.filterwarnings("ignore", message="Constant.s. may be too high")  # said at every step; clipped below
        scripts: dict[str, Any] = ENV_POLICY_MAP
        self._policy = scripts[task.removeprefix(PREFIX)]()

    def reset(self, seed: int) -> None:
        """Scripts remember nothing."""
        del seed

    def act(self, world: World) -> np.ndarray:
        """The action (4,) in [-1, 1] for the state that `world` is in, float32."""
        if not isinstance(world, MetaWorld):
            raise ValueError(f"a Meta-World expert acts in metaworld/ tasks only; got {world.task}")
        action: np.ndarray = np.clip(self._policy.get_action(world.full_state), -1, 1).astype(np.float32)
        return action
