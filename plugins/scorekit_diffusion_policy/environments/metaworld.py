"""Meta-World's fifty manipulation tasks (Yu et al., arXiv:1910.10897; version 3), each goal drawn from its seed.

Its environments ignore `reset(seed=)`, freeze their goals and hide them from the observation unless told otherwise
through private attributes, and cache an observation space that would clip a goal shown later to zero. All four are
dealt with here, once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scorekit_diffusion_policy.environments.rendering import choose_backend, side
from scorekit_diffusion_policy.environments.world import World

PREFIX = "metaworld/"
STEP_LIMIT = 500
CAMERA, CAMERA_POSITION = "corner2", (0.75, 0.075, 0.7)  # closer than the stock camera: the hand fills the picture


def task_names() -> list[str]:
    """All fifty tasks as `make` takes them: "metaworld/assembly-v3" and so on."""
    return [PREFIX + name for name in sorted(_environments())]


def _environments() -> dict[str, Any]:
    """Their classes by name."""
    choose_backend()
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    classes: dict[str, Any] = ALL_V3_ENVIRONMENTS
    return classes


class MetaWorld(World):
    """Actions: displacement of the hand (3) and effort of the gripper (1), in [-1, 1].

    state   (39,): hand, gripper and objects now (18) and a step before (18), goal (3)
    pixels  (96, 96, 3)
    success as the task defines it, at any step
    """

    def __init__(self, task: str, observations: Sequence[str] | None = None, *, render_size: int | None = None) -> None:
        environments = _environments()
        name = task.removeprefix(PREFIX)
        if name not in environments:
            raise ValueError(f"{task} is no task of Meta-World; its tasks are {', '.join(task_names())}")
        size = side(observations, render_size)
        env = environments[name](render_mode="rgb_array", camera_name=CAMERA, width=size, height=size)
        env._partially_observable = False
        env.__dict__.pop("sawyer_observation_space", None)
        env.seeded_rand_vec, env._freeze_rand_vec, env._set_task_called = True, False, True
        env.model.cam(CAMERA).pos[:] = CAMERA_POSITION
        env.model.vis.quality.shadowsize = 0  # shadows are three quarters of the time of a picture without a GPU
        self.inner: Any = env
        super().__init__(task, env, observations or ("state",))

    @property
    def goal(self) -> np.ndarray:
        """What the seed has drawn: positions of goal and objects, in the task's own order."""
        return np.array(self.inner._last_rand_vec)

    def draw_goal(self, seed: int) -> np.ndarray:
        """The goal of `seed`, without resetting the simulation."""
        self.inner.seed(int(seed))
        return np.array(self.inner._get_state_rand_vec())

    @property
    def full_state(self) -> np.ndarray:
        """The environment's own observation (39,) of this moment, whatever `observations` are."""
        return np.asarray(self._native, dtype=np.float64)

    def render(self) -> np.ndarray:
        """(H, W, 3) uint8, upright."""
        return np.ascontiguousarray(np.asarray(self.inner.render())[::-1, ::-1])  # the camera stands on its head

    def project(self, actions: np.ndarray) -> np.ndarray:
        """The path of the hand: actions move its target by a hundredth of a metre each, in the limits of the task."""
        inner = self.inner
        moves = np.clip(np.asarray(actions, dtype=np.float64)[:, :3], -1, 1) * inner.action_scale
        places = np.clip(inner.get_endeff_pos() + np.cumsum(moves, axis=0), inner.mocap_low, inner.mocap_high)
        return self.in_picture(places)

    def in_picture(self, places: np.ndarray) -> np.ndarray:
        """Where places (N, 3) of the scene, in metres, are seen in `render`: (N, 2) shares of its size."""
        camera = self.inner.data.cam(CAMERA)
        local = (places - camera.xpos) @ camera.xmat.reshape(3, 3)  # x right, y up, looking along -z
        focal = 0.5 / np.tan(np.deg2rad(self.inner.model.cam(CAMERA).fovy[0]) / 2)
        depth = np.maximum(-local[:, 2], 1e-3)
        seen: np.ndarray = np.stack([0.5 - focal * local[:, 0] / depth, 0.5 + focal * local[:, 1] / depth], axis=1)
        return seen

    def _reset(self, seed: int | None, options: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        import mujoco

        del options  # Meta-World has none
        if seed is None:
            seed = int(self.np_random.integers(2**31))
        mujoco.mj_resetData(self.inner.model, self.inner.data)
        self.inner.seed(int(seed))
        observation, info = self.inner.reset()
        mujoco.mj_kinematics(
            self.inner.model, self.inner.data
        )  # else the first pictures show the goal of the reset before
        return observation, info

    def _step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.inner.step(action)
        if self.inner._did_see_sim_exception:
            raise RuntimeError(f"the simulation of {self.task} became unstable")
        return observation, reward, terminated, truncated, info

    def _assess(self, info: dict[str, Any]) -> tuple[bool, float]:
        success = bool(info.get("success", False))
        return success, float(success)
