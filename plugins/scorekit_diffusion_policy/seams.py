"""Seams between plans: how much further an action jumps where one plan takes over from another than inside a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Jumps:
    """Sums of |a_t - a_(t-1)|, each action as a share of its range, over the steps at which a plan begins and over all others."""

    at_seams: float = 0.0
    seams: int = 0
    inside: float = 0.0
    others: int = 0

    def __add__(self, other: Jumps) -> Jumps:
        return Jumps(
            self.at_seams + other.at_seams, self.seams + other.seams, self.inside + other.inside, self.others + other.others
        )  # fmt: skip

    @property
    def ratio(self) -> float | None:
        """Mean jump at seams over mean jump inside plans: 1 where no seam is to be seen. None where either is missing or zero."""
        if not self.seams or not self.others or self.inside == 0:
            return None
        return (self.at_seams / self.seams) / (self.inside / self.others)

    def record(self) -> dict[str, float | None]:
        """Plain numbers for JSON."""
        return {
            "jump_at_seams": self.at_seams / self.seams if self.seams else None,
            "jump_inside_plans": self.inside / self.others if self.others else None,
            "ratio": self.ratio,
        }


def jumps(actions: np.ndarray, plan_steps: Iterable[int], low: Sequence[float], high: Sequence[float]) -> Jumps:
    """The jumps of one episode.

    actions     (T, A) as executed;  plan_steps  the steps at which a plan began
    low, high   (A,) the bounds of an action; where one is infinite or both are equal, its range counts as 1
    """
    span = np.asarray(high, dtype=np.float64) - np.asarray(low, dtype=np.float64)
    span = np.where(np.isfinite(span) & (span > 0), span, 1.0)
    sizes = np.linalg.norm(np.diff(np.asarray(actions, dtype=np.float64), axis=0) / span, axis=1)
    seam = np.zeros(len(sizes), dtype=bool)
    seam[[step - 1 for step in plan_steps if 1 <= step <= len(sizes)]] = True
    return Jumps(float(sizes[seam].sum()), int(seam.sum()), float(sizes[~seam].sum()), int((~seam).sum()))
