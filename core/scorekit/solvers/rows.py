"""A sampler as a plan: everything that a linear multistep solver does, as a few numbers a row.

    x <- a x + b x0 + c x0_before + e x0_before2 + d noise

where x0 is the score's estimate at the row's level, x0_before that of the evaluation before it and x0_before2 the one before that. The
numbers are functions of the schedule and the levels alone, made before the first step: no scheduler object, no state, no
synchronisation with the device in the loop. In terms of x0 every row is finite at both ends of a schedule.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

from scorekit.schedule import Schedule


class Row(NamedTuple):
    """One row as Python numbers: multiplying by them never waits for a device."""

    a: float
    b: float
    c: float
    e: float
    d: float
    upper: float
    settled: bool

    @property
    def evaluates(self) -> bool:
        """Whether it asks the score anything: churn, and going back up, do not."""
        return self.b != 0 or self.c != 0 or self.e != 0


@dataclass(frozen=True)
class Plan:
    """n rows; all fields are (n,) on the CPU, float64 but for the last.

    t        the level at which the score is evaluated
    after    the level at which x stands when the row is done
    a ... d  see above
    upper    the standard deviation of the noise where a network's learned variance is at the upper end of its range; `d` is the lower
             end (Nichol and Dhariwal 2021, eq. 15). Equal to d for samplers that do not ask
    settled  whether x is a sample of its level when the row is done, not half of a step: correctors and masks act there
    """

    t: Tensor
    after: Tensor
    a: Tensor
    b: Tensor
    c: Tensor
    e: Tensor
    d: Tensor
    upper: Tensor
    settled: Tensor

    @staticmethod
    def of(
        t: Tensor,
        after: Tensor,
        a: Tensor,
        b: Tensor | None = None,
        *,
        c: Tensor | None = None,
        e: Tensor | None = None,
        d: Tensor | None = None,
        upper: Tensor | None = None,
        settled: bool = True,
    ) -> Plan:
        """A plan from the columns that it needs; the others are zero."""
        zero = torch.zeros_like(a)
        b, c, e, d = (zero if column is None else column for column in (b, c, e, d))
        flags = torch.full_like(a, settled, dtype=torch.bool)
        return Plan(t, after, a, b, c, e, d, d if upper is None else upper, flags)

    def __len__(self) -> int:
        return len(self.t)

    @property
    def remembers(self) -> bool:
        """Whether steps use estimates of earlier steps: a step ends with the row after which x is settled."""
        begins = torch.cat([self.settled.new_ones(1), self.settled[:-1]])
        return bool((((self.c != 0) | (self.e != 0)) & begins).any())

    def table(self) -> list[Row]:
        columns = (self.a, self.b, self.c, self.e, self.d, self.upper, self.settled)
        return [Row(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def at(self, index: Tensor) -> Plan:
        """The rows of these indices, or of a mask."""
        return Plan(*(getattr(self, column.name)[index] for column in fields(self)))


def weave(*parts: tuple[Plan, Tensor]) -> Plan:
    """Plans of equal length, each with a mask (n,) of the rows to keep, row by row: the first row of each, the second of each ..."""
    keep = torch.stack([mask for _, mask in parts], 1).flatten()
    columns = (torch.stack([getattr(part, column.name) for part, _ in parts], 1).flatten() for column in fields(Plan))
    return Plan(*(column[keep] for column in columns))


def between(schedule: Schedule, t: Tensor, after: Tensor, eta: float = 0.0) -> Plan:
    """DDIM (Song et al. 2021, eq. 12) from each level t (n,) to the lower `after` (n,): keep the direction of the noise, renew a part.

    eta  0 renews nothing, 1 has the variance of DDPM's posterior
    """
    alpha, sigma, alpha_next, sigma_next = (*_at(schedule, t), *_at(schedule, after))
    ratio = (alpha * sigma_next) / (alpha_next * sigma)
    d = eta * sigma_next * (1 - ratio.square()).clamp(min=0).sqrt()  # eta times the posterior's standard deviation
    a = (sigma_next.square() - d.square()).clamp(min=0).sqrt() / sigma
    return Plan.of(t, after, a, alpha_next - a * alpha, d=d)


def _at(schedule: Schedule, t: Tensor) -> tuple[Tensor, Tensor]:
    return schedule.alpha(t), schedule.sigma(t)
