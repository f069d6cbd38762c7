"""Weighted sums of networks as a few numbers a level, for the loop of a sampler.

Whatever the networks predict, and on whatever schedules, a sum of their scores is linear in x and in what they say:

    x0 = keep x + sum_i take_i output_i

so a step of a sampler, which is linear in x and x0, is one pass over x and one over each output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorekit.denoiser import Condition, Denoiser
from scorekit.prediction import reading
from scorekit.schedule import Level
from scorekit.score import Score, Stop
from scorekit.terms import Given, Weight


class Fields:
    """The condition fields of one run of a loop, stacked for its batch when they are first asked for."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._stacked: dict[int, dict[str, Tensor]] = {}

    def of(self, leaves: tuple[Given, ...]) -> dict[str, Tensor]:
        """The fields under which a network answers for these terms, which an expression keeps as one tuple."""
        if id(leaves) not in self._stacked:
            self._stacked[id(leaves)] = Condition.stack([leaf.condition for leaf in leaves], self._batch)
        return self._stacked[id(leaves)]


@dataclass(frozen=True, slots=True)
class Call:
    """One forward of a network, for all its terms, at a level of its own schedule; x is rescaled for it where that is another."""

    denoiser: Denoiser
    leaves: tuple[Given, ...]
    level: Level
    scale: float | None


@dataclass(frozen=True, slots=True)
class Linear:
    """An expression at one stop: x0 = keep x + sum_i take[i] outputs[i]."""

    keep: float
    take: tuple[float, ...]
    calls: tuple[Call, ...]

    def outputs(self, x: Tensor, fields: Fields) -> list[Tensor]:
        """What the networks say at x (B, ...): one (B, ...) for each of `take`."""
        said: list[Tensor] = []
        for call in self.calls:
            count, given = len(call.leaves), x if call.scale is None else x * call.scale
            many = given if count == 1 else torch.cat([given] * count)
            output, _ = call.denoiser.output(many, call.level, fields.of(call.leaves))
            said += [output] if count == 1 else output.chunk(count)
        return said


def linear(score: Score, stops: Sequence[Stop]) -> list[Linear | None]:
    """The expression at stops as numbers; None where it is no plain weighted sum there (Perp-Neg, thresholds, energies, a weight for each
    sample), or where its networks say nothing of x0."""
    sums = {zeros: _sum_of(score, zeros) for zeros in {stop.zeros for stop in stops}}
    return [_numbers(sums[stop.zeros], stop) for stop in stops]


# Every network with its terms, and their weights.
_Sum = tuple[tuple[Denoiser, tuple[Given, ...], tuple[Weight, ...]], ...]


def _sum_of(score: Score, zeros: frozenset[int]) -> _Sum | None:
    sums, energies = score.active(zeros)
    if energies or not all(isinstance(term, Given) for _, term in sums):
        return None
    weights = {term.identity: weight for weight, term in sums}
    return tuple(
        (denoiser, leaves, tuple(weights[leaf.identity] for leaf in leaves)) for denoiser, leaves in score.plan(zeros)
    )


def _numbers(parts: _Sum | None, stop: Stop) -> Linear | None:
    keep, rest, take, calls = 0.0, 1.0, [], []
    try:
        for denoiser, leaves, weights in parts or ():
            level, scale = stop.own.get(id(denoiser), (stop.level, None))
            # Levels of `Score.along` are numbers; those of a call with t for each sample are not.
            if isinstance(level.alpha, Tensor) or isinstance(level.sigma, Tensor) or isinstance(scale, Tensor):
                return None
            of_x, of_output = reading(denoiser.prediction, level.alpha, level.sigma)
            for weight in weights:
                number = stop.weights[id(weight)] if callable(weight) else weight
                if isinstance(number, Tensor):
                    return None
                keep += number * of_x * (1.0 if scale is None else scale)
                rest -= number
                take.append(number * of_output)
            calls.append(Call(denoiser, leaves, level, scale))
        # Scores that weigh more or less than one in all: eps, not x0, is their weighted sum.
        keep += rest / float(stop.level.alpha) if abs(rest) > 1e-9 else 0.0
    except ZeroDivisionError:
        return None
    return Linear(keep, tuple(take), tuple(calls)) if calls else None
