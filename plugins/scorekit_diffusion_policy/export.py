"""Policies for other runtimes: one evaluation of the head, or observations to actions with the whole sampler inside.

Only solvers that draw no noise after the first can be exported whole; the first noise is an input.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from scorekit.prediction import Prediction
from scorekit.solvers import levels_for, plan
from scorekit_diffusion_policy.model import kind_of, schedule_of
from scorekit_diffusion_policy.policy import Policy

Format = Literal["torchscript", "onnx"]


class Evaluation(nn.Module):
    """forward(x (B, horizon, A), timestep (B,), film (B, modulations)) -> the network's answer, like x."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.head = policy.model.head

    def forward(self, x: Tensor, timestep: Tensor, film: Tensor) -> Tensor:
        return self.head.run(x, film + self.head.level.made(timestep))


class Planner(nn.Module):
    """forward(noise (B, horizon, A), *observations, each (B, obs_steps, ...), in the order of the config) -> actions (B, horizon, A).

    The solver's numbers and the levels' modulations are constants of the graph.
    """

    rows: Tensor

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.model, self.names = policy.model, policy.observations
        self.low, self.high = policy.bounds
        self.regression = policy.config.prediction == "regression"
        self.clip = policy.config.sampling.clip
        self.kind, schedule = kind_of(policy.config), schedule_of(policy.config)
        sampling = policy.config.sampling
        levels = torch.ones(1, dtype=torch.float64)
        self.table: list[tuple[float, ...]] = []
        if not self.regression:
            levels = levels_for(sampling.solver, schedule, sampling.steps)
            rows = plan(sampling.solver, schedule, levels.double())
            if any(row.d != 0 or row.e != 0 or not row.evaluates for row in rows.table()):
                raise ValueError(
                    f"solver {sampling.solver} in {sampling.steps} steps cannot be exported: ddim, dpm++1, dpm++2m and euler can, "
                    "and consistency in 1 step."
                )
            levels = rows.t
            alphas, sigmas = (f(levels).tolist() for f in (schedule.alpha, schedule.sigma))
            self.table = [
                (r.a, r.b, r.c, alpha, sigma) for r, alpha, sigma in zip(rows.table(), alphas, sigmas, strict=True)
            ]
        with torch.no_grad():
            told = schedule.timestep(levels).float().to(policy.device)
            self.register_buffer("rows", self.model.head.level.made(told), persistent=False)

    def forward(self, noise: Tensor, *observed: Tensor) -> Tensor:
        history = dict(zip(self.names, observed, strict=True))
        film = self.model.film(**self.model.representation.inputs(history))
        if self.regression:
            x = self.model.head.run(torch.zeros_like(noise), film + self.rows[:1])
        else:
            x, before = noise, None
            for index, (a, b, c, alpha, sigma) in enumerate(self.table):
                output = self.model.head.run(x, film + self.rows[index : index + 1])
                x0 = Prediction(self.kind, output, x, alpha, sigma).x0
                x0 = x0 if self.clip is None else x0.clamp(-self.clip, self.clip)
                x = b * x0 if a == 0 else a * x + b * x0
                if c != 0 and before is not None:
                    x = x + c * before
                before = x0
        return self.model.representation.decode(x, history).maximum(self.low).minimum(self.high)


def export(policy: Policy, path: Path, format: Format, *, whole: bool = True) -> None:
    """Write a policy as TorchScript or ONNX; the batch is free.

    whole  the planner; otherwise one evaluation of the head

    Raises ValueError for a solver that draws noise on the way, where the whole is asked for.
    """
    module: nn.Module = Planner(policy) if whole else Evaluation(policy)
    names, example = _example(policy, whole)
    if format == "torchscript":
        with torch.no_grad():
            traced: torch.jit.ScriptModule = torch.jit.trace(module.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
        traced.save(str(path))
        return
    torch.onnx.export(
        module.eval(),
        example,
        path,
        input_names=names,
        output_names=["actions" if whole else "prediction"],
        dynamic_axes={name: {0: "batch"} for name in [*names, "actions" if whole else "prediction"]},
        opset_version=17,
        dynamo=False,
    )


def _example(policy: Policy, whole: bool) -> tuple[list[str], tuple[Tensor, ...]]:
    config, batch = policy.config, 2
    x = torch.zeros(batch, config.horizon, config.action_dim)
    if not whole:
        return ["x", "timestep", "film"], (
            x,
            torch.ones(batch),
            torch.zeros(batch, policy.model.head.context.out_features),
        )
    observed = []
    for one in config.observations.values():
        shape = (batch, config.obs_steps, *one.shape)
        observed.append(torch.zeros(shape, dtype=torch.uint8) if one.dtype == "uint8" else torch.rand(shape))
    return ["noise", *config.observations], (x, *observed)
