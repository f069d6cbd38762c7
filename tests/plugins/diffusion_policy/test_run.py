"""Running a policy end to end, with one trained here in seconds: table, pictures, resume, crashes, refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import point_world
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import scorekit_diffusion_policy
from scorekit.host.errors import ParameterError
from scorekit.host.runs import execute
from scorekit_diffusion_policy import RunPolicy
from scorekit_diffusion_policy.goals import places, toward
from scorekit_diffusion_policy.run_parameters import RunPolicyParams

PLUGINS = str(Path(scorekit_diffusion_policy.__file__).parents[1])
QUICK = {"env": point_world.TASK, "episodes": 12, "environments": 4, "picture_size": 96, "samples": 24}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("point")
    point_world.train(folder)
    return folder / "policy"


def run(own: Path, out: Path, seed: int = 0, **params: Any) -> Any:
    return execute(RunPolicy, {**QUICK, "policy": str(own), **params}, out, seed=seed, device="cpu")


def table(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "episodes.parquet").to_pylist()
    return rows


def test_a_run_counts_shows_and_measures(trained: Path, tmp_path: Path) -> None:
    done = run(trained, tmp_path / "run", videos=2, failures=1)
    assert done.status == "done", done.error
    rows = table(tmp_path / "run")
    assert [row["seed"] for row in rows] == list(range(12))  # test seeds, in order
    assert all(row["plans"] == -(-row["steps"] // 4) for row in rows)
    said = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert said["table"] == rows
    assert said["success"]["hits"] == sum(row["success"] for row in rows) >= 7
    assert done.record["metrics"]["success"] == said["success"]["rate"]
    assert said["score"]["low"] <= said["score"]["mean"] <= said["score"]["high"]
    # The expert goes left or right, and so does the policy: plans differ by more than half of the range of actions.
    assert said["considered"]["spread"] > 0.3
    films = sorted(path.name for path in (tmp_path / "run").glob("episode-*.mp4"))
    failed = [row["seed"] for row in rows[2:] if not row["success"]][:1]
    assert films == sorted(f"episode-{seed}.mp4" for seed in [0, 1, *failed])
    assert all((tmp_path / "run" / name).read_bytes()[4:8] == b"ftyp" for name in [*films, "grid.mp4"])
    with (
        Image.open(tmp_path / "run" / "filmstrip.png") as strip,
        Image.open(tmp_path / "run" / "considered.png") as fan,
    ):
        assert strip.height > 192 * len(films)
        assert fan.width > 400
    assert (tmp_path / "run" / "preview.jpg").exists()


def test_a_resumed_run_ends_with_the_same_table(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOREKIT_CHECKPOINT_SECONDS", "0")
    whole = run(trained, tmp_path / "whole", videos=1, failures=1)
    folder = tmp_path / "cut"

    def cancel(event: Any) -> None:
        if event.kind == "progress" and event.data["step"] == 8:
            (folder / "cancel").touch()

    cut = execute(
        RunPolicy, {**QUICK, "policy": str(trained), "videos": 1, "failures": 1}, folder, device="cpu", on_event=cancel
    )
    assert cut.status == "cancelled"
    assert not (folder / "episodes.parquet").exists()
    (folder / "cancel").unlink(missing_ok=True)
    resumed = execute(RunPolicy, out=folder, resume=True)
    assert resumed.status == "done", resumed.error
    for name in ("episodes.parquet", "summary.json", "considered.png", "filmstrip.png"):
        assert (tmp_path / "whole" / name).read_bytes() == (folder / name).read_bytes(), name
    assert {k: v for k, v in whole.record["metrics"].items() if k != "plan_ms"} == {
        k: v for k, v in resumed.record["metrics"].items() if k != "plan_ms"
    }


def test_the_seed_is_that_of_the_noise_and_not_of_the_worlds(trained: Path, tmp_path: Path) -> None:
    quick = {"videos": 0, "failures": 0, "episodes": 8}
    tables = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert run(trained, tmp_path / name, seed, **quick).status == "done"
        tables.append(table(tmp_path / name))
    assert tables[0] == tables[1] != tables[2]
    assert [row["seed"] for row in tables[0]] == [row["seed"] for row in tables[2]]


def test_an_episode_that_breaks_off_harms_no_other(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(trained, tmp_path / "sound", videos=0, failures=0)
    monkeypatch.setenv("POINT_CRASHES", "2 7")
    monkeypatch.setenv("POINT_NANS", "5")
    done = run(trained, tmp_path / "broken", videos=3, failures=1)
    assert done.status == "done", done.error
    sound, broken = table(tmp_path / "sound"), table(tmp_path / "broken")
    for row in (broken[2], broken[7]):
        assert "the point fell off the table" in row["error"]
        assert not row["success"]
    assert "not finite" in broken[5]["error"]
    others = [i for i in range(12) if i not in (2, 5, 7)]
    assert [broken[i]["success"] for i in others] == [sound[i]["success"] for i in others]
    assert all(broken[i]["error"] is None for i in others)
    assert json.loads((tmp_path / "broken" / "summary.json").read_text())["crashed"] == 3
    assert (tmp_path / "broken" / "episode-0.mp4").exists()


def test_options_of_sampling_are_used(trained: Path, tmp_path: Path) -> None:
    done = run(
        trained, tmp_path / "run", solver="dpm++2m", steps=3, action_steps=2, real_time=True, delay=1, videos=0,
        failures=0, episodes=4,
    )  # fmt: skip
    assert done.status == "done", done.error
    said = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert said["sampling"]["solver"] == "dpm++2m"
    assert said["sampling"]["steps"] == 3
    assert said["sampling"]["chunking"] == "real-time"
    assert all(row["plans"] == -(-row["steps"] // 2) for row in said["table"])


def test_training_seeds_have_to_be_asked_for(trained: Path, tmp_path: Path) -> None:
    run(trained, tmp_path / "run", seeds="training", skip=3, episodes=2, videos=0, failures=0)
    assert [row["seed"] for row in table(tmp_path / "run")] == [1_000_003, 1_000_004]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (
            {"env": "Nowhere-v0"},
            r"env 'Nowhere-v0' cannot be used .*shipped are pusht, Reacher-v5 and metaworld/<task>",
        ),
        ({"env": "metaworld/push-v9"}, "metaworld/push-v9.*push-v3"),
        ({"policy": "pico-nothing"}, "policy must be an embedded one"),
        ({"env": "pusht"}, f"was trained in {point_world.TASK}, not in pusht: use --env {point_world.TASK}"),
        ({"action_steps": 9}, "action_steps must be from 1 to the horizon 8"),
        ({"episodes": 5000}, "has 1500 test seeds"),
        ({"goal": [1.0, 2.0]}, "do not say where they lead"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_leaves_nothing(
    trained: Path, tmp_path: Path, params: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ParameterError, match=sentence):
        run(trained, tmp_path / "run", **params)
    assert not (tmp_path / "run").exists()


def test_bad_parameters_are_named() -> None:
    for params, sentence in (
        ({"episodes": 0}, "greater than or equal to 1"),
        ({"solver": "magic"}, "'ddpm', 'ddim'"),
        ({"delay": 2}, "delay is for real_time"),
    ):
        with pytest.raises(ValueError, match=sentence):
            RunPolicyParams.model_validate(params)


def test_goals_are_places_where_plans_end() -> None:
    actions = torch.tensor([[[0.0, 0.0], [250.0, 100.0]]], requires_grad=True)
    cost = toward("pusht", [200, 100])
    found = cost(actions, {})
    torch.testing.assert_close(found.detach(), torch.tensor([2**0.5 - 1]))  # one unit, 50 px, away
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert actions.grad is not None
    assert actions.grad[0, 1, 0] > 0
    assert not actions.grad[0, 0].any()
    history = {"state": torch.tensor([[[9.0, 9, 9, 0], [1.0, 2, 3, 0]]])}
    moves = torch.tensor([[[1.0, 0, 0, 5], [2.0, -1, 0, 5]]])
    torch.testing.assert_close(
        places("metaworld/push-v3", moves, history), torch.tensor([[[1.01, 2, 3], [1.02, 1.99, 3]]])
    )
    assert toward("metaworld/push-v3", [1.02, 1.99, 3])(moves, history).item() < 1e-6
    with pytest.raises(ValueError, match="goal must be 3 numbers"):
        toward("metaworld/push-v3", [1, 2])


def test_a_film_shows_the_episode_that_was_counted(trained: Path) -> None:
    from scorekit_diffusion_policy.filming import film
    from scorekit_diffusion_policy.policy import load_policy
    from scorekit_diffusion_policy.rollout import roll_out
    from scorekit_diffusion_policy.table import Row

    policy = load_policy(trained)
    outcomes = roll_out(point_world.TASK, policy, range(6), noise=4, record=[3], frame_size=96)
    one = outcomes[3]
    row = Row(3, one.success, one.score, one.steps)
    filmed = film(point_world.TASK, policy, row, one.actions, noise=4, size=96)
    assert len(filmed.frames) == one.steps + 1
    drawn = np.stack([frame[24:] for frame in filmed.frames[:-1]]).astype(int)
    from scorekit_diffusion_policy.drawing import resized

    seen = np.stack([resized(frame, 96)[24:] for frame in one.frames[:-1]]).astype(int)
    np.testing.assert_array_equal(drawn, seen)


def test_listing_the_applications_loads_no_torch() -> None:
    check = (
        "import sys, scorekit_diffusion_policy; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'gymnasium', 'numpy', 'mujoco')))"
    )
    assert subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONPATH": PLUGINS}).returncode == 0
