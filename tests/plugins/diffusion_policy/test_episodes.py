"""Episodes in memory: what a demonstration records, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from scorekit_diffusion_policy.demonstrate import demonstrate
from scorekit_diffusion_policy.environments import make
from scorekit_diffusion_policy.episodes import Demonstrations, Episode
from scorekit_diffusion_policy.experts import make_expert


def episode(steps: int = 5, actions: int = 2) -> Episode:
    return Episode(
        {"state": np.arange(3.0 * steps, dtype=np.float32).reshape(steps, 3)},
        np.zeros((steps, actions), np.float32),
        np.ones((steps, actions), np.float32),
        np.zeros(steps, np.float32),
        1,
        True,
        1.0,
    )


def test_noise_is_in_the_actions_and_not_in_the_labels() -> None:
    world, expert = make("Reacher-v5"), make_expert("Reacher-v5")
    episodes = [demonstrate(world, expert, seed, noise=0.1) for seed in range(1_000_000, 1_000_020)]
    free = np.concatenate([one.actions - one.labels for one in episodes])
    inside = np.abs(np.concatenate([one.labels for one in episodes])) < 0.6  # elsewhere the action is clipped
    assert abs(free[inside].std() - 0.1) < 0.01
    assert abs(free[inside].mean()) < 0.01
    clean = demonstrate(world, expert, 1_000_000)
    assert np.array_equal(clean.actions, clean.labels)


def test_an_episode_replays_to_its_own_observations() -> None:
    """Executed actions, given to a fresh world of the same seed, lead through the recorded observations to the end."""
    world = make("pusht", ["state", "keypoints"])
    recorded = demonstrate(world, make_expert("pusht"), 1_000_004, noise=2.0)
    observation, _ = world.reset(seed=1_000_004)
    for step, action in enumerate(recorded.actions):
        for name in ("state", "keypoints"):
            assert np.array_equal(recorded.observations[name][step], observation[name])
        observation, reward, terminated, _, info = world.step(action)
        assert np.isclose(reward, recorded.rewards[step])
    assert recorded.final is not None
    assert np.array_equal(recorded.final["state"], observation["state"])
    assert (terminated, info["success"], info["score"]) == (True, recorded.success, recorded.score)


def test_lingering_adds_steps_after_success() -> None:
    world, expert = make("metaworld/drawer-close-v3"), make_expert("metaworld/drawer-close-v3")
    short, long = (demonstrate(world, expert, 1_000_000, linger=linger) for linger in (0, 8))
    assert len(long) == len(short) + 8
    assert np.array_equal(long.actions[: len(short)], short.actions)
    assert long.success


def test_an_episode_that_does_not_fit_together_is_refused() -> None:
    good = episode()
    with pytest.raises(ValueError, match=r"labels must have the shape of actions, \(5, 2\); got \(4, 2\)"):
        replace(good, labels=good.labels[:4])
    with pytest.raises(ValueError, match="state has 4 steps, but there are 5 actions"):
        replace(good, observations={"state": good.observations["state"][:4]})
    with pytest.raises(ValueError, match=r"rewards must be \(5,\)"):
        replace(good, rewards=good.rewards[:4])
    with pytest.raises(ValueError, match="state holds values that are not finite"):
        replace(good, observations={"state": np.full((5, 3), np.nan, np.float32)})
    with pytest.raises(ValueError, match="at least one observation"):
        replace(good, observations={})
    with pytest.raises(ValueError, match="T of at least 1"):
        replace(good, actions=good.actions[:0], labels=good.labels[:0])


def test_demonstrations_agree_in_shapes() -> None:
    bounds = np.full(2, -1, np.float32), np.ones(2, np.float32)
    data = Demonstrations("toy", *bounds, (episode(5), episode(7)))
    assert (len(data), data.steps, data.observations) == (2, 12, ("state",))
    assert data.select([1]).steps == 7
    with pytest.raises(ValueError, match="episode 1 has"):
        Demonstrations(
            "toy", *bounds, (episode(), replace(episode(), observations={"other": np.zeros((5, 1), np.float32)}))
        )
    with pytest.raises(ValueError, match="actions have"):
        Demonstrations("toy", *bounds, (episode(actions=3),))
    assert Demonstrations("toy", *bounds, ()).observations == ()
