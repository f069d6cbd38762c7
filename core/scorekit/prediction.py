"""One network output, read as eps, x0, v, flow or score.

At a level with data scale alpha and noise scale sigma, x = alpha x0 + sigma eps, and a network may have been trained to give

    eps    the noise                                       (Ho et al. 2020)
    x0     the data                                        (also called sample or denoised)
    v      alpha eps - sigma x0                            (Salimans and Ho 2022)
    flow   eps - x0, the velocity of the straight path     (Liu et al. 2023; noise at t = 1)
    score  the gradient of log p_t, -eps / sigma           (Song et al. 2021)

Given x they are affine functions of each other. Each reading below divides only where the mathematics leaves no choice: v and flow
give both x0 and eps at both ends of a schedule, eps gives no x0 at alpha = 0, and x0 gives no eps at sigma = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

Kind = Literal["eps", "x0", "v", "flow", "score"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Prediction:
    """`output` (B, ...) of kind `kind`, made at x (B, ...); alpha and sigma are numbers or broadcast against x.

    range  (B, ...) in [0, 1] where the network has learned how much noise its reverse step takes: the logarithm of the variance is
           this share of the way from the posterior's to beta's (Nichol and Dhariwal 2021, eq. 15)
    """

    kind: Kind
    output: Tensor
    x: Tensor
    alpha: float | Tensor
    sigma: float | Tensor
    range: Tensor | None = None

    @property
    def x0(self) -> Tensor:
        """The data that the model expects behind x: E[x0 | x]."""
        out, x, alpha, sigma = self.output, self.x, self.alpha, self.sigma
        match self.kind:
            case "x0":
                return out
            case "eps":
                return plus(x, -sigma, out) / alpha
            case "v":
                return plus(alpha * x, -sigma, out) / (alpha * alpha + sigma * sigma)
            case "flow":
                return plus(x, -sigma, out) / (alpha + sigma)
            case "score":
                return plus(x, sigma * sigma, out) / alpha

    @property
    def eps(self) -> Tensor:
        """The noise that the model expects in x: E[eps | x]."""
        out, x, alpha, sigma = self.output, self.x, self.alpha, self.sigma
        match self.kind:
            case "x0":
                return plus(x, -alpha, out) / sigma
            case "eps":
                return out
            case "v":
                return plus(sigma * x, alpha, out) / (alpha * alpha + sigma * sigma)
            case "flow":
                return plus(x, alpha, out) / (alpha + sigma)
            case "score":
                return -sigma * out

    @property
    def v(self) -> Tensor:
        """alpha eps - sigma x0."""
        return self.output if self.kind == "v" else self.alpha * self.eps - self.sigma * self.x0

    @property
    def flow(self) -> Tensor:
        """eps - x0."""
        return self.output if self.kind == "flow" else self.eps - self.x0

    @property
    def score(self) -> Tensor:
        """The gradient of log p_t at x."""
        return self.output if self.kind == "score" else -self.eps / self.sigma

    def read(self, kind: Kind) -> Tensor:
        """This prediction as `kind`; ValueError for a kind that is not one of KINDS."""
        if kind not in KINDS:
            raise ValueError(f"prediction must be one of {', '.join(KINDS)}, not {kind!r}.")
        value: Tensor = getattr(self, kind)
        return value

    def at(self, x: Tensor, alpha: float | Tensor, sigma: float | Tensor) -> Prediction:
        """The same x0 and eps in the variables of another schedule of equal SNR: x = alpha x0 + sigma eps there."""
        if self.kind in ("eps", "x0"):
            return Prediction(self.kind, self.output, x, alpha, sigma, self.range)
        if self.kind == "score":
            return Prediction("eps", self.eps, x, alpha, sigma, self.range)
        return Prediction("v", alpha * self.eps - sigma * self.x0, x, alpha, sigma, self.range)


def reading(kind: Kind, alpha: float, sigma: float) -> tuple[float, float]:
    """(keep, take) in x0 = keep x + take output: `Prediction.x0` as numbers. ZeroDivisionError where such an output says nothing of x0."""
    match kind:
        case "x0":
            return 0.0, 1.0
        case "eps":
            return 1 / alpha, -sigma / alpha
        case "v":
            norm = alpha * alpha + sigma * sigma
            return alpha / norm, -sigma / norm
        case "flow":
            return 1 / (alpha + sigma), -sigma / (alpha + sigma)
        case "score":
            return 1 / alpha, sigma * sigma / alpha


def plus(x: Tensor, factor: float | Tensor, y: Tensor) -> Tensor:
    """x + factor y, in one pass where the factor is a number."""
    return x + factor * y if isinstance(factor, Tensor) else torch.add(x, y, alpha=factor)


def combine(weights: Sequence[float | Tensor], parts: Sequence[Prediction]) -> Prediction:
    """The weighted sum of scores, sum_i w_i score_i, of predictions made at one x and one level.

    eps is proportional to the score, so eps = sum_i w_i eps_i always. Where the weights sum to one, every parameterisation is the
    same weighted sum, and the sum is taken in the networks' own one: nothing is divided, and both ends of the schedule stay exact.

    weights  numbers, or tensors that broadcast against x.
    """
    first = parts[0]
    if len(parts) == 1 and isinstance(weights[0], (int, float)) and weights[0] == 1:
        return first
    kinds = {part.kind for part in parts}
    numbers = [w for w in weights if not isinstance(w, Tensor)]
    known = len(numbers) == len(weights)
    affine = known and abs(sum(numbers) - 1) < 1e-9
    if len(kinds) == 1 and (affine or first.kind in ("eps", "score")):
        kind: Kind = first.kind
    else:
        kind = "v" if affine or not known else "eps"
    if affine and len(parts) == 2:  # guidance: one kernel
        total = torch.lerp(first.read(kind), parts[1].read(kind), weights[1])
    else:
        total = weights[0] * first.read(kind)
        for weight, part in zip(weights[1:], parts[1:], strict=True):
            total = plus(total, weight, part.read(kind))
    if not known and kind == "v":
        # Whether weights that are tensors sum to one cannot be asked without waiting for the device. In v the rest is a multiple of x,
        # by the definition of eps; where there is no rest nothing is divided.
        rest = torch.as_tensor(1 - sum(weights))
        rest = torch.where(rest.abs() < 1e-5, 0, rest)
        total = total - torch.where(rest == 0, 0, first.sigma * rest / first.alpha) * first.x
    # The learned noise of a guided step is that of the part that guides most, the conditional one (as in DeepFloyd IF).
    strength = [float("inf") if isinstance(w, Tensor) else w for w in weights]
    learned = max(
        (pair for pair in zip(strength, parts, strict=True) if pair[1].range is not None),
        key=lambda p: p[0],
        default=None,
    )
    return Prediction(kind, total, first.x, first.alpha, first.sigma, learned and learned[1].range)


def target(kind: Kind, x0: Tensor, eps: Tensor, alpha: float | Tensor, sigma: float | Tensor) -> Tensor:
    """What a network of this kind should have answered at x = alpha x0 + sigma eps: its regression target in training."""
    match kind:
        case "eps":
            return eps
        case "x0":
            return x0
        case "v":
            return alpha * eps - sigma * x0
        case "flow":
            return eps - x0
        case "score":
            return -eps / sigma
