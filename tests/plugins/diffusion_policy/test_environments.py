"""Worlds: observations, exact seeds, success and score, refusals, and where plans lead in the picture."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from scorekit_diffusion_policy.environments import World, make, shipped_tasks
from scorekit_diffusion_policy.environments.metaworld import MetaWorld
from scorekit_diffusion_policy.environments.pusht import PushT
from scorekit_diffusion_policy.experts import make_expert
from scorekit_diffusion_policy.experts.tee import OUTLINE, to_world

SOME = ["pusht", "Reacher-v5", "metaworld/push-v3", "metaworld/door-open-v3", "metaworld/assembly-v3"]


class Toy(gymnasium.Env[Any, Any]):
    """A dictionary with a nested vector and a picture; solved on its third step."""

    observation_space = spaces.Dict(
        {
            "arm": spaces.Dict({"angle": spaces.Box(-1, 1, (2,), np.float64)}),
            "pixels": spaces.Box(0, 255, (8, 8, 3), np.uint8),
        }
    )
    action_space = spaces.Box(-2.0, 2.0, (1,), np.float64)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self.steps = 0
        self.start = self.np_random.uniform(-1, 1, 2)
        return self._see(), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.steps += 1
        return self._see(), 1.0, False, False, {"success": self.steps == 3}

    def _see(self) -> dict[str, Any]:
        return {"arm": {"angle": self.start}, "pixels": np.full((8, 8, 3), self.steps, np.uint8)}


@pytest.fixture
def toy() -> World:
    return World("toy", Toy())


def trajectory(world: World, seed: int, steps: int = 25) -> np.ndarray:
    """What is observed from `seed` on under fixed random actions."""
    random = np.random.default_rng(0)
    observation, _ = world.reset(seed=seed)
    rows = [observation["state"]]
    low, high = world.action_space.low, world.action_space.high
    for _ in range(steps):
        observation, *_ = world.step(low + (high - low) * random.random(low.shape))
        rows.append(observation["state"])
    return np.array(rows)


def same_episodes_again(task: str) -> None:
    fresh, used = make(task), make(task)
    expected = trajectory(fresh, 7)
    other = trajectory(used, 8)
    assert np.array_equal(trajectory(used, 7), expected)
    assert not np.array_equal(other, expected)
    fresh.close()
    used.close()


@pytest.mark.parametrize("task", SOME)
def test_a_seed_gives_the_same_episode_whatever_went_before(task: str) -> None:
    same_episodes_again(task)


@pytest.mark.slow
@pytest.mark.parametrize("task", shipped_tasks())
def test_every_task_can_be_made_and_repeats_its_episodes(task: str) -> None:
    same_episodes_again(task)


def test_all_fifty_tasks_of_metaworld_are_listed() -> None:
    names = [task for task in shipped_tasks() if task.startswith("metaworld/")]
    assert len(names) == len(set(names)) == 50
    assert {"metaworld/push-v3", "metaworld/window-close-v3"} <= set(names)


def test_pusht_gives_state_keypoints_and_pixels_of_one_scene() -> None:
    world = make("pusht", ["pixels", "keypoints", "state"])
    observation, info = world.reset(seed=1_000_000)
    assert (info["success"], info["score"]) == (False, 0.0)
    assert {name: (value.shape, value.dtype) for name, value in observation.items()} == {
        "pixels": ((96, 96, 3), np.dtype(np.uint8)),
        "keypoints": ((18,), np.dtype(np.float32)),
        "state": ((5,), np.dtype(np.float32)),
    }
    state, points = observation["state"], observation["keypoints"].reshape(9, 2)
    assert np.allclose(points[8], state[:2])
    corners = to_world(OUTLINE, state[2:])  # the outline's eight corners; two of the bars' corners are inside it
    nearest = np.linalg.norm(corners[:, None] - points[None, :8], axis=-1).min(1)
    assert np.allclose(nearest, 0, atol=1e-3)
    x, y = (state[:2] / 512 * 96).astype(int)
    red, _, blue = observation["pixels"][y, x].astype(int)
    assert blue - red > 80  # the finger is royal blue
    assert world.observation_space.contains(observation)


def test_score_is_the_best_coverage_so_far_and_success_ends_the_episode() -> None:
    world, expert = make("pusht"), make_expert("pusht")
    world.reset(seed=1_000_001)
    expert.reset(0)
    scores, terminated = [], False
    while not terminated:
        _, _, terminated, truncated, info = world.step(expert.act(world))
        scores.append(info["score"])
        assert not truncated
        assert info["success"] == (scores[-1] > 0.95) == terminated
    assert scores == sorted(scores)
    assert scores[0] < 0.5


def test_metaworld_shows_its_goal_in_every_observation_after_the_first_too() -> None:
    world = make("metaworld/push-v3")
    assert isinstance(world, MetaWorld)
    goals = set()
    for seed in (500_000, 500_001):
        observation, _ = world.reset(seed=seed)
        goal = world.inner._target_pos
        assert np.allclose(observation["state"][36:39], goal, atol=1e-6)
        observation, *_ = world.step(np.zeros(4))
        assert np.allclose(observation["state"][36:39], goal, atol=1e-6)
        assert np.array_equal(world.draw_goal(seed), world.goal)
        goals.add(tuple(goal))
    assert len(goals) == 2


def test_metaworld_sees_the_goal_where_it_says() -> None:
    """The ball that marks the goal is green in the picture, where `in_picture` puts its place; from the first picture on."""
    size = 480
    world = make("metaworld/push-v3", render_size=size)
    assert isinstance(world, MetaWorld)
    for seed in (500_001, 500_002):
        world.reset(seed=seed)
        picture = world.render().astype(int)
        y, x = np.nonzero(picture[..., 1] - np.maximum(picture[..., 0], picture[..., 2]) > 60)
        expected = world.in_picture(world.inner._target_pos[None])[0] * size
        assert np.abs([np.median(x) - expected[0], np.median(y) - expected[1]]).max() < 3
    world.close()


def test_a_plan_in_metaworld_leads_to_where_the_hand_gets() -> None:
    world = make("metaworld/reach-v3")
    assert isinstance(world, MetaWorld)
    world.reset(seed=500_000)
    plan = np.tile(np.array([0.3, 0.4, 0.2, 0.0]), (30, 1))
    line = world.project(plan)
    start = world.in_picture(world.inner.get_endeff_pos()[None])[0]
    for action in plan:
        world.step(action)
    for _ in range(10):  # the hand follows with a delay
        world.step(np.zeros(4))
    reached = world.in_picture(world.inner.get_endeff_pos()[None])[0]
    assert np.linalg.norm(reached - start) > 0.08
    assert np.linalg.norm(reached - line[-1]) < 0.15 * np.linalg.norm(reached - start)


def test_pusht_projects_places() -> None:
    world = make("pusht")
    assert isinstance(world, PushT)
    assert np.allclose(world.project(np.array([[0.0, 512.0], [256.0, 128.0]])), [[0, 1], [0.5, 0.25]])
    assert make("Reacher-v5").project(np.zeros((3, 2))) is None


def test_pixels_do_not_depend_on_the_size_of_the_film() -> None:
    pictures = []
    for size in (64, 256):
        world = make("metaworld/reach-v3", ["pixels"], render_size=size)
        observation, _ = world.reset(seed=500_000)
        pictures.append(observation["pixels"])
        world.close()
    assert pictures[0].shape == (96, 96, 3)
    assert np.array_equal(*pictures)
    assert pictures[0].std() > 20


def test_reacher_has_to_hold_its_target_for_ten_steps() -> None:
    world, expert = make("Reacher-v5"), make_expert("Reacher-v5")
    world.reset(seed=3)
    inside = 0
    for _ in range(50):
        observation, _, terminated, _, info = world.step(expert.act(world))
        inside = inside + 1 if np.linalg.norm(observation["state"][8:10]) < 0.015 else 0
        assert terminated == info["success"] == (inside >= 10)
        if terminated:
            break
    assert terminated
    _, info = world.reset(seed=3)
    assert not info["success"]
    *_, info = world.step(np.zeros(2))
    assert not info["success"]


def test_dictionaries_are_flattened_and_success_stays(toy: World) -> None:
    assert toy.observations == ("arm/angle",)
    assert World("toy", Toy(), ["pixels"]).observations == ("pixels",)
    both = World("toy", Toy(), ["arm/angle", "pixels"])
    first, _ = both.reset(seed=4)
    again, _ = both.reset(seed=4)
    assert np.array_equal(first["arm/angle"], again["arm/angle"])
    ends = [both.step(np.zeros(1))[2:] for _ in range(4)]
    assert [terminated for terminated, *_ in ends] == [False, False, True, True]
    assert [info["score"] for *_, info in ends] == [0.0, 0.0, 1.0, 1.0]


def test_actions_are_clipped_to_the_space_and_refused_when_wrong(toy: World) -> None:
    toy.reset(seed=0)
    toy.step(np.array([99.0]))  # Toy asserts that it is inside
    with pytest.raises(ValueError, match=r"toy takes actions of shape \(1,\); got \(2,\)"):
        toy.step(np.zeros(2))
    with pytest.raises(ValueError, match="not finite"):
        toy.step(np.array([np.nan]))


def test_what_cannot_be_used_is_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="unknown environment 'Walk-v9': choose pusht"):
        make("Walk-v9")
    with pytest.raises(
        ValueError, match="metaworld/fly-v3 is no task of Meta-World; its tasks are metaworld/assembly-v3"
    ):
        make("metaworld/fly-v3")
    with pytest.raises(ValueError, match="pusht has no observation 'depth'; it has state, keypoints, pixels"):
        make("pusht", ["depth"])
    with pytest.raises(ValueError, match="policies need a Box"):
        make("CartPole-v1")
