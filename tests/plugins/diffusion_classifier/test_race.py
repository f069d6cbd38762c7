"""The race on tables whose truth is known: who wins, what it costs, how often it errs, and its budgets."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from scorekit_diffusion_classifier.levels import Levels
from scorekit_diffusion_classifier.race import Rules, paired, quantile, race

F64 = torch.float64


class Table:
    """`Errors` from a table (B, K, T), counted; says whether any level is asked for twice."""

    def __init__(self, table: Tensor) -> None:
        self.table, self.asked = table, torch.zeros(table.shape, dtype=torch.long)

    def __call__(self, image: Tensor, candidate: Tensor, first: int, last: int) -> Tensor:
        self.asked[image, candidate, first:last] += 1
        return self.table[image, candidate, first:last]


def grid_of(count: int) -> Levels:
    return Levels(torch.linspace(0.01, 0.99, count, dtype=F64), torch.ones(count, dtype=F64))


def tables(generator: torch.Generator, images: int, means: Any, own: float, shared: float, count: int = 64) -> Tensor:
    """means + noise that all candidates share + noise of their own."""
    mean = torch.as_tensor(means, dtype=F64)
    common = shared * torch.randn(images, 1, count, generator=generator, dtype=F64)
    return mean[:, None] + common + own * torch.randn(images, len(mean), count, generator=generator, dtype=F64)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def test_clear_races_end_after_the_first_stage_and_shared_noise_does_not_matter(generator: torch.Generator) -> None:
    table = Table(tables(generator, 20, [3.0, 1.0, 2.0], own=0.01, shared=10.0))
    outcomes = race(table, 20, 3, grid_of(64), Rules())
    assert [outcome.winner for outcome in outcomes] == [1] * 20
    assert all(outcome.decided and outcome.evaluations == 12 for outcome in outcomes)
    assert (table.asked.sum((1, 2)) == 12).all()


def test_nobody_is_asked_twice_and_every_evaluation_is_reported(generator: torch.Generator) -> None:
    table = Table(tables(generator, 30, [0.0, 0.1, 0.3, 1.0], own=0.5, shared=1.0))
    outcomes = race(table, 30, 4, grid_of(64), Rules())
    assert table.asked.max() == 1
    assert table.asked.sum((1, 2)).tolist() == [outcome.evaluations for outcome in outcomes]
    for i, outcome in enumerate(outcomes):
        assert outcome.levels.tolist() == table.asked[i].sum(1).tolist()
        assert outcome.levels[outcome.winner] == outcome.levels.max()
        assert outcome.deficit[outcome.winner] == 0
        assert (outcome.deficit >= 0).all()
        assert [stage.levels for stage in outcome.stages] == [4, 8, 16, 32, 64][: len(outcome.stages)]


def test_without_pruning_the_winner_is_the_least_mean_of_all(generator: torch.Generator) -> None:
    table = tables(generator, 40, [0.0, 0.02, 0.05], own=0.5, shared=1.0)
    outcomes = race(Table(table), 40, 3, grid_of(64), Rules(confidence=1))
    assert [outcome.winner for outcome in outcomes] == table.mean(2).argmin(1).tolist()
    assert {outcome.evaluations for outcome in outcomes} == {3 * 64}
    for row, outcome in zip(table, outcomes, strict=True):
        torch.testing.assert_close(outcome.deficit, row.mean(1) - row.mean(1).min())


def test_the_best_is_rarely_pruned_and_evaluations_are_saved(generator: torch.Generator) -> None:
    images = 400
    table = tables(generator, images, [0.0] + [0.3] * 9, own=0.4, shared=3.0)
    outcomes = race(Table(table), images, 10, grid_of(64), Rules(confidence=0.95))
    wrong = sum(outcome.winner != 0 for outcome in outcomes)
    assert wrong / images < 0.05
    assert sum(outcome.evaluations for outcome in outcomes) / images < 0.4 * 640


def test_the_interval_of_one_comparison_covers_as_often_as_it_says(generator: torch.Generator) -> None:
    for n in (4, 8, 32):
        draws = torch.randn(20_000, n, generator=generator, dtype=F64)
        mean, error = paired(draws, torch.linspace(0, 1, n))
        beyond = (mean > quantile(0.95, max(1, 2 * (n - 1) // 3)) * error).double().mean()
        assert beyond < 0.06


def test_a_trend_along_t_is_no_noise() -> None:
    t = torch.rand(64, generator=torch.Generator().manual_seed(0), dtype=F64)
    mean, error = paired(3 * t[None] + 1, t)
    assert mean.item() == pytest.approx(3 * t.mean().item() + 1)
    assert error.item() < 0.1 * (3 * t).std().item() / math.sqrt(64)


@pytest.mark.parametrize(
    ("confidence", "freedom", "truth"),
    [
        (0.95, 1, 6.3138),
        (0.99, 2, 6.9646),
        (0.98, 3, 3.4819),
        (0.95, 7, 1.8946),
        (0.99, 15, 2.6025),
        (0.98, 63, 2.0971),
    ],
)
def test_quantiles_are_those_of_student(confidence: float, freedom: int, truth: float) -> None:
    assert quantile(confidence, freedom) == pytest.approx(truth, rel=0.01)
    assert quantile(1.0, freedom) == math.inf


@pytest.mark.parametrize("budget", [8, 9, 17, 30, 61, 100])
def test_a_budget_of_evaluations_is_kept_and_used(generator: torch.Generator, budget: int) -> None:
    table = Table(tables(generator, 25, [0.0, 0.0, 0.0, 0.0], own=1.0, shared=1.0))
    outcomes = race(table, 25, 4, grid_of(64), Rules(evaluations=budget))
    for outcome in outcomes:
        assert outcome.evaluations <= budget
        # what is left does not pay another level of those still in
        alive = int((outcome.levels == outcome.levels.max()).sum())
        assert outcome.decided or outcome.evaluations > budget - alive
    with pytest.raises(ValueError, match="evaluations must be at least 8, two for each of the 4 classes; got 7"):
        race(table, 25, 4, grid_of(64), Rules(evaluations=7))


def test_a_budget_of_seconds_ends_the_race_between_stages(generator: torch.Generator) -> None:
    ticks = iter(range(100))
    table = Table(tables(generator, 3, [0.0, 0.0], own=1.0, shared=1.0))
    outcomes = race(table, 3, 2, grid_of(64), Rules(seconds=0.5, confidence=1), clock=lambda: float(next(ticks)))
    # three pictures may take 1.5 s; the clock says 1 after the first stage and 2 after the second
    assert {outcome.evaluations for outcome in outcomes} == {2 * 8}
    assert not any(outcome.decided for outcome in outcomes)


def test_levels_count_by_their_scale() -> None:
    table = torch.tensor([[[1.0, 0.0, 1.0, 0.0], [0.0, 0.9, 0.0, 0.9]]], dtype=F64)
    plain = grid_of(4)
    weighed = Levels(plain.t, torch.tensor([0.5, 1.5, 0.5, 1.5], dtype=F64))
    rules = Rules(levels=4, confidence=1)
    assert race(Table(table), 1, 2, plain, rules)[0].winner == 1
    assert race(Table(table), 1, 2, weighed, rules)[0].winner == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": 1}, "first must lie between 2 and levels; got 1 and 64"),
        ({"first": 65}, "first must lie between 2 and levels; got 65 and 64"),
        ({"confidence": 0.5}, "confidence must be above 0.5 and at most 1, not 0.5"),
        ({"evaluations": 0}, "evaluations must be above 0, not 0"),
        ({"seconds": -1.0}, "seconds must be above 0, not -1.0"),
    ],
)
def test_rules_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rules(**change)
