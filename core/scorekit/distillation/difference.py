"""The one gradient of all methods: target less baseline."""

from __future__ import annotations

import torch
from torch import Tensor

from scorekit.distillation.weighting import Weighting, sigma_squared
from scorekit.prediction import Prediction
from scorekit.schedule import as_time, spread
from scorekit.score import Score
from scorekit.terms import Mapped


def distill(
    target: Score,
    x: Tensor,
    t: float | Tensor,
    *,
    baseline: Score | Tensor | None = None,
    weight: Weighting = sigma_squared,
    eps: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """A scalar whose gradient with respect to x is w(t) (target - baseline).

    target    the score to follow
    x         (B, ...) in the model's space, with a graph back to the generator's parameters
    t         noise level in (0, 1], a number or (B,)
    baseline  what to leave: a score, read at the same x_t; a noise (B, ...) that was worked out already; or None for eps itself
    weight    w(schedule, t), of the shape of t
    eps       (B, ...) the noise that takes x to x_t; drawn from `generator` (on the device of x) where absent

    The value is half the squared norm of that gradient, summed over the batch: it tells how far x is from agreeing, and is no loss to
    be compared between levels. Target and baseline are evaluated together, one forward per network, without a graph.
    Raises ValueError where shapes do not fit.
    """
    t = as_time(t)
    # A number stays where it is: to move it would make the host wait for the device.
    t = t.to(x.device) if t.ndim else t
    schedule = target.schedule
    if tuple(x.shape[1:]) != target.shape:
        raise ValueError(
            f"x must have samples of shape {target.shape} for {target.denoiser.name}, not {tuple(x.shape[1:])}."
        )
    if t.ndim and t.shape != (len(x),):
        raise ValueError(
            f"t must be a number or a vector of {len(x)} levels, one per sample, not of shape {tuple(t.shape)}."
        )
    for name, noise in (("eps", eps), ("baseline", baseline)):
        if isinstance(noise, Tensor) and noise.shape != x.shape:
            raise ValueError(f"{name} must have the shape {tuple(x.shape)} of x, not {tuple(noise.shape)}.")
    with torch.no_grad():
        if eps is None:
            eps = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        noised = schedule.noised(x.detach(), eps, t)
        if isinstance(baseline, Score):
            # An energy in one of them must not see the x0 of the difference.
            apart = target.has_energy or baseline.has_energy
            both = Score(((1.0, Mapped((target, baseline), _difference)),)) if apart else target - baseline
            difference = both(noised, t).eps
        else:
            difference = target(noised, t).eps - (eps if baseline is None else baseline)
        gradient = spread(weight(schedule, t), x) * difference
    # x - x is 0 and its gradient is 1: the difference of x and a goal near it would lose the small gradient's digits.
    return 0.5 * gradient.square().sum() + (gradient * (x - x.detach())).sum()


def _difference(target: Prediction, baseline: Prediction) -> Prediction:
    return Prediction("eps", target.eps - baseline.eps, target.x, target.alpha, target.sigma)
