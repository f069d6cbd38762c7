"""Langevin dynamics at a level: unadjusted (ULA), and Metropolis-adjusted (MALA) with every sample accepted or not by itself.

    x' = x + eta score(x) + sqrt(2 eta) z,      eta = size sigma^2

leaves p_t almost as it is: on N(0, q) the unadjusted steps settle at the variance q / (1 - eta / (2 q)). Between the levels of a sampler
they lead x to what the score really is the score of: needed where an expression's scores are not those of a noised density, as in
products of experts (Du et al. 2023, arXiv:2302.11552).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scorekit.noise import Noise
from scorekit.score import Score, Stop

LogProb = Callable[[Tensor, Tensor], Tensor]

# Gauss-Lobatto nodes and weights within [0, 1] without both ends, whose scores the proposals need anyway; and the weight of an end.
_INSIDE: dict[int, tuple[tuple[tuple[float, float], ...], float]] = {
    0: ((), 1 / 2),
    1: (((0.5, 2 / 3),), 1 / 6),
    2: ((((1 - 5**-0.5) / 2, 5 / 12), ((1 + 5**-0.5) / 2, 5 / 12)), 1 / 12),
    3: ((((1 - (3 / 7) ** 0.5) / 2, 49 / 180), (0.5, 16 / 45), ((1 + (3 / 7) ** 0.5) / 2, 49 / 180)), 1 / 20),
}


@dataclass(frozen=True)
class Langevin:
    """Langevin steps as a corrector: see `langevin`, which checks the numbers."""

    steps: int
    size: float
    adjusted: bool
    log_prob: LogProb | None
    nodes: int

    def correct(self, score: Score, x: Tensor, stop: Stop, sigma: float, noise: Noise) -> Tensor:
        """x (B, ...) after the steps at a stop of the score, at which the noise is `sigma`; x itself where there is none."""
        if sigma == 0:
            return x
        eps = score.at(x, stop).eps
        for index in range(self.steps):
            if self.adjusted:
                x, eps = self._adjusted(score, x, eps, stop, sigma, noise)
            else:
                x = self._proposal(x, eps, sigma).add_(noise(), alpha=math.sqrt(2 * self.size) * sigma)
                if index + 1 < self.steps:
                    eps = score.at(x, stop).eps
        return x

    def _proposal(self, x: Tensor, eps: Tensor, sigma: float) -> Tensor:
        """The mean of the next x: eta score = -size sigma eps."""
        return torch.add(x, eps, alpha=-self.size * sigma)

    def _adjusted(
        self, score: Score, x: Tensor, eps: Tensor, stop: Stop, sigma: float, noise: Noise
    ) -> tuple[Tensor, Tensor]:
        mean = self._proposal(x, eps, sigma)
        new = mean + math.sqrt(2 * self.size) * sigma * noise()
        eps_new = score.at(new, stop).eps
        if self.log_prob is not None:
            gain = self.log_prob(new, stop.t) - self.log_prob(x, stop.t)
        else:
            gain = self._integral(score, x, eps, new, eps_new, stop) / sigma
        # ln q(x | new) - ln q(new | x), of proposals N(mean, 2 eta)
        back = _square(x - self._proposal(new, eps_new, sigma)) - _square(new - mean)
        chance = gain - back / (4 * self.size * sigma * sigma)
        accepted = (noise.uniform().log() < chance).reshape(-1, *(1,) * (x.ndim - 1))
        return torch.where(accepted, new, x), torch.where(accepted, eps_new, eps)

    def _integral(self, score: Score, x: Tensor, eps: Tensor, new: Tensor, eps_new: Tensor, stop: Stop) -> Tensor:
        """sigma (ln p(new) - ln p(x)), (B,): the score integrated along the straight line, by Gauss-Lobatto quadrature (Du et al. 2023,
        where a score has no density to ask)."""
        inside, end = _INSIDE[self.nodes]
        along = new - x
        total = end * (eps + eps_new)
        for where, weight in inside:
            total = total + weight * score.at(x + where * along, stop).eps
        return -(total * along).flatten(1).sum(1)


def langevin(
    steps: int = 1, size: float = 0.1, *, adjusted: bool = False, log_prob: LogProb | None = None, nodes: int = 1
) -> Langevin:
    """Langevin steps for `sample(corrector=...)`: at every level, after each step of a solver. With solver="langevin", which takes none,
    it is annealed Langevin dynamics (Song and Ermon 2019).

    steps     at each level, at least 1; one evaluation each, and one more with `adjusted`
    size      eta / sigma^2, positive. On p_t, no narrower than sigma, steps are stable below 2 (sums of n scores: 2 / n)
    adjusted  accept or refuse every step, for each sample by itself: exact for any size, but a large one is refused often
    log_prob  log_prob(x, t) -> (B,) of the density at the level, up to a constant, where it is known. Otherwise `adjusted` integrates the
              score from x to the proposal, with both ends and
    nodes     0 to 3 evaluations between them; with none it is exact for Gaussians

    Raises ValueError for numbers out of range.
    """
    if steps < 1:
        raise ValueError(f"steps of langevin must be at least 1, not {steps}.")
    if not 0 < size < math.inf:
        raise ValueError(f"size must be positive, not {size}.")
    if nodes not in _INSIDE:
        raise ValueError(f"nodes must be 0, 1, 2 or 3, not {nodes}.")
    return Langevin(steps, size, adjusted or log_prob is not None, log_prob, nodes)


def _square(x: Tensor) -> Tensor:
    return x.flatten(1).square().sum(1)
