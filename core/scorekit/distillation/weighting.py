"""w(t): how much the disagreement of target and baseline counts at each level.

A weighting maps a schedule and levels t, () or (B,) in float64, to weights of the same shape. What it means is best read in terms of
the data: as x_t = alpha x + sigma eps is held fixed, eps_target - eps = (alpha / sigma) (x - x0_target).

    sigma_squared   sigma^2                 alpha sigma (x - x0)
    constant        1                       (alpha / sigma) (x - x0)
    sigma_alpha     sigma alpha             alpha^2 (x - x0)
    sjc             alpha / sigma           (alpha / sigma)^2 (x - x0)
    toward_x0       sigma / alpha           x - x0
    min_snr(gamma)                          min(SNR, gamma) (x - x0)
"""

from collections.abc import Callable

import torch
from torch import Tensor

from scorekit.schedule import Schedule

Weighting = Callable[[Schedule, Tensor], Tensor]


def sigma_squared(schedule: Schedule, t: Tensor) -> Tensor:
    """w(t) = sigma^2 (DreamFusion)."""
    return schedule.sigma(t).square()


def constant(_schedule: Schedule, t: Tensor) -> Tensor:
    """w(t) = 1."""
    return torch.ones_like(t)


def sigma_alpha(schedule: Schedule, t: Tensor) -> Tensor:
    """w(t) = sigma alpha, which is smallest at both ends of a variance-preserving schedule: the levels between them decide."""
    return schedule.sigma(t) * schedule.alpha(t)


def sjc(schedule: Schedule, t: Tensor) -> Tensor:
    """w(t) = alpha / sigma: SDS under this weight is Score Jacobian Chaining (Wang et al. 2023, arXiv:2212.00774), t in (0, 1].

    SJC follows the score of x perturbed, (D(x + s n; s) - x) / s^2 with s = sigma / alpha and D = E[x0], averaged over n. It is also the
    gradient of KL(q(x_t | x) || p_t) with respect to x, with no weight on top.
    """
    return schedule.alpha(t) / schedule.sigma(t)


def toward_x0(schedule: Schedule, t: Tensor) -> Tensor:
    """w(t) = sigma / alpha: the gradient of distillation is then x - x0, at every level (HiFA, arXiv:2305.18766).

    alpha is taken as .01 at least: where next to no data is left, x0 is a guess.
    """
    return schedule.sigma(t) / schedule.alpha(t).clamp(min=1e-2)


def min_snr(gamma: float = 5.0) -> Weighting:
    """w(t) with which the gradient is min(SNR, gamma) (x - x0), the Min-SNR weight of training (Hang et al. 2023, arXiv:2303.09556).

    gamma  > 0; levels of a higher SNR count as x - x0 does, times gamma; those of a lower one as `sjc` does
    """
    if not gamma > 0:
        raise ValueError(f"gamma must be positive, not {gamma}.")

    def weight(schedule: Schedule, t: Tensor) -> Tensor:
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        # min(SNR, gamma) sigma / alpha, without the division by zero at either end
        return torch.minimum(alpha / sigma, gamma * sigma / alpha)

    return weight
