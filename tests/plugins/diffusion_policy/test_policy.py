"""Policies as they run: plans, chunks, guidance, files, and what they refuse."""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from safetensors.torch import load, load_file, save_file
from small_policies import history, line, states, trained, untrained

from scorekit.denoiser import Denoiser
from scorekit.schedule import VP
from scorekit_diffusion_policy.chunking import hold_weights
from scorekit_diffusion_policy.config import SamplingConfig
from scorekit_diffusion_policy.environments import make
from scorekit_diffusion_policy.goals import toward
from scorekit_diffusion_policy.policy import Policy, embedded_policies, load_policy


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def gaussian(policy: Policy, mean: float = 0.3, std: float = 0.2) -> Policy:
    """The same policy with the exact denoiser of independent N(mean, std^2) in place of its network's."""

    def eps(x: torch.Tensor, timestep: torch.Tensor, film: torch.Tensor) -> torch.Tensor:
        assert film.shape == (len(x), policy.model.head.context.out_features)
        alpha, sigma = (
            f((timestep.double() + 1) / 100).float()[:, None, None] for f in (schedule.alpha, schedule.sigma)
        )
        return sigma * (x - alpha * mean) / (alpha.square() * std**2 + sigma.square())

    schedule = VP.cosine(100)
    policy.denoiser = Denoiser(eps, schedule, "eps", policy.denoiser.shape, name="gaussian")
    policy._samplers = {}
    return policy


@pytest.mark.parametrize(("solver", "steps"), [("ddpm", 100), ("ddim", 50), ("dpm++2m", 25), ("euler", 50)])
def test_plans_of_an_exact_denoiser_have_its_mean_and_spread(solver: str, steps: int) -> None:
    policy = gaussian(untrained(representation="generic")).with_sampling(solver=solver, steps=steps)
    policy.bounds = torch.tensor(-9.0), torch.tensor(9.0)
    plans = torch.from_numpy(policy.plan(history(policy, 400), torch.Generator().manual_seed(0)))
    x = policy.model.representation.encode(plans, {})
    n = x.numel()
    assert float(x.mean()) == pytest.approx(0.3, abs=5 * 0.2 / math.sqrt(n) + 0.01)
    # In few steps a deterministic solver gives less spread than there is.
    assert float(x.std()) == pytest.approx(0.2, rel=0.15)


@pytest.mark.parametrize("kind", ["mlp", "unet", "transformer"])
def test_a_plan_does_not_depend_on_its_batch(kind: str) -> None:
    policy = untrained(network={"kind": kind, "width": 32, "depth": 2, "trunk": 32, "trunk_depth": 1})
    seen = history(policy, 5)
    together = policy.plan(seen, generators(0, 1, 2, 3, 4))
    assert together.shape == (5, 16, 2)
    assert together.dtype == np.float32
    for i in range(5):
        alone = policy.plan({name: value[i : i + 1] for name, value in seen.items()}, generators(i))
        np.testing.assert_allclose(together[i : i + 1], alone, atol=2e-2)  # pixels of 512
    assert np.abs(together[0] - policy.plan(seen, generators(9, 1, 2, 3, 4))[0]).max() > 1


def test_act_is_the_plan_executed_and_repeats_with_its_seed() -> None:
    policy = untrained().with_sampling(action_steps=3, steps=4)
    seen = [{"state": state} for state in states(7)]
    policy.reset(seed=5)
    acted = np.stack([policy.act(one) for one in seen])
    generator = torch.Generator().manual_seed(5)
    for now in (0, 3, 6):
        past = np.stack([seen[max(now - 1, 0)]["state"], seen[now]["state"]])[None]
        plan = policy.plan({"state": past}, [generator])[0]
        np.testing.assert_array_equal(acted[now : now + 3], plan[: min(3, 7 - now)])
    policy.reset(seed=5)
    np.testing.assert_array_equal(acted, np.stack([policy.act(one) for one in seen]))


def test_plans_stay_within_the_bounds_of_the_actions() -> None:
    policy = untrained()
    with torch.no_grad():
        policy.model.representation.acted.scale.fill_(1e4)
    plan = policy.plan(history(policy))
    assert plan.min() == 0
    assert plan.max() == 512


def test_held_actions_come_back_and_the_rest_fits() -> None:
    free = gaussian(untrained(representation="generic"))
    free.bounds = torch.tensor(-9.0), torch.tensor(9.0)
    held = free.with_sampling(chunking="real-time", delay=3, action_steps=8)
    seen = history(held, 6)
    old = np.tile(np.array([0.9, -0.5], np.float32), (6, 8, 1))
    plan = held.plan(seen, generators(*range(6)), committed=old)
    np.testing.assert_allclose(plan[:, :3], old[:, :3], atol=1e-4)
    without = free.plan(seen, generators(*range(6)), committed=old)
    pulled, loose = np.abs(plan[:, :8] - old).mean((0, 2)), np.abs(without[:, :8] - old).mean((0, 2))
    assert (pulled[:8] < loose[:8]).all()
    assert pulled[7] > pulled[4] > pulled[2]  # less and less
    np.testing.assert_allclose(plan[:, 8:], without[:, 8:], atol=1e-4)  # the exact model's actions are independent


