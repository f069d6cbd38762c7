"""One demonstration: an expert acts in a world, with noise on what is executed and none on what is to be imitated."""

from collections.abc import Callable

import numpy as np

from scorekit_diffusion_policy.environments.world import World
from scorekit_diffusion_policy.episodes import Episode
from scorekit_diffusion_policy.experts import Expert


def demonstrate(
    world: World,
    expert: Expert,
    seed: int,
    *,
    noise: float = 0.0,
    linger: int = 0,
    watch: Callable[[World], object] | None = None,
) -> Episode:
    """The episode of `seed`, until success or the world's limit of steps.

    noise   standard deviation of what is added to each executed action, in the units of actions: the expert shows
            how to come back from places where it would not have gone
    linger  further steps after success, so that the last plans to imitate are whole; for worlds that go on
    watch   called before each step, to draw
    """
    observation, info = world.reset(seed=seed)
    expert.reset(seed)
    random = np.random.default_rng([seed, 1])
    low, high = world.action_space.low, world.action_space.high
    observed: list[dict[str, np.ndarray]] = []
    actions, labels, rewards = [], [], []
    left = linger
    while True:
        if watch is not None:
            watch(world)
        label = expert.act(world)
        action = np.clip(label + noise * random.standard_normal(label.shape), low, high).astype(np.float32)
        observed.append(observation)
        labels.append(label)
        actions.append(action)
        observation, reward, terminated, truncated, info = world.step(action)
        rewards.append(reward)
        if truncated or (terminated and (left == 0 or not info["success"])):
            break
        left -= int(bool(info["success"]))
    return Episode(
        {name: np.stack([one[name] for one in observed]) for name in observation},
        np.stack(actions),
        np.stack(labels),
        np.array(rewards, dtype=np.float32),
        seed,
        bool(info["success"]),
        float(info["score"]),
        observation,
    )
