"""PushT: push a T-shaped block onto its mark with a round finger (gym-pusht; Chi et al., arXiv:2303.04137)."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from scorekit_diffusion_policy.environments.rendering import FRAME_SIZE
from scorekit_diffusion_policy.environments.world import World

SIDE = 512.0  # of the arena, in its own pixels
STEP_LIMIT = 300


class PushT(World):
    """Actions: where the finger should go, (2,) in [0, 512].

    state      (5,): finger x, y; block x, y, angle in [0, 2 pi)
    keypoints  (18,): the eight corners of the block's two bars, x and y each, then the finger's x and y
    pixels     (96, 96, 3)
    score      the best coverage of the mark; success when it exceeds .95
    """

    def __init__(self, observations: Sequence[str] | None = None, *, render_size: int | None = None) -> None:
        import gym_pusht  # noqa: F401  (registers the environment)

        size = max(render_size or FRAME_SIZE, 96)  # gym-pusht cannot draw its cross in a smaller picture
        env = gymnasium.make(
            "gym_pusht/PushT-v0",
            obs_type="state",
            render_mode="rgb_array",
            max_episode_steps=STEP_LIMIT,
            visualization_width=size,
            visualization_height=size,
            disable_env_checker=True,
        )
        self.inner: Any = env.unwrapped
        super().__init__("pusht", env, observations or ("state",))

    @property
    def agent(self) -> tuple[np.ndarray, np.ndarray]:
        """The finger's position and velocity, (2,) each, in pixels and pixels a second."""
        return np.array(self.inner.agent.position), np.array(self.inner.agent.velocity)

    @property
    def block(self) -> np.ndarray:
        """The block's x, y and angle, (3,)."""
        return np.array([*self.inner.block.position, self.inner.block.angle])

    @property
    def mark(self) -> np.ndarray:
        """The pose where the block should be, (3,)."""
        return np.array(self.inner.goal_pose)

    def project(self, actions: np.ndarray) -> np.ndarray:
        """Actions are places."""
        return np.asarray(actions, dtype=np.float64) / SIDE

    def _spaces(self) -> dict[str, spaces.Box]:
        return {name: spaces.Box(-np.inf, np.inf, (n,), np.float32) for name, n in (("state", 5), ("keypoints", 18))}

    def _values(self) -> dict[str, Any]:
        values = {"state": self._native}
        if "keypoints" in self.observations:
            corners = self.inner.get_keypoints(self.inner._block_shapes)
            values["keypoints"] = np.concatenate([corners.ravel(), self.inner.agent.position])
        return values

    def _picture(self) -> np.ndarray:
        picture: np.ndarray = self.inner._render(visualize=False)
        return picture

    def _assess(self, info: dict[str, Any]) -> tuple[bool, float]:
        coverage = float(info.get("coverage", 0.0))
        return bool(info["is_success"]), min(max(coverage, 0.0), 1.0)