def test_how_firmly_actions_are_held() -> None:
    weights = hold_weights(10, 6, 2)
    assert (weights[:2] == 1).all()
    assert (weights[2:6].diff() < 0).all()
    assert 0 < weights[5] < weights[2] < 1
    assert (weights[6:] == 0).all()
    assert (hold_weights(4, 4, 9) == 1).all()


def test_act_in_real_time_hands_over_what_is_left() -> None:
    policy = gaussian(untrained(representation="generic")).with_sampling(chunking="real-time", delay=8, action_steps=8)
    policy.reset(seed=0)
    seen = [{"state": state} for state in states(16)]
    acted = [policy.act(one) for one in seen[:8]]
    left = policy._chunk[8:].copy()
    acted += [policy.act(one) for one in seen[8:]]
    np.testing.assert_allclose(np.stack(acted[8:]), left, atol=1e-3)


def test_guidance_leads_toward_low_cost_and_no_further() -> None:
    policy = gaussian(untrained(representation="generic"), std=0.5)
    policy.bounds = torch.tensor(-9.0), torch.tensor(9.0)
    seen, means = history(policy, 200), []
    for scale in (0.0, 0.5, 2.0, 4.0):
        led = policy.with_guidance(lambda actions, _: (actions - 1).square().sum((1, 2)), scale)
        means.append(float(led.plan(seen, torch.Generator().manual_seed(0)).mean()))
    assert means[0] == pytest.approx(0.3, abs=0.02)
    assert means == sorted(means)
    assert 0.8 < means[-1] < 1.05
    # exp(-2 (a - 1)^2) has the variance of N(.3, .5^2): their product has its mean half way. Leading by E[x0] overshoots it.
    assert means[2] == pytest.approx(0.65, abs=0.15)


def test_a_goal_leads_plans_and_leaves_them_whole() -> None:
    """Of the embedded policy: ends come nearer as the scale grows, and actions stay as near to each other as they were."""
    policy = load_policy("pico-pusht")
    world = make("pusht", policy.observations)
    state = world.reset(seed=3)[0]["state"]
    world.close()
    seen, goal = {"state": np.repeat(np.stack([state] * 2)[None], 16, 0)}, (450.0, 60.0)
    steps, misses = [], []
    for scale in (0.0, 3.0, 10.0):
        plans = policy.with_guidance(toward("pusht", goal), scale).plan(seen, torch.Generator().manual_seed(0))
        steps.append(np.linalg.norm(np.diff(plans, axis=1), axis=-1).mean())
        misses.append(np.linalg.norm(plans[:, -1] - goal, axis=-1).mean())
    assert misses == sorted(misses, reverse=True)
    assert misses[-1] < misses[0] - 40
    assert max(steps) < 1.3 * steps[0]


@pytest.mark.parametrize("half", [True, False])
def test_a_saved_policy_plans_as_before(tmp_path: Path, half: bool) -> None:
    policy = untrained()
    policy.save(tmp_path / "mine", half=half)
    again = load_policy(tmp_path / "mine")
    assert again.name == "mine"
    assert again.config == policy.config
    stored = load_file(tmp_path / "mine" / "weights.safetensors")
    assert {value.dtype for key, value in stored.items() if not key.startswith("representation.")} == {
        torch.float16 if half else torch.float32
    }
    assert stored["representation.acted.scale"].dtype == torch.float32
    seen = history(policy)
    one, other = (p.plan(seen, generators(0, 1, 2)) for p in (policy, again))
    np.testing.assert_allclose(one, other, atol=1.0 if half else 0)
    assert next(again.model.parameters()).dtype == torch.float32


def test_regression_gives_one_plan(tmp_path: Path) -> None:
    policy = trained(tmp_path, prediction="regression", steps=60)
    seen = {"state": np.array([[[0.5]], [[-0.5]]], np.float32)}
    np.testing.assert_array_equal(policy.plan(seen, generators(0, 1)), policy.plan(seen, generators(2, 3)))
    with pytest.raises(ValueError, match="trained by regression and cannot be guided"):
        policy.with_guidance(lambda actions, _: actions.sum((1, 2)))


@pytest.mark.parametrize("name", embedded_policies())
def test_embedded_policies_load_and_plan(name: str) -> None:
    policy = load_policy(name)
    seen = {
        key: np.zeros((2, policy.obs_steps, *one.shape), one.dtype) for key, one in policy.config.observations.items()
    }
    assert policy.plan(seen).shape == (2, policy.horizon, policy.config.action_dim)


