"""Baselines that are more than a score: those of NFSD and ISM."""

from __future__ import annotations

import torch
from torch import Tensor

from scorekit.schedule import as_time, spread
from scorekit.score import Score


def noise_free(negative: Score, below: float = 0.2) -> Score:
    """The baseline of Noise-Free Score Distillation (Katzir et al. 2023, arXiv:2310.17590): `negative`, and nothing for t < `below`.

    With the target null + s (cond - null) the gradient is s delta_C + delta_D of the paper: delta_C = cond - null is the direction to the
    condition, delta_D the one to the data. For little noise the noise that null predicts is itself that direction; for more it is
    what null has and a prompt for bad pictures has not.

    negative  the score under a prompt that names what is to be avoided; it does not run where all samples are below
    below     in levels t of the target's schedule, [0, 1]
    """
    if not 0 <= below <= 1:
        raise ValueError(f"below must lie in [0, 1], not {below}.")
    return negative * (lambda t: (t >= below).to(t.dtype))


@torch.no_grad()
def interval_matching(
    score: Score,
    x: Tensor,
    t: float | Tensor,
    *,
    gap: float = 0.05,
    steps: int = 4,
    first: float = 1e-3,
) -> tuple[Tensor, Tensor]:
    """Noise and baseline of Interval Score Matching (LucidDreamer, Liang et al. 2023, arXiv:2311.11284), deterministic in x.

        eps, before = interval_matching(null, x, t)
        loss = distill(cond, x, t, eps=eps, baseline=before)      # gradient: eps(x_t, t, cond) - eps(x_s, s, null)

    x is carried up by DDIM inversion, in `steps` equal steps to s = t - `gap` and in one more to t; `before` is what the score says at
    s, and eps the noise with which alpha x + sigma eps is the x_t arrived at.

    score  which the inversion follows: the unconditional one in the paper
    x      (B, ...) in the model's space; no gradient flows through the inversion
    t      levels, a number or (B,); not below `first`
    gap    in (0, 1); where t - gap would lie below `first`, s is `first`
    steps  >= 1; steps + 1 evaluations of the score
    first  where inversion starts, from alpha x: at t = 0 itself EDM networks are told ln 0, and an x0 says nothing of the noise

    Returns eps and before, each (B, ...). Raises ValueError for numbers out of range.
    """
    if not 0 < gap < 1:
        raise ValueError(f"gap must lie in (0, 1), not {gap}.")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}.")
    if not 0 < first < 1:
        raise ValueError(f"first must lie in (0, 1), not {first}.")
    t = as_time(t)
    t = t.to(x.device) if t.ndim else t
    s = (t - gap).clamp(min=first)
    schedule, here = score.schedule, torch.full_like(t, first)
    at = spread(schedule.alpha(here), x) * x
    for step in range(1, steps + 2):
        there = first + (s - first) * (step / steps) if step <= steps else t
        said = score(at, here)
        before = said.eps
        at, here = schedule.noised(said.x0, before, there), there
    return (at - spread(schedule.alpha(t), x) * x) / spread(schedule.sigma(t), x), before
