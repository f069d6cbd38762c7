"""The noise levels at which candidates are compared: nested grids over the whole range, and what each level weighs.

A level is a place u in [0, 1) of the range, read as t = lowest + (1 - lowest) u. The first n places of the sequence are evenly spread
for every n = first * 2^k, and each grid contains the ones before it, so that no evaluation is lost when a race goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorekit.schedule import Schedule


@dataclass(frozen=True)
class Profile:
    """What a level weighs, and how densely levels are laid, on equal bins of the range.

    weights  of the mean error of each bin in the sum that is compared
    density  share of the levels in each bin; sums to 1
    """

    weights: tuple[float, ...]
    density: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.weights or len(self.weights) != len(self.density):
            raise ValueError("weights and density of a profile must be two lists of one length.")
        if not all(math.isfinite(w) and w >= 0 for w in self.weights) or not sum(self.weights) > 0:
            raise ValueError("weights of a profile must be finite numbers from 0 on, not all 0.")
        if not all(math.isfinite(d) and d > 0 for d in self.density) or abs(sum(self.density) - 1) > 1e-6:
            raise ValueError("density of a profile must be positive numbers with the sum 1.")


EVEN = Profile((1.0,), (1.0,))


@dataclass(frozen=True)
class Levels:
    """t (n,) levels in the order in which they are drawn, float64; scale (n,) the factor of each error: the mean over levels of
    scale * error estimates the sum over bins of weight * mean error."""

    t: Tensor
    scale: Tensor

    def __len__(self) -> int:
        return len(self.t)


def levels(schedule: Schedule, count: int, first: int, profile: Profile = EVEN) -> Levels:
    """The first `count` levels of the nested grids that begin with `first`.

    Raises ValueError unless 1 <= first <= count.
    """
    if not 1 <= first <= count:
        raise ValueError(f"levels must be at least first, and first at least 1; got {count} and {first}.")
    place = places(count, first)
    density = torch.tensor(profile.density, dtype=torch.float64)
    weights = torch.tensor(profile.weights, dtype=torch.float64)
    edges = torch.cat([density.new_zeros(1), density.cumsum(0)])
    edges[-1] = 1.0
    bin_ = (torch.searchsorted(edges, place, right=True) - 1).clamp(0, len(density) - 1)
    u = (bin_ + (place - edges[bin_]) / density[bin_]) / len(density)
    # Levels of a table lie in [1 / N, 1]: nothing was learned below.
    lowest = 1 / getattr(schedule, "steps", 1000)
    return Levels(lowest + (1 - lowest) * u.clamp(0, 1), (weights / density)[bin_])


def places(count: int, first: int) -> Tensor:
    """Places in [0, 1): `first` evenly spread ones, then the middles of what they leave, and so on (van der Corput's order)."""
    doublings = max(0, math.ceil(math.log2(count / first)))
    # The first grid stands in the middles of its cells, but for the half of a finest cell that keeps later ones off the ends 0 and 1.
    shift = 0.5 - (0.5 / 2**doublings if doublings else 0.0)
    place = [(i + shift) / first for i in range(first)]
    for doubling in range(1, doublings + 1):
        n = first * 2 ** (doubling - 1)
        place += [(p + 0.5 / n) % 1.0 for p in place[:n]]
    return torch.tensor(place[:count], dtype=torch.float64)


def stages(count: int, first: int) -> Sequence[int]:
    """How many levels are in after each stage: first, 2 first, 4 first, ..., count."""
    ends = [first]
    while ends[-1] < count:
        ends.append(min(2 * ends[-1], count))
    return ends
