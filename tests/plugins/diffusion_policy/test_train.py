"""Windows, recipes, resuming, the command, and corrections by the expert."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_policies import SMALL, line, pusht, trained

from scorekit.host.errors import ParameterError
from scorekit.host.runs import execute
from scorekit_diffusion_policy.config import SamplingConfig
from scorekit_diffusion_policy.episodes import Demonstrations, Episode
from scorekit_diffusion_policy.model import PolicyModel
from scorekit_diffusion_policy.policy import load_policy
from scorekit_diffusion_policy.recipe import CosineSettings, Data, Recipe, config_for, train_policy
from scorekit_diffusion_policy.symmetry import mirrored
from scorekit_diffusion_policy.train import TrainPolicy
from scorekit_diffusion_policy.windows import split, windows


def counted(lengths: tuple[int, ...]) -> tuple[Episode, ...]:
    """Episodes whose observations and labels are 100 * episode + step."""
    made = []
    for index, steps in enumerate(lengths):
        value = (100 * index + np.arange(steps, dtype=np.float32))[:, None]
        made.append(Episode({"state": value}, 0 * value, value, value[:, 0], index, True, 1.0))
    return tuple(made)


def test_windows_hold_what_was_seen_and_what_was_done_and_never_cross_episodes() -> None:
    made = windows(counted((4, 2)), ("state",), obs_steps=3, horizon=3)
    everything = torch.arange(len(made))
    assert made.history(everything)["state"][..., 0].tolist() == [
        [0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [100, 100, 100], [100, 100, 101],
    ]  # fmt: skip
    assert made.actions(everything)[..., 0].tolist() == [
        [0, 1, 2], [1, 2, 3], [2, 3, 3], [3, 3, 3], [100, 101, 101], [101, 101, 101],
    ]  # fmt: skip


def test_episodes_are_held_out_whole() -> None:
    data = Demonstrations("line", -np.ones(1), np.ones(1), counted((2,) * 10))
    kept, held_out = split(data, 0.2)
    assert [one.seed for one in held_out] == [4, 9]
    assert [one.seed for one in kept] == [0, 1, 2, 3, 5, 6, 7, 8]
    assert split(data, 0.0) == (data.episodes, ())
    with pytest.raises(ValueError, match=r"validation must lie in \[0, 0.5\], not 0.7"):
        split(data, 0.7)


def test_mirror_images_are_the_second_half_of_the_data() -> None:
    data = pusht()
    config = config_for(data, ("state",), representation="pusht-frame", mirror=True)
    model, content = PolicyModel(config), windows(data.episodes, ("state",), 2, 16)
    everything = torch.arange(len(content))
    model.representation.fit(content.history(everything), content.actions(everything))
    made = Data(content, model, mirror=True)
    assert made.size == 2 * len(content)
    inputs, x0 = made.take(torch.tensor([3, 3 + len(content)]))
    one = torch.tensor([3])
    for row, (history, actions) in enumerate(
        [(content.history(one), content.actions(one)), mirrored(content.history(one), content.actions(one))]
    ):
        torch.testing.assert_close(inputs["features"][row], model.representation.inputs(history)["features"][0])
        torch.testing.assert_close(x0[row], model.representation.encode(actions, history)[0])


def test_the_learning_rate_is_a_cosine_over_all_segments() -> None:
    settings = CosineSettings(steps=50, lr=2.0, warmup=10, total=100)
    assert settings.learning_rate(0) == pytest.approx(0.2)
    assert settings.learning_rate(50) == pytest.approx(1.0)
    assert settings.learning_rate(99) < 0.001
    assert settings.learning_rate(25) == pytest.approx(1 + math.cos(math.pi / 4))


class Stop(Exception):
    pass


def test_a_training_that_was_stopped_ends_with_the_same_weights(tmp_path: Path) -> None:
    recipe = {"steps": 12, "exams": 3, "validation": 0.25}
    whole = trained(tmp_path / "whole", **recipe)
    config = whole.config.model_copy(update={"training": {}})
    again = Recipe(batch=64, warmup=5, precision="no", ema=0.9, lr=3e-3, **recipe)
    examined: list[float] = []

    def stop(step: int, total: int, _: dict[str, float]) -> None:
        assert total == 12
        if step == 7:
            raise Stop

    with pytest.raises(Stop):
        train_policy(
            config, line(), again, tmp_path / "parts", stop, lambda policy: {"seen": examined.append(1) or 1.0}
        )
    assert len(examined) == 1
    ended = train_policy(
        config, line(), again, tmp_path / "parts", examine=lambda policy: {"seen": examined.append(1) or 2.0}
    )
    for key, value in whole.model.state_dict().items():
        torch.testing.assert_close(ended.model.state_dict()[key], value, rtol=0, atol=0)
    exams = ended.config.training["examinations"]
    assert {mark: found["seen"] for mark, found in exams.items()} == {"4": 1.0, "8": 2.0, "12": 2.0}
    losses = [found["validation_loss"] for found in exams.values()]
    assert losses == [found["validation_loss"] for found in whole.config.training["examinations"].values()]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("prediction", ["eps", "x0", "v", "flow"])
def test_a_small_set_is_learned_by_heart(tmp_path: Path, prediction: str) -> None:
    data = line(1, steps=6)
    sampling = SamplingConfig(
        solver="euler" if prediction == "flow" else "ddim",
        clip=1.0 if prediction == "eps" else None,  # at the first level eps tells next to nothing of the plan
        action_steps=1,
    )
    policy = trained(tmp_path, data, steps=300, prediction=prediction, batch=32, draws=4, sampling=sampling)
    episode = data.episodes[0]
    plans = policy.plan({"state": episode.observations["state"][:, None]}, torch.Generator().manual_seed(0))
    wanted = windows(data.episodes, ("state",), 1, 4).actions(torch.arange(6)).numpy()
    assert np.abs(plans - wanted).mean() < 0.1
    assert np.abs(wanted - wanted.mean()).mean() > 0.25  # what a blind policy would be wrong by


@pytest.mark.parametrize("network", ["unet", "transformer"])
def test_other_networks_learn_it_too(tmp_path: Path, network: str) -> None:
    data = line(1, steps=6)
    size = SMALL.model_copy(update={"kind": network})
    policy = trained(tmp_path, data, steps=300, network=size, batch=32)
    plans = policy.plan({"state": data.episodes[0].observations["state"][:, None]}, torch.Generator().manual_seed(0))
    wanted = windows(data.episodes, ("state",), 1, 4).actions(torch.arange(6)).numpy()
    assert np.abs(plans - wanted).mean() < 0.1


@pytest.mark.slow
def test_pictures_are_learned(tmp_path: Path) -> None:
    data = line(1, steps=5, pictures=True)
    size = SMALL.model_copy(update={"width": 128, "trunk": 128, "trunk_depth": 0})
    policy = trained(tmp_path, data, steps=120, batch=5, lr=1e-3, ema=0.8, prediction="regression", network=size)
    seen = data.episodes[0].observations["pixels"][:, None]
    plans, wanted = policy.plan({"pixels": seen}), data.episodes[0].labels
    assert np.abs(plans[:, 0] - wanted).mean() < 0.15
    assert np.abs(wanted - wanted.mean()).mean() > 0.25  # what a blind policy would be wrong by
    policy.save(tmp_path / "policy", half=False)
    np.testing.assert_allclose(load_policy(tmp_path / "policy").plan({"pixels": seen}), plans, atol=1e-4)


def test_data_without_what_is_asked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="observations must be of state, which the data set has, not pixels"):
        config_for(line(), ("pixels",))
    with pytest.raises(ValueError, match="the data set has no episode"):
        config_for(dataclasses.replace(line(), episodes=()), ("state",))
    with pytest.raises(ValueError, match="relative must name a vector observation and where in it 1 positions begin"):
        config_for(line(), ("state",), relative=("state", 1))


def test_a_loss_that_is_not_finite_names_its_step(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="at step"):
        trained(tmp_path, steps=50, lr=1e30)


SIZE: dict[str, Any] = {
    "steps": 4, "width": 16, "depth": 1, "trunk": 16, "trunk_depth": 0, "batch": 16, "exam_episodes": 0, "exams": 2,
}  # fmt: skip


def test_the_command_trains_from_what_the_expert_shows(tmp_path: Path) -> None:
    pytest.importorskip("gym_pusht")
    out = execute(TrainPolicy, {**SIZE, "episodes": 2, "validation": 0.5}, tmp_path / "run", seed=1, device="cpu")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "done", out
    assert {"policy/config.json", "policy/weights.safetensors", "examinations.json"} <= {
        a["name"] for a in record["artifacts"]
    }
    policy = load_policy(tmp_path / "run" / "policy")
    assert policy.config.representation == "pusht-frame"
    assert policy.config.mirror
    assert policy.config.training["episodes"] == 2
    assert policy.plan({"state": np.full((1, 2, 5), 200, np.float32)}).shape == (1, 16, 2)
    assert record["metrics"]["validation_loss"] > 0


def test_the_command_distils_a_policy(tmp_path: Path) -> None:
    pytest.importorskip("gym_pusht")
    teacher = execute(TrainPolicy, {**SIZE, "episodes": 2, "horizon": 8}, tmp_path / "teacher", seed=1, device="cpu")
    assert teacher.status == "done"
    asked = {"steps": 3, "batch": 16, "episodes": 2, "exam_episodes": 1, "distil": str(tmp_path / "teacher" / "policy")}
    out = execute(TrainPolicy, asked, tmp_path / "run", seed=1, device="cpu")
    assert out.status == "done", out.error
    policy = load_policy(tmp_path / "run" / "policy")
    assert (policy.config.sampling.solver, policy.horizon) == ("consistency", 8)
    assert policy.config.training["distilled"]["steps"] == 3
    assert set(json.loads((tmp_path / "run" / "examinations.json").read_text())["3"]) == {"success", "score"}
    before = load_policy(tmp_path / "teacher" / "policy").model.head.state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in policy.model.head.state_dict().items())


def test_the_command_asks_the_expert_for_corrections(tmp_path: Path) -> None:
    pytest.importorskip("gym_pusht")
    execute(TrainPolicy, {**SIZE, "episodes": 2, "corrections": 2}, tmp_path / "run", seed=1, device="cpu")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "done"
    policy = load_policy(tmp_path / "run" / "policy")
    assert 2 < policy.config.training["episodes"] <= 4
    assert policy.config.training["steps"] == 2


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"observations": ["smell"]}, "has no observation 'smell'"),
        ({"task": "nowhere-v0"}, "unknown environment 'nowhere-v0'"),
        ({"action_steps": 32}, "action_steps must be at most the horizon 16, not 32"),
        ({"network": "unet", "width": 20}, "width of a unet must be a multiple of 8, not 20"),
        ({"distil": "nobody"}, "policy must be an embedded one .* or a folder with config.json, not 'nobody'"),
        ({"distil": "pico-pusht", "corrections": 2}, "distil goes with neither start nor corrections"),
    ],
)
def test_what_the_command_cannot_do_is_said_in_a_sentence(tmp_path: Path, params: dict, sentence: str) -> None:
    pytest.importorskip("gym_pusht")
    with pytest.raises(ParameterError, match=sentence):
        execute(TrainPolicy, {**SIZE, "episodes": 1, **params}, tmp_path / "run", seed=1, device="cpu")


def test_corrections_begin_where_the_policy_has_got_to(tmp_path: Path) -> None:
    pytest.importorskip("gym_pusht")
    from scorekit_diffusion_policy.dagger import corrections, train_on
    from scorekit_diffusion_policy.environments import make
    from scorekit_diffusion_policy.seeds import training_seeds

    policy = trained(tmp_path / "first", pusht(), steps=2, representation="pusht-frame", obs_steps=2)
    seeds = training_seeds(3, 500)
    made = corrections(policy, "pusht", seeds, longest=30)
    assert [one.seed for one in made] == seeds
    assert all(one.success for one in made)
    np.testing.assert_array_equal(made[0].labels, made[0].actions)
    # The episode of the seed begins elsewhere: the policy has moved the finger before the expert took over.
    beginning = make("pusht", ("state",)).reset(seed=seeds[0])[0]["state"]
    assert np.linalg.norm(made[0].observations["state"][0, :2] - beginning[:2]) > 1
    again = corrections(policy, "pusht", seeds[1:2], longest=30)[0]
    np.testing.assert_array_equal(again.observations["state"], made[1].observations["state"])
    with pytest.raises(ValueError, match="corrections are made under seeds from 1000000 on, not 7"):
        corrections(policy, "pusht", [7])
    better = train_on(
        policy, pusht(), seeds[:1], Recipe(steps=2, batch=8, exams=1, validation=0.0), tmp_path / "second"
    )
    assert better.config.training["episodes"] == 4
    torch.testing.assert_close(better.model.representation.acted.scale, policy.model.representation.acted.scale)
