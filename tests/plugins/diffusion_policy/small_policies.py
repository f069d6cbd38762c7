"""Small data sets and policies that the tests of this plugin share."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from scorekit_diffusion_policy.config import NetworkConfig, PolicyConfig, SamplingConfig
from scorekit_diffusion_policy.episodes import Demonstrations, Episode
from scorekit_diffusion_policy.model import PolicyModel
from scorekit_diffusion_policy.policy import Policy
from scorekit_diffusion_policy.recipe import Recipe, config_for, train_policy

SMALL = NetworkConfig(width=32, depth=1, trunk=32, trunk_depth=1)


def states(count: int, seed: int = 0) -> np.ndarray:
    """PushT states (count, 5)."""
    random = np.random.default_rng(seed)
    return np.column_stack([random.uniform(50, 450, (count, 4)), random.uniform(0, 2 * np.pi, count)]).astype(
        np.float32
    )


def pusht(episodes: int = 3, steps: int = 12) -> Demonstrations:
    """Demonstrations of PushT's shapes: the finger goes to the block."""
    made = []
    for seed in range(episodes):
        state = states(steps, seed)
        action = state[:, 2:4].copy()
        made.append(Episode({"state": state}, action, action, np.zeros(steps, np.float32), seed, True, 1.0))
    return Demonstrations("pusht", np.zeros(2, np.float32), np.full(2, 512, np.float32), tuple(made))


def line(episodes: int = 4, steps: int = 20, pictures: bool = False) -> Demonstrations:
    """One number is seen and its negative, half of it, is wanted; as a picture, the number is a bright column."""
    made = []
    for seed in range(episodes):
        seen = np.random.default_rng(seed).uniform(-1, 1, (steps, 1)).astype(np.float32)
        action = (-0.5 * seen).astype(np.float32)
        observations = {"state": seen}
        if pictures:
            screen = np.zeros((steps, 64, 64, 3), np.uint8)
            for frame, value in zip(screen, seen[:, 0], strict=True):
                frame[:, int((value + 1) / 2 * 60) :][:, :4] = 255
            observations = {"pixels": screen}
        made.append(Episode(observations, action, action, np.zeros(steps, np.float32), seed, True, 1.0))
    return Demonstrations("line", -np.ones(1, np.float32), np.ones(1, np.float32), tuple(made))


def trained(folder: Path, data: Demonstrations | None = None, steps: int = 150, **settings: Any) -> Policy:
    """A policy trained for seconds, on `line` unless told otherwise."""
    data = data or line()
    recipe = {name: settings.pop(name) for name in list(settings) if name in Recipe.__dataclass_fields__}
    settings = {"network": SMALL, "horizon": 4, "obs_steps": 1, "sampling": SamplingConfig(action_steps=2)} | settings
    config = config_for(data, data.observations, **settings)
    small = {
        "batch": 64,
        "precision": "no",
        "ema": 0.9,
        "exams": 1,
        "validation": 0.0,
        "lr": 3e-3,
        "warmup": 5,
    } | recipe
    return train_policy(config, data, Recipe(steps=steps, **small), folder)


def untrained(seed: int = 0, **settings: Any) -> Policy:
    """A policy of PushT's shapes with random weights, none of them zero."""
    data = pusht()
    config: PolicyConfig = config_for(
        data, ("state",), **({"network": SMALL, "representation": "pusht-frame"} | settings)
    )
    torch.manual_seed(seed)
    model = PolicyModel(config)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    return Policy(config, model, name="untrained")


def history(policy: Policy, batch: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """What a policy of PushT's shapes could have seen."""
    return {"state": states(batch * policy.obs_steps, seed).reshape(batch, policy.obs_steps, 5)}
