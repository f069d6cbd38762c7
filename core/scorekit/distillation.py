"""Score distillation: move the output of a generator to where a score says it is likely.

Every method of the family is a target score less a baseline, weighted, and passed back through the generator alone:

    d loss / d x = w(t) (eps_target(x_t, t) - eps_baseline(x_t, t)),    x_t = alpha x + sigma eps

    SDS   target = guided score, baseline = the noise that was drawn   (Poole et al. 2022, eq. 3: a baseline of least variance)
    CSD   target = conditional, baseline = unconditional               (Yu et al. 2023, arXiv:2310.19415)

Both are scores of the algebra, so target and baseline are evaluated together, in one forward per network.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scorekit.schedule import Schedule, as_time, spread
from scorekit.score import Score

Weighting = Callable[[Schedule, Tensor], Tensor]


def sigma_squared(schedule: Schedule, t: Tensor) -> Tensor:
    """w(t) = sigma^2 (DreamFusion)."""
    return schedule.sigma(t).square()


def constant(_schedule: Schedule, t: Tensor) -> Tensor:
    """w(t) = 1."""
    return torch.ones_like(t)


def distill(
    target: Score,
    x: Tensor,
    t: float | Tensor,
    *,
    baseline: Score | None = None,
    weight: Weighting = sigma_squared,
    eps: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """A scalar whose gradient with respect to x is w(t) (target - baseline).

    target    the score to follow
    x         (B, ...) in the model's space, with a graph back to the generator's parameters
    t         noise level in (0, 1], a number or (B,)
    baseline  the score to leave; None is the noise that was drawn
    weight    w(schedule, t), of the shape of t
    eps       (B, ...) the noise; drawn from `generator` (on the device of x) where absent

    The value is half the squared norm of that gradient, summed over the batch: it tells how far x is from agreeing, and is no loss to
    be compared between levels. Networks are evaluated without a graph. Raises ValueError where shapes do not fit.
    """
    t = as_time(t).to(x.device)
    schedule = target.schedule
    if tuple(x.shape[1:]) != target.shape:
        raise ValueError(
            f"x must have samples of shape {target.shape} for {target.denoiser.name}, not {tuple(x.shape[1:])}."
        )
    if t.ndim and t.shape != (len(x),):
        raise ValueError(
            f"t must be a number or a vector of {len(x)} levels, one per sample, not of shape {tuple(t.shape)}."
        )
    if eps is not None and eps.shape != x.shape:
        raise ValueError(f"eps must have the shape {tuple(x.shape)} of x, not {tuple(eps.shape)}.")
    with torch.no_grad():
        if eps is None:
            eps = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        noised = schedule.noised(x.detach(), eps, t)
        difference = target(noised, t).eps - eps if baseline is None else (target - baseline)(noised, t).eps
        gradient = spread(weight(schedule, t), x) * difference
    # x - x is 0 and its gradient is 1: the difference of x and a goal near it would lose the small gradient's digits.
    return 0.5 * gradient.square().sum() + (gradient * (x - x.detach())).sum()
