"""Consistency distillation (Song et al. 2023, arXiv:2303.01469): a policy that plans in one to four steps, from one that takes ten.

The student's x0 is to be the same all along a path of the teacher's probability flow: the plan at its end. The paper takes the student's
own word for that plan one step further down, as a path of an image model is dear; errors of that word add up from level to level. Here
the teacher's path takes a few passes of a small head, so it is walked to its end, as in Luhman and Luhman 2021 (arXiv:2101.02388), from
every level at which a sampler in one to four steps will ask the student. The trunk, which reads the observation, stays the teacher's.
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

MOST_STEPS = 4  # of a student
LEVELS = tuple(sorted({part / steps for steps in range(1, MOST_STEPS + 1) for part in range(1, steps + 1)}))
PATH = 4  # DDIM steps of the teacher's path from any level: its plans are as good as those of ten
HUBER = 0.03  # of the pseudo-Huber loss (Song and Dhariwal 2024, arXiv:2310.14189), per square root of a plan's numbers


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

    def __init__(self, teacher: Policy, draws: int) -> None:
        config = teacher.config
        self.schedule, self.kind = schedule_of(config), kind_of(config)
        self.teacher = Student(copy.deepcopy(teacher.model.head)).eval().requires_grad_(False)
        self.draws = draws

    def __call__(self, student: nn.Module, batch: Any, generator: torch.Generator) -> Tensor:
        context, x0 = cast(tuple[Tensor, Tensor], batch)
        x0 = x0.repeat(self.draws, 1, 1)
        self.teacher.to(x0.device)
        # Stratified over the batch, as in the objective.
        share = (torch.rand((), generator=generator) + torch.arange(len(x0)) / len(x0)) % 1
        t = torch.tensor(LEVELS)[(share * len(LEVELS)).long()].to(x0.device)
        x = self.schedule.noised(x0, torch.randn(x0.shape, generator=generator).to(x0), t)
        error = (self._read(student, x, t, context).x0 - self.end(x, t, context)).flatten(1)
        width = HUBER * error.shape[1] ** 0.5
        return cast(Tensor, (error.square().sum(1) + width**2).sqrt().mean() - width)

    @torch.no_grad()
    def end(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """The plan (B, horizon, A) to which the teacher's probability flow leads from x at levels t (B,)."""
        for step in range(PATH):
            at = self._read(self.teacher, x, t * (1 - step / PATH), context)
            alpha, sigma = (
                spread(f(t * (1 - (step + 1) / PATH)), x) for f in (self.schedule.alpha, self.schedule.sigma)
            )
            x = alpha * at.x0 + sigma * at.eps
        return x

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

    Goes on from `folder` where it holds a checkpoint. Raises ValueError for a teacher that was trained by regression: it has no path.
    """
    config = teacher.config
    if config.prediction == "regression":
        raise ValueError(f"a teacher must denoise; {teacher.name} was trained by regression.")
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
    record = config.training | {"distilled": {"steps": recipe.steps, "path": PATH, "lr": recipe.lr}}
    policy = Policy(replace_training(config, record), made, name=f"{teacher.name}, distilled")
    return policy.with_sampling(solver="consistency", steps=2)
