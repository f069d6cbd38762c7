"""Scores as expressions: `null + 7.5 * (cond - null)` is a score, and can be sampled, distilled and composed further.

An expression is a weighted sum of terms; a weight is a number, or a function of t. A term is `Given`, one network under one condition;
`Mapped`, a function of other expressions for what is no weighted sum (Perp-Neg, thresholds); or `Energy`, the gradient of a function of
the data. Its value at (x, t) is a Prediction in the variables of the *first* network's schedule; the others are evaluated at equal
log-SNR with their input rescaled, so models of different schedules and parameterisations add up (x and c x carry the same information;
eps and x0 do not change). A level beyond the other schedule's range (VE starts at a log-SNR that Stable Diffusion's never reaches) is
read at its end, and the sum is approximate there.

Evaluation is planned: every network runs once, on one batch of all its conditions; equal terms are one; a term of weight zero does not
run, also where the weight is zero only at this t. The plan is made once for an expression and its pattern of zeros.

What sums mean: the sum of two noised scores is not the score of the noised product of the two densities, except at t = 0. For two
N(., s^2) the true noised product has variance s^2 / 2 + sigma^2 (alpha = 1), the summed scores imply (s^2 + sigma^2) / 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from scorekit.denoiser import Condition, Denoiser
from scorekit.prediction import Prediction, combine
from scorekit.schedule import Level, Schedule, Time, as_time, spread
from scorekit.terms import Energy, Evaluation, Given, Term, TimeWeight, Weight

_Active = tuple[tuple[tuple[Weight, Term], ...], tuple[tuple[Weight, Energy], ...]]
MOST_BATCHES = 8  # whose fields an expression keeps


@dataclass(frozen=True)
class Stop:
    """A level of an expression with all that it needs of schedules and weights, worked out beforehand.

    own      for every network with another schedule, by its id: its level, and the factor by which x is rescaled for it
    weights, zeros  as in `Evaluation`
    """

    t: Tensor
    level: Level
    weights: Mapping[int, float | Tensor]
    zeros: frozenset[int]
    own: Mapping[int, tuple[Level, float | Tensor]]


@dataclass(frozen=True, eq=False)
class Score:
    """A weighted sum of terms: a function of (x, t), and a term in an algebra of `+`, `-` and `*` by numbers and functions of t.

    A function of t takes t in float64, () or (B,), and gives a number or a weight for each sample (B,).
    """

    terms: tuple[tuple[Weight, Term], ...]
    _plans: dict[frozenset[int], tuple[tuple[Denoiser, tuple[Given, ...]], ...]] = field(
        default_factory=dict, repr=False
    )
    _actives: dict[frozenset[int], _Active] = field(default_factory=dict, repr=False)
    # The fields of the last few batches, with the versions of the tensors that they were made from: those may be written to.
    _batches: dict[Hashable, tuple[list[int], dict[str, Tensor]]] = field(default_factory=dict, repr=False)

    def __add__(self, other: Score) -> Score:
        if not isinstance(other, Score):
            return NotImplemented
        # Like terms are collected here, so that the plan never sees one twice.
        sums: dict[Hashable, tuple[Weight, Term]] = {}
        for weight, term in self.terms + other.terms:
            before = sums.get(term.identity)
            sums[term.identity] = (weight if before is None else _sum(before[0], weight), term)
        return Score(tuple(sums.values()))

    def __radd__(self, other: object) -> Score:
        # sum() starts from the number 0
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __mul__(self, factor: Weight) -> Score:
        if not isinstance(factor, (int, float)) and (isinstance(factor, (Score, Tensor)) or not callable(factor)):
            return NotImplemented
        return Score(tuple((_product(factor, weight), term) for weight, term in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Score:
        return self * (1 / divisor) if isinstance(divisor, (int, float)) else NotImplemented

    def __neg__(self) -> Score:
        return self * -1.0

    def __sub__(self, other: Score) -> Score:
        if not isinstance(other, Score):
            return NotImplemented
        return self + -other

    @property
    def denoiser(self) -> Denoiser:
        """The first network of the expression: x and t are in the variables of its schedule."""
        first = next(self._leaves(), None)
        if first is None:
            raise ValueError("energy is no score by itself: add it to the score of a model.")
        return first.denoiser

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
        t = as_time(t)
        if t.device.type == "cpu" and not ((t >= 0) & (t <= 1)).all():
            raise ValueError(f"t must lie in [0, 1], not {t.tolist()}: training step k of N is t = (k + 1) / N.")
        if t.ndim and t.shape != (len(x),):
            raise ValueError(
                f"t must be a number or a vector of {len(x)} levels, one per sample, not of shape {tuple(t.shape)}."
            )
        if not t.ndim:
            return self.at(x, self.along(t[None])[0])
        t = t.to(x.device)
        theirs = {id(d): d.schedule.level(self._matched(d, t), x) for d in self._foreign}
        return self.at(x, self._stop(t, t, self.schedule.level(t, x), theirs))

    def along(self, t: Tensor) -> list[Stop]:
        """The levels t (n,) as stops for `at`: what depends on schedules and weights is worked out here, for all of them together, so
        that a sampler's loop does nothing but run the networks."""
        t = as_time(t).cpu()
        mine = self.schedule.levels(t, self.device)
        tables = {id(d): d.schedule.levels(self._matched(d, t), self.device) for d in self._foreign}
        rows = zip(t.to(self.device).unbind(), t.unbind(), mine, strict=True)
        return [
            self._stop(there, here, level, {key: table[i] for key, table in tables.items()})
            for i, (there, here, level) in enumerate(rows)
        ]

    def _matched(self, other: Denoiser, t: Tensor) -> Tensor:
        """The t of equal log-SNR on another model's schedule."""
        return other.schedule.at_log_snr(self.schedule.log_snr(t))

    def _stop(self, there: Tensor, here: Tensor, level: Level, theirs: Mapping[int, Level]) -> Stop:
        """there, here  the level on the device and where weights are worked out"""
        weights = {id(weight): _number(weight(here), self.device) for weight in self._functions}
        # Equal SNR makes (alpha, sigma) of two schedules proportional; the norm is defined at both ends, their ratio is not.
        own = {key: (its, _norm(its) / _norm(level)) for key, its in theirs.items()}
        zeros = frozenset(key for key, weight in weights.items() if isinstance(weight, (int, float)) and weight == 0)
        return Stop(there, level, weights, zeros, own)

    def at(self, x: Tensor, stop: Stop) -> Prediction:
        """The prediction at x (B, ...) and a stop of this expression, from `along`."""
        graph = torch.is_grad_enabled()
        if not self.has_energy:
            return self.value(self._evaluated(x, stop, graph))
        # An energy's gradient needs a graph from x, whatever the caller records.
        with torch.inference_mode(False), torch.enable_grad():
            x = x.clone() if x.is_inference() else x
            x = x if graph and x.requires_grad else x.detach().requires_grad_()
            made = self.value(self._evaluated(x, stop, graph))
        return made if graph else replace(made, output=made.output.detach(), x=x.detach())

    def _evaluated(self, x: Tensor, stop: Stop, graph: bool) -> Evaluation:
        outputs: dict[Hashable, Prediction] = {}
        for denoiser, leaves in self.plan(stop.zeros):
            level, scale = stop.own.get(id(denoiser), (stop.level, None))
            made = self._forward(denoiser, leaves, x if scale is None else x * scale, level)
            for leaf, one in zip(leaves, made, strict=True):
                outputs[leaf.identity] = one if scale is None else one.at(x, stop.level.alpha, stop.level.sigma)
        return Evaluation(x, stop.t, stop.weights, stop.zeros, outputs, graph)

    def _forward(self, denoiser: Denoiser, leaves: tuple[Given, ...], x: Tensor, level: Level) -> list[Prediction]:
        """The predictions of one network under several conditions, in one forward."""
        count, batch = len(leaves), len(x)
        key = (tuple(leaf.identity for leaf in leaves), batch)
        values = [value for leaf in leaves for value in leaf.condition.fields.values()]
        # A learned condition (textual inversion) has a graph of its own in each call; tensors of inference mode may not leave it.
        # A CUDA graph has to read the conditions again at every replay.
        passing = torch.is_inference_mode_enabled() or (x.is_cuda and torch.cuda.is_current_stream_capturing())
        lasting = not passing and not any(v.requires_grad or v.is_inference() for v in values)
        versions = [value._version for value in values] if lasting else []
        kept = self._batches.get(key) if lasting else None
        if kept is not None and kept[0] == versions:
            fields = kept[1]
        else:
            fields = Condition.stack([leaf.condition for leaf in leaves], batch)
            if lasting:
                if len(self._batches) >= MOST_BATCHES:
                    self._batches.pop(next(iter(self._batches)), None)
                self._batches[key] = versions, fields
        if count == 1:
            return [denoiser.predict(x, level, fields)]
        many = torch.cat([x] * count)
        levels = (level.alpha, level.sigma, level.timestep)
        if level.timestep.ndim:
            repeated = [v.repeat(count, *(1,) * (v.ndim - 1)) if isinstance(v, Tensor) else v for v in levels]
            level = Level(level.t, *repeated)  # type: ignore[arg-type]
        made = denoiser.predict(many, level, fields)
        ranges = made.range.chunk(count) if made.range is not None else (None,) * count
        return [
            Prediction(made.kind, output, x, _first(made.alpha, batch), _first(made.sigma, batch), learned)
            for output, learned in zip(made.output.chunk(count), ranges, strict=True)
        ]

    def value(self, at: Evaluation) -> Prediction:
        """The expression from what its networks said; `__call__` is what you want."""
        sums, energies = self.active(at.zeros)
        parts = [term.value(at) for _, term in sums]
        base = combine([_at(weight, at) for weight, _ in sums], parts)
        # Energies act on top of what a model says, and all on the same.
        pushes = [_at(weight, at) * term.push(base, at) for weight, term in energies]
        if not pushes:
            return base
        return Prediction("v", base.v + sum(pushes), base.x, base.alpha, base.sigma, base.range)

    @cached_property
    def _functions(self) -> tuple[TimeWeight, ...]:
        """The weights of this expression, and of those inside it, that are functions of t."""
        mine = tuple(weight for weight, _ in self.terms if not isinstance(weight, (int, float)))
        return mine + tuple(weight for _, term in self.terms for score in term.inside for weight in score._functions)

    def active(self, zeros: frozenset[int]) -> _Active:
        """The terms whose weight is not the number zero: those that are summed, and the energies that act on the sum."""
        if zeros not in self._actives:
            wanted = [
                (weight, term)
                for weight, term in self.terms
                if not (id(weight) in zeros if callable(weight) else weight == 0)
            ]
            sums = tuple((weight, term) for weight, term in wanted if not isinstance(term, Energy))
            if not sums:
                # What cancels to nothing is the score 0, which still needs an x of some model: its first term, at weight zero.
                sums = tuple((0.0, term) for _, term in self.terms if not isinstance(term, Energy))[:1]
            self._actives[zeros] = sums, tuple((weight, term) for weight, term in wanted if isinstance(term, Energy))
        return self._actives[zeros]

    def _leaves(self) -> Iterator[Given]:
        for _, term in self.terms:
            if isinstance(term, Given):
                yield term
            for score in term.inside:
                yield from score._leaves()

    @cached_property
    def _foreign(self) -> tuple[Denoiser, ...]:
        """The models, each once, whose schedule is not that of the expression."""
        models = {id(leaf.denoiser): leaf.denoiser for leaf in self._leaves()}
        return tuple(model for model in models.values() if model.schedule != self.schedule)

    def _wanted(self, zeros: frozenset[int]) -> Iterator[Given]:
        """The network evaluations that it needs where these functions of t are zero."""
        for _, term in self.active(zeros)[0]:
            if isinstance(term, Given):
                yield term
            for score in term.inside:
                yield from score._wanted(zeros)

    def plan(self, zeros: frozenset[int]) -> tuple[tuple[Denoiser, tuple[Given, ...]], ...]:
        """Every network once, with the distinct conditions under which it is wanted."""
        if zeros not in self._plans:
            wanted: dict[int, dict[Hashable, Given]] = {}
            for leaf in self._wanted(zeros):
                wanted.setdefault(id(leaf.denoiser), {}).setdefault(leaf.identity, leaf)
                _refuse_unlike(self.denoiser, leaf.denoiser)
            groups = [tuple(leaves.values()) for leaves in wanted.values()]
            self._plans[zeros] = tuple((leaves[0].denoiser, leaves) for leaves in groups)
        return self._plans[zeros]

    @cached_property
    def has_energy(self) -> bool:
        """Whether an energy acts anywhere in it."""
        return any(isinstance(term, Energy) or any(score.has_energy for score in term.inside) for _, term in self.terms)


