"""A policy without a network, in a module of its own so that worker processes can import it."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch


class Wanderer:
    """Plans noise around the block of PushT, drawn from each episode's own generator."""

    observations, obs_steps, horizon, action_steps = ("state",), 2, 8, 4

    def plan(self, history: Mapping[str, np.ndarray], generators: Sequence[torch.Generator] | None) -> np.ndarray:
        assert generators is not None
        noise = np.stack([torch.randn(8, 2, generator=one).numpy() for one in generators])
        plans: np.ndarray = history["state"][:, -1:, 2:4] + 40 * noise
        return plans
