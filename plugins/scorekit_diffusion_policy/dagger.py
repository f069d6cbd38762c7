"""Corrections: the policy acts, an expert takes over where it has got to, and the policy is trained on with what the expert did.

DAgger (Ross et al. 2011, arXiv:1011.0686) labels every state that the policy visits with the expert's action there. A plan is a whole
sequence, though, and labels of successive states of the policy's own path are no plan of the expert's. So the expert does not label
along the way: it takes over at a random moment and ends the episode, and its part is a demonstration from a place to which policies get
(as in HG-DAgger, Kelly et al. 2019, arXiv:1810.02890, with chance in the place of a person).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scorekit_diffusion_policy.policy import Policy
from scorekit_diffusion_policy.recipe import Examine, Recipe, Report, train_policy

if TYPE_CHECKING:
    from scorekit_diffusion_policy.environments import World
    from scorekit_diffusion_policy.episodes import Demonstrations, Episode
    from scorekit_diffusion_policy.experts import Expert

LONGEST = 150  # steps that a policy is left to itself


def corrections(
    policy: Policy,
    task: str,
    seeds: Sequence[int],
    *,
    noise: Sequence[float] = (0.0,),
    longest: int = LONGEST,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[Episode, ...]:
    """What the expert of `task` did after the policy had acted for a random number of steps, from 1 to `longest`.

    noise  standard deviations of what is added to the expert's executed actions, taken in turn
    Episodes that the policy has ended before, and those that the expert does not end well, are left out.
    Raises ValueError for test seeds, and for a task without expert or of another kind than the policy's.
    """
    from scorekit_diffusion_policy.environments import make
    from scorekit_diffusion_policy.experts import make_expert
    from scorekit_diffusion_policy.seeds import FIRST_TRAINING_SEED, is_training_seed

    if wrong := [seed for seed in seeds if not is_training_seed(seed)]:
        raise ValueError(f"corrections are made under seeds from {FIRST_TRAINING_SEED} on, not {wrong[0]}.")
    world, expert = make(task, policy.observations), make_expert(task)
    made = []
    try:
        policy.check(world)
        for done, seed in enumerate(seeds, 1):
            episode = _corrected(policy, world, expert, seed, noise[seed % len(noise)], longest)
            if episode is not None:
                made.append(episode)
            if progress is not None:
                progress(done, len(seeds))
    finally:
        world.close()
    return tuple(made)


def _corrected(policy: Policy, world: World, expert: Expert, seed: int, noise: float, longest: int) -> Episode | None:
    from scorekit_diffusion_policy.episodes import Episode

    random = np.random.default_rng([seed, 2])
    observation, _ = world.reset(seed=seed)
    policy.reset(seed=seed)
    for _ in range(int(random.integers(1, longest + 1))):
        observation, _, terminated, truncated, _ = world.step(policy.act(observation))
        if terminated or truncated:
            return None
    expert.reset(seed)
    seen, actions, labels, rewards, over = [], [], [], [], False
    while not over:
        label = expert.act(world)
        drawn = label + noise * random.standard_normal(label.shape)
        action = np.clip(drawn, world.action_space.low, world.action_space.high).astype(np.float32)
        seen.append(observation)
        labels.append(np.asarray(label, np.float32))
        actions.append(action)
        observation, reward, terminated, truncated, info = world.step(action)
        rewards.append(float(reward))
        over = bool(terminated or truncated)
    if not info["success"]:
        return None
    return Episode(
        {name: np.stack([one[name] for one in seen]) for name in policy.observations},
        np.stack(actions),
        np.stack(labels),
        np.array(rewards, np.float32),
        seed,
        True,
        float(info["score"]),
    )


def train_on(
    policy: Policy,
    demonstrations: Demonstrations,
    seeds: Sequence[int],
    recipe: Recipe,
    folder: Path,
    report: Report = lambda step, total, metrics: None,
    examine: Examine | None = None,
    *,
    noise: Sequence[float] = (0.0,),
    cpu: bool = True,
) -> Policy:
    """One round: corrections of `policy` under `seeds` join the demonstrations, and it is trained on with both.

    A resumed round makes the same corrections again, as they depend on the seeds only.
    """
    task, names = demonstrations.task, policy.observations
    added = corrections(policy, task, seeds, noise=noise)
    old = tuple(
        dataclasses.replace(one, observations={name: one.observations[name] for name in names}, final=None)
        for one in demonstrations.episodes
    )
    joined = dataclasses.replace(demonstrations, episodes=(*added, *old))
    return train_policy(policy.config, joined, recipe, folder, report, examine, start=policy, cpu=cpu)