def energy(function: Callable[..., Tensor], scale: float = 1.0, *, of: str = "x0") -> Score:
    """The score of exp(-scale E): `cond + energy(E, scale)` leads a model to where E is low, -E being a reward or a log-likelihood.

    function  of="x0": E(x0) of the data that the rest of the sum expects (B, ...); the gradient goes back through the networks
              (Chung et al. 2023, arXiv:2209.14687). Not exact: E[exp(-E)] given x is not exp(-E(E[x0])).
              of="x": E(x, t) of the noised samples and their level, () or (B,): a classifier that was trained on them, E = -ln p(y | x),
              makes it classifier guidance (Dhariwal and Nichol 2021), which is exact.
              Either gives (B,), one number for each sample, or one for all.

    Raises ValueError for another `of`; an energy that is added to no model is refused when it is evaluated.
    """
    if of not in ("x0", "x"):
        raise ValueError(f"of must be x0 or x, not {of!r}.")
    return Score(((float(scale), Energy(function, of)),))


def _sum(a: Weight, b: Weight) -> Weight:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a + b
    f, g = _function(a), _function(b)
    return lambda t: f(t) + g(t)


def _product(a: Weight, b: Weight) -> Weight:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a * b
    f, g = _function(a), _function(b)
    return lambda t: f(t) * g(t)


