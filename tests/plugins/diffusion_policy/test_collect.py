"""Collecting demonstrations end to end: the dataset, its films, resume, refusals."""

import json
from pathlib import Path
from typing import Any

import minari as farama
import numpy as np
import pytest
from PIL import Image

from scorekit.host.errors import Cancelled, ParameterError
from scorekit.host.plugin import RunContext
from scorekit.host.runs import execute
from scorekit_diffusion_policy.collect import CollectDemonstrations, collect
from scorekit_diffusion_policy.environments import make
from scorekit_diffusion_policy.formats import load

QUICK = {"env": "Reacher-v5", "episodes": 4, "videos": 1}


def run(out: Path, **params: Any) -> Any:
    finished = execute(CollectDemonstrations, {**QUICK, **params}, out, seed=0, device="cpu")
    assert finished.status in ("done", "cancelled"), finished.error
    return finished


def test_the_dataset_is_minaris_and_holds_what_was_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = run(tmp_path / "run", env="pusht", episodes=3, videos=2)
    folder = finished.folder
    data = load(folder)
    assert (data.task, len(data), data.observations) == ("pusht", 3, ("keypoints", "state"))
    assert all(episode.success and episode.score > 0.95 for episode in data.episodes)
    assert [episode.seed for episode in data.episodes] == [1_000_000, 1_000_001, 1_000_002]
    noise = [np.abs(one.actions - one.labels).mean() for one in data.episodes]
    assert sorted(np.round(noise)) == sorted([0.0, 2.0, 4.0])  # standard deviations 0, 2, 5: mean sizes 0, 1.6, 4
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    assert farama.load_dataset("demonstrations").total_episodes == 3
    summary = json.loads((folder / "episodes.json").read_text())
    assert [row["steps"] for row in summary["episodes"]] == [len(episode) for episode in data.episodes]
    with Image.open(folder / "episodes.png") as strip:
        assert strip.size == (8 * 192, 2 * 192)
    assert (folder / "episodes.mp4").stat().st_size > 2000
    metrics = json.loads((folder / "run.json").read_text())["metrics"]
    assert metrics["expert_success"] == 1
    assert metrics["steps"] == data.steps


def test_pixels_are_recorded_without_loss(tmp_path: Path) -> None:
    data = load(run(tmp_path / "run", env="pusht", episodes=1, videos=0, observations=["pixels"]).folder)
    (episode,) = data.episodes
    assert episode.observations["pixels"].shape == (len(episode), 96, 96, 3)
    observation, _ = make("pusht", ["pixels"]).reset(seed=episode.seed)
    assert np.array_equal(episode.observations["pixels"][0], observation["pixels"])
    assert not (tmp_path / "run" / "episodes.mp4").exists()


def test_a_resumed_run_collects_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOREKIT_CHECKPOINT_SECONDS", "0")
    whole = load(run(tmp_path / "whole").folder)
    progress = RunContext.progress

    def stop(self: RunContext, step: int, total: int, **metrics: Any) -> None:
        progress(self, step, total, **metrics)
        if step == 2:
            raise Cancelled

    monkeypatch.setattr(RunContext, "progress", stop)
    assert run(tmp_path / "broken").status == "cancelled"
    assert not (tmp_path / "broken" / "demonstrations").exists()
    monkeypatch.setattr(RunContext, "progress", progress)
    finished = execute(CollectDemonstrations, out=tmp_path / "broken", resume=True)
    assert finished.status == "done", finished.error
    resumed = load(finished.folder)
    for one, other in zip(whole.episodes, resumed.episodes, strict=True):
        assert one.seed == other.seed
        assert np.array_equal(one.actions, other.actions)
        assert np.array_equal(one.labels, other.labels)
        assert np.array_equal(one.observations["state"], other.observations["state"])
    assert (tmp_path / "broken" / "episodes.mp4").exists()


def test_going_on_after_another_run_takes_other_seeds(tmp_path: Path) -> None:
    data = load(run(tmp_path / "run", episodes=2, skip=10, videos=0).folder)
    assert [episode.seed for episode in data.episodes] == [1_000_010, 1_000_011]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"env": "Walk-v9"}, "unknown environment 'Walk-v9'"),
        ({"env": "Pendulum-v1"}, "there is no expert for 'Pendulum-v1'"),
        ({"observations": ["depth"]}, "has no observation 'depth'"),
        ({"noise": [-1.0]}, "noise must not be negative"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(tmp_path: Path, params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        run(tmp_path / "run", **params)
    assert not list((tmp_path / "run").glob("episodes.*"))


def test_in_memory_and_only_under_training_seeds() -> None:
    data = collect("Reacher-v5", [1_000_000, 1_000_001], noise=(0.0,))
    assert (data.task, len(data), data.observations) == ("Reacher-v5", 2, ("state",))
    assert all(np.array_equal(episode.actions, episode.labels) for episode in data.episodes)
    with pytest.raises(ValueError, match="collected under seeds from 1000000 on; got 17"):
        collect("Reacher-v5", [1_000_000, 17])
