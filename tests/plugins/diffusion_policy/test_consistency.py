"""Consistency distillation: what the loss says of perfect students, and a small policy taught to plan in one step."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_policies import line, trained

from scorekit import sample
from scorekit_diffusion_policy.consistency import PATH, ConsistencyLoss, distil
from scorekit_diffusion_policy.recipe import Recipe


def test_one_step_of_a_student_is_nearer_to_the_plan_than_one_of_its_teacher(tmp_path: Path) -> None:
    teacher = trained(tmp_path / "teacher", line(8), steps=400)
    recipe = Recipe(steps=250, batch=64, draws=4, lr=1e-3, ema=0.9, warmup=10, precision="no")
    student = distil(teacher, line(8), recipe, tmp_path / "student")
    assert (student.config.sampling.solver, student.config.sampling.steps) == ("consistency", 2)
    seen = {"state": np.linspace(-0.9, 0.9, 64, dtype=np.float32)[:, None, None]}

    def plan(policy, solver: str, steps: int) -> np.ndarray:
        chosen = policy.with_sampling(solver=solver, steps=steps)
        return chosen.plan(seen, [torch.Generator().manual_seed(i) for i in range(64)])

    # The same noise leads to the same plan along the teacher's path: that is what is distilled, plan by plan.
    wanted = plan(teacher, "ddim", 20)
    taught = np.abs(plan(student, "consistency", 1) - wanted).mean()
    untaught = np.abs(plan(teacher, "consistency", 1) - wanted).mean()
    assert taught < 0.6 * untaught


def test_a_student_that_is_consistent_costs_nothing(tmp_path: Path) -> None:
    """Where there is but one plan, every exact denoiser says it at every level: teacher and student agree at once."""
    teacher = trained(tmp_path, steps=1)
    loss = ConsistencyLoss(teacher, draws=2)

    class Exact(torch.nn.Module):
        """v of a data set of one plan, 0.3 everywhere."""

        def forward(self, x: torch.Tensor, timestep: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            t = (timestep.double() + 1) / 100
            alpha, sigma = (f(t).float()[:, None, None] for f in (loss.schedule.alpha, loss.schedule.sigma))
            return (alpha * x - 0.3) / sigma

    loss.teacher = Exact()
    batch = torch.zeros(16, 32), torch.full((16, 4, 1), 0.3)
    assert float(loss(Exact(), batch, torch.Generator().manual_seed(0))) < 1e-4


def test_the_end_of_a_path_is_the_plan_of_the_sampler(tmp_path: Path) -> None:
    """From pure noise the teacher is walked as DDIM walks."""
    teacher = trained(tmp_path, steps=20)
    loss = ConsistencyLoss(teacher, draws=1)
    seen = {"state": torch.linspace(-0.9, 0.9, 8)[:, None, None]}
    context = teacher.model.context(**teacher.model.representation.inputs(seen))
    x = torch.randn(8, *teacher.denoiser.shape, generator=torch.Generator().manual_seed(0))
    unclipped = teacher.with_sampling(clip=None)
    wanted = sample(unclipped.score(seen), 8, solver="ddim", levels=torch.linspace(1, 0, PATH + 1), x_T=x)
    torch.testing.assert_close(loss.end(x, torch.ones(8), context), wanted, atol=1e-5, rtol=1e-4)


def test_a_teacher_without_a_path_is_refused(tmp_path: Path) -> None:
    teacher = trained(tmp_path, steps=1, prediction="regression")
    with pytest.raises(ValueError, match="a teacher must denoise; policy was trained by regression"):
        distil(teacher, line(), Recipe(steps=1), tmp_path)