def _function(weight: Weight) -> TimeWeight:
    return weight if callable(weight) else lambda _: weight


def _at(weight: Weight, at: Evaluation) -> float | Tensor:
    """A weight at an evaluation: a number, or one for each sample (B,) shaped to multiply x."""
    value = at.weights[id(weight)] if callable(weight) else weight
    return spread(value, at.x) if isinstance(value, Tensor) else value


def _number(weight: float | Tensor, device: torch.device) -> float | Tensor:
    """A weight as a number, where that neither cuts its gradient nor waits for a device; a weight for each sample on the device."""
    if isinstance(weight, Tensor) and (weight.ndim or weight.requires_grad or weight.device.type != "cpu"):
        return weight.to(device)
    return float(weight)


def _norm(level: Level) -> float | Tensor:
    if isinstance(level.alpha, Tensor):
        return torch.hypot(level.alpha, torch.as_tensor(level.sigma))
    return math.hypot(level.alpha, float(level.sigma))


def _first(level: float | Tensor, batch: int) -> float | Tensor:
    """The levels of the first of several equal batches."""
    return level[:batch] if isinstance(level, Tensor) else level


def _refuse_unlike(first: Denoiser, other: Denoiser) -> None:
    if first.shape != other.shape:
        raise ValueError(
            f"{first.name} has samples of shape {first.shape} and {other.name} of shape {other.shape}: their scores cannot be added."
        )
    mine, its = (getattr(model.codec, "space", None) for model in (first, other))
    if mine is not None and its is not None and mine != its:
        raise ValueError(
            f"{first.name} and {other.name} diffuse in different spaces (the latents of other autoencoders, or latents and pixels): "
            "their scores cannot be added."
        )
    here, there = first.device, other.device
    if (here.type, here.index or 0) != (there.type, there.index or 0):
        raise ValueError(
            f"{first.name} is on {first.device} and {other.name} is on {other.device}: load both on one device."
        )
