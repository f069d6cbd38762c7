"""The evaluation counts what it should: true renders score high, mislabelled ones score zero."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scorekit.zoo.captions import HELD_OUT
from scorekit.zoo.evaluate import PAIRS, Sampling, grid, summary, table, tally, verdicts
from scorekit.zoo.judge import Judge
from scorekit.zoo.objects import COLORS, KINDS, sample_object
from scorekit.zoo.render import look, render


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    """A true render of every pair, in the order of PAIRS."""
    generator, names = torch.Generator().manual_seed(77), list(COLORS)
    return torch.cat([render(sample_object(kind, names, generator, 10), look(-30.0, n=10), 40).rgb for kind in KINDS])


def test_pairs_cover_all_and_captions_are_grouped(truth: torch.Tensor) -> None:
    judge = Judge.load()
    groups = summary(verdicts(judge, truth, PAIRS), PAIRS)
    trained, held = groups["pairs"]["trained"], groups["pairs"]["held out"]
    assert (trained["both"].total, held["both"].total) == (144, 16)
    assert trained["both"].rate > 0.95
    assert held["both"].rate > 0.9
    assert all(scores["kind"].total == 10 for scores in groups["kinds"].values())
    assert all(scores["color"].total == 16 for scores in groups["colors"].values())
    assert "held out pairs" in table(groups)


def test_one_wrong_word_is_charged_to_that_word_alone(truth: torch.Tensor) -> None:
    judge, names = Judge.load(), list(COLORS)
    repainted = [(names[(names.index(color) + 1) % 10], kind) for color, kind in PAIRS]
    scores = tally(verdicts(judge, truth, repainted))
    assert scores["kind"].rate > 0.95
    assert scores["color"].rate < 0.05
    assert scores["both"].hits <= min(scores["kind"].hits, scores["color"].hits)


def test_grid_is_kinds_by_colours(truth: torch.Tensor) -> None:
    table_of = grid(torch.cat([truth, truth]))
    assert table_of.shape == (16, 10, 3, 40, 40)
    assert torch.equal(table_of[3, 7], truth[37])
    assert PAIRS[37] == (list(COLORS)[7], KINDS[3])
    assert set(PAIRS) >= HELD_OUT


def test_bad_numbers_are_named() -> None:
    with pytest.raises(ValueError, match="count must be at least 1; got 0"):
        Sampling(count=0)
    with pytest.raises(ValueError, match="2 pictures, 1 pairs"):
        verdicts(Judge.load(), torch.ones(2, 3, 8, 8), PAIRS[:1])


def test_command_refuses_an_unknown_model_and_writes_nothing(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "scorekit.zoo.evaluate",
        "--model",
        str(tmp_path / "none"),
        "--out",
        str(tmp_path / "o"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_command_on_the_embedded_model(tmp_path: Path) -> None:
    options = ["--count", "1", "--steps", "10", "--out", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "scorekit.zoo.evaluate", *options], check=True)
    record = json.loads((tmp_path / "evaluation.json").read_text())
    assert record["pairs"]["trained"]["both"]["total"] == 144
    assert record["pairs"]["trained"]["both"]["rate"] > 0.5
    assert (tmp_path / "grid.png").stat().st_size > 10_000
