"""Clips of a robot arm at work: rollouts of Meta-World's scripted experts, drawn by the simulator and reduced to 32 px.

A shard is an `.npz` of the episodes of one task: `clips` (m, T, 32, 32, 3) uint8 and `task` (m,) uint8, an index into captions.TASKS. A
shard depends on the task and the seed alone, is written whole or not at all, and is skipped where it exists.
"""

from __future__ import annotations

import atexit
import os
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from scorekit_video_adapter.captions import TASKS

FRAMES, SIDE, SUPERSAMPLE = 8, 32, 4
STEP_LIMIT = 250
AFTER_SUCCESS = 8  # steps that are still shown
# Azimuth and elevation of the camera in degrees, its distance from the table's middle in metres.
NARROW = (130.0, -32.0, 1.0)
BROAD = ((60.0, 300.0), (-60.0, -15.0), (0.9, 1.5))
MIDDLE = (0.0, 0.62, 0.12)

View = Literal["narrow", "broad"]
Array = npt.NDArray[Any]


def rollout(task: str, seed: int, view: View) -> Array:
    """One episode of `task` as (T, 32, 32, 3) uint8, frames evenly spread from its start to shortly after its success.

    view  "narrow": the one camera of the robot domain; "broad": a camera that the seed draws.
    """
    if "DISPLAY" not in os.environ:
        os.environ.setdefault("MUJOCO_GL", "egl")
    import mujoco

    env, expert, renderer = _world(task)
    mujoco.mj_resetData(env.model, env.data)
    env.seed(seed)
    state, _ = env.reset()
    poses: list[Array] = []
    left = AFTER_SUCCESS
    for _ in range(STEP_LIMIT):
        poses.append(env.data.qpos.copy())
        with warnings.catch_warnings(action="ignore"):  # that actions are too high: they are clipped
            action = expert.get_action(state)
        state, _, _, _, info = env.step(np.clip(action, -1, 1).astype(np.float32))
        left -= bool(info["success"])
        if left < 0:
            break
    draw = np.random.default_rng(seed)
    azimuth, elevation, distance = NARROW if view == "narrow" else (draw.uniform(*ends) for ends in BROAD)
    camera = mujoco.MjvCamera()
    camera.azimuth, camera.elevation, camera.distance, camera.lookat[:] = azimuth, elevation, distance, MIDDLE
    frames = []
    for index in np.linspace(0, len(poses) - 1, FRAMES).round().astype(int):
        env.data.qpos[:] = poses[index]
        mujoco.mj_forward(env.model, env.data)
        renderer.update_scene(env.data, camera)
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0  # three quarters of the time without a GPU
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        picture = renderer.render().reshape(SIDE, SUPERSAMPLE, SIDE, SUPERSAMPLE, 3)
        frames.append(picture.mean((1, 3)).round().astype(np.uint8))
    return np.stack(frames)


@cache
def _world(task: str) -> tuple[Any, Any, Any]:
    """The environment of a task, its expert and a renderer, made once: a model takes a second to compile."""
    import mujoco
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS
    from metaworld.policies import ENV_POLICY_MAP

    env: Any = ALL_V3_ENVIRONMENTS[task]()
    env._partially_observable = False
    env.__dict__.pop("sawyer_observation_space", None)  # a cached space would hide the goal from the expert
    env.seeded_rand_vec, env._freeze_rand_vec, env._set_task_called = True, False, True
    renderer = mujoco.Renderer(env.model, SIDE * SUPERSAMPLE, SIDE * SUPERSAMPLE)
    atexit.register(renderer.close)  # while the library that it needs is still there
    return env, ENV_POLICY_MAP[task](), renderer


def build(
    folder: Path,
    episodes: int,
    seed: int,
    view: View,
    progress: Callable[[int, int], None] = lambda done, n: None,
) -> Path:
    """Film `episodes` rollouts of every task into `folder`, going on where an earlier build stopped, and return it.

    seed  of the first episode of each task; the others follow it. progress: called as (done, n).
    """
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1; got {episodes}")
    folder.mkdir(parents=True, exist_ok=True)
    for index, task in enumerate(TASKS):
        target = folder / f"robot-{view}-{seed}-{episodes}-{task}.npz"
        if not target.exists():
            clips = np.stack([rollout(task, seed + i, view) for i in range(episodes)])
            temporary = target.with_suffix(f".{os.getpid()}.tmp")
            with temporary.open("wb") as file:
                np.savez_compressed(file, clips=clips, task=np.full(episodes, index, np.uint8))
            temporary.replace(target)
        progress((index + 1) * episodes, len(TASKS) * episodes)
    return folder


def load(folder: Path) -> tuple[Array, Array]:
    """Clips (N, T, 32, 32, 3) uint8 and their tasks (N,) of every shard in `folder`. Raises ValueError where there is none."""
    paths = sorted(Path(folder).glob("robot-*.npz"))
    if not paths:
        raise ValueError(f"folder must hold robot-*.npz, written by build; found none in {folder}")
    shards = [np.load(path, allow_pickle=False) for path in paths]
    return np.concatenate([s["clips"] for s in shards]), np.concatenate([s["task"] for s in shards])
