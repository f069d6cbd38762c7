"""The worlds that policies act in. `make` is the one door."""

from collections.abc import Sequence
from typing import Any

import gymnasium

from scorekit_diffusion_policy.environments import metaworld, reacher
from scorekit_diffusion_policy.environments.rendering import choose_backend, side
from scorekit_diffusion_policy.environments.world import Observation, World

__all__ = ["Observation", "World", "make", "shipped_tasks"]

PUSHT_NAMES = ("pusht", "gym_pusht/PushT-v0")


def shipped_tasks() -> list[str]:
    """The tasks that are tested here: PushT, Reacher and all of Meta-World. `make` takes any Gymnasium id besides."""
    return ["pusht", "Reacher-v5", *metaworld.task_names()]


def make(task: str, observations: Sequence[str] | None = None, *, render_size: int | None = None) -> World:
    """The world of `task`: "pusht", "metaworld/push-v3", or any Gymnasium id such as "Reacher-v5".

    observations  names of those that it should give; default: all but pictures (in PushT and Meta-World: "state")
    render_size   side in pixels of what `render` returns, where the environment lets one choose; with "pixels" among
                  the observations of a MuJoCo world it is fixed
    Raises ValueError for a task or an observation that there is not.
    """
    if task in PUSHT_NAMES:
        from scorekit_diffusion_policy.environments.pusht import PushT

        return PushT(observations, render_size=render_size)
    if task.startswith(metaworld.PREFIX):
        return metaworld.MetaWorld(task, observations, render_size=render_size)
    choose_backend()
    size = side(observations, render_size)
    options: dict[str, Any] = {"width": size, "height": size}
    if task.startswith("Reacher-"):
        options["default_camera_config"] = reacher.CAMERA
    try:
        try:
            env = gymnasium.make(task, render_mode="rgb_array", disable_env_checker=True, **options)
        except TypeError:  # not every environment lets one choose a size, or draws
            env = gymnasium.make(task, disable_env_checker=True)
    except gymnasium.error.Error as error:
        raise ValueError(
            f"unknown environment {task!r}: choose pusht, metaworld/<task>-v3, or a Gymnasium id such as Reacher-v5 ({error})"
        ) from error
    succeeded = reacher.Reached() if task.startswith("Reacher-") else None
    return World(task, env, observations, succeeded=succeeded)
