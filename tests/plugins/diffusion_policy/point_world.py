"""A world of one point that has to get behind a wall, on the left or on the right; experts take either way. And a policy trained in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

TASK = "Point-v0"
SPEED = 0.15
SIDE = 80  # pixels of a frame
EPISODES = 160


class Point(gymnasium.Env[np.ndarray, np.ndarray]):
    """From (x, -.8), x in [-.2, .2], to within .2 of (0, .8), around a wall at y = 0 for |x| < .5.

    A seed named in POINT_CRASHES breaks its episode off in the third step; one named in POINT_NANS observes no number there.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}
    observation_space = spaces.Box(-1, 1, (2,), np.float64)
    action_space = spaces.Box(-SPEED, SPEED, (2,), np.float32)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self.number, self.count = seed, 0
        self.place = np.array([self.np_random.uniform(-0.2, 0.2), -0.8])
        return self.place.copy(), {"is_success": False}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.count += 1
        if self.count == 3 and str(self.number) in os.environ.get("POINT_CRASHES", "").split():
            raise RuntimeError("the point fell off the table")
        if self.count == 3 and str(self.number) in os.environ.get("POINT_NANS", "").split():
            return np.full(2, np.nan), 0.0, False, False, {"is_success": False}
        moved = np.clip(self.place + action, -1, 1)
        if not (self.place[1] < 0 <= moved[1] and abs(moved[0]) < 0.5):
            self.place = moved
        done = bool(np.linalg.norm(self.place - [0, 0.8]) < 0.2)
        return self.place.copy(), float(done), done, self.count >= 40, {"is_success": done}

    def render(self) -> np.ndarray:  # type: ignore[override]
        frame = np.full((SIDE, SIDE, 3), 235, dtype=np.uint8)
        frame[SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 4 : 3 * SIDE // 4] = 60
        x, y = (0.5 * (self.place + 1) * (SIDE - 8)).astype(int)
        frame[SIDE - 8 - y : SIDE - y, x : x + 8] = (30, 60, 200)
        return frame


if TASK not in gymnasium.registry:
    gymnasium.register(TASK, entry_point=Point)


def expert(place: np.ndarray, side: float) -> np.ndarray:
    """Straight to the corner of the wall on that side (-1 or 1), then to the goal."""
    target = np.array([0.0, 0.8]) if place[1] >= 0.05 else np.array([0.7 * side, 0.15])
    way = target - place
    return np.clip(way, -SPEED, SPEED) if np.abs(way).max() < SPEED else way / np.abs(way).max() * SPEED


def demonstrations() -> Any:
    from scorekit_diffusion_policy.episodes import Demonstrations, Episode

    env, episodes = Point(), []
    for seed in range(1_000_000, 1_000_000 + EPISODES):
        place, info = env.reset(seed=seed)
        side = 1.0 if seed % 2 else -1.0
        seen, acted = [], []
        while not info["is_success"]:
            action = expert(place, side).astype(np.float32)
            seen.append(place)
            acted.append(action)
            place, _, _, _, info = env.step(action)
        actions, states = np.stack(acted), np.stack(seen).astype(np.float32)
        rewards = np.zeros(len(actions), np.float32)
        episodes.append(
            Episode({"state": states}, actions, actions, rewards, seed, True, 1.0, {"state": place.astype(np.float32)})
        )
    bound = np.full(2, SPEED, np.float32)
    return Demonstrations(TASK, -bound, bound, tuple(episodes))


def train(folder: Path, prediction: str = "v") -> None:
    """A policy after a few seconds of training, saved to `folder`."""
    import torch

    from scorekit_diffusion_policy.config import NetworkConfig, SamplingConfig
    from scorekit_diffusion_policy.recipe import Recipe, config_for, train_policy

    torch.set_num_threads(1)
    data = demonstrations()
    config = config_for(
        data,
        ("state",),
        horizon=8,
        prediction=prediction,
        network=NetworkConfig(width=64, depth=2, trunk=64, trunk_depth=1),
        sampling=SamplingConfig(solver="ddim", steps=8, action_steps=4, clip=1.0),
    )
    recipe = Recipe(steps=700, batch=128, draws=2, lr=3e-3, warmup=20, ema=0.98, validation=0.0, exams=1)
    policy = train_policy(config, data, recipe, folder / "training")
    policy.save(folder / "policy")


if __name__ == "__main__":
    import sys
    import time

    began = time.process_time()
    train(Path(sys.argv[1]))
    print(f"{time.process_time() - began:.1f} CPU-s")
