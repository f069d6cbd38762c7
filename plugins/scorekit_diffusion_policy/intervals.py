"""Intervals of means by the bootstrap; those of success rates are Wilson's, in `scorekit.zoo.proportion`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mean:
    """A mean of `count` values with its 95 % interval."""

    value: float
    low: float
    high: float
    count: int

    def record(self) -> dict[str, float | int]:
        """Plain numbers for JSON."""
        return {"mean": self.value, "low": self.low, "high": self.high, "count": self.count}

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def bootstrap(values: Sequence[float], resamples: int = 10_000) -> Mean:
    """The mean of values with the 2.5 and 97.5 % quantiles of the means of resamples (percentile bootstrap, Efron 1979).

    The resampling is seeded: equal values give equal intervals. Of a single value nothing is known: its interval is itself.
    Raises ValueError for no values and for values that are not finite.
    """
    data = np.asarray(values, dtype=np.float64)
    if not data.size or not np.isfinite(data).all():
        raise ValueError("values must be one or more finite numbers.")
    draw = np.random.default_rng(0)
    # In parts, so that ten thousand resamples of thousands of values fit into memory.
    means = np.concatenate(
        [data[draw.integers(0, data.size, (part, data.size))].mean(1) for part in _parts(resamples, data.size)]
    )
    low, high = np.quantile(means, (0.025, 0.975))
    return Mean(float(data.mean()), float(low), float(high), int(data.size))


def _parts(resamples: int, size: int) -> list[int]:
    most = max(1, 2_000_000 // size)
    return [min(most, resamples - done) for done in range(0, resamples, most)]
