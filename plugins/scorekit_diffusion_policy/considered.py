"""What a policy considers: many plans from one observation, where they go different ways, over the frame in which they were made."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from scorekit_diffusion_policy.environments import World
from scorekit_diffusion_policy.plots import curves, fan, fans, parting, spread
from scorekit_diffusion_policy.policy import Policy

TRIED = 24  # plans from each observation, to find the one where they differ most
MOST_MOMENTS = 40  # observations tried


@dataclass(frozen=True)
class Considered:
    """A picture, and where it was made: `step` of the episode of `seed`; `spread` of the plans as a share of the actions' range."""

    picture: np.ndarray
    seed: int
    step: int
    samples: int
    spread: float

    def record(self) -> dict[str, float]:
        """Plain numbers for JSON."""
        return {"seed": self.seed, "step": self.step, "samples": self.samples, "spread": self.spread}


def consider(
    world: World, free: Policy, policy: Policy, seed: int, actions: np.ndarray, *, samples: int, noise: int
) -> Considered:
    """Follow an episode by its executed actions (T, A), and draw `samples` plans at the step where they part most clearly.

    free, policy  the policy without and with its guidance: where they are two, each gets a picture
    """
    moments = dict(_moments(world, policy, seed, actions))
    steps = list(moments)[:: max(1, -(-len(moments) // MOST_MOMENTS))]
    tried = {step: _plans(free, moments[step], TRIED, noise) for step in steps}
    span = np.asarray(policy.config.action_high) - np.asarray(policy.config.action_low)
    span = np.where(np.isfinite(span) & (span > 0), span, 1.0)
    step = max(steps, key=lambda one: parting(tried[one] / span))
    for _ in _moments(world, policy, seed, actions[:step]):
        pass  # the world stands at that step
    frame = world.render()
    made: list[np.ndarray] = []
    drawn = [("", free)] if free is policy else [("free, ", free), ("led to the goal, ", policy)]
    plans = np.zeros((1, policy.horizon, len(span)))
    for words, one in drawn:
        plans = _plans(one, moments[step], samples, noise)
        lines = [world.project(plan) for plan in plans]
        if any(line is None for line in lines):
            made.append(curves(plans, policy.config.action_low, policy.config.action_high))
        else:
            scaled = [np.asarray(line) * frame.shape[1::-1] for line in lines]
            made.append(fan(frame, scaled, f"{words}{samples} plans, step {step}"))
    return Considered(fans(made), seed, step, samples, spread(plans / span))


def _moments(
    world: World, policy: Policy, seed: int, actions: np.ndarray
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """The steps at which plans are made, and what they are made from: each observation (obs_steps, ...)."""
    observation, _ = world.reset(seed=seed)
    past: deque[Any] = deque([observation] * policy.obs_steps, maxlen=policy.obs_steps)
    for step, action in enumerate(actions):
        if step % policy.action_steps == 0:
            yield step, {name: np.stack([one[name] for one in past]) for name in policy.observations}
        observation, *_ = world.step(action)
        past.append(observation)


def _plans(policy: Policy, history: dict[str, np.ndarray], count: int, noise: int) -> np.ndarray:
    batch = {name: np.repeat(value[None], count, 0) for name, value in history.items()}
    made: np.ndarray = policy.plan(batch, torch.Generator().manual_seed(noise))
    return made
