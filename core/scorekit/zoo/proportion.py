"""A share of successes with its confidence interval, for every accuracy and success rate that is reported."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959963984540054  # the normal quantile at 97.5 %


@dataclass(frozen=True)
class Proportion:
    """`hits` of `total` trials. Raises ValueError unless 0 <= hits <= total."""

    hits: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.total:
            raise ValueError(f"hits must lie in [0, total]; got {self.hits} of {self.total}")

    def __add__(self, other: Proportion) -> Proportion:
        return Proportion(self.hits + other.hits, self.total + other.total)

    @property
    def rate(self) -> float:
        """hits / total; NaN for no trials."""
        return self.hits / self.total if self.total else math.nan

    def interval(self, z: float = Z95) -> tuple[float, float]:
        """Score interval (Wilson 1927, eq. for p): keeps its coverage near 0 and 1, where the normal one collapses."""
        if self.total == 0:
            return 0.0, 1.0
        p, n = self.rate, self.total
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{100 * self.rate:.1f} % ({self.hits}/{self.total}; 95 % interval {100 * low:.1f} to {100 * high:.1f})"

    def record(self) -> dict[str, float | int]:
        """Plain numbers for JSON."""
        low, high = self.interval()
        return {"rate": round(self.rate, 6), "hits": self.hits, "total": self.total, "low": low, "high": high}
