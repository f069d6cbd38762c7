"""Wilson intervals against published values and their own coverage."""

import math

import numpy as np
import pytest

from scorekit.zoo.proportion import Proportion


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_published_intervals(hits: int, total: int, low: float, high: float) -> None:
    assert Proportion(hits, total).interval() == pytest.approx((low, high), abs=6e-5)


def test_interval_is_symmetric_and_covers() -> None:
    low, high = Proportion(3, 40).interval()
    assert Proportion(37, 40).interval() == pytest.approx((1 - high, 1 - low))
    draws = np.random.default_rng(0).binomial(60, 0.93, 4000)
    inside = [low <= 0.93 <= high for low, high in (Proportion(int(k), 60).interval() for k in draws)]
    assert 0.92 < sum(inside) / 4000 < 0.985


def test_sums_text_and_record() -> None:
    total = Proportion(3, 4) + Proportion(1, 4)
    assert total == Proportion(4, 8)
    assert str(total).startswith("50.0 % (4/8; 95 % interval 21.5 to 78.5")
    assert total.record()["hits"] == 4
    assert math.isnan(Proportion(0, 0).rate)
    assert Proportion(0, 0).interval() == (0.0, 1.0)


@pytest.mark.parametrize(("hits", "total"), [(3, 2), (-1, 5)])
def test_impossible_counts_are_refused(hits: int, total: int) -> None:
    with pytest.raises(ValueError, match="hits"):
        Proportion(hits, total)
