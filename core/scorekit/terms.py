"""What score expressions are made of: a network under a condition, a function of other expressions, an energy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from scorekit.denoiser import Condition, Denoiser
from scorekit.prediction import Prediction

if TYPE_CHECKING:
    from scorekit.score import Score

TimeWeight = Callable[[Tensor], float | Tensor]
Weight = float | TimeWeight
Outputs = Mapping[Hashable, Prediction]


class Term(ABC):
    """What a weighted sum is made of."""

    @property
    @abstractmethod
    def identity(self) -> Hashable:
        """Terms of equal identity are one term."""

    @property
    def inside(self) -> tuple[Score, ...]:
        """The expressions that it is made of."""
        return ()

    @abstractmethod
    def value(self, at: Evaluation) -> Prediction:
        """Its prediction, from those of the networks."""


@dataclass(frozen=True, eq=False)
class Given(Term):
    """A denoiser under a condition."""

    denoiser: Denoiser
    condition: Condition

    @property
    def identity(self) -> Hashable:
        return id(self.denoiser), self.condition.key

    def value(self, at: Evaluation) -> Prediction:
        return at.outputs[self.identity]


@dataclass(frozen=True, eq=False)
class Mapped(Term):
    """A function of the predictions of other expressions, all at one x and one level."""

    inputs: tuple[Score, ...]
    function: Callable[..., Prediction]

    @property
    def identity(self) -> Hashable:
        return id(self)

    @property
    def inside(self) -> tuple[Score, ...]:
        return self.inputs

    def value(self, at: Evaluation) -> Prediction:
        return self.function(*(score.value(at) for score in self.inputs))


@dataclass(frozen=True, eq=False)
class Energy(Term):
    """The score of exp(-E): see `energy`."""

    function: Callable[..., Tensor]
    of: str

    @property
    def identity(self) -> Hashable:
        return id(self)

    def value(self, at: Evaluation) -> Prediction:  # noqa: ARG002
        raise ValueError("energy is no score by itself: add it to the score of a model.")

    def push(self, base: Prediction, at: Evaluation) -> Tensor:
        """What -dE/dx adds to the v of `base`, the sum of the other terms: (B, ...)."""
        argument = (at.x, at.t) if self.of == "x" else (base.x0,)
        value = self.function(*argument)
        if not value.requires_grad:
            raise ValueError("energy must be a differentiable function of what it is given.")
        if value.shape not in ((), (len(at.x),)):
            raise ValueError(
                f"energy must give one number for each of {len(at.x)} samples, not a tensor of shape {tuple(value.shape)}."
            )
        # The caller's graph, where there is one, goes on through the gradient.
        (slope,) = torch.autograd.grad(value.sum(), at.x, create_graph=at.graph, retain_graph=True)
        alpha, sigma = base.alpha, base.sigma
        # eps moves by sigma slope and x0 by -sigma^2 / alpha slope. Where x holds no data (alpha = 0) nothing is known of x0 to be led.
        factor = sigma * (alpha * alpha + sigma * sigma)
        if isinstance(alpha, Tensor):
            return torch.where(alpha > 0, factor / alpha, 0.0) * slope
        return (factor / alpha if alpha > 0 else 0.0) * slope


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of an expression: where, and what its networks said.

    x, t     the samples (B, ...), and the level: () or (B,)
    weights  of every term whose weight is a function of t, at this t, by the id of that function
    zeros    those of them that are the number zero
    outputs  the networks' predictions by the identity of the term
    graph    whether the caller records gradients
    """

    x: Tensor
    t: Tensor
    weights: Mapping[int, float | Tensor]
    zeros: frozenset[int]
    outputs: Outputs
    graph: bool
