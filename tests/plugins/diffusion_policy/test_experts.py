"""Experts: they solve their tasks, repeat themselves, recover from noise; and the geometry under PushT's is exact."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from scorekit_diffusion_policy.demonstrate import demonstrate
from scorekit_diffusion_policy.environments import make
from scorekit_diffusion_policy.environments.pusht import PushT
from scorekit_diffusion_policy.experts import make_expert
from scorekit_diffusion_policy.experts.navigation import Ways, blocked
from scorekit_diffusion_policy.experts.push_simulation import PushSimulation
from scorekit_diffusion_policy.experts.pusht import PushTExpert
from scorekit_diffusion_policy.experts.tee import (
    FINGER,
    OUTLINE,
    corner_error,
    coverage,
    distance,
    perimeter,
    to_block,
    to_world,
)
from scorekit_diffusion_policy.seeds import training_seeds

TEE = shapely.Polygon(OUTLINE)
poses = st.tuples(st.floats(100, 400), st.floats(100, 400), st.floats(-3.1, 3.1)).map(np.array)
places = st.tuples(st.floats(-150, 150), st.floats(-100, 220)).map(np.array)


@given(places)
def test_distance_to_the_block_is_that_of_its_polygon(place: np.ndarray) -> None:
    point = shapely.Point(place)
    if TEE.contains(point):
        assert distance(place) <= 1e-9
    else:
        assert np.isclose(distance(place), TEE.distance(point), atol=1e-6)


@given(poses, places)
def test_frames_are_inverse_to_each_other(pose: np.ndarray, place: np.ndarray) -> None:
    assert np.allclose(to_block(to_world(place, pose), pose), place, atol=1e-9)


def test_coverage_is_the_environments() -> None:
    world, random = make("pusht"), np.random.default_rng(0)
    assert isinstance(world, PushT)
    world.reset(seed=0)
    for _ in range(20):
        pose = world.mark + random.normal(0, [10.0, 10.0, 0.3])
        world.inner.block.angle, world.inner.block.position = pose[2], tuple(pose[:2])
        assert np.isclose(coverage(world.block, world.mark), world.inner._get_coverage(), atol=1e-6)
    assert np.isclose(coverage(world.mark, world.mark), 1.0)


def test_corner_error_is_the_mean_over_the_corners() -> None:
    mark = np.array([256.0, 256.0, np.pi / 4])
    assert corner_error(mark, mark) == 0
    assert np.isclose(corner_error(mark + np.array([3.0, 4.0, 0.0]), mark), 5.0)
    pose = np.array([200.0, 300.0, 2.0])
    expected = np.linalg.norm(to_world(OUTLINE, pose) - to_world(OUTLINE, mark), axis=1).mean()
    assert np.allclose(corner_error(np.stack([mark, pose]), mark), [0, expected])


def test_normals_point_outward() -> None:
    points, normals = perimeter(20.0)
    assert np.allclose(distance(points), 0, atol=1e-9)
    assert np.allclose(distance(points + 1e-3 * normals), 1e-3, atol=1e-9)


@given(places, poses)
@settings(deadline=None)
def test_ways_go_around_the_block_inside_the_arena(place: np.ndarray, pose: np.ndarray) -> None:
    room = float(distance(place)) - FINGER
    if room < 5:
        return
    points, normals = perimeter(60.0)
    goals = points + normals * (FINGER + 10)
    ways = Ways(place, goals, pose, room)
    for goal, length in enumerate(ways.length):
        if not np.isfinite(length):
            continue
        way = np.concatenate([place[None], ways.turns(goal)])
        assert np.isclose(sum(float(np.linalg.norm(b - a)) for a, b in pairwise(way)), length)
        assert length >= np.linalg.norm(goals[goal] - place) - 1e-9
        assert all(TEE.distance(shapely.LineString([a, b])) >= FINGER for a, b in pairwise(way))
        turns = to_world(way[1:-1], pose)
        assert np.all((turns > 0) & (turns < 512))


def test_a_segment_is_blocked_only_by_the_block() -> None:
    starts = np.array([[-100.0, 15.0], [-100.0, 60.0], [-40.0, 140.0], [0.0, 200.0]])
    ends = np.array([[100.0, 15.0], [-60.0, 60.0], [40.0, 140.0], [0.0, 100.0]])
    assert blocked(starts, ends, 15.0).tolist() == [True, False, False, True]


def test_the_copy_of_the_simulation_moves_as_the_environment() -> None:
    world, expert, copy = make("pusht"), PushTExpert(), PushSimulation()
    assert isinstance(world, PushT)
    world.reset(seed=1_000_002)
    expert.reset(0)
    moved = 0.0
    for _ in range(60):
        action = expert.act(world)
        position, velocity = world.agent
        before = world.block
        copy.place(position, before, (float(velocity[0]), float(velocity[1])))
        copy.drive(action)
        *_, terminated, _, _ = world.step(action)
        assert np.allclose(copy.finger.position, world.agent[0], atol=1e-3)
        pose = np.array([*copy.block.position, copy.block.angle])
        assert np.abs(pose - world.block)[:2].max() < 1.0  # contacts that were there already are warm-started there
        assert abs(pose[2] - world.block[2]) < 0.02
        moved += float(np.abs(world.block - before)[:2].max())
        if terminated:
            break
    assert moved > 30


@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_pusht_is_solved(noise: float) -> None:
    world, expert = make("pusht"), PushTExpert()
    episodes = [demonstrate(world, expert, seed, noise=noise) for seed in training_seeds(3, 50_000)]
    assert all(episode.success for episode in episodes)
    assert np.mean([len(episode) for episode in episodes]) < 180


@pytest.mark.slow
def test_pusht_is_solved_nearly_always() -> None:
    world, expert = make("pusht"), PushTExpert()
    episodes = [demonstrate(world, expert, seed) for seed in training_seeds(200, 60_000)]
    assert sum(episode.success for episode in episodes) >= 197
    assert np.mean([len(episode) for episode in episodes]) < 125


def test_the_pusht_expert_repeats_itself_and_differs_by_seed() -> None:
    """Its random choices come from the seed alone: several ways to solve one scene, each of them repeatable."""
    world, expert = make("pusht"), PushTExpert()

    def actions(seed: int) -> np.ndarray:
        world.reset(seed=1_000_003)
        expert.reset(seed)
        rows = []
        for _ in range(60):
            rows.append(expert.act(world))
            if world.step(rows[-1])[2]:
                break
        return np.array(rows)

    first = actions(1)
    assert np.array_equal(actions(1), first)
    assert any(not np.array_equal(actions(seed)[:60], first[:60]) for seed in range(2, 6))


def test_the_expert_labels_states_it_did_not_cause() -> None:
    """As in DAgger: somebody else acts, and each label is a finite action inside the arena."""
    world, expert = make("pusht"), PushTExpert()
    random = np.random.default_rng(0)
    for seed in training_seeds(2):
        world.reset(seed=seed)
        expert.reset(seed)
        for _ in range(40):
            label = expert.act(world)
            assert label.dtype == np.float32
            assert np.all((label >= 0) & (label <= 512))
            world.step(random.uniform(0, 512, 2))


def test_a_walled_in_finger_still_gets_an_action() -> None:
    world = make("pusht")
    assert isinstance(world, PushT)
    for state in ([20, 20, 60, 60, 0.5], [490, 490, 470, 440, 2.0], [256, 300, 256, 256, 0.0]):
        world.reset(seed=0, options={"reset_to_state": state})
        assert np.isfinite(PushTExpert().act(world)).all()


@pytest.mark.parametrize("task", ["metaworld/push-v3", "metaworld/drawer-close-v3", "Reacher-v5"])
def test_other_tasks_are_solved_with_noise(task: str) -> None:
    world, expert = make(task), make_expert(task)
    episodes = [demonstrate(world, expert, seed, noise=0.1) for seed in training_seeds(3)]
    assert all(episode.success for episode in episodes)


def test_there_is_an_expert_only_where_there_is_one() -> None:
    with pytest.raises(ValueError, match="there is no expert for 'Ant-v5'; there are experts for pusht"):
        make_expert("Ant-v5")
    with pytest.raises(ValueError, match="the PushT expert acts in pusht only; got Reacher-v5"):
        make_expert("pusht").act(make("Reacher-v5"))
    with pytest.raises(ValueError, match="acts in metaworld/ tasks only; got pusht"):
        make_expert("metaworld/push-v3").act(make("pusht"))
    with pytest.raises(ValueError, match="acts in Reacher only; got pusht"):
        make_expert("Reacher-v5").act(make("pusht"))
