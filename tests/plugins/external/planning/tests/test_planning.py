"""The world, the plans, and the promises of the host."""

import numpy as np
import torch
from gymnasium.utils.env_checker import check_env
from scorekit_planning import maze, network, planning

from scorekit.host.testing import conformance

test_conformance = conformance("scorekit_planning")


def observations(count: int) -> np.ndarray:
    return np.stack([maze.PointMaze().reset(seed=seed)[0] for seed in range(count)])


def test_the_world_is_a_gymnasium_environment() -> None:
    check_env(maze.PointMaze(), skip_render_check=True)


def test_a_demonstrator_crosses_no_wall_and_its_actions_lead_where_it_went() -> None:
    shown = maze.demonstrations(20, seed=1)
    assert not maze.in_wall(shown[..., :2]).any()
    speed = shown[:, :-1, 2:4] + maze.STEP * shown[:, :-1, 4:]
    np.testing.assert_allclose(speed, shown[:, 1:, 2:4], atol=1e-9)


def test_the_map_is_enough_and_a_straight_line_is_not() -> None:
    seen = observations(40)
    assert all(planning.execute(planning.with_map(row), seed)[2] for seed, row in enumerate(seen))
    assert sum(planning.execute(planning.straight(row), seed)[2] for seed, row in enumerate(seen)) < 24


def test_a_plan_begins_and_ends_where_it_has_to_and_guidance_keeps_it_away() -> None:
    seen, model = observations(40), network.load()
    near = {}
    for weight in (0.0, 3.0):
        plans = planning.plan(model, seen, torch.Generator().manual_seed(0), weight)
        np.testing.assert_allclose(plans[:, 0, :4], seen[:, :4], atol=1e-5)
        np.testing.assert_allclose(plans[:, -1, :2], seen[:, 4:6], atol=1e-5)
        near[weight] = (np.linalg.norm(plans[..., :2] - seen[:, None, 6:], axis=-1) < maze.ZONE).any(1).mean()
    assert near[3.0] < near[0.0] / 2


def test_an_interval_of_wilson() -> None:
    low, high = planning.wilson(81, 263)  # Newcombe 1998, table I: .2553 to .3662
    assert abs(low - 0.2553) < 1e-4
    assert abs(high - 0.3662) < 1e-4
