"""Consistency distillation (Song et al. 2023, arXiv:2303.01469): a policy that plans in one to four steps, from one that takes ten.

The student's x0 is to be the same all along a path of the teacher's probability flow. One step of DDIM by the teacher leads from a
noised plan to the next lower level; what the student says there, without a gradient (Song and Dhariwal 2024, arXiv:2310.14189), is what
it should have said above. At the bottom x0 is x itself, which eps, v and flow networks give by their nature, so that the paper's
boundary functions are not needed. The trunk, which reads the observation, stays the teacher's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from scorekit.prediction import Prediction
from scorekit.schedule import spread
from scorekit.training import train
from scorekit_diffusion_policy.model import PolicyModel, kind_of, schedule_of
from scorekit_diffusion_policy.networks import Head
from scorekit_diffusion_policy.policy import Policy
from scorekit_diffusion_policy.recipe import CosineSettings, Data, Recipe, Report, replace_training
from scorekit_diffusion_policy.windows import windows

if TYPE_CHECKING:
    from scorekit_diffusion_policy.episodes import Demonstrations

LEVELS = 20  # of the teacher's path; those of a sampler in 1, 2 or 4 steps are among them
HUBER = 0.03  # of the pseudo-Huber loss, per square root of a plan's numbers


class Student(nn.Module):
    """A head on the trunk's context, as it is trained: forward(x (D * B, ...), timestep, context (B, trunk)) -> like x."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head

    def forward(self, x: Tensor, timestep: Tensor, context: Tensor) -> Tensor:
        film = self.head.project(context)
        return cast(Tensor, self.head(x, timestep, film.repeat(len(x) // len(film), 1)))


class ConsistencyLoss:
    """loss(student, (context, x0), generator), for `scorekit.training.train`."""

    def __init__(self, teacher: Policy, draws: int, levels: int = LEVELS) -> None:
        config = teacher.config
        self.schedule, self.kind = schedule_of(config), kind_of(config)
        self.teacher = Student(copy.deepcopy(teacher.model.head)).eval().requires_grad_(False)
        self.draws, self.levels = draws, levels

    def __call__(self, student: nn.Module, batch: Any, generator: torch.Generator) -> Tensor:
        context, x0 = cast(tuple[Tensor, Tensor], batch)
        x0 = x0.repeat(self.draws, 1, 1)
        self.teacher.to(x0.device)
        # Stratified over the batch, as in the objective.
        share = (torch.rand((), generator=generator) + torch.arange(len(x0)) / len(x0)) % 1
        index = (share * self.levels).long() + 1
        high, low = (index / self.levels).to(x0.device), ((index - 1) / self.levels).to(x0.device)
        eps = torch.randn(x0.shape, generator=generator).to(x0)
        above = self.schedule.noised(x0, eps, high)
        with torch.no_grad():
            led = self._read(self.teacher, above, high, context)
            alpha, sigma = (spread(f(low), x0) for f in (self.schedule.alpha, self.schedule.sigma))
            below = alpha * led.x0 + sigma * led.eps
            wanted = torch.where(spread(low, x0) > 0, self._read(student, below, low, context).x0, below)
        error = (self._read(student, above, high, context).x0 - wanted).flatten(1)
        width = HUBER * error.shape[1] ** 0.5
        return cast(Tensor, (error.square().sum(1) + width**2).sqrt().mean() - width)

    def _read(self, network: nn.Module, x: Tensor, t: Tensor, context: Tensor) -> Prediction:
        output = network(x, self.schedule.timestep(t).float(), context).float()
        alpha, sigma = (spread(f(t), x) for f in (self.schedule.alpha, self.schedule.sigma))
        return Prediction(self.kind, output, x, alpha, sigma)


def distil(
    teacher: Policy,
    demonstrations: Demonstrations,
    recipe: Recipe,
    folder: Path,
    report: Report = lambda step, total, metrics: None,
    *,
    cpu: bool = True,
) -> Policy:
    """A student of `teacher` on the observations of these demonstrations; its config samples in 2 steps of solver "consistency".

    Goes on from `folder` where it holds a checkpoint. Raises ValueError for a teacher that predicts x0 or regresses: its network would
    not be the identity without noise.
    """
    config = teacher.config
    if config.prediction in ("x0", "regression"):
        raise ValueError(f"a teacher must predict eps, v or flow; {teacher.name} was trained by {config.prediction}.")
    model = copy.deepcopy(teacher.model)
    content = windows(demonstrations.episodes, tuple(config.observations), config.obs_steps, config.horizon)
    data = Data(content, model, config.mirror)

    def batches(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        inputs, x0 = data.take(torch.randint(data.size, (recipe.batch,), generator=generator))
        with torch.no_grad():
            return model.context(**inputs), x0

    settings = CosineSettings(
        steps=recipe.steps, lr=recipe.lr, warmup=recipe.warmup, weight_decay=0.0, ema=recipe.ema,
        precision=recipe.precision, seed=recipe.seed, total=recipe.steps,
    )  # fmt: skip
    student = Student(copy.deepcopy(model.head).requires_grad_(True))
    loss: Callable[[nn.Module, Any, torch.Generator], Tensor] = ConsistencyLoss(teacher, recipe.draws)
    trained = train(student, loss, batches, settings, folder, report, cpu=cpu)
    assert isinstance(trained, Student)
    made = PolicyModel(config)
    made.load_state_dict(model.state_dict())
    made.head = trained.head
    record = config.training | {"distilled": {"steps": recipe.steps, "levels": LEVELS, "lr": recipe.lr}}
    policy = Policy(replace_training(config, record), made, name=f"{teacher.name}, distilled")
    return policy.with_sampling(solver="consistency", steps=2)
