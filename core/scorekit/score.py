"""Scores as expressions: `null + 7.5 * (cond - null)` is a score, and can be sampled, distilled and composed further.

An expression is a weighted sum of terms. A term is `Given`, one network under one condition, or `Mapped`, a function of other
expressions for what is no weighted sum (Perp-Neg). Its value at (x, t) is a Prediction in the variables of the *first* network's
schedule; the others are evaluated at equal log-SNR with their input rescaled, so models of different schedules and parameterisations
add up (x and c x carry the same information; eps and x0 do not change). A level beyond the other schedule's range (VE starts at a
log-SNR that Stable Diffusion's never reaches) is read at its end, and the sum is approximate there.

Evaluation is planned once per expression: every network in it runs once, on one batch of all its conditions; equal terms are one;
a term of weight zero does not run.

What sums mean: the sum of two noised scores is not the score of the noised product of the two densities, except at t = 0. For two
N(., s^2) the true noised product has variance s^2 / 2 + sigma^2 (alpha = 1), the summed scores imply (s^2 + sigma^2) / 2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from scorekit.denoiser import Condition, Denoiser
from scorekit.prediction import Prediction, combine
from scorekit.schedule import Schedule, Time, as_time, spread

Weight = float


class Term(ABC):
    """What a weighted sum is made of."""

    @property
    @abstractmethod
    def identity(self) -> Hashable:
        """Terms of equal identity are one term."""

    @abstractmethod
    def leaves(self) -> Iterator[Given]:
        """The network evaluations that it needs."""

    @abstractmethod
    def value(self, outputs: dict[Hashable, Prediction]) -> Prediction:
        """Its prediction, from those of its leaves by identity."""


@dataclass(frozen=True, eq=False)
class Given(Term):
    """A denoiser under a condition."""

    denoiser: Denoiser
    condition: Condition

    @property
    def identity(self) -> Hashable:
        return id(self.denoiser), self.condition.identity

    def leaves(self) -> Iterator[Given]:
        yield self

    def value(self, outputs: dict[Hashable, Prediction]) -> Prediction:
        return outputs[self.identity]


@dataclass(frozen=True, eq=False)
class Mapped(Term):
    """A function of the predictions of other expressions, all at one x and one level."""

    inputs: tuple[Score, ...]
    function: Callable[..., Prediction]

    @property
    def identity(self) -> Hashable:
        return id(self)

    def leaves(self) -> Iterator[Given]:
        for score in self.inputs:
            for _, term in score._active:
                yield from term.leaves()

    def value(self, outputs: dict[Hashable, Prediction]) -> Prediction:
        return self.function(*(score.value(outputs) for score in self.inputs))


@dataclass(frozen=True, eq=False)
class Score:
    """A weighted sum of terms: a function of (x, t), and a term in an algebra of `+`, `-` and `*` by numbers."""

    terms: tuple[tuple[Weight, Term], ...]
    _batches: dict[tuple[int, int], dict[str, Tensor]] = field(default_factory=dict, repr=False)

    def __add__(self, other: Score) -> Score:
        if not isinstance(other, Score):
            return NotImplemented
        # Like terms are collected here, so that the plan never sees one twice.
        sums: dict[Hashable, tuple[Weight, Term]] = {}
        for weight, term in self.terms + other.terms:
            sums[term.identity] = (sums.get(term.identity, (0.0, term))[0] + weight, term)
        return Score(tuple(sums.values()))

    def __mul__(self, factor: float) -> Score:
        if not isinstance(factor, (int, float)):
            return NotImplemented
        return Score(tuple((factor * weight, term) for weight, term in self.terms))

    __rmul__ = __mul__

    def __neg__(self) -> Score:
        return self * -1.0

    def __sub__(self, other: Score) -> Score:
        if not isinstance(other, Score):
            return NotImplemented
        return self + -other

    @cached_property
    def _active(self) -> tuple[tuple[Weight, Term], ...]:
        active = tuple((weight, term) for weight, term in self.terms if weight != 0)
        # An expression that cancels to nothing is the score 0, which still needs an x of some model: keep one term at weight zero.
        return active or self.terms[:1]

    @cached_property
    def _plan(self) -> tuple[tuple[Denoiser, tuple[Given, ...]], ...]:
        """Every network once, with the distinct conditions under which it is wanted."""
        wanted: dict[int, dict[Hashable, Given]] = {}
        for _, term in self._active:
            for leaf in term.leaves():
                wanted.setdefault(id(leaf.denoiser), {}).setdefault(leaf.identity, leaf)
        groups = [tuple(leaves.values()) for leaves in wanted.values()]
        first = self.denoiser
        for leaf in (leaf for leaves in groups for leaf in leaves):
            _refuse_unlike(first, leaf.denoiser)
        return tuple((leaves[0].denoiser, leaves) for leaves in groups)

    @property
    def denoiser(self) -> Denoiser:
        """The first network of the expression: x and t are in the variables of its schedule."""
        return next(self.terms[0][1].leaves()).denoiser

    @property
    def schedule(self) -> Schedule:
        """The schedule that t refers to."""
        return self.denoiser.schedule

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample of x, without the batch."""
        return self.denoiser.shape

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return self.denoiser.device

    def __call__(self, x: Tensor, t: Time) -> Prediction:
        """The prediction of the whole expression at x (B, ...), t a number or (B,) in [0, 1].

        One forward per network. Gradients flow to x where torch.is_grad_enabled(); callers that want none say no_grad.
        Raises ValueError where x does not fit a network or a per-sample condition.
        """
        t = as_time(t).to(x.device)
        if t.ndim and t.shape != (len(x),):
            raise ValueError(
                f"t must be a number or a vector of {len(x)} levels, one per sample, not of shape {tuple(t.shape)}."
            )
        outputs: dict[Hashable, Prediction] = {}
        for group, (denoiser, leaves) in enumerate(self._plan):
            outputs.update(self._forward(group, denoiser, leaves, x, t))
        return self.value(outputs)

    def value(self, outputs: dict[Hashable, Prediction]) -> Prediction:
        """The expression from the predictions of its leaves; `__call__` is what you want."""
        return combine([weight for weight, _ in self._active], [term.value(outputs) for _, term in self._active])

    def _forward(
        self, group: int, denoiser: Denoiser, leaves: tuple[Given, ...], x: Tensor, t: Tensor
    ) -> Iterator[tuple[Hashable, Prediction]]:
        count, batch = len(leaves), len(x)
        alpha, sigma = spread(self.schedule.alpha(t), x), spread(self.schedule.sigma(t), x)
        own_t, own_x = t, x
        if denoiser.schedule != self.schedule:
            own_t = denoiser.schedule.at_log_snr(self.schedule.log_snr(t))
            # Equal SNR makes (alpha, sigma) of the two schedules proportional; the norm is defined at both ends, their ratio is not.
            norm = torch.hypot(self.schedule.alpha(t), self.schedule.sigma(t))
            own_norm = torch.hypot(denoiser.schedule.alpha(own_t), denoiser.schedule.sigma(own_t))
            own_x = x * spread(own_norm / norm, x)
        fields = self._batches.get((group, batch))
        if fields is None:
            fields = Condition.stack([leaf.condition for leaf in leaves], batch)
            # A learned condition (textual inversion) changes between calls, and has a graph of its own in each.
            if not any(value.requires_grad for leaf in leaves for value in leaf.condition.fields.values()):
                self._batches[group, batch] = fields
        if count > 1:
            own_x = own_x.repeat(count, *(1,) * (x.ndim - 1))
            own_t = own_t.repeat(count) if own_t.ndim else own_t
        made = denoiser.predict(own_x, own_t, fields)
        for leaf, output, at_x in zip(leaves, made.output.chunk(count), made.x.chunk(count), strict=True):
            one = Prediction(made.kind, output, at_x, _first(made.alpha, batch), _first(made.sigma, batch))
            yield leaf.identity, one if denoiser.schedule == self.schedule else one.at(x, alpha, sigma)


