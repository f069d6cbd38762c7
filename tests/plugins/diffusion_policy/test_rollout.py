"""Evaluation in batches: independence of the batch, chunks and history, failures that stay where they happen."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from wandering_policy import Wanderer

from scorekit_diffusion_policy.environments import World, make
from scorekit_diffusion_policy.rollout import roll_out, roll_out_in_processes


class Counter:
    """A world that counts its steps, lasts `seed` steps, and fails as it is told."""

    observations, obs_steps, horizon = ("state",), 3, 4

    def __init__(self, action_steps: int = 2, chunking: str = "none") -> None:
        self.action_steps, self.chunking = action_steps, chunking
        self.histories: list[np.ndarray] = []
        self.committed: list[np.ndarray | None] = []

    def plan(
        self,
        history: Mapping[str, np.ndarray],
        generators: Sequence[torch.Generator] | None,
        committed: np.ndarray | None = None,
    ) -> np.ndarray:
        del generators
        self.histories.append(history["state"])
        self.committed.append(committed)
        now = history["state"][:, -1, 1]
        plans: np.ndarray = now[:, None, None] + np.arange(4, dtype=np.float32)[:, None]
        return plans


class CountingEnv(gymnasium.Env[Any, Any]):
    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Box(-100, 100, (1,), np.float32)
    render_mode = "rgb_array"

    def __init__(self, faults: Mapping[int, str]) -> None:
        self.faults = faults

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        assert seed is not None
        self.seed, self.steps = seed, 0
        if self.faults.get(seed) == "reset":
            raise RuntimeError("no room")
        return self._see(), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action == self.steps, "plans are executed from their first action on"
        self.steps += 1
        if self.steps == 3 and self.faults.get(self.seed) == "step":
            raise RuntimeError("the arm\nfell off")
        return self._see(), 0.5, self.steps >= self.seed, False, {"success": self.steps >= self.seed}

    def _see(self) -> np.ndarray:
        nan = self.steps == 2 and self.faults.get(self.seed) == "nan"
        return np.array([self.seed, np.nan if nan else self.steps], np.float32)

    def render(self) -> np.ndarray:
        return np.full((4, 4, 3), self.steps, np.uint8)


def counting(faults: Mapping[int, str] = {}) -> Any:
    def build(task: str, observations: Sequence[str], *, render_size: int) -> World:
        del render_size
        return World(task, CountingEnv(faults), observations)

    return build


def test_outcomes_do_not_depend_on_the_batch() -> None:
    runs = [
        roll_out("pusht", Wanderer(), range(5), environments=environments, most_steps=30, noise=noise)
        for environments, noise in ((5, 0), (2, 0), (1, 0), (2, 1))
    ]
    for one, two, three, other in zip(*runs, strict=True):
        assert np.array_equal(one.actions, two.actions)
        assert np.array_equal(one.actions, three.actions)
        assert (one.seed, one.score, one.steps, one.reward) == (two.seed, two.score, two.steps, two.reward)
        assert not np.array_equal(one.actions, other.actions)  # other noise, other episode
    assert [one.seed for one in runs[0]] == list(range(5))
    assert not np.array_equal(runs[0][0].actions, runs[0][1].actions)


@pytest.mark.slow
def test_processes_give_the_same_outcomes() -> None:
    alone = roll_out("pusht", Wanderer(), range(6), most_steps=20)
    told: list[tuple[int, int]] = []
    shared = roll_out_in_processes(
        "pusht", Wanderer(), range(6), workers=2, environments=2, most_steps=20, progress=lambda *x: told.append(x)
    )
    for one, other in zip(alone, shared, strict=True):
        assert np.array_equal(one.actions, other.actions)
        assert one.score == other.score
    assert told[-1] == (6, 6)


def test_each_episode_is_its_own_and_in_order() -> None:
    seeds = [5, 1, 9, 2, 7, 3]
    told: list[tuple[int, int]] = []
    outcomes = roll_out(
        "count", Counter(), seeds, environments=2, make_world=counting(), progress=lambda *x: told.append(x)
    )
    assert [(one.seed, one.steps, one.success, one.score) for one in outcomes] == [(s, s, True, 1.0) for s in seeds]
    assert [one.reward for one in outcomes] == [0.5 * s for s in seeds]
    assert [one.plan_steps for one in outcomes][2] == (0, 2, 4, 6, 8)
    assert all(np.array_equal(one.actions[:, 0], np.arange(one.seed)) for one in outcomes)
    assert told == [(n, 6) for n in range(1, 7)]
    assert roll_out("count", Counter(), [], make_world=counting()) == []


def test_history_is_padded_with_the_first_observation() -> None:
    policy = Counter(action_steps=1)
    roll_out("count", policy, [4], make_world=counting())
    steps = [one[0, :, 1].tolist() for one in policy.histories]
    assert steps == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]


def test_the_rest_of_a_plan_is_handed_on_when_asked_for() -> None:
    policy = Counter(action_steps=3, chunking="real-time")
    roll_out("count", policy, [7, 2, 2], environments=2, make_world=counting())
    assert policy.committed[0] is None
    handed = [one for one in policy.committed if one is not None]
    assert handed[0].shape == (1, 1, 1)  # the episode of two steps is over; the fresh one is planned apart
    assert [one[0, 0, 0] for one in handed] == [3, 6]
    plain = Counter(action_steps=3)
    roll_out("count", plain, [7], make_world=counting())
    assert plain.committed == [None] * 3


def test_a_world_that_fails_does_not_harm_the_others() -> None:
    faults = {4: "step", 6: "reset", 8: "nan"}
    outcomes = roll_out("count", Counter(), [3, 4, 5, 6, 7, 8, 9], environments=2, make_world=counting(faults))
    by_seed = {one.seed: one for one in outcomes}
    assert {seed for seed, one in by_seed.items() if one.success} == {3, 5, 7, 9}
    assert by_seed[4].error == "seed 4: count failed at step 2: the arm fell off"
    assert by_seed[4].steps == 2
    assert by_seed[6].error == "seed 6: count failed at the beginning: no room"
    assert by_seed[8].error == "seed 8: count failed at step 1: observation 'state' holds values that are not finite"
    assert all(by_seed[seed].error is None for seed in (3, 5, 7, 9))


def test_frames_and_plans_are_recorded_where_asked() -> None:
    seen: list[tuple[int, int, int]] = []
    outcomes = roll_out(
        "count",
        Counter(),
        [3, 4],
        make_world=counting(),
        record=[4],
        on_frame=lambda seed, step, frame: seen.append((seed, step, int(frame[0, 0, 0]))),
    )
    assert outcomes[0].frames == []
    assert [int(frame[0, 0, 0]) for frame in outcomes[1].frames] == [0, 1, 2, 3, 4]
    assert seen == [(4, step, step) for step in range(5)]
    assert [(step, plan[:, 0].tolist(), line) for step, plan, line in outcomes[1].plans] == [
        (0, [0, 1, 2, 3], None),
        (2, [2, 3, 4, 5], None),
    ]


def test_recorded_plans_are_lines_in_the_picture() -> None:
    (outcome,) = roll_out("pusht", Wanderer(), [3], most_steps=5, record=[3], frame_size=96)
    assert outcome.frames[0].shape == (96, 96, 3)
    step, plan, line = outcome.plans[1]
    assert step == 4
    assert line is not None
    assert np.allclose(line * 512, plan)


def test_what_does_not_fit_is_refused() -> None:
    class Wide(Wanderer):
        def plan(self, history: Mapping[str, np.ndarray], generators: Any) -> np.ndarray:
            del generators
            return np.zeros((len(history["state"]), 8, 4))

    class Picky(Wanderer):
        def check(self, world: World) -> None:
            raise ValueError(f"trained for another world than {world.task}")

    with pytest.raises(
        ValueError, match=r"a plan for pusht must have the shape \(2, 8, 2\); the policy made \(2, 8, 4\)"
    ):
        roll_out("pusht", Wide(), [0, 1])
    with pytest.raises(ValueError, match="trained for another world than pusht"):
        roll_out("pusht", Picky(), [0])
    with pytest.raises(ValueError, match="unknown environment"):
        roll_out("nothing-v0", Wanderer(), [0])
    with pytest.raises(ValueError, match="environments must be at least 1; got 0"):
        roll_out("pusht", Wanderer(), [0], environments=0)
    with pytest.raises(ValueError, match="action_steps must be from 1 to the horizon, 4; got 9"):
        roll_out("count", Counter(9), [1], make_world=counting())


def test_progress_can_stop_it() -> None:
    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        roll_out("count", Counter(), [3, 4], make_world=counting(), progress=stop)


def test_a_policy_that_fails_ends_the_run() -> None:
    class Broken(Wanderer):
        def plan(self, history: Mapping[str, np.ndarray], generators: Any) -> np.ndarray:
            del history, generators
            raise ValueError("weights are gone")

    with pytest.raises(ValueError, match="weights are gone"):
        roll_out("pusht", Broken(), [0, 1])


def test_pixels_reach_the_policy() -> None:
    class Seer(Wanderer):
        observations = ("pixels",)

        def plan(self, history: Mapping[str, np.ndarray], generators: Any) -> np.ndarray:
            del generators
            assert history["pixels"].shape[1:] == (2, 96, 96, 3)
            assert history["pixels"].dtype == np.uint8
            return np.full((len(history["pixels"]), 8, 2), 256.0)

    assert roll_out("pusht", Seer(), [0, 1], most_steps=4)[1].steps == 4
    assert make("pusht", ["pixels"]).observations == ("pixels",)
