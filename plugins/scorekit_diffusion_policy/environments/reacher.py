"""When an arm of Gymnasium's Reacher has reached: the environment itself only gives a reward."""

from typing import Any

import gymnasium
import numpy as np

RADIUS = 0.015  # metres; the target size of the hard reacher of the DeepMind Control Suite (arXiv:1801.00690)
CAMERA = {
    "distance": 0.62,
    "elevation": -90.0,
    "azimuth": 90.0,
    "lookat": np.zeros(3),
}  # from above, the arena filling it
HOLD = 10  # control steps, .2 s


class Reached:
    """True once the fingertip has stayed within RADIUS of the target for HOLD steps in a row."""

    def __init__(self) -> None:
        self._held = 0

    def __call__(self, env: gymnasium.Env[Any, Any], info: dict[str, Any]) -> bool:
        if "reward_dist" not in info:  # a reset
            self._held = 0
            return False
        inner: Any = env.unwrapped
        distance = np.linalg.norm((inner.get_body_com("fingertip") - inner.get_body_com("target"))[:2])
        self._held = self._held + 1 if distance < RADIUS else 0
        return self._held >= HOLD