def _first(per_sample: Tensor, batch: int) -> Tensor:
    """The levels of the first of several equal batches."""
    return per_sample[:batch] if per_sample.ndim else per_sample


def _refuse_unlike(first: Denoiser, other: Denoiser) -> None:
    if first.shape != other.shape:
        raise ValueError(
            f"{first.name} has samples of shape {first.shape} and {other.name} of shape {other.shape}: their scores cannot be added."
        )
    here, there = first.device, other.device
    if (here.type, here.index or 0) != (there.type, there.index or 0):
        raise ValueError(
            f"{first.name} is on {first.device} and {other.name} is on {other.device}: load both on one device."
        )


def perp_neg(null: Score, positive: Score, negatives: Sequence[tuple[float | Tensor, Score]], scale: float) -> Score:
    """Perp-Neg (Armandpour et al. 2023, arXiv:2304.04968, eq. 7): negative prompts that cannot undo the positive one.

        null + scale * (d+ + sum_i w_i perp(d_i, d+)),    d = score - null,

    where perp keeps of d_i what is orthogonal to d+, sample by sample. The weights are negative to push away, and may be tensors (B,)
    (in text-to-3D they depend on the camera).
    """
    negatives = [(weight, score) for weight, score in negatives if isinstance(weight, Tensor) or weight != 0]
    weights = [weight for weight, _ in negatives]

    def combine_perpendicular(at_null: Prediction, at_positive: Prediction, *at_negatives: Prediction) -> Prediction:
        # At one x and one level all parameterisations differ by a scale and a shift: directions may be taken in any of them.
        kind = at_null.kind if all(p.kind == at_null.kind for p in (at_positive, *at_negatives)) else "v"
        base = at_null.read(kind)
        toward = total = at_positive.read(kind) - base
        norm = toward.flatten(1).square().sum(1).clamp(min=1e-12)
        for weight, at_negative in zip(weights, at_negatives, strict=True):
            away = at_negative.read(kind) - base
            perpendicular = away - spread((away * toward).flatten(1).sum(1) / norm, away) * toward
            total = total + (spread(weight, away) if isinstance(weight, Tensor) else weight) * perpendicular
        return Prediction(kind, base + scale * total, at_null.x, at_null.alpha, at_null.sigma)

    return Score(((1.0, Mapped((null, positive, *(score for _, score in negatives)), combine_perpendicular)),))
