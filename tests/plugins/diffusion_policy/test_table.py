"""The table of a run, its intervals and the measure of seams."""

from pathlib import Path

import numpy as np
import pytest

from scorekit_diffusion_policy.intervals import bootstrap
from scorekit_diffusion_policy.seams import Jumps, jumps
from scorekit_diffusion_policy.table import Row, summary, words, write_parquet

ROWS = [
    Row(5, True, 0.97, 90, 23, None, Jumps(0.4, 2, 0.5, 5)),
    Row(3, False, 0.4, 300, 75, None, Jumps(0.2, 1, 0.5, 5)),
    Row(9, False, 0.1, 12, 3, "The world broke off in step 12: no contact."),
]


def test_the_bootstrap_agrees_with_the_normal_interval_of_many_values() -> None:
    values = np.random.default_rng(3).normal(2.0, 0.5, 400)
    made = bootstrap(list(values))
    half = 1.96 * values.std(ddof=1) / 20
    assert made.value == pytest.approx(values.mean())
    assert made.low == pytest.approx(values.mean() - half, abs=0.01)
    assert made.high == pytest.approx(values.mean() + half, abs=0.01)
    assert made == bootstrap(list(values))


def test_the_bootstrap_covers_the_true_mean_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        made = bootstrap(list(draw.beta(8, 1, 60)), resamples=400)
        hits += made.low <= 8 / 9 <= made.high
    assert 0.88 <= hits / 200 <= 0.99


def test_the_bootstrap_of_one_value_and_of_none() -> None:
    made = bootstrap([0.25])
    assert (made.value, made.low, made.high, made.count) == (0.25, 0.25, 0.25, 1)
    for values in ([], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="one or more finite"):
            bootstrap(values)


def test_jumps_are_told_apart_by_where_plans_begin() -> None:
    actions = np.array([[0.0, 0], [1, 0], [2, 0], [6, 0], [7, 0], [8, 0]])
    found = jumps(actions, [0, 3], [0, 0], [10, 10])
    assert found == Jumps(pytest.approx(0.4), 1, pytest.approx(0.4), 4)  # type: ignore[arg-type]
    assert found.ratio == pytest.approx(4)
    assert jumps(np.array([[0.0], [1.0], [2.0]]), [0, 2], [-np.inf], [np.inf]).ratio == 1
    assert jumps(actions, [0, 1, 2, 3, 4, 5], [0, 0], [10, 10]).ratio is None  # every step begins a plan
    assert jumps(actions[:1], [0], [0, 0], [1, 1]) == Jumps()
    assert (found + found).ratio == pytest.approx(4)


def test_the_parquet_table_holds_every_episode(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_parquet(tmp_path / "a.parquet", ROWS)
    read = pq.read_table(tmp_path / "a.parquet")
    assert read.to_pylist() == [row.cells() for row in ROWS]
    assert str(read.schema.field("success").type) == "bool"
    assert read.column("error").to_pylist()[:2] == [None, None]


def test_the_summary_counts_a_broken_episode_as_no_success() -> None:
    made = summary(ROWS)
    assert made["success"]["hits"] == 1
    assert made["success"]["total"] == 3
    assert made["success"]["low"] == pytest.approx(0.0615, abs=1e-3)  # Wilson's interval of 1 in 3
    assert made["success"]["high"] == pytest.approx(0.7923, abs=1e-3)
    assert made["score"]["mean"] == pytest.approx(0.49)
    assert made["crashed"] == 1
    assert made["seams"]["ratio"] == pytest.approx(0.2 / 0.1)
    assert "1 broke off" in words(ROWS)
    assert "33.3 %" in words(ROWS)
    with pytest.raises(ValueError, match="one or more episodes"):
        summary([])


def test_a_row_survives_a_checkpoint() -> None:
    assert [Row.load(row.state()) for row in ROWS] == ROWS
