"""Levels and weights of distillation."""

import math

import pytest
import torch

from scorekit.distillation import Timesteps, constant, min_snr, sigma_alpha, sigma_squared, sjc, toward_x0
from scorekit.schedule import VE, VP, Flow

F64 = torch.float64


def test_uniform_levels_are_uniform() -> None:
    t = Timesteps(0.1, 0.9).draw(1.0, 40_000, torch.Generator().manual_seed(0))
    assert t.shape == (40_000,)
    assert t.min() >= 0.1
    assert t.max() <= 0.9
    counts = torch.histc(t, 8, 0.1, 0.9)
    assert (counts - 5000).abs().max() < 4.5 * math.sqrt(5000 * 7 / 8)


@pytest.mark.parametrize(
    ("fall", "at"),
    [
        ("none", {0.0: 0.98, 0.25: 0.98, 1.0: 0.98}),
        ("linear", {0.0: 0.98, 0.25: 0.86, 0.5: 0.74, 1.0: 0.5}),
        ("sqrt", {0.0: 0.98, 0.25: 0.74, 1.0: 0.5}),
        ("step", {0.0: 0.98, 0.499: 0.98, 0.5: 0.5, 1.0: 0.5}),
    ],
)
def test_top_falls(fall, at) -> None:
    levels = Timesteps(0.02, 0.98, 0.5, fall)
    generator = torch.Generator().manual_seed(0)
    for progress, top in at.items():
        assert levels.top(progress) == pytest.approx(top)
        t = levels.draw(progress, 2000, generator)
        assert 0.02 <= t.min() < 0.03
        assert top - 0.01 < t.max() <= top + 1e-6


def test_hifa_is_its_formula() -> None:
    levels = Timesteps(0.02, 0.98, 0.02, "sqrt", random=False)
    for progress in (0.0, 0.1, 0.5, 1.0):
        expected = torch.full((3,), 0.98 - (0.98 - 0.02) * math.sqrt(progress))
        torch.testing.assert_close(levels.draw(progress, 3), expected)


def test_same_generator_same_levels() -> None:
    one, two, other = (Timesteps().draw(0.0, 4, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"fall": "cosine"}, r"^fall must be one of none, linear, sqrt, step, not 'cosine'\.$"),
        ({"t_min": 0.0}, r"^t_min must lie in \(0, 1\], not 0\.0\.$"),
        ({"t_max": 1.2}, r"^t_max must lie in \[t_min, 1\] = \[0\.02, 1\], not 1\.2\.$"),
        ({"t_max_end": 0.01, "fall": "linear"}, r"^t_max_end must lie in \[t_min, 1\] = \[0\.02, 1\], not 0\.01\.$"),
        ({"step_at": 2.0}, r"^step_at must lie in \[0, 1\], not 2\.0\.$"),
    ],
)
def test_bad_settings(options, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        Timesteps(**options)


def test_an_end_that_is_not_used_is_not_refused() -> None:
    assert Timesteps(0.6, 0.98).top(1.0) == 0.98


def test_bad_progress() -> None:
    with pytest.raises(ValueError, match=r"^progress must lie in \[0, 1\], not 1\.5\.$"):
        Timesteps().draw(1.5, 2)


@pytest.mark.parametrize("schedule", [VP.scaled_linear(), VE(80.0), Flow()], ids=repr)
def test_weights_are_their_formulas(schedule) -> None:
    t = torch.tensor([0.01, 0.2, 0.5, 0.9], dtype=F64)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    snr = (alpha / sigma).square()
    for weight, expected in (
        (sigma_squared, sigma**2),
        (constant, torch.ones(4, dtype=F64)),
        (sigma_alpha, sigma * alpha),
        (sjc, alpha / sigma),
        (toward_x0, sigma / alpha),
        (min_snr(5.0), snr.clamp(max=5.0) * sigma / alpha),
        (min_snr(0.5), snr.clamp(max=0.5) * sigma / alpha),
    ):
        torch.testing.assert_close(weight(schedule, t), expected)
        torch.testing.assert_close(weight(schedule, t[1]), expected[1])


def test_weights_at_the_noisy_end_are_finite() -> None:
    schedule, t = VP.scaled_linear().zero_terminal_snr(), torch.ones((), dtype=F64)
    for weight in (sigma_squared, constant, sigma_alpha, sjc, toward_x0, min_snr()):
        assert torch.isfinite(weight(schedule, t))


def test_bad_gamma() -> None:
    with pytest.raises(ValueError, match=r"^gamma must be positive, not 0\.$"):
        min_snr(0)
