"""Exported policies against the policy itself, in the runtimes that they are for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_policies import history, trained, untrained

from scorekit_diffusion_policy.export import export
from scorekit_diffusion_policy.policy import Policy

SAMPLERS = {"ddim": {"steps": 4}, "dpm++2m": {"steps": 5}, "euler": {"steps": 3}, "consistency": {"steps": 1}}


def own(policy: Policy, seen: dict[str, np.ndarray], batch: int) -> tuple[torch.Tensor, np.ndarray]:
    """The policy's plan, and the noise that it began with."""
    noise = torch.randn(batch, policy.horizon, policy.config.action_dim, generator=torch.Generator().manual_seed(0))
    return noise, policy.plan(seen, torch.Generator().manual_seed(0))


def run_onnx(path: Path, **inputs: np.ndarray) -> np.ndarray:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, inputs)[0]
    return result


@pytest.mark.parametrize("solver", SAMPLERS)
def test_a_whole_planner_in_torchscript_plans_alike(tmp_path: Path, solver: str) -> None:
    policy = untrained().with_sampling(solver=solver, **SAMPLERS[solver])
    export(policy, tmp_path / "plan.pt", "torchscript")
    seen = history(policy, 5)  # another batch than it was traced with
    noise, expected = own(policy, seen, 5)
    made = torch.jit.load(str(tmp_path / "plan.pt"))(noise, torch.from_numpy(seen["state"]))
    np.testing.assert_allclose(made.numpy(), expected, atol=0.02)


@pytest.mark.parametrize("kind", ["mlp", "unet", "transformer"])
def test_a_whole_planner_in_onnx_plans_alike(tmp_path: Path, kind: str) -> None:
    policy = untrained(network={"kind": kind, "width": 32, "depth": 2, "trunk": 32, "trunk_depth": 1}).with_sampling(
        steps=3
    )
    export(policy, tmp_path / "plan.onnx", "onnx")
    seen = history(policy, 5)
    noise, expected = own(policy, seen, 5)
    np.testing.assert_allclose(run_onnx(tmp_path / "plan.onnx", noise=noise.numpy(), **seen), expected, atol=0.05)


def test_one_evaluation_in_onnx_answers_alike(tmp_path: Path) -> None:
    policy = untrained()
    export(policy, tmp_path / "head.onnx", "onnx", whole=False)
    x, told, film = (
        torch.randn(3, 16, 2),
        torch.tensor([1.0, 50, 99]),
        torch.randn(3, policy.model.head.context.out_features),
    )
    made = run_onnx(tmp_path / "head.onnx", x=x.numpy(), timestep=told.numpy(), film=film.numpy())
    np.testing.assert_allclose(made, policy.model.head(x, told, film).numpy(), atol=1e-4)


def test_a_clipped_policy_and_one_by_regression_are_exported_as_they_are(tmp_path: Path) -> None:
    for name, policy in {
        "clipped": untrained(representation="generic").with_sampling(clip=0.2, steps=3),
        "regression": trained(tmp_path, prediction="regression", steps=20),
    }.items():
        export(policy, tmp_path / f"{name}.pt", "torchscript")
        width = policy.config.observations["state"].shape[0]
        seen = {"state": np.random.default_rng(0).uniform(-1, 1, (2, policy.obs_steps, width)).astype(np.float32)}
        noise, expected = own(policy, seen, 2)
        made = torch.jit.load(str(tmp_path / f"{name}.pt"))(noise, torch.from_numpy(seen["state"]))
        np.testing.assert_allclose(made.numpy(), expected, atol=1e-3)


def test_solvers_that_draw_on_the_way_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="solver ddpm in 10 steps cannot be exported: ddim"):
        export(untrained().with_sampling(solver="ddpm"), tmp_path / "plan.pt", "torchscript")
    assert not (tmp_path / "plan.pt").exists()