def test_what_a_policy_cannot_read_is_said_in_a_sentence() -> None:
    policy, seen = untrained(), history(untrained())
    with pytest.raises(ValueError, match="policy untrained reads the observation 'state'; the world gives pose"):
        policy.plan({"pose": seen["state"]})
    with pytest.raises(ValueError, match=r"'state' for policy untrained must be \(B, 2, 5\), not \(3, 2, 4\)"):
        policy.plan({"state": seen["state"][..., :4]})
    broken = seen["state"].copy()
    broken[1, 0, 2] = np.nan
    with pytest.raises(ValueError, match="'state' for policy untrained has values that are not finite"):
        policy.plan({"state": broken})
    with pytest.raises(ValueError, match="reads the observation 'state'; act"):
        policy.act({"pose": seen["state"][0, 0]})
    with pytest.raises(ValueError, match="committed must be"):
        policy.with_sampling(chunking="real-time").plan(seen, committed=np.zeros((2, 3, 2)))


def test_worlds_that_are_not_those_of_training_are_refused() -> None:
    policy = untrained()
    box = gymnasium.spaces.Box
    spaces = gymnasium.spaces.Dict({"state": box(-np.inf, np.inf, (5,))})
    policy.check(SimpleNamespace(action_space=box(0, 512, (2,)), observation_space=spaces))
    with pytest.raises(ValueError, match="trained in pusht, whose actions are 2 numbers; those of this world are Box"):
        policy.check(SimpleNamespace(action_space=box(-1, 1, (4,)), observation_space=spaces))
    with pytest.raises(ValueError, match="those of this world are Discrete"):
        policy.check(SimpleNamespace(action_space=gymnasium.spaces.Discrete(3), observation_space=spaces))
    with pytest.raises(ValueError, match=r"in \[0.0, 0.0\] to \[512.0, 512.0\]; here they lie in \[-1.0, -1.0\]"):
        policy.check(SimpleNamespace(action_space=box(-1, 1, (2,)), observation_space=spaces))
    other = gymnasium.spaces.Dict({"state": box(-np.inf, np.inf, (6,))})
    with pytest.raises(ValueError, match=r"'state' has the shape \(5,\); here it has \(6,\)"):
        policy.check(SimpleNamespace(action_space=box(0, 512, (2,)), observation_space=other))
    with pytest.raises(ValueError, match="reads the observation 'state'; this world gives pose"):
        policy.check(
            SimpleNamespace(
                action_space=box(0, 512, (2,)),
                observation_space={"spaces": 0} and gymnasium.spaces.Dict(pose=box(0, 1)),
            )
        )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"solver": "magic"}, "solver must be one of ddpm, ddim"),
        ({"steps": 0}, "steps: Input should be greater than or equal to 1"),
        ({"action_steps": 17}, "action_steps must be from 1 to the horizon 16, not 17"),
        ({"speed": 3}, "speed: Extra inputs are not permitted"),
        ({"chunking": "lazy"}, "chunking: Input should be 'none' or 'real-time'"),
    ],
)
def test_sampling_that_cannot_be_is_said_in_a_sentence(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        untrained().with_sampling(**settings)


def test_other_sampling_leaves_the_policy_as_it_was() -> None:
    policy = untrained()
    other = policy.with_sampling(steps=3, action_steps=1)
    assert policy.config.sampling == SamplingConfig()
    assert other.action_steps == 1
    assert other.model is policy.model


def test_folders_that_are_no_policy_are_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"policy must be an embedded one .* or a folder with config.json, not 'nobody'"
    ):
        load_policy("nobody")
    untrained().save(tmp_path)
    path, weights = tmp_path / "config.json", tmp_path / "weights.safetensors"
    config, tensors = json.loads(path.read_text()), load(weights.read_bytes())

    def refused(sentence: str) -> None:
        with pytest.raises(ValueError, match=sentence):
            load_policy(tmp_path)

    path.write_text(json.dumps(config | {"horizon": 0}))
    refused("config.json: horizon: Input should be greater than or equal to 1")
    path.write_text(json.dumps(config | {"horizon": 8}))
    refused("does not belong to this config.json")
    path.write_text("{")
    refused("config.json is not readable JSON")
    path.write_text(json.dumps(config))
    weights.write_bytes(weights.read_bytes()[:1000])
    refused("weights.safetensors cannot be read")
    save_file({key: value for key, value in tensors.items() if key != "trunk.first.bias"}, weights)
    refused("trunk.first.bias is missing or of another shape")
    save_file(tensors | {"trunk.first.bias": torch.full_like(tensors["trunk.first.bias"], math.nan)}, weights)
    refused("trunk.first.bias has values that are not finite")


def test_a_line_is_learned(tmp_path: Path) -> None:
    assert line().observations == ("state",)
    policy = trained(tmp_path, steps=300)
    seen = np.linspace(-0.9, 0.9, 9, dtype=np.float32)[:, None, None]
    plan = policy.plan({"state": seen}, torch.Generator().manual_seed(0))
    # The first action is told by what is seen, the others are of other numbers.
    np.testing.assert_allclose(plan[:, 0, 0], -0.5 * seen[:, 0, 0], atol=0.1)


def test_the_readmes_three_lines_run() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    example = next(block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "load_policy" in block)
    scope: dict[str, Any] = {"observation": np.array([256.0, 400.0, 200.0, 300.0, 0.5], np.float32)}
    exec(example, scope)
    assert scope["action"].shape == (2,)
    assert np.isfinite(scope["action"]).all()
