"""Training and test never meet: neither the seeds nor what they draw."""

import numpy as np
import pytest

from scorekit_diffusion_policy.environments import make, shipped_tasks
from scorekit_diffusion_policy.environments.metaworld import MetaWorld
from scorekit_diffusion_policy.seeds import is_training_seed, test_ranges, test_seeds, training_seeds

test_ranges.__test__ = test_seeds.__test__ = False  # type: ignore[attr-defined]  # functions of ours, not tests


def test_the_ranges_are_disjoint() -> None:
    for task in shipped_tasks():
        seeds = [seed for one in test_ranges(task) for seed in one]
        assert len(set(seeds)) == len(seeds)
        assert not any(is_training_seed(seed) for seed in (seeds[0], seeds[-1]))
    assert all(is_training_seed(seed) for seed in training_seeds(5))
    assert training_seeds(2, 3) == [1_000_003, 1_000_004]


def test_test_seeds_go_through_the_ranges() -> None:
    assert test_seeds("pusht", 3) == [0, 1, 2]
    assert test_seeds("pusht", 3, 998) == [998, 999, 100_000]
    assert test_seeds("pusht", 1, 1000) == [100_000]
    assert len(set(test_seeds("pusht", 1500))) == 1500
    assert test_seeds("metaworld/push-v3", 2) == [500_000, 500_001]
    with pytest.raises(ValueError, match="pusht has 1500 test seeds; 10 after the first 1495 were asked for"):
        test_seeds("pusht", 10, 1495)


def test_pusht_scenes_of_training_and_test_differ() -> None:
    world = make("pusht")

    def scenes(seeds: list[int]) -> set[bytes]:
        return {world.reset(seed=seed)[0]["state"].tobytes() for seed in seeds}

    test, train = scenes(test_seeds("pusht", 1500)), scenes(training_seeds(1500))
    assert len(test) == len(train) == 1500
    assert not test & train


@pytest.mark.parametrize("task", ["metaworld/push-v3", "metaworld/door-open-v3", "metaworld/plate-slide-v3"])
def test_metaworld_goals_of_training_and_test_differ(task: str) -> None:
    world = make(task)
    assert isinstance(world, MetaWorld)

    def goals(seeds: list[int]) -> np.ndarray:
        return np.array([world.draw_goal(seed) for seed in seeds])

    test, train = goals(test_seeds(task, 400)), goals(training_seeds(400))
    free = train.std(0) > 0  # some tasks do not vary every number
    assert len(np.unique(test, axis=0)) == len(np.unique(train, axis=0)) == 400
    apart = np.abs(test[:, None, free] - train[None][:, :, free]).max(-1).min()
    assert apart > 0
    assert np.abs(test.mean(0) - train.mean(0)).max() < 0.3 * train.std(0).max()  # the same distribution all the same
