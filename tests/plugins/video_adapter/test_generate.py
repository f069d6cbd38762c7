"""Where sampling of a product begins, how its steps lie, and when they are enough."""

import math
from typing import Any

import pytest
import torch

from scorekit.analytic import GaussianMixture
from scorekit.schedule import VE, VP, Flow, Schedule
from scorekit_video_adapter.composition import Prior, compose
from scorekit_video_adapter.generate import Settings, first_level, generate, least_steps, noise_of

SHAPE = (1, 2, 2, 2)


def law(schedule: Schedule, std: float = 0.4) -> GaussianMixture:
    return GaussianMixture(torch.zeros(1, *SHAPE, dtype=torch.float32), std, schedule)


@pytest.mark.parametrize("schedule", [VP.cosine().zero_terminal_snr(), VP.cosine(), Flow(), VP.linear()])
def test_a_product_begins_where_x_holds_some_data(schedule: Schedule) -> None:
    t = first_level(schedule)
    assert 0.7 < t <= 1
    assert noise_of(schedule, t) <= 20 * (1 + 1e-6)
    assert t == 1 or noise_of(schedule, t) == pytest.approx(20, rel=1e-3)


def test_schedules_that_end_with_data_begin_at_their_end() -> None:
    assert first_level(VP.scaled_linear()) == 1.0
    assert noise_of(VE(80.0), first_level(VE(80.0))) == pytest.approx(20, rel=1e-3)


@pytest.mark.parametrize("weight", [2.5, 4.0, 7.0])
def test_the_steps_that_are_asked_for_are_those_that_shrink_the_noise(weight: float) -> None:
    """For a point at 0 all is known: x is noise, and a step of ratio r multiplies it by 1 - weight (1 - r^2), plus what is drawn."""
    schedule = VP.cosine().zero_terminal_snr()
    prior = Prior(law(schedule, 1e-3), weight - 1)
    score = compose(law(schedule, 1e-3), None, [prior])

    def left(steps: int) -> float:
        settings = Settings(steps=steps, clip=False)
        return float(generate(score, 200, settings, generator=torch.Generator().manual_seed(0)).std())

    enough = least_steps(weight, schedule)
    assert left(enough) < 0.02 < left(enough // 2)
    assert 1 == least_steps(1.0, schedule) < least_steps(2.0, schedule) < enough


def test_more_steps_of_a_product_bring_no_noise_back() -> None:
    """The paper's form at the strengths of the application, on Gaussians: narrower than each factor, and no wider than a little noise."""
    schedule = VP.cosine().zero_terminal_snr()
    score = compose(law(schedule), None, [Prior(law(schedule), 0.5)], alpha=2.0)
    settings: dict[str, Any] = {"generator": torch.Generator().manual_seed(0)}
    x = generate(score, 500, Settings(steps=24, clip=False), **settings)
    product = 0.4 / math.sqrt(1.5)  # of alpha 2 on equal small and null: one small, and gamma alpha priors make two
    assert 0.5 * product / math.sqrt(4 / 3) < x.std() < product


def test_pixels_are_kept_in_their_range_and_latents_are_not() -> None:
    class Codec:
        def __init__(self, space: str) -> None:
            self.space = space

        def encode(self, data: torch.Tensor) -> torch.Tensor:
            return data

        decode = encode

    for space, bounded in (("pixels", True), ("latents", False)):
        wide = law(VP.cosine(), 3.0)
        wide.codec = Codec(space)
        x = generate(
            wide.given(None), 50, Settings(steps=20, product=False), generator=torch.Generator().manual_seed(0)
        )
        assert bool(x.abs().max() <= 1 + 1e-5) is bounded
    assert generate(wide.given(None), 2, Settings(steps=3, product=False, clip=False)).shape == (2, *SHAPE)
